"""Execute notebooks, keep their outputs, and write them so that their bytes are reproducible.

Knows nothing of lessons or tracks: any program that makes notebooks can use it. While a notebook
is built, each cell's ``metadata["line"]`` is its line in the source; it is not written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

MAX_BYTES = 1_000_000  # of a notebook
CELL_SECONDS = 600
WIDGET = "application/vnd.jupyter.widget-view+json"
# What TensorFlow tells about the machine when it starts; no setting silences all of it.
NATIVE_LOG = re.compile(
    r"^(WARNING: All log messages before absl::|I\d{4} \d\d:|To enable the following instr).*\n?",
    re.MULTILINE,
)
# The same on every machine, so that a notebook's bytes do not tell where it was built.
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

# An execution is of the whole notebook: no interrupt is held back, no checkpoint gone on from.
WHOLE = {"COURSE_RAISE_INTERRUPT": "1", "COURSE_CHECKPOINTS": ""}

# Tags of the cells that the build puts around the author's: the installation on Colab, and the line
# for the instructor. They are the same in every notebook, and no result of it.
FRAME = {"colab", "feedback"}

Problem = tuple[int, str]  # line in the source, and what to do about what is wrong there


def find(root: Path, names: Iterable[str]) -> list[Path]:
    """Find notebooks by how their names begin: "01", "01_gan", "01_gan_keras"; all for no name."""
    found = {name: sorted(root.glob(f"notebooks/*/{name}*.ipynb")) for name in names or [""]}
    if missing := [name for name, paths in found.items() if not paths]:
        raise SystemExit(f"No notebook's name begins like this: {', '.join(missing)}")
    return sorted({path for paths in found.values() for path in paths})


def digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def set_ids(notebook: NotebookNode) -> None:
    """Derive each cell's id from its content, and from its turn among cells of equal content."""
    seen: Counter[tuple[str, str]] = Counter()
    for cell in notebook.cells:
        seen[content := (cell.cell_type, cell.source)] += 1
        cell.id = digest([*content, seen[content]])[:12]


def is_own(cell: dict) -> bool:
    """Tell whether a cell is the author's, and none that the build puts around the author's."""
    return FRAME.isdisjoint(cell["metadata"].get("tags", []))


def own_codes(notebook: dict) -> list:
    """Select the author's code cells: those that have outputs, of which the last has measures."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and is_own(cell)]


def read_own_codes(path: Path) -> list[str]:
    """Read the author's code cells from a notebook's file."""
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in own_codes(notebook)]


def hashes(notebook: NotebookNode) -> dict[str, str]:
    cells = own_codes(notebook)
    return {
        "code_hash": digest([cell.source for cell in cells]),
        "outputs_hash": digest([cell.outputs for cell in cells]),
    }


def adopt_outputs(notebook: NotebookNode, old: NotebookNode | None) -> bool:
    """Take all outputs from `old`, if this very code gave them and nobody edited them since."""
    if old is None or old.metadata.get("course") != hashes(old):
        return False
    if hashes(old)["code_hash"] != hashes(notebook)["code_hash"]:
        return False
    for cell, before in zip(own_codes(notebook), own_codes(old), strict=True):
        cell.outputs = before.outputs
    return True


def execute(notebook: NotebookNode, folder: Path) -> list[Problem]:
    """Execute all cells in a fresh kernel that works in `folder`; return why it failed, if so."""
    running: list[NotebookNode] = []
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: running.append(cell),
    )
    try:
        client.execute(env={**os.environ, **WHOLE})
    except CellExecutionError as error:
        reason = re.sub(r"\x1b\[[\d;]*m", "", error.traceback).strip()
    except CellTimeoutError:
        reason = f"The cell ran for more than {CELL_SECONDS} seconds."
    except DeadKernelError:
        reason = "The kernel died; too little memory is the usual cause."
    else:
        return []
    line = running[-1].metadata.get("line", 1) if running else 1
    return [(line, f"execution failed; the old notebook is kept.\n{reason}")]


def finish(notebook: NotebookNode) -> NotebookNode:
    """Make outputs static, and let the notebook's bytes depend on nothing but its content."""
    CoalesceStreamsPreprocessor().preprocess(notebook, {})
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(codes, 1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)
        kept = cell.outputs if is_own(cell) else []
        cell.outputs = [output for output in kept if not is_bare_widget(output)]
        for output in cell.outputs:
            output.pop("transient", None)
            output.get("data", {}).pop(WIDGET, None)
            if output.output_type == "execute_result":
                output.execution_count = number
            elif output.output_type == "stream":
                output.text = output.text.replace("\r", "")
                if output.name == "stderr":
                    output.text = NATIVE_LOG.sub("", output.text)
        cell.outputs = [output for output in cell.outputs if output.get("text") != ""]
    # Again: what stood on both sides of a dropped line is one stream now.
    CoalesceStreamsPreprocessor().preprocess(notebook, {})
    # Through text and back: what is hashed is then exactly what the next build reads.
    notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
    notebook.metadata = {**KERNEL, "course": hashes(notebook)}
    return notebook


