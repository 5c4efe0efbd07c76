"""The notebooks open in VS Code and Notebook 7 as in JupyterLab: nothing is one editor's own."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lab  # noqa: E402
import notebook_files  # noqa: E402

# What nbformat itself describes, and all editors show.
MIME_TYPES = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png"}
CELL_METADATA = {"tags", "execution"}
METADATA = {*notebook_files.KERNEL, "course"}  # without `widgets`: their state is one front end's


def oddities(notebook: NotebookNode) -> Iterator[str]:
    """Say what in a notebook another editor may not understand."""
    try:
        nbformat.validate(notebook, relax_add_props=False)
    except nbformat.ValidationError as error:
        yield f"not valid: {error.message}"
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"format {notebook.nbformat}.{notebook.nbformat_minor}"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3"
    for key in sorted(set(notebook.metadata) - METADATA):
        yield f"metadata {key}"
    for number, cell in enumerate(notebook.cells, 1):
        for key in sorted(set(cell.metadata) - CELL_METADATA):
            yield f"cell {number}: metadata {key}"
        shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        for kind in sorted(shown - MIME_TYPES):
            yield f"cell {number}: output {kind}"
        if cell.cell_type == "code":
            try:
                ast.parse(without_pip(cell))
            except SyntaxError as error:
                yield f"cell {number}: not Python: {(error.text or '').strip()}"


def without_pip(cell: NotebookNode) -> str:
    """A cell's code; on Colab alone, its lines may call IPython's own %pip, which is everywhere."""
    if "colab" not in cell.metadata.get("tags", []):
        return cell.source
    return cell.source.replace("%pip install ", "pass  # ")


@pytest.mark.parametrize("folder", ["notebooks", "exercises"])
def test_nothing_is_one_editors_own(folder):
    found = {
        path.name: odd
        for path in sorted((ROOT / folder).glob("*/*.ipynb"))
        if (odd := list(oddities(nbformat.read(path, as_version=4))))
    }
    assert not found


@pytest.mark.slow
def test_the_start_page_is_for_all_editors(tmp_path):
    shutil.copy(lab.START, tmp_path)
    assert list(oddities(nbformat.read(lab.page(tmp_path / lab.START.name), as_version=4))) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%matplotlib inline", "cell 1: not Python: %matplotlib inline"),
        ("files = !ls", "cell 1: not Python: files = !ls"),
        ("print?", "cell 1: not Python: print?"),
        ("%pip install faker", "cell 1: not Python: %pip install faker"),
        ("if True:\n    x = 1", None),
    ],
)
def test_magic_is_found(code, said):
    notebook = new_notebook(cells=[new_code_cell(code)], metadata=notebook_files.KERNEL)
    assert list(oddities(notebook)) == ([said] if said else [])


def test_pip_is_for_colab():
    colab = new_code_cell("if lacking:\n    %pip install faker", metadata={"tags": ["colab"]})
    notebook = new_notebook(cells=[colab], metadata=notebook_files.KERNEL)
    assert list(oddities(notebook)) == []
    colab.source = "if lacking:\n    !pip install faker"
    assert list(oddities(notebook)) == ["cell 1: not Python: !pip install faker"]


def test_other_oddities_are_found():
    slider = new_output("display_data", data={notebook_files.WIDGET: {}})
    cell = new_code_cell("1", outputs=[slider], metadata={"collapsed": True, "vscode": {}})
    notebook = new_notebook(cells=[cell], metadata={"widgets": {}})
    notebook.nbformat_minor = 4
    assert list(oddities(notebook)) == [
        "not valid: Additional properties are not allowed ('id' was unexpected)",
        "format 4.4",
        "its kernel is not python3",
        "metadata widgets",
        "cell 1: metadata collapsed",
        "cell 1: metadata vscode",
        f"cell 1: output {notebook_files.WIDGET}",
    ]
