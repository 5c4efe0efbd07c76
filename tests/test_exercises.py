"""The sources of the exercises, and what is built from them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest

from course_utils import checks
from course_utils.checks.judging import Choice

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import build  # noqa: E402
import exercises  # noqa: E402

NAMES = sorted(path.parent.name for path in ROOT.glob("exercises/*/exercise.md"))
LESSONS = [name for name in NAMES if name[:2].isdigit()]
TRACKS = ("pytorch", "keras")


def cells_of(name):
    cells, problems = exercises.read(ROOT, name)
    assert not problems
    return cells


def sections(name):
    """The text of each exercise, by the name that its check has."""
    text = exercises.source(ROOT, name).read_text("utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if found := exercises.CHECK.findall(section):
            yield found[0], section


# ------------------------------------------------------------------ the sources


def test_every_lesson_has_exercises():
    lessons = sorted(path.parent.name for path in ROOT.glob("notebooks/*/lesson.md"))
    assert lessons == LESSONS
    assert [exercises.group_of(name) for name in NAMES] == list(checks.groups())


@pytest.mark.parametrize("name", LESSONS)
def test_each_exercise_says_what_it_is_for(name):
    known, kinds = checks.exercises(exercises.group_of(name)), []
    for number, (exercise, section) in enumerate(sections(name), 1):
        title = f"{number} · {known[exercise].kind.capitalize()}: "
        assert section.startswith(title), f"{exercise}: expected a title that begins {title!r}"
        assert re.search(r"\n\*\d+ minutes\.\* \*\*Aim\*\*: ", section), f"{exercise}: minutes, aim"
        assert 1 <= section.count("<details><summary>Hint") <= 3, f"{exercise}: one to three hints"
        assert section.count("<details>") == section.count("</details>"), f"{exercise}: hints"
        assert '<!-- #region tags=["solution"] -->\n**Why.**' in section, f"{exercise}: a solution"
        kinds.append(known[exercise].kind)
    assert sorted(kinds, key=["predict", "mend", "build"].index) == kinds
    assert set(kinds) == {"predict", "mend", "build"}


@pytest.mark.parametrize("name", NAMES)
def test_causes_have_the_letters_that_the_checker_knows(name):
    rights = []
    for exercise, section in sections(name):
        choices = [c for c in checks.find(exercise).parts.values() if isinstance(c, Choice)]
        offered = re.findall(r"^- ([a-z]): ", section, re.MULTILINE)
        assert sorted(offered) == sorted(sum((c.letters for c in choices), [])), exercise
        rights += [choice.letters.index(choice.right) for choice in choices]
    assert len(rights) < 3 or len(set(rights)) > 1, "always the same letter is right"


# ------------------------------------------------------------------ what is built


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize("name", NAMES)
def test_students_see_no_solution_and_solutions_no_gap(name, track):
    course, cells = build.Course.load(ROOT), cells_of(name)
    student, solution = (
        exercises.assemble(course, name, track, cells, solution=which) for which in (False, True)
    )
    told = ("Exercises", "Solutions") if name in LESSONS else ("Capstone", ", a worked example")
    for notebook, word in zip((student, solution), told, strict=True):
        assert word in notebook.cells[0].source.partition("\n")[0]
    text = "\n".join(cell.source for cell in student.cells)
    assert "**Why.**" not in text and "SOLUTION" not in text
    answers = [c for c in student.cells if "answer" in c.metadata.get("tags", [])]
    assert answers and all(exercises.STUB in cell.source for cell in answers)
    for cell in answers:
        compile(cell.source, "answer", "exec")
    text = "\n".join(cell.source for cell in solution.cells)
    assert text.count("**Why.**") == len(checks.exercises(exercises.group_of(name)))
    assert "SOLUTION" not in text and exercises.STUB not in text and "= ..." not in text


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize("name", NAMES)
def test_committed_solutions_are_right_and_students_notebooks_unanswered(name, track):
    course = build.Course.load(ROOT)
    for solution, mark in ((False, "○"), (True, "✓")):
        path = exercises.path_of(course, name, track, solution)
        cells = nbformat.read(path, as_version=4).cells
        checked = [cell for cell in cells if "check" in cell.metadata.get("tags", [])]
        assert len(checked) == len(checks.exercises(exercises.group_of(name)))
        for cell in checked:
            told = "".join(output.text for output in cell.outputs).splitlines()
            parts = checks.find(exercises.CHECK.findall(cell.source)[0]).parts
            assert [line[0] for line in told] == [mark] * len(parts) + ["S"] * solution, told


SOURCE = """\
# 01 · Exercises: tiny

```python tags=["answer"]
value = ...
{begin}
value = 1
{end}
```

```python tags=["check"]
checks.check("{check}", cause=value, mend=value)
```
"""


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({}, "01.caught, 01.crashes"),  # no cell checks the others
        ({"begin": "", "end": ""}, "answer without a solution"),
        ({"end": ""}, "answer without a solution"),
        ({"check": "01.squash"}, "01.squash is not in course_utils/checks"),
    ],
)
def test_a_broken_source_is_refused(tmp_path, changes, problem):
    marks = {"begin": exercises.BEGIN, "end": exercises.END, "check": "01.squashed"}
    source = exercises.source(tmp_path, "01_tiny")
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE.format(**marks | changes), "utf-8")
    _, problems = exercises.read(tmp_path, "01_tiny")
    assert problem in " ".join(text for _, text in problems)


def test_a_solution_in_a_cell_that_is_no_answer_is_refused(tmp_path):
    source = exercises.source(tmp_path, "01_tiny")
    source.parent.mkdir(parents=True)
    source.write_text(f"# 01 · Tiny\n\n```python\n{exercises.BEGIN}\n{exercises.END}\n```\n")
    _, problems = exercises.read(tmp_path, "01_tiny")
    assert any("not tagged" in text for _, text in problems)
