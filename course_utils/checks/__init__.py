"""Check answers to the exercises, and see what is solved.

    from course_utils import checks

    checks.check("01.sign", cause=cause, mend=generator_loss)
    checks.progress()

Each lesson's checkers are in ``lesson_NN.py``. One checker serves both tracks.
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


def lessons() -> list[str]:
    """Return the numbers of the lessons that have exercises, such as "01"."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.removeprefix("lesson_") for name in names if name.startswith("lesson_"))


def exercises(lesson: str) -> dict[str, Exercise]:
    """Return a lesson's exercises in their order, by their full names, such as "01.sign"."""
    module = importlib.import_module(f"{__name__}.lesson_{lesson}")
    return {f"{lesson}.{exercise.name}": exercise for exercise in module.EXERCISES}


def find(name: str) -> Exercise:
    lesson = name.partition(".")[0]
    known = exercises(lesson) if lesson in lessons() else {}
    if name not in known:
        there = ", ".join(known) or f"lessons {', '.join(lessons())}"
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
        Of the exercise, such as "01.sign".
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
    lesson = name.partition(".")[0]
    try:
        store.record(name)
    except OSError as error:
        print(f"Solved, but this could not be saved in {store.path().name}: {error.strerror}.")
        return
    known = exercises(lesson)
    count = len(store.solved() & set(known))
    print(f"Solved: {count} of {len(known)} in lesson {lesson}.")


def points(name: str) -> float:
    """Return how many parts of an exercise the last check in this process found right.

    nbgrader's cells end with it.
    """
    return float(sum(verdict is True for verdict in _last.get(name, {}).values()))


def progress() -> None:
    """Print what is solved, lesson by lesson."""
    solved, total = store.solved(), 0
    for lesson in lessons():
        known = exercises(lesson)
        marks = {name: MARKS[True if name in solved else None] for name in known}
        count = len(solved & set(known))
        total += count
        print(f"Lesson {lesson}: {count} of {len(known)}")
        for name, exercise in known.items():
            print(f"  {marks[name]} {exercise.kind:<8} {exercise.title}")
    print(f"{total} solved; kept in {store.path().name}.")
