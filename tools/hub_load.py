"""Bring many learners to a JupyterHub on this machine, at once, and measure what each needs.

    python tools/hub_load.py                  thirty learners, lesson 00
    python tools/hub_load.py --learners 3     a short trial
    python tools/hub_load.py --keep           and keep the figures, for tools/hub_plan.py

Each learner logs in, gets a server, pulls the course with nbgitpuller and runs lesson 00 whole in a
kernel of their own, all over the hub's proxy. Only so many compute at once as there are cores, as
in a room where not everybody presses Run in the same second; but all servers and kernels stay until
the last learner is done, and memory is read then. How long it may take and how much memory it may
need is said first. The exit status is 1 if it takes more, or if anything fails.

The lesson's data is MNIST, fetched once and read by all. Where it cannot be had, or so many
learners with MNIST do not fit into memory, it is scikit-learn's digits, which take less; that is
said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
from build import TRACKS, Course
from hub_plan import MEASURED, ROOT

from course_utils import data, downloads, runtime

sys.path.insert(0, str(ROOT / "tests"))
import hub  # noqa: E402

MIB = 1 << 20
SLOWER = 3  # times what the lesson takes alone, at most
START_SECONDS = 30  # for a server, the course and a kernel, at most
MARGIN = 1.05  # on the memory that was measured
KEPT = "00_start_pytorch"  # the notebook whose figures are kept
LEAST_FREE_GIB = 1.5  # before another kernel starts: less, and the system would end some process
NO_NETWORK = {"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}  # nobody answers there


@dataclass
class Learner:
    """One learner, and what they took."""

    name: str
    server: hub.Server | None = None
    start: float = 0  # seconds, from the login form to a server that answers
    pull: float = 0
    lesson: float = 0  # with the start of its kernel
    server_mib: float = 0
    kernel_mib: float = 0


def proportional(processes: list[psutil.Process]) -> float:
    """The memory of processes in MiB; what several processes share is divided among them."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.uss)  # the first on Linux only
    return total / MIB


def expected_mib(learners: int, at_once: int, notebook: str, measured: dict, kept: dict) -> float:
    """The memory that so many learners need at most, from what was measured."""
    peak = measured[notebook]["peak_gib"] * 1024
    # Whose lesson is done holds less than at its peak; with the other track in proportion.
    after = kept["kernel_mib"] * measured[notebook]["peak_gib"] / measured[KEPT]["peak_gib"]
    each = kept["server_mib"] + after
    return kept["hub_mib"] + MARGIN * learners * each + at_once * max(peak - after, 0)


