"""Run the lessons' main trainings and keep what late learners need of them.

    python tools/train_weights.py                     all lessons, both tracks
    python tools/train_weights.py 01 02_dcgan_keras   some of them
    python tools/train_weights.py 02 --check          no training: do the weights reach the bar?

What to keep says the lesson, in the one cell that makes a `CourseRun`: a notebook is run with
``late = True``, but here that stands for a training that is kept, not for one that is skipped.
The cells before it are run, and of those after it what the last cell needs. Only where that finds
the lesson's bar reached, the files are written, beside the notebook, and their sums into
course_utils/weights.json. It needs MNIST.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import notebook_files  # noqa: E402
from benchmark import needed, set_number  # noqa: E402

from course_utils import data, weights  # noqa: E402
from course_utils.checkpoints import Checkpoint  # noqa: E402


class Recording(Checkpoint):
    """Stands in for a `CourseRun` while the training runs; the live view saves it at the end."""

    path, every = None, math.inf

    def __init__(self, name: str, step: int, parts: dict[str, Any]) -> None:
        self.name = weights.full_name(name, dict(weights.networks(parts)))
        self.step, self.parts = step, parts
        self.notes: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    def save(self, state: dict[str, Any]) -> None:
        self.files = weights.pack_run(self.name, state, self.parts)


def run(path: Path, record: bool = False, measure: bool = True) -> Checkpoint:
    """Run the training, and with `measure` all before it and the last cell with what that needs.

    Returns what the training began with, a `CourseRun` or a `Recording`.

    Parameters
    ----------
    path
        Of the notebook.
    record
        Train and record, instead of taking the course's run.
    measure
        Run the last cell too; else only what the training needs.

    Raises
    ------
    AssertionError
        If the lesson's bar is not reached.
    """
    cells = notebook_files.read_own_codes(path)
    late = [number for number, code in enumerate(cells) if "CourseRun(" in code]
    if len(late) != 1:
        raise SystemExit(f"{path.stem}: {len(late)} cells make a CourseRun(...), expected one.")
    space: dict[str, Any] = {"__name__": "__main__"}

    def recording(name: str, **parts: Any) -> Recording:
        if (device := space.get("device", "cpu")) != "cpu":
            raise SystemExit(
                f"{path.stem} would train on {device}, for a GPU's number of steps. The course "
                "keeps what a CPU trains: make weights on a machine without a GPU."
            )
        return Recording(name, space.get("steps", 0), parts)

    make = recording if record else weights.CourseRun
    with mock.patch.object(weights, "CourseRun", make):
        goals = [late[0], late[0] + 1]
        if measure:  # its bar may be of a network that earlier cells have changed in place
            goals += [*range(late[0]), len(cells) - 1]
        for number in needed(cells, goals):
            code = set_number(cells[number], "late", True)
            exec(compile(code, f"{path.stem}, cell {number}", "exec"), space)
    return space["checkpoint"]


def train(path: Path, root: Path = ROOT) -> list[str]:
    """Train, see the bar reached and write the files; return a line for each."""
    recording = run(path, record=True)
    if recording.parts and not recording.files:
        raise SystemExit(
            f"{path.stem}: its CourseRun was not saved. Does the training's LiveView get "
            "checkpoint=checkpoint, and does it take a step?"
        )
    if not recording.files:  # a run without networks has notes only, and needs no live view
        recording.save({"step": 0, "notes": recording.notes})
    return write(recording.name, recording.files, path.parent, root)


def write(name: str, files: dict[str, bytes], folder: Path, root: Path = ROOT) -> list[str]:
    """Write a run's files in the place of its former ones, and their sums."""
    runs = json.loads(weights.SUMS.read_text("utf-8"))
    former, lines = runs.get(name, ()), []
    runs[name] = {}
    for file, content in files.items():
        notebook_files.write(folder / file, content)
        place = (folder / file).relative_to(root).as_posix()
        runs[name][place] = weights.sha256(content)
        lines.append(f"{place}: {len(content) / 1e6:.2f} MB")
    text = json.dumps(runs, indent=2, sort_keys=True) + "\n"
    notebook_files.write(weights.SUMS, text.encode())
    for place in former:
        if place not in runs[name]:
            (root / place).unlink(missing_ok=True)
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="01, 01_gan or 01_gan_keras; all if none")
    parser.add_argument("--check", action="store_true", help="take the weights, and train nothing")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # what the processes run
    options = parser.parse_args(arguments)
    if options.one:
        if options.check:
            run(options.one)
            print(f"{options.one.stem} reaches its bar")
        else:
            print(*train(options.one), sep="\n")
        return 0
    if data.load("mnist").name != "mnist":
        sys.exit(
            "The lessons are trained on MNIST, and MNIST was not found: connect to the network, "
            "or set COURSE_DATA to a folder that holds mnist/*.gz. The old weights stay."
        )
    paths = notebook_files.find(ROOT, options.names)
    failed = []
    # On a CPU, for the steps that a learner on a CPU takes; each training from its start.
    settings = {**notebook_files.WHOLE, "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "agg"}
    environment = {**os.environ, **settings}
    for path in paths:
        print(f"=== {path.stem}", flush=True)
        command = [sys.executable, __file__, "--one", str(path)] + ["--check"] * options.check
        if subprocess.run(command, cwd=path.parent, env=environment).returncode:
            failed.append(path.stem)
    if failed:
        print(f"Failed, and left as they were: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
