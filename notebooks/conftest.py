"""Hold every notebook to its budgets while nbval executes it (`make test`, `make budgets`).

Beside nbval, each cell reports the peak memory of its kernel; the time of the cells tagged
`training` is summed; the last cell's measures are read; a table of all notebooks ends the run. A
notebook beyond a budget fails it. With --like-binder (`make test-binder`) there is one core, and a
kernel does not even get more memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import psutil
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import measures  # noqa: E402
import notebook_files  # noqa: E402

collect_ignore = ["START.ipynb"]  # no lesson: written anew at each start


@dataclass
class Cost:
    """What executing one notebook has cost so far, and what it has achieved."""

    seconds: float = 0.0  # wall time of all cells, the kernel's start included
    training_seconds: float = 0.0  # of that, cells tagged "training"
    peak_gib: float = 0.0
    measures: measures.Measures = field(default_factory=dict)
    failed: bool = False


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("budgets", "budgets of a notebook")
    group.addoption("--budget-seconds", type=float, default=75, help="training on two cores")
    group.addoption("--budget-gib", type=float, default=1.5, help="peak memory of the kernel")
    group.addoption("--measured-to", type=Path, metavar="FILE", help="write what was measured")
    group.addoption("--like-binder", action="store_true", help="one core, and the budget enforced")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("like_binder"):
        if sys.platform != "linux":
            raise pytest.UsageError("--like-binder needs Linux, which alone can enforce both.")
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the kernels inherit it
    if not hasattr(config, "workerinput"):  # xdist's workers send their reports to the main process
        config.pluginmanager.register(Budgets(config))


def peak_gib(pid: int) -> float:
    """Peak resident memory of a process in GiB; outside Linux what it holds at this moment."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        held = dict(line.split(":", 1) for line in status.splitlines())
        return int(held["VmHWM"].split()[0]) / 2**20
    except (FileNotFoundError, KeyError):  # no Linux, or the kernel has died
        try:
            return psutil.Process(pid).memory_info().rss / 2**30
        except psutil.NoSuchProcess:
            return 0.0


def limit_memory(pid: int, gib: float) -> None:
    """Let a process allocate no more than this, as `ulimit -d` does.

    That counts the memory that is the process's own, touched or not. What is mapped from files
    (0.1 GiB of PyTorch's code, 0.5 of TensorFlow's) is not counted; the budget counts it. The
    address space, `ulimit -v`, would not do: TensorFlow takes twice as much as it ever touches.
    """
    import resource  # POSIX's only

    size = round(gib * 2**30)
    resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))


def binder_limits(config: pytest.Config) -> str:
    """Say what --like-binder holds a notebook to; nothing without it."""
    if not config.getoption("like_binder"):
        return ""
    gib = config.getoption("budget_gib")
    return f"As on Binder: one core, and no kernel is given more than {gib:g} GiB (ulimit -d)."


class KernelDied(Exception):
    """The kernel is gone, and will answer no more."""


get_message = RunningKernel.get_message


def get_message_of_the_living(self: RunningKernel, stream: str, timeout: float | None = None):
    """Do as nbval does, but do not wait a cell's whole limit for a kernel that has died."""
    end = time.monotonic() + (float("inf") if timeout is None else timeout)
    while True:
        try:
            return get_message(self, stream, min(1, max(0, end - time.monotonic())))
        except Empty:
            if not self.is_alive():
                raise KernelDied from None
            if time.monotonic() >= end:
                raise


