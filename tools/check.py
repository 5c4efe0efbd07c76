"""Run the course's checks, quick ones first, and end with a table of what passed.

    python tools/check.py fast        style, build, quick unit tests
    python tools/check.py all         also the slow unit tests, and every notebook, whose minutes,
                                      memory and quality it leaves in build/measured.json
    python tools/check.py newest      as all, and leaves that file as it is
    python tools/check.py colab       every notebook, and the unit tests of what they call
    python tools/check.py backends    every Keras notebook on TensorFlow, PyTorch and JAX
    python tools/check.py budgets     every notebook alone, with all cores
    python tools/check.py binder      every notebook alone, with one core and its memory capped

A failing stage does not stop the later ones; the exit status is 1 if any failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from notebook_files import WHOLE

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = 300
# Two processes with one thread each do 1.4 times the work of one with two threads; a process
# with as many threads as cores beside another one is several times slower.
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
}
# The budget of 75 s of training is for both cores of a quiet machine, and `budgets` holds it.
# Here a notebook has one of the two, beside another notebook: 1.5 to 2.2 times the time, as the
# neighbour is (text to image on TensorFlow: 74 s alone, 110 to 162 s here).
SHARED_SECONDS = 75 * 2.4


@dataclass(frozen=True)
class Stage:
    """One command, by the name under which its result is reported."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def module(name: str, *command: str) -> list[str]:
    return [sys.executable, "-m", name, *command]


def notebooks(name: str, paths: list[str], *options: str, **environment: str) -> Stage:
    """Execute notebooks with nbval; notebooks/conftest.py holds them to their budgets."""
    command = module(
        "pytest",
        *paths,
        "--nbval-lax",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        # Where even the interrupt of nbval's own limit is swallowed, this one ends the cell.
        f"--timeout={CELL_SECONDS + 60}",
        "-p",
        "no:cacheprovider",
        "--quiet",
        *options,
    )
    environment = {**WHOLE, "KERAS_BACKEND": "tensorflow", **environment}
    return Stage(name, command, environment)


def stages(what: str) -> list[Stage]:
    two_at_once = ["-n", "2", "--dist", "loadscope"]
    unit_tests = module("pytest", "--quiet", "-n", "2", "--dist", "worksteal", "--durations=15")
    learner = {"COURSE_PROGRESS": str(ROOT / "build" / "progress.jsonl")}  # not the author's own
    exercises = notebooks("exercises", ["exercises"], *two_at_once, **ONE_THREAD, **learner)
    no_budgets = ["--budget-seconds=inf", "--budget-gib=inf"]
    if what == "budgets":
        return [notebooks("budgets", ["notebooks"])]
    if what == "binder":  # a thread on its one core, as binder/start sets it
        options = ["--like-binder", f"--budget-seconds={SHARED_SECONDS}"]
        return [notebooks("as on Binder", ["notebooks"], *options, **ONE_THREAD)]
    if what == "backends":
        found = ROOT.glob("notebooks/*/*_keras.ipynb")
        paths = sorted(path.relative_to(ROOT).as_posix() for path in found)
        if not paths:
            sys.exit("There is no notebooks/*/*_keras.ipynb; build them first: make notebooks")
        # Budgets hold for TensorFlow, which `all` checks; the others may be slower.
        options = [*two_at_once, *no_budgets]
        return [
            notebooks(f"Keras on {name}", paths, *options, **ONE_THREAD, KERAS_BACKEND=name)
            for name in ("tensorflow", "torch", "jax")
        ]
    if what == "colab":
        # Not the author's tools: they are not for Colab, and its old IPython is not for nbgrader.
        called = {path.stem for path in ROOT.glob("course_utils/*")} | {"equality", "imports"}
        found = sorted(ROOT.glob("tests/test_*.py"))
        paths = [str(path) for path in found if path.stem.removeprefix("test_") in called]
        return [
            Stage("unit tests", [*unit_tests, "course_utils", *paths], ONE_THREAD),
            exercises,
            notebooks("notebooks", ["notebooks"], *two_at_once, *no_budgets, **ONE_THREAD),
        ]
    quick = [
        Stage("ruff check", module("ruff", "check", ".")),
        Stage("ruff format", module("ruff", "format", "--check", ".")),
        Stage("build lessons", [sys.executable, "tools/build.py", "--check"]),
        Stage("build exercises", [sys.executable, "tools/exercises.py", "--check"]),
    ]
    if what == "fast":
        return [*quick, Stage("unit tests", [*unit_tests, "-m", "not slow"], ONE_THREAD)]
    options = [*two_at_once, f"--budget-seconds={SHARED_SECONDS:.0f}"]
    if what == "all":  # ignored by git; tools/build.py reads it
        options.append("--measured-to=build/measured.json")
    return [
        *quick,
        Stage("unit tests", unit_tests, ONE_THREAD),
        exercises,
        notebooks("notebooks", ["notebooks"], *options, **ONE_THREAD),
    ]


def run(stage: Stage) -> tuple[bool, float, str]:
    """Run a stage, passing on what it says; return success, seconds and its last line."""
    print(f"\n=== {stage.name}", flush=True)
    started, last = time.monotonic(), ""
    process = subprocess.Popen(
        stage.command,
        cwd=ROOT,
        env={**os.environ, **stage.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip(" =\n") or last
    return process.wait() == 0, time.monotonic() - started, last


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = ["fast", "all", "newest", "colab", "backends", "budgets", "binder"]
    parser.add_argument("what", choices=names)
    what = parser.parse_args(arguments).what
    if hasattr(sys.stdout, "reconfigure"):  # on Windows some letters that a test says are unknown
        sys.stdout.reconfigure(errors="replace")
    started = time.monotonic()
    results = [(stage.name, *run(stage)) for stage in stages(what)]
    print(f"\n=== {what}")
    for name, passed, seconds, last in results:
        print(f"{name:<20} {'passed' if passed else 'FAILED'} {seconds:7.1f} s   {last}")
    counts = {
        word: sum(int(n) for *_, last in results for n in re.findall(rf"(\d+) {word}", last))
        for word in ("passed", "failed", "skipped")
    }
    stages_passed = sum(passed for _, passed, *_ in results)
    print(
        f"{stages_passed} of {len(results)} stages passed; tests and notebook cells: "
        + ", ".join(f"{count} {word}" for word, count in counts.items())
        + f"; {(time.monotonic() - started) / 60:.1f} minutes"
    )
    return 0 if stages_passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
