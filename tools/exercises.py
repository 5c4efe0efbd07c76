"""Build each lesson's exercises: a notebook for students and one with solutions, in both tracks.

``exercises/NN_topic/exercise.md`` is the source, with its solutions; a capstone's is in
``exercises/capstone_name``. It is read like a lesson (tools/build.py). Three more tags count:
``answer`` marks a cell that learners complete, ``check`` one that judges it, ``solution`` prose
for the solutions. What stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` in an answer
is taken out of the students' notebook, with nbgrader's own preprocessor.

    python tools/exercises.py                     all of them
    python tools/exercises.py 01                  the named ones
    python tools/exercises.py --check             compare with what is committed; write nothing
    python tools/exercises.py --graded FOLDER     nbgrader's sources, into FOLDER/source
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import build
import notebook_files
from build import TRACKS, Course, Refusal
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.preprocessors import ClearSolutions
from notebook_files import Problem
from traitlets.config import Config

from course_utils import checks

STUB = "# your answer here"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
# What a student finds before the answer: `cause = ...  # "a" or "b"`. The solution replaces it.
PLACEHOLDERS = re.compile(rf"^(?:\w+ = \.\.\..*\n)+(?={BEGIN})", re.MULTILINE)
CHECK = re.compile(r'^checks\.check\(\s*"(\w+\.\w+)"', re.MULTILINE)
NBGRADER = f"""\
# Written by tools/exercises.py: the settings of nbgrader for this course.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "built_twice"
c.CourseDirectory.student_id = "*"  # all of them, also where the hub's settings name one
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
c.Execute.timeout = 120
"""
HIDDEN_TEST = """
### BEGIN HIDDEN TESTS
checks.points("{name}")
### END HIDDEN TESTS"""


def source(root: Path, name: str) -> Path:
    return root / "exercises" / name / "exercise.md"


def path_of(course: Course, name: str, track: str, solution: bool) -> Path:
    path = course.exercises(name, track)
    return path.with_name(f"{name}_solutions_{track}.ipynb") if solution else path


def read(root: Path, name: str) -> tuple[list[NotebookNode], list[Problem]]:
    """Read the cells of a lesson's exercises, and all that is wrong with them."""
    cells, problems = build.read_lesson(source(root, name))
    return cells, sorted([*problems, *answer_problems(cells, group_of(name))])


def group_of(name: str) -> str:
    """Return what the checkers call it: "01" for 01_gan, "pictures" for capstone_pictures."""
    return name[:2] if name[:2].isdigit() else name.removeprefix("capstone_")


def select(there: list[str], wanted: list[str]) -> list[str]:
    """Find exercises by folder name, path or number; all of them if none is named."""
    chosen = []
    for word in wanted or there:
        found = [name for name in there if Path(word).name in (name, name[:2])]
        if not found:
            raise Refusal(f'no exercises "{word}"; there are: {", ".join(there) or "none"}.')
        chosen += found
    return list(dict.fromkeys(chosen))


def answer_problems(cells: list[NotebookNode], group: str) -> Iterator[Problem]:
    """Find answers without a solution, solutions outside answers, and checks of nothing."""
    checked, known = [], checks.exercises(group) if group in checks.groups() else {}
    for cell in cells:
        line, tags = cell.metadata["line"], cell.metadata.get("tags", [])
        marks = [cell.source.count(mark) for mark in (BEGIN, END)]
        if "answer" in tags and (marks[0] == 0 or marks[0] != marks[1]):
            yield line, f"answer without a solution; put it between {BEGIN} and {END}."
        elif "answer" not in tags and any(marks):
            yield line, 'solution in a cell that is not tagged "answer".'
        if "check" in tags:
            found = CHECK.findall(cell.source)
            checked += found
            if len(found) != 1:
                yield line, 'a check calls `checks.check("NN.name", ...)` once.'
            elif found[0] not in known:
                there = ", ".join(known) or "none"
                yield line, f"{found[0]} is not in course_utils/checks; there are: {there}."
    if missing := sorted(set(known) - set(checked)):
        yield 1, f"{', '.join(missing)}: in course_utils/checks, but no cell checks it."


def of_track(cells: list[NotebookNode], track: str, left_out: set[str]) -> NotebookNode:
    whole = new_notebook(cells=deepcopy(cells), metadata=notebook_files.KERNEL)
    tags = (set(TRACKS) - {track}) | left_out
    notebook, _ = TagRemovePreprocessor(remove_cell_tags=tags).preprocess(whole, {})
    for cell in notebook.cells:
        for key in ("lines_to_next_cell", "region_name"):  # jupytext's notes to itself
            cell.metadata.pop(key, None)
        if "check" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("nbval-check-output")  # verdicts are the same everywhere
    return notebook