RunningKernel.get_message = get_message_of_the_living


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note what a cell costs, and fail it if it outlives its limit, whatever it catches."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    notebook, expired = item.parent, item.parent.timed_out
    pid = notebook.kernel.km.provisioner.pid if notebook.kernel.is_alive() else None
    if pid and (limits := binder_limits(item.config)):
        limit_memory(pid, item.config.getoption("budget_gib"))
        item.add_report_section("call", "limits", limits)  # beside the message of a cell that fails
    try:
        result = yield
        if notebook.timed_out and not expired:
            item.raise_cell_error("Timeout: the cell swallowed the interrupt that should end it.")
        return result
    except pytest.fail.Exception:
        # pytest-timeout's: the kernel is busy with this cell, and all others would wait in vain.
        notebook.timed_out = True
        if notebook.kernel.is_alive():
            notebook.kernel.stop()
        raise
    except KernelDied:
        notebook.timed_out = True  # nbval's word for: the cells from here cannot run
        item.raise_cell_error("The kernel died; too little memory is the usual cause.")
    finally:
        training = "training" in item.cell.metadata.get("tags", [])
        item.user_properties += [("training", training), ("peak_gib", peak_gib(pid) if pid else 0)]
        outputs = getattr(item, "test_outputs", None) or []
        text = "".join(
            output.get("text", "") for output in outputs if output.get("name") == "stdout"
        )
        if notebook_files.is_own(item.cell):
            item.user_properties.append(("measures", measures.read(text)))


class Budgets:
    """Sum up the cells' reports, print the table, fail the run beyond a budget."""

    def __init__(self, config: pytest.Config) -> None:
        self.limits = {
            "s of training": config.getoption("budget_seconds"),
            "GiB of memory": config.getoption("budget_gib"),
        }
        self.enforced = binder_limits(config)
        self.measured_to: Path | None = config.getoption("measured_to")
        self.costs: defaultdict[str, Cost] = defaultdict(Cost)  # by the notebook's name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = report.nodeid.split("::")[0]
        if not path.endswith(".ipynb"):
            return
        cost, noted = self.costs[Path(path).stem], dict(report.user_properties)
        cost.failed |= report.failed
        if report.when != "teardown":
            cost.seconds += report.duration
        if report.when == "call":
            cost.training_seconds += report.duration * noted.get("training", False)
            cost.peak_gib = max(cost.peak_gib, noted.get("peak_gib", 0))
            cost.measures = noted.get("measures", cost.measures)  # the last cell's stay

    def verdict(self, cost: Cost) -> str:
        """Say how a notebook stands with its budgets: "ok", or what it exceeds."""
        used = (cost.training_seconds, cost.peak_gib)
        beyond = [
            f"beyond the budget of {limit:g} {unit}"
            for (unit, limit), amount in zip(self.limits.items(), used, strict=True)
            if amount > limit
        ]
        if self.measured_to and not cost.measures:
            beyond.append("the last cell printed no measures")
        return ", ".join(["FAILED"] * cost.failed + beyond) or "ok"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        beyond = any(self.verdict(cost) != "ok" for cost in self.costs.values())
        if session.exitstatus == pytest.ExitCode.OK and beyond:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.passed = session.exitstatus == pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.costs:
            return
        write = terminalreporter.write_line
        terminalreporter.section("time and memory")
        if self.enforced:
            write(self.enforced)
        write(f"{'notebook':<28} {'minutes':>7} {'training s':>10} {'peak GiB':>8}  verdict")
        for name, cost in sorted(self.costs.items()):
            write(
                f"{name:<28} {cost.seconds / 60:7.1f} {cost.training_seconds:10.1f} "
                f"{cost.peak_gib:8.2f}  {self.verdict(cost)}  {measures.headlines(cost.measures)}"
            )
        if not self.measured_to:
            return
        if not self.passed:
            return write(f"{self.measured_to} is left as it was: not all is well above.")
        from course_utils import data

        dataset = data.load("mnist")  # what there is on this machine, as in the notebooks
        table = {
            name: {
                "minutes": round(cost.seconds / 60, 1),
                "training_seconds": round(cost.training_seconds, 1),
                "peak_gib": round(cost.peak_gib, 2),
                "data": dataset.name,
                "measures": cost.measures,
            }
            for name, cost in sorted(self.costs.items())
        }
        text = json.dumps(table, indent=1, ensure_ascii=False)
        self.measured_to.parent.mkdir(exist_ok=True)
        self.measured_to.write_text(text + "\n", "utf-8")
        write(f"{self.measured_to} is written.")
