"""benchmarks/benchmark.py: which cells it runs, how long, and what it prints."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import benchmark  # noqa: E402
import notebook_files  # noqa: E402


def test_names_are_found_in_the_order_of_use():
    code = """
import os.path as path, numpy
a = a + b
b += 1
n = [x * scale for x in a for y in x]
for step in range(n): last = step
def f(real, k=default, *rest):
    real = g(real); y = y_of(k)
    return lambda z: z + h
class C(Base):
    size = width
    def call(self): return self.size + late
with View() as view: view.go(last)
d[key] = 3
"""
    names = benchmark.Names(ast.parse(code))
    assert names.defined == {*"abnfC", "path", "numpy", "step", "last", "view"}
    assert names.used - {"range"} == {
        *("a", "b", "scale", "default", "Base", "width", "View", "d", "key")
    }
    assert names.later == {"g", "y_of", "h", "late"}


MINI = [
    "%pip install nothing",
    "import random, time\nfrom course_utils.live import LiveView",
    "seed = 0\nbatch_size = 10\ndevice = 'cpu'\nsteps = 5 if device == 'cpu' else 10",
    "def sample():\n    return scale * len(network), random.random()",
    "with LiveView(total=3) as view:\n    raise SystemError('a toy must not run')\nnetwork = view",
    "scale = 1",  # which nothing but the function above uses
    "random.seed(seed)\nnetwork = []\nrate = 100 / steps",
    """
with LiveView(total=steps) as view:
    for step in range(steps):
        time.sleep(0.001)
        network.append(rate)
        view.update(step + 1, loss=1.0)
history = view.history
""",
    "raise SystemError('an experiment must not run')\nother = 1",
    """
n, chance = sample()
print(f"Fréchet distance   {n * rate:.3f}    0.412  lower")
print(f"label accuracy    {n / 100}")
print(f"held-out bound    {-chance:.3f}")
assert n > 1_000_000, "the bar"
""",
]


def course(root: Path, **notebooks: list[str]) -> Path:
    for name, codes in notebooks.items():
        cells = [new_code_cell(code) for code in codes]
        cells[0].metadata["tags"] = ["colab"]
        cells.append(new_code_cell("0 / 0", metadata={"tags": ["feedback"]}))
        (root / "notebooks" / name).mkdir(parents=True)
        path = root / "notebooks" / name / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
    return root


def test_each_mark_is_a_training_of_its_own_length(tmp_path, capfd):
    assert (
        benchmark.main(["01", "--seconds", "0.4", "1.2"], course(tmp_path, **{"01_a": MINI})) == 0
    )
    said = capfd.readouterr().out
    assert "| notebook | images per second | measure | 0.4 s | 1.2 s | real images |" in said
    rows = (line.strip("|").split("|") for line in said.splitlines()[-4:])
    length, frechet, trained, bound = rows
    assert re.fullmatch(r" 01_a \| \d,\d{3} \(cpu\) \| length ", "|".join(length[:3]))
    few, many = (int(text.split()[0].replace(",", "")) for text in length[3:5])
    assert few % 100 == many % 100 == 0 < few < many <= 1_200  # a step takes more than 1 ms
    assert [int(text.strip(" %")) for text in trained[3:5]] == [few, many]
    # Of its own length: the rate depends on the steps, so every training ends at 100.
    assert [text.strip() for text in frechet[2:]] == ["Fréchet distance", "100.0", "100.0", "0.4"]
    # From the same start: the seed is set again.
    assert bound[3] == bound[4] and bound[5].strip() == ""


def test_a_training_in_a_function_keeps_its_view_to_itself(tmp_path):
    body = MINI[7].replace("history = view.history", "return view.history")
    inside = f"def run():{body}".replace("\n", "\n    ") + "\nhistory = run()"
    root = course(tmp_path, **{"01_a": [*MINI[:7], inside, *MINI[8:]]})
    notebook = benchmark.Notebook(root / "notebooks" / "01_a" / "01_a.ipynb")
    assert notebook.train(10)[0]["view"].step == 10


def test_seed(tmp_path):
    root = course(tmp_path, **{"01_a": MINI})
    path = root / "notebooks" / "01_a" / "01_a.ipynb"
    chances = [benchmark.Notebook(path, seed).train(10)[1]["held-out bound"] for seed in (0, 0, 1)]
    assert chances[0] == chances[1] != chances[2]


def test_what_cannot_be_run_is_said_and_the_others_go_on(tmp_path, capfd):
    root = course(
        tmp_path,
        **{
            "01_none": MINI[:7] + MINI[8:],
            "02_fixed": [MINI[0], "history = 1"],
            "03_broken": [*MINI[:9], "print(sample(undefined_name))"],
            "04_good": MINI,
        },
    )
    assert benchmark.main(["--seconds", "0.2"], root) == 1
    said = capfd.readouterr().out
    assert "| 01_none |  | 0 cells assign `history`; expected one, the main training |" in said
    assert "| 02_fixed |  | no line `steps = ...` says how long its training is |" in said
    assert re.search(r"03_broken failed:.*NameError: name 'undefined_name'", said, re.DOTALL)
    assert "| 04_good |  | Fréchet distance | 100.0 | 0.4 |" in said


def test_names_that_no_notebook_has_are_named(tmp_path):
    root = course(tmp_path, **{"01_a": MINI, "02_b": MINI})
    found = [path.stem for path in notebook_files.find(root, ["02", "02_b"])]
    assert found == ["02_b"] and len(notebook_files.find(root, [])) == 2
    with pytest.raises(SystemExit, match="begins like this: 2, 03$"):
        benchmark.main(["2", "01", "03"], root)


def lessons() -> list[Path]:
    """The notebooks that say how long their training is, and follow it."""
    texts = {path: path.read_text("utf-8") for path in sorted(ROOT.glob("notebooks/*/*.ipynb"))}
    return [path for path, text in texts.items() if '"steps = ' in text and "LiveView" in text]


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_of_each_lesson_the_main_training_is_run_and_no_toy(path):
    notebook = benchmark.Notebook(path)
    chosen = benchmark.needed(notebook.cells, [notebook.main, notebook.last])
    training = {
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if "training" in cell.metadata.get("tags", [])
    }
    trained = [number for number in chosen if notebook.cells[number] in training]
    assert trained[0] == notebook.main  # the measures may ask for another one after it