def assemble(
    course: Course, name: str, track: str, cells: list[NotebookNode], solution: bool
) -> NotebookNode:
    """Put one notebook together, without outputs."""
    notebook = of_track(cells, track, set() if solution else {"solution"})
    if solution:
        title, below, text = notebook.cells[0].source.partition("\n")
        if "Exercises" in title:
            title = title.replace("Exercises", "Solutions")
        else:
            title += ", a worked example"
        notebook.cells[0].source = title + below + text
        for cell in notebook.cells:
            code = PLACEHOLDERS.sub("", cell.source)
            lines = [line for line in code.split("\n") if line.strip() not in (BEGIN, END)]
            cell.source = "\n".join(lines).strip("\n")
    else:
        stub = Config(ClearSolutions={"code_stub": {"python": STUB}, "enforce_metadata": False})
        notebook, _ = ClearSolutions(config=stub).preprocess(notebook, {})
    path = path_of(course, name, track, solution)
    notebook.cells[1:1] = front(course, path, name, track, solution)
    notebook_files.set_ids(notebook)
    return notebook


def front(course: Course, path: Path, name: str, track: str, solution: bool) -> list[NotebookNode]:
    """Write the cells that follow the title: badges and links; the installation on Colab."""
    (other,) = set(TRACKS) - {track}
    twin = path_of(course, name, other, solution).name
    counterpart = path_of(course, name, track, not solution).name
    back = "[all lessons](../../notebooks/START.md)"
    if name in course.titles:
        lesson = build.relative(course.notebook(name, track), path.parent)
        back = f"the lesson: [{course.titles[name]}]({lesson})"
    links = (
        f"{TRACKS[track]} track; the same [in {TRACKS[other]}]({twin}). To {back}. "
        f"To the [{'exercises' if solution else 'solutions'}]({counterpart})."
    )
    colab = build.COLAB_CELL.format(address=course.address)
    return [
        new_markdown_cell(f"{course.badges(path)}\n\n{links}"),
        new_code_cell(colab, metadata={"tags": ["colab"]}),
    ]


def graded(track: str, cells: list[NotebookNode]) -> NotebookNode:
    """Put nbgrader's source together: solutions in their marks, and points behind each check."""
    notebook = of_track(cells, track, {"solution"})
    waiting: list[NotebookNode] = []
    for cell in notebook.cells:
        tags = cell.metadata.pop("tags", [])
        common = {"schema_version": 3, "cell_type": cell.cell_type, "task": False}
        if "answer" in tags:
            waiting.append(cell)
        elif "check" in tags:
            (name,) = CHECK.findall(cell.source)
            cell.source += HIDDEN_TEST.format(name=name)
            grade_id = name.replace(".", "-")
            cell.metadata["nbgrader"] = {
                **common,
                "grade_id": grade_id,
                "grade": True,
                "solution": False,
                "locked": True,
                "points": len(checks.find(name).parts),
            }
            for number, answer in enumerate(waiting, 1):
                answer.metadata["nbgrader"] = {
                    **common,
                    "grade_id": f"{grade_id}-answer-{number}",
                    "grade": False,
                    "solution": True,
                    "locked": False,
                }
            waiting = []
    notebook_files.set_ids(notebook)
    return notebook


def write_graded(course: Course, name: str, folder: Path, cells: list[NotebookNode]) -> None:
    """Write a lesson's exercises as nbgrader's sources, an assignment for each track."""
    folder.mkdir(parents=True, exist_ok=True)
    notebook_files.write(folder / "nbgrader_config.py", NBGRADER.encode())
    for track in TRACKS:
        assignment = f"{name}_{track}"
        path = folder / "source" / assignment / f"{assignment}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        notebook_files.write(path, notebook_files.to_bytes(graded(track, cells)))
        print(f"{path.relative_to(folder)}: written")


def run(root: Path, wanted: list[str], check: bool, force: bool, folder: Path | None) -> list[str]:
    """Build, check or export the exercises; return all that is wrong with them."""
    course, wrong = Course.load(root), []
    there = sorted(path.parent.name for path in root.glob("exercises/*/exercise.md"))
    for name in select(there, wanted):
        cells, problems = read(root, name)
        shown = course.shown(source(root, name))
        wrong += [f"{shown}:{line}: {problem}" for line, problem in problems]
        if problems:
            continue
        if folder:
            write_graded(course, name, folder, cells)
            continue
        for track in TRACKS:
            for solution in (False, True):
                path = path_of(course, name, track, solution)
                new = assemble(course, name, track, cells, solution)
                command = f"python tools/exercises.py {name}"
                with tempfile.TemporaryDirectory() as temporary:  # the author's own stay unseen
                    os.environ["COURSE_PROGRESS"] = f"{temporary}/progress.jsonl"
                    wrong += build.settle(
                        course, source(root, name), path, new, command, check, force
                    )
    known = {path_of(course, n, t, s) for n in there for t in TRACKS for s in (True, False)}
    for path in sorted(set(root.glob("exercises/*/*.ipynb")) - known):
        wrong.append(f"{course.shown(path)}: no exercise.md builds this; remove it.")
    return wrong


def main(arguments: list[str] | None = None, root: Path = build.ROOT) -> int:
    """Run the command line on the course in `root`; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="lessons, such as 01_gan or 01; all if none")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare; execute and write nothing")
    mode.add_argument("--force", action="store_true", help="execute even if no code has changed")
    mode.add_argument("--graded", metavar="FOLDER", type=Path, help="write nbgrader's sources")
    options = parser.parse_args(arguments)
    try:
        wrong = run(root, options.names, options.check, options.force, options.graded)
    except Refusal as refusal:
        wrong = [str(refusal)]
    print(*wrong, sep="\n", end="\n" * bool(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
