"""notebooks/conftest.py: costs and quality are measured; what goes beyond a limit really fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import data

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

# Ends well after the interrupt that nbval sends at its limit: nbval alone takes it for a pass.
SWALLOWS = """\
try:
    while True:
        pass
except KeyboardInterrupt:
    print("stopped")
"""
# Never ends, and never stops writing: nbval alone waits for ever.
STUBBORN = """\
import time
while True:
    try:
        print("on and on")
        time.sleep(0.05)
    except KeyboardInterrupt:
        pass
"""
TRAINS = "import time; kept = bytearray(300 * 2**20); time.sleep(1.5)"
MEASURES = """\
print("measure             samples     real  better  sample size")
print("Fréchet distance     21.375    0.412  lower         5,000")
print("held-out bound     -104.200")
"""


def execute(folder: Path, *options: str, **notebooks: list[str]) -> subprocess.CompletedProcess:
    """Run nbval in `folder` on notebooks made of these cells; the last is tagged `training`."""
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, sources in notebooks.items():
        cells = [new_code_cell(source) for source in sources]
        cells[-1].metadata["tags"] = ["training"]
        cells.append(new_code_cell("print()", metadata={"tags": ["feedback"]}))  # no lesson's own
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-rA"]
    command += ["-p", "no:cacheprovider", *options]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_timeout_fails_whatever_the_cell_catches(tmp_path):
    result = execute(
        tmp_path,
        *("-n", "2", "--dist", "loadscope"),
        "--nbval-cell-timeout=2",
        "--timeout=20",
        swallows=[SWALLOWS, "1"],
        stubborn=["1", STUBBORN, "2"],
    )
    assert result.returncode == 1, result.stdout
    assert "FAILED swallows.ipynb::Cell 0" in result.stdout
    assert "swallowed the interrupt" in result.stdout
    assert "PASSED stubborn.ipynb::Cell 0" in result.stdout
    assert "FAILED stubborn.ipynb::Cell 1" in result.stdout
    assert "XFAIL stubborn.ipynb::Cell 2" in result.stdout  # and did not wait for the kernel
    assert result.stdout.count("  FAILED") == 2  # both rows of the table


def test_costs_are_measured(tmp_path):
    options = ["--measured-to=build/measured.json", "-n", "2", "--dist", "loadscope"]
    cells = [MEASURES.replace("21", "99"), f"{TRAINS}\n{MEASURES}"]  # only the last cell's count
    result = execute(tmp_path, *options, trains=cells)
    assert result.returncode == 0, result.stdout + result.stderr
    cost = json.loads((tmp_path / "build" / "measured.json").read_text("utf-8"))["trains"]
    assert cost["measures"] == {
        "Fréchet distance": [21.375, 0.412],
        "held-out bound": [-104.2, None],
    }
    assert cost["data"] == data.load("mnist").name
    assert "ok  Fréchet 21.4 (real 0.4), bound -104.2 nats" in result.stdout
    assert 1.5 <= cost["training_seconds"] < 60 * (cost["minutes"] + 0.05)
    assert 0.3 < cost["peak_gib"] < 0.6  # the kernel itself, and 300 MiB


def test_going_beyond_a_budget_fails(tmp_path):
    (tmp_path / "measured.json").write_text("old")
    options = ["--measured-to=measured.json", "--budget-seconds=1", "--budget-gib=0.2"]
    result = execute(tmp_path, *options, trains=["1", f"{TRAINS}\n{MEASURES}"])
    assert result.returncode == 1 and "3 passed" in result.stdout
    assert "beyond the budget of 1 s of training" in result.stdout
    assert "beyond the budget of 0.2 GiB of memory" in result.stdout
    assert (tmp_path / "measured.json").read_text() == "old"


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
def test_like_binder_nothing_gets_more(tmp_path):
    one_core = "import os; assert len(os.sched_getaffinity(0)) == 1"
    result = execute(
        tmp_path,
        *("--like-binder", "--budget-gib=0.5"),
        takes=[f"{one_core}; kept = bytearray(2**29)", "1"],
        fits=[f"{one_core}; kept = bytearray(2**28)"],
    )
    assert result.returncode == 1, result.stdout
    assert "FAILED takes.ipynb::Cell 0" in result.stdout and "MemoryError" in result.stdout
    for part in result.stdout.split(" time and memory "):  # beside the message, above the table
        assert "one core, and no kernel is given more than 0.5 GiB" in part
    assert "PASSED fits.ipynb::Cell 0" in result.stdout


def test_a_dead_kernel_is_not_waited_for(tmp_path):
    kills_itself = "import os; os.kill(os.getpid(), 9)"
    result = execute(tmp_path, "--nbval-cell-timeout=100", dies=["1", kills_itself, "2"])
    assert result.returncode == 1, result.stdout
    assert "FAILED dies.ipynb::Cell 1" in result.stdout and "The kernel died" in result.stdout
    assert "XFAIL dies.ipynb::Cell 2" in result.stdout


def test_a_last_cell_without_measures_fails(tmp_path):
    result = execute(tmp_path, "--measured-to=measured.json", trains=[MEASURES, "print('good')"])
    assert result.returncode == 1 and "3 passed" in result.stdout
    assert "the last cell printed no measures" in result.stdout
    assert not (tmp_path / "measured.json").exists()