@contextlib.contextmanager
def sampled(running: hub.Hub) -> Iterator[list[float]]:
    """Take the memory of all the hub's processes every ten seconds, until the end."""
    samples, done = [], threading.Event()

    def sample() -> None:
        while not done.wait(10):
            samples.append(proportional(running.processes()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def load(running: hub.Hub, count: int, at_once: int, notebook: str, name: str) -> list[Learner]:
    """Bring the learners in, let them work on the data of this name; return what each took."""
    repository = hub.publish(running.folder)
    folder = f"generative-models/notebooks/{notebook.rpartition('_')[0]}"
    learners = [Learner(f"learner-{number:02}") for number in range(1, count + 1)]

    with contextlib.ExitStack() as kernels, ThreadPoolExecutor(at_once) as pool:

        def start(learner: Learner) -> None:
            learner.server = running.start(learner.name)

        def run(learner: Learner) -> None:
            if (free := runtime.memory()[0]) < LEAST_FREE_GIB:
                raise hub.Failure(f"only {free:.1f} GiB of memory are left; {learner.name} is next")
            kernel = kernels.enter_context(learner.server.kernel(folder))
            learner.server.run_notebook(kernel, f"{folder}/{notebook}.ipynb")
            if (used := kernel.run("print(dataset.name)").strip()) != name:
                raise hub.Failure(f"{learner.name}'s lesson ran on {used}, expected {name}")

        def each(what: str, step: str, work: Callable[[Learner], None]) -> None:
            def one(learner: Learner) -> None:
                setattr(learner, step, timed(lambda: work(learner)))

            took = timed(lambda: list(pool.map(one, learners)))
            print(f"{what} after {took:.0f} s", flush=True)

        each("all servers answer", "start", start)
        each("all have the course", "pull", lambda learner: learner.server.pull(repository))
        each("all have run the lesson", "lesson", run)
        for learner in learners:
            parts = {True: [], False: []}
            for process in running.processes(learner.name):
                with contextlib.suppress(psutil.Error):
                    parts["ipykernel_launcher" in process.cmdline()].append(process)
            if not parts[True]:
                raise hub.Failure(f"{learner.name}'s kernel is gone")
            learner.kernel_mib, learner.server_mib = map(proportional, (parts[True], parts[False]))
    return learners


def table(learners: list[Learner]) -> str:
    columns = ("start", "pull", "lesson", "server_mib", "kernel_mib")
    heads = ("server s", "pull s", "lesson s", "server MiB", "kernel MiB")
    lines = [f"{'':<12}" + "".join(f"{head:>12}" for head in heads)]
    values = {column: [getattr(learner, column) for learner in learners] for column in columns}
    for index, learner in enumerate(learners):
        row = "".join(f"{values[column][index]:>12.1f}" for column in columns)
        lines.append(f"{learner.name:<12}{row}")
    for name, summary in (("mean", statistics.mean), ("most", max)):
        row = "".join(f"{summary(values[column]):>12.1f}" for column in columns)
        lines.append(f"{name:<12}{row}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--learners", type=int, default=30, help="how many (default: 30)")
    parser.add_argument("--at-once", type=int, default=runtime.cores(), help="how many compute")
    parser.add_argument("--track", choices=list(TRACKS), default="pytorch")
    parser.add_argument("--keep", action="store_true", help=f"write {MEASURED.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    count, at_once = options.learners, options.at_once
    if options.keep and options.track != "pytorch":
        parser.error(f"--keep is for {KEPT}, from which the other track is reckoned")
    if min(count, at_once) < 1:
        parser.error(f"--learners is {count} and --at-once {at_once}; both must be at least 1")

    notebook = f"00_start_{options.track}"
    measured = Course.load(ROOT).measured
    minutes = measured[notebook]["minutes"]
    seconds = (count / at_once + 1) * (SLOWER * 60 * minutes + START_SECONDS)
    kept = json.loads(MEASURED.read_text("utf-8"))

    def expected(name: str, learners: int = count) -> float:
        return expected_mib(learners, at_once, notebook, measured, kept[name])

    name, free = data.load("mnist").name, runtime.memory()[0] * 1024
    if name == "mnist" and expected(name) > free >= expected("digits"):
        print(
            f"On MNIST {count} learners need up to {expected(name) / 1024:.1f} GiB: so they take "
            "scikit-learn's digits."
        )
        name = "digits"
    mib = expected(name)
    print(
        f"{count} learners, each with a server and a kernel, run {notebook} on {name}; {at_once} "
        f"compute at once. At most {seconds / 60:.0f} minutes and {mib / 1024:.1f} GiB; "
        f"{free / 1024:.1f} GiB are free.",
        flush=True,
    )
    if free < mib:
        most = next((fewer for fewer in range(count, 0, -1) if expected(name, fewer) <= free), 0)
        print(f"That is too little memory. There is enough for {most} learners.")
        return 1

    environment = {"COURSE_DATA": os.environ.get("COURSE_DATA") or str(downloads.cache())}
    if name == "digits":
        environment = {"COURSE_DATA": "", **NO_NETWORK}
    with (
        tempfile.TemporaryDirectory() as folder,
        hub.running(Path(folder), environment=environment) as running,
    ):
        started = time.monotonic()
        with sampled(running) as samples:
            try:
                learners = load(running, count, at_once, notebook, name)
            except hub.Failure as failure:
                print(f"{running.log()}\n\nFAILED: {failure}")
                return 1
            samples.append(proportional(running.processes()))
        took, peak = time.monotonic() - started, max(samples)
        others = samples[-1] - sum(each.server_mib + each.kernel_mib for each in learners)
    print(f"\n{table(learners)}\n")
    print(f"hub and proxy {others:.0f} MiB; all together at most {peak / 1024:.2f} GiB")
    bounds = (("minutes", took / 60, seconds / 60), ("GiB", peak / 1024, mib / 1024))
    wrong = [f"{got:.1f} {unit}, not {most:.1f}" for unit, got, most in bounds if got > most]
    print("TOO MUCH: " + "; ".join(wrong) if wrong else f"done in {took / 60:.1f} minutes")
    if options.keep and not wrong:
        kept[name] = {
            "learners": count,
            "at_once": at_once,
            "minutes": round(took / 60, 1),
            "peak_gib": round(peak / 1024, 1),
            "hub_mib": round(others),
            "server_mib": round(statistics.mean(each.server_mib for each in learners)),
            "kernel_mib": round(statistics.mean(each.kernel_mib for each in learners)),
        }
        MEASURED.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
