"""The checkers pass right answers, catch wrong ones by name, and survive the rest."""

import importlib
import json
import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from answers import as_answer

from course_utils import checks
from course_utils.checks import store
from course_utils.checks.judging import Answer, Choice, compare, within

EXERCISES = [name for group in checks.groups() for name in checks.exercises(group)]


def recurse(*_):
    return recurse()


def endless(*_):
    while True:
        pass


def fail(*_):
    raise RuntimeError("no")


STRANGE = {
    "a number": 3,
    "a text": "x",
    "an empty text": "",
    "an empty list": [],
    "a dictionary": {"a": 1},
    "an object": object(),
    "a class": dict,
    "NaN": float("nan"),
    "an array of NaN": np.full((3, 3), np.nan),
    "a very large array": np.zeros((3, 4, 5, 6)),
    "a function that raises": fail,
    "a function that ends the process": lambda *_: sys.exit(1),
    "a function that calls itself": recurse,
    "a function of nothing": lambda: 1,
    "a function that returns a text": lambda *_: "x",
    "a function that returns NaN": lambda *_: float("nan"),
    "a function that returns an array of objects": lambda *_: np.array([object()]),
    "a function that returns a wide array": lambda *_: np.zeros((1, 2, 3, 4, 5)),
    "a function that returns a function": lambda *_: fail,
}
NOTHING = {"None": None, "...": ..., "a function that returns nothing": lambda *_: None}


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))


def answers(name):
    """For each part of an exercise: right answers, and wrong ones with what they are told."""
    group, exercise = name.split(".")
    module = importlib.import_module(f"answers.{checks.groups()[group]}")
    for part, checker in checks.find(name).parts.items():
        if isinstance(checker, Choice):
            yield part, [checker.right, f" {checker.right.upper()}"], list(checker.wrong.items())
        else:
            key = f"{exercise}.{part}"
            yield part, module.RIGHT[key], module.WRONG[key]


@pytest.mark.parametrize("name", EXERCISES)
def test_right_answers_pass_and_wrong_ones_are_told_why(name, record_property):
    exercise, passed, caught, failures = checks.find(name), 0, 0, []
    for part, right, wrong in answers(name):
        for number, given in enumerate(right, 1):
            verdict, sentence = checks.judge(exercise, part, as_answer(given))
            passed += verdict is True
            if verdict is not True:
                failures.append(f"{part}, right answer {number}: {sentence}")
        for number, (given, fragment) in enumerate(wrong, 1):
            verdict, sentence = checks.judge(exercise, part, as_answer(given))
            told = verdict is False and fragment in sentence
            caught += told
            if not told:
                failures.append(
                    f"{part}, wrong answer {number}, {fragment!r}: {verdict} {sentence}"
                )
    record_property("exercise", name)
    record_property("right, passed", passed)
    record_property("wrong, caught", caught)
    assert not failures, "\n".join(failures)
    assert passed >= 3 and caught >= 4, "at least three right answers and four wrong ones"


@pytest.mark.parametrize("name", EXERCISES)
def test_strange_answers_get_a_sentence(name, monkeypatch, record_property):
    monkeypatch.setattr(checks, "SECONDS", 0.5)
    exercise = checks.find(name)
    for part in exercise.parts:
        for what, given in STRANGE.items():
            verdict, sentence = checks.judge(exercise, part, Answer(given))
            fine = verdict is not True and sentence.endswith((".", "?", "!"))
            assert fine, (part, what, sentence)
        for what, given in NOTHING.items():
            verdict, sentence = checks.judge(exercise, part, Answer(given))
            unanswered = verdict is None and "not answered yet" in sentence
            assert unanswered or callable(given) and verdict is False, (part, what, sentence)
        verdict, sentence = checks.judge(exercise, part, Answer(endless))
        assert verdict is False, (part, sentence)
    record_property("exercise", name)
    survived = len(exercise.parts) * (len(STRANGE) + len(NOTHING) + 1)
    record_property("strange, survived", survived)


# ------------------------------------------------------------------ the checker itself


def test_check_prints_a_line_for_each_part_and_records_what_is_solved(capsys):
    checks.check("01.squashed", cause="c", mend=...)
    assert capsys.readouterr().out == (
        "✗ cause: look at the line of weight 1: nothing overflows, and the loss is above 1.\n"
        "○ mend: not answered yet.\n"
    )
    assert checks.points("01.squashed") == 0 and not store.solved()
    checks.check("01.squashed", cause="b", mend=lambda points, weights: None)
    assert "is there a `return`?" in capsys.readouterr().out
    assert checks.points("01.squashed") == 1 and not store.solved()
    checks.check("01.squashed", cause="b", mend=lambda points, weights: points @ weights)
    assert capsys.readouterr().out.endswith("Solved.\n")
    assert checks.points("01.squashed") == 2 and store.solved() == {"01.squashed"}
    checks.progress("01")
    assert "✓ mend     Never below one" in capsys.readouterr().out
    checks.progress()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(checks.groups()) + 1
    assert re.fullmatch(r"Lesson 01: 1 of \d+ +○+✓○+", said[1])
    assert said[-1].startswith("1 solved")


@pytest.mark.parametrize(
    "name, answers, message",
    [
        ("01.squash", {}, 'no exercise "01.squash"; there are: 01.undecided'),
        ("99.x", {}, "there are: 0"),
        ("01.squashed", {"cause": "a"}, "was given cause; expected cause, mend"),
    ],
)
def test_a_check_of_nothing_says_what_there_is(name, answers, message):
    with pytest.raises((ValueError, TypeError), match=message):
        checks.check(name, **answers)


def test_a_call_that_never_returns_is_given_up():
    before, started = threading.active_count(), time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.3, endless)
    assert time.monotonic() - started < 2
    for _ in range(50):  # told to stop, it does
        if threading.active_count() == before:
            break
        time.sleep(0.1)
    assert threading.active_count() == before


def test_known_mistakes_are_told_and_others_compared():
    for given, message in ((2.0, "twice"), (3.0, "gives 3; expected 1.")):
        with pytest.raises(Exception, match=message):
            compare(np.array(given), 1.0, [(2.0, "twice")])
    compare(np.array(1.0004), 1.0)


# ------------------------------------------------------------------ the file of progress


def test_a_record_cut_short_costs_only_itself():
    for name in ("01.a", "01.b"):
        store.record(name)
    whole = store.path().read_bytes()
    for end in range(len(whole)):  # a kill may come after any byte
        store.path().write_bytes(whole[:end])
        before = store.solved()
        store.record("01.c")
        assert store.solved() == before | {"01.c"}
    store.path().write_bytes(b"\x00\xff\n[1]\nnull\n" + whole)
    assert store.solved() == {"01.a", "01.b"}


@pytest.mark.skipif(os.name == "nt", reason="Windows appends in two steps")
def test_two_notebooks_write_at_once():
    program = (
        "import sys; from course_utils.checks import store\n"
        "for n in range(100): store.record(f'{sys.argv[1]}.{n}')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("x", "y")]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert store.solved() == {f"{name}.{n}" for name in "xy" for n in range(100)}


def test_the_file_is_in_the_folder_of_the_course(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS")
    inner = tmp_path / "exercises" / "01_gan"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert store.path() == tmp_path / "progress.jsonl"
    store.record("01.a")
    assert json.loads(store.path().read_text("utf-8"))["exercise"] == "01.a"


def test_a_file_that_cannot_be_written_loses_no_verdict(tmp_path, monkeypatch, capsys):
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "folder"))
    checks._save("01.squashed")
    assert "could not be saved" in capsys.readouterr().out
