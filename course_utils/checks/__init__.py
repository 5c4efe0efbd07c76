"""Check answers to the exercises, and see what is solved.

    from course_utils import checks

    checks.check("01.caught", cause=cause, mend=generator_loss)
    checks.progress()

Each lesson's checkers are in ``lesson_NN.py``, each capstone's in ``capstone_NAME.py``. One
checker serves both tracks.
"""

import importlib
import pkgutil

from course_utils.checks import store
from course_utils.checks.judging import (
    Answer,
    Exercise,
    Unanswered,
    Wrong,
    first_line,
    track_in_use,
    within,
)

__all__ = ["check", "exercises", "points", "progress"]

SECONDS = 20  # that an answer may take
MARKS = {True: "✓", False: "✗", None: "○"}
_last: dict[str, dict[str, bool | None]] = {}  # of each exercise checked in this process


def groups() -> dict[str, str]:
    """Return the modules of checkers, by lesson ("01") or capstone ("pictures"), in order."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    kinds = ("lesson_", "capstone_")
    return {
        name.removeprefix(kind): name for kind in kinds for name in modules if name.startswith(kind)
    }


def exercises(group: str) -> dict[str, Exercise]:
    """Return the exercises of a lesson or capstone in their order, by full names: "01.caught"."""
    module = importlib.import_module(f"{__name__}.{groups()[group]}")
    return {f"{group}.{exercise.name}": exercise for exercise in module.EXERCISES}


def title(group: str) -> str:
    return groups()[group].replace("_", " ")


def find(name: str) -> Exercise:
    group = name.partition(".")[0]
    known = exercises(group) if group in groups() else {}
    if name not in known:
        there = ", ".join(known or groups())
        raise ValueError(f'there is no exercise "{name}"; there are: {there}.')
    return known[name]


def judge(exercise: Exercise, part: str, answer: Answer) -> tuple[bool | None, str]:
    """Judge one answer: right, wrong or (None) not given, with a sentence for the learner."""
    if answer.value is None or answer.value is Ellipsis:
        return None, "not answered yet."
    try:
        within(SECONDS, exercise.parts[part], answer)
    except Unanswered as nothing:
        return None, f"not answered yet: {nothing}"
    except Wrong as wrong:
        return False, sentence(str(wrong))
    except TimeoutError:
        return False, f"gave no answer within {SECONDS} seconds: is there a loop that never ends?"
    except (Exception, SystemExit) as error:
        return False, sentence(f"cannot be judged; {type(error).__name__}: {first_line(error)}")
    return True, "right."


def sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def check(name: str, **answers: object) -> None:
    """Check the answers to an exercise, say what is wrong with them, and record when it is solved.

    An answer that is ``None`` or ``...``, or a function that returns nothing, is not given yet;
    this is no error. A function may take 20 seconds.

    Parameters
    ----------
    name
        Of the exercise, such as "01.caught".
    answers
        One for each part of the exercise.

    Raises
    ------
    ValueError, TypeError
        If there is no such exercise, or it has other parts. No *answer* raises anything.
    """
    exercise = find(name)
    if set(answers) != set(exercise.parts):
        expected = ", ".join(exercise.parts)
        raise TypeError(
            f'"{name}" was given {", ".join(answers) or "nothing"}; expected {expected}.'
        )
    track, verdicts = track_in_use(), {}
    for part in exercise.parts:
        verdicts[part], told = judge(exercise, part, Answer(answers[part], track))
        print(f"{MARKS[verdicts[part]]} {part}: {told}")
    _last[name] = verdicts
    if all(verdicts.values()):
        _save(name)


def _save(name: str) -> None:
    try:
        store.record(name)
    except OSError as error:
        print(f"Solved, but this could not be saved in {store.path().name}: {error.strerror}.")
    else:
        print("Solved.")


def points(name: str) -> float:
    """Return how many parts of an exercise the last check in this process found right.

    nbgrader's cells end with it.
    """
    return float(sum(verdict is True for verdict in _last.get(name, {}).values()))


def progress(group: str | None = None) -> None:
    """Print what is solved: a line for each lesson and capstone, or one of them in full.

    Parameters
    ----------
    group
        A lesson ("01") or a capstone ("pictures"); by default all.
    """
    solved, total = store.solved(), 0
    for one in groups() if group is None else [group]:
        known = exercises(one)
        marks = [MARKS[True if name in solved else None] for name in known]
        count = len(solved & set(known))
        total += count
        line = f"{title(one).capitalize()}: {count} of {len(known)}"
        if group is None:
            print(f"{line:<28} {''.join(marks)}")
            continue
        print(line)
        for mark, exercise in zip(marks, known.values(), strict=True):
            print(f"  {mark} {exercise.kind:<8} {exercise.title}")
    print(f"{total} solved; kept in {store.path().name}.")
