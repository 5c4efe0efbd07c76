"""Print, for each lesson and track, images per second and quality after 30, 60 and 120 s.

    python benchmarks/benchmark.py                     all lessons, both tracks
    python benchmarks/benchmark.py 01 02_dcgan_keras   some of them
    python benchmarks/benchmark.py 01 --seconds 10 20 --seed 3

It runs the notebooks' own cells, in one process each, one after the other: the one cell that
assigns `history`, which is the main training; the last one, which prints the measures; and of the
others those that define what these two use. Toys and experiments are left out, and so is a cell
that only changes what another has made.

Learning rates may depend on the number of steps, so no mark is a look into a longer training: each
is a whole training of its own, from the same start. Its number of steps comes from the speed of a
short trial and of the trainings before.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import io
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import measures  # noqa: E402
import notebook_files  # noqa: E402

HEADING = """\
Data: {data}. {cores} CPU cores. Each column of seconds is a training of its own length, so that
learning rates that fall with the steps have fallen at its end. Seconds and images per second are of
the training alone: compiling, drawing and measuring are left out.
"""


class Refusal(Exception):
    """Why a notebook cannot be benchmarked."""


class Names(ast.NodeVisitor):
    """The names that code defines, those it uses at once, and those its functions will use."""

    def __init__(self, *nodes: ast.AST | None) -> None:
        self.defined, self.used, self.later = set(), set(), set()
        self.visit_all(*nodes)

    def visit_all(self, *nodes: ast.AST | None) -> None:
        for node in filter(None, nodes):
            self.visit(node)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)
        elif node.id not in self.defined:
            self.used.add(node.id)

    def visit_alias(self, node):
        self.defined.add((node.asname or node.name).split(".")[0])

    def visit_Assign(self, node):  # the value first; Python's tree has it last
        self.visit_all(node.value, *node.targets)

    def visit_AugAssign(self, node):
        self.used |= {getattr(node.target, "id", "")} - self.defined
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        given = node.args
        self.visit_all(*given.defaults, *given.kw_defaults, *getattr(node, "decorator_list", []))
        inner = Names(*(node.body if isinstance(node.body, list) else [node.body]))
        own = {argument.arg for argument in ast.walk(given) if isinstance(argument, ast.arg)}
        self.later |= (inner.used | inner.later) - own - inner.defined
        self.defined.add(getattr(node, "name", ""))

    visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.visit_inner(*node.bases, *node.body)
        self.defined.add(node.name)

    def visit_ListComp(self, node):
        parts = [part for g in node.generators for part in (g.iter, g.target, *g.ifs)]
        self.visit_inner(*parts, *(getattr(node, name, None) for name in ("elt", "key", "value")))

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_inner(self, *nodes: ast.AST | None) -> None:
        inner = Names(*nodes)
        self.used |= inner.used - self.defined
        self.later |= inner.later


def needed(cells: Sequence[str], goals: Sequence[int]) -> list[int]:
    """Find the cells that must run for the goals: of each name the last definition before its use.

    A function's names count as used by the goals, because one of them calls it.
    """
    names = [Names(ast.parse(code)) for code in cells]
    chosen: set[int] = set()
    while True:
        later = set().union(*(names[number].later for number in chosen))
        found, wanted = set(), set()
        for number in reversed(range(max(goals) + 1)):
            if number in goals:
                wanted |= later
            if number in goals or names[number].defined & wanted:
                found.add(number)
                wanted = (wanted - names[number].defined) | names[number].used
        if found == chosen:
            return sorted(chosen)
        chosen = found


def set_number(code: str, name: str, value: int) -> str:
    """Replace the line that gives a number its value."""
    return re.sub(rf"^{name} = .*$", f"{name} = {value}", code, flags=re.MULTILINE)


class Notebook:
    """The cells of a notebook that its main training and its measures need."""

    def __init__(self, path: Path, seed: int | None = None) -> None:
        cells = notebook_files.read_own_codes(path)
        if seed is not None:
            cells = [set_number(code, "seed", seed) for code in cells]
        main = [i for i, code in enumerate(cells) if "history" in Names(ast.parse(code)).defined]
        if len(main) != 1:
            raise Refusal(f"{len(main)} cells assign `history`; expected one, the main training")
        if all(set_number(code, "steps", -1) == code for code in cells):
            raise Refusal("no line `steps = ...` says how long its training is")
        if not any("LiveView" in code for code in cells):
            raise Refusal("no LiveView follows a training: there is no main one")
        self.cells, self.main, self.last = cells, main[0], len(cells) - 1

    def train(self, steps: int, limit: float = math.inf) -> tuple[dict, measures.Measures]:
        """Run the cells with this number of steps; return their names and the measures.

        With a limit, a trial: the training ends after so many seconds, and nothing is measured.
        """
        from course_utils import live

        class View(live.LiveView):
            def __init__(view, *arguments, **settings) -> None:
                super().__init__(*arguments, **settings)
                if number == self.main:  # a function may have made it, and keep it to itself
                    space["view"] = view

            def update(view, step: int, **values) -> None:
                super().update(step, **values)
                if number == self.main and (step - view.start) / view.steps_per_second > limit:
                    raise KeyboardInterrupt

        trial = math.isfinite(limit)
        space: dict = {"__name__": "__main__"}
        original, live.LiveView = live.LiveView, View
        try:
            for number in needed(self.cells, [self.main] if trial else [self.main, self.last]):
                code = set_number(self.cells[number], "steps", steps)
                # A short training may miss the lesson's bar: that is no error here.
                missed = contextlib.suppress(AssertionError if number == self.last else ())
                with contextlib.redirect_stdout(io.StringIO()) as said, missed:
                    exec(compile(code, f"cell {number}", "exec"), space)
        finally:
            live.LiveView = original
        return space, measures.read(said.getvalue())

    def benchmark(self, marks: Sequence[float]) -> tuple[str, list[tuple[str, dict]]]:
        """Train once for each mark; return images per second, and lengths and measures."""
        space, _ = self.train(steps=100_000, limit=min(5, marks[0] / 4))
        runs = []
        for mark in marks:
            # A multiple of the steps between two entries of the history.
            steps = max(1, round(space["view"].steps_per_second * mark / 100)) * 100
            space, found = self.train(steps)
            seconds = steps / space["view"].steps_per_second
            runs.append((f"{steps:,} steps, {seconds:.0f} s", found))
        speed = space["view"].steps_per_second * space["batch_size"]
        return f"{speed:,.0f} ({space['device']})", runs


def rows(path: Path, seconds: Sequence[float], seed: int | None) -> list[list[str]]:
    """Benchmark a notebook: a row with the trainings' lengths, and one for each measure."""
    from course_utils import data

    # Loaded once, and with that the measures of real images are computed once.
    data.load = functools.cache(data.load)
    try:
        speed, runs = Notebook(path, seed).benchmark(seconds)
    except Refusal as refusal:
        return [[path.stem, "", str(refusal), *[""] * len(seconds), ""]]
    table = [[path.stem, speed, "length", *(length for length, _ in runs), ""]]
    for name, (_, number) in measures.HEADLINES.items():
        found = [run.get(name, (None, None)) for _, run in runs]
        values = [value for value, _ in found] + [found[-1][1]]  # and that of real images
        cells = ["" if value is None else number.format(value) for value in values]
        if any(cells):
            table.append([path.stem, "", name, *cells])
    return table


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="01, 01_gan or 01_gan_keras; all if none")
    parser.add_argument("--seconds", nargs="+", type=float, default=[30, 60, 120])
    parser.add_argument("--seed", type=int, help="instead of the lesson's own")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # what the processes run
    options = parser.parse_args(arguments)
    if options.one:
        for row in rows(options.one, options.seconds, options.seed):
            print(f"| {' | '.join(row)} |", flush=True)
        return 0
    from course_utils import data

    print(HEADING.format(data=data.load("mnist").name, cores=os.cpu_count()))
    marks = [f"{mark:g} s" for mark in options.seconds]
    print(f"| {' | '.join(['notebook', 'images per second', 'measure', *marks, 'real images'])} |")
    print("|" + " --- |" * (len(marks) + 4), flush=True)
    failed = 0
    for path in notebook_files.find(root, options.names):
        command = [sys.executable, __file__, "--one", str(path)]
        command += ["--seconds", *map(str, options.seconds)]
        command += [] if options.seed is None else ["--seed", str(options.seed)]
        # An interrupt must end the trial and not the program; no window may open.
        environment = {**os.environ, "COURSE_RAISE_INTERRUPT": "0", "MPLBACKEND": "agg"}
        environment["COURSE_CHECKPOINTS"] = ""  # each training from its start
        done = subprocess.run(command, cwd=path.parent, env=environment, stderr=subprocess.PIPE)
        if done.returncode:
            failed += 1
            print(f"{path.stem} failed:\n{done.stderr.decode(errors='replace')}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