def is_bare_widget(output: NotebookNode) -> bool:
    """Tell whether an output shows nothing without its widget, or only ``IntSlider(value=0)``."""
    data = output.get("data", {})
    static = set(data) - {WIDGET, "text/plain"}
    return (
        WIDGET in data
        and not static
        and bool(re.match(r"[A-Z]\w*\(|$", data.get("text/plain", "")))
    )


def output_problems(notebook: NotebookNode, root: Path) -> Iterator[Problem]:
    """Find what readers should not see: errors, warnings, paths of this machine, great size."""
    private = {str(path) for path in (root, root.resolve(), Path.home()) if path != path.parent}
    leak = re.compile("|".join(rf"{re.escape(path)}(?![\w-])" for path in sorted(private)))
    sizes = []
    for cell in notebook.cells:
        line = cell.metadata.get("line", 1)
        for output in cell.get("outputs", []):
            sizes.append((len(json.dumps(output)), line))
            data = output.get("data", {})
            texts = [str(data[kind]) for kind in data if not kind.startswith("image/")]
            shown = " ".join([output.get("text", ""), *texts])
            shown = re.sub(r"base64,[\w+/=\\]+", "", shown)  # a picture may hold any letters
            if output.output_type == "error":
                yield line, f"output is an error: {output.ename}: {output.evalue}"
            elif found := leak.search(shown):
                yield (
                    line,
                    f"output shows a path of this machine, {found[0]}; print a relative one.",
                )
            elif output.get("name") == "stderr" and "stderr" not in cell.metadata.get("tags", []):
                first = output.text.strip().split("\n")[0]
                mend = 'Mend the cause, or tag the cell "stderr" if readers should see it.'
                yield line, f'writes to stderr: "{first}". {mend}'
    if (size := len(to_bytes(notebook))) > MAX_BYTES:
        biggest = sorted(sizes, reverse=True)[:3]
        listed = "".join(f"\n  line {line}: {n:,} bytes" for n, line in biggest)
        yield (
            1,
            f"the notebook has {size:,} bytes, {MAX_BYTES:,} is the limit; "
            f"make its biggest outputs smaller:{listed}",
        )


def read(path: Path) -> NotebookNode | None:
    """Read a notebook; None if there is none, or if the file is no notebook."""
    try:
        return nbformat.read(path, as_version=4)
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def to_bytes(notebook: NotebookNode) -> bytes:
    """Return what is written: sorted keys, one space of indent, a newline at the end."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("line", None)
    nbformat.validate(notebook)
    return (nbformat.writes(notebook) + "\n").encode()


def write(path: Path, content: bytes) -> bool:
    """Write a file whole or not at all; return whether anything changed."""
    if path.exists() and path.read_bytes() == content:
        return False
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
    return True


def difference(old: NotebookNode | None, new: NotebookNode, adopted: bool, source: str) -> str:
    """Say where a committed notebook first differs from the one that `source` builds."""
    if old is None:
        return f"is missing or no notebook; {source} builds one"
    cells = list(enumerate(zip_longest(old.cells, new.cells, fillvalue={}), 1))
    for number, (was, cell) in cells:
        if not cell:
            return f"cell {number} is one too many"
        if [was.get("cell_type"), was.get("source")] != [cell.cell_type, cell.source]:
            where = f"{source}:{cell.metadata['line']}" if "line" in cell.metadata else "the build"
            return f"cell {number} ({cell.cell_type}) is not what {where} says"
    if not adopted:
        return "has outputs that the build did not write"
    for number, (was, cell) in cells:
        cell = {**cell, "metadata": {k: v for k, v in cell.metadata.items() if k != "line"}}
        for key in sorted(was.keys() | cell.keys()):
            if was.get(key) != cell.get(key):
                return f"cell {number} has another {key} than the build writes"
    return "has other metadata, or is written in another way, than the build does it"
