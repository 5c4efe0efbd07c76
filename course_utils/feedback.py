"""One line on a lesson, for whoever teaches it.

    from course_utils import feedback

    feedback.write("01_gan_pytorch", "The losses are clear; the live view went too fast.")

It is kept in a file of the learner's own. Nothing is sent anywhere: an instructor reads what a
learner hands over, for instance through nbgrader (workshop/grading.md).
"""

import re
import time
from pathlib import Path

from course_utils import runtime

__all__ = ["path", "write"]

NAME = "feedback.txt"


def path() -> Path:
    """Return the file: where COURSE_FEEDBACK says, else in the course's folder, else here."""
    return runtime.own_file(NAME, "COURSE_FEEDBACK")


def write(lesson: str, text: str) -> None:
    """Add a line to the learner's file: the date, the lesson and the text, with tabs between.

    Every call adds a line, and none is changed. An empty text writes nothing, and says what to do.

    Parameters
    ----------
    lesson
        The notebook's name, such as "01_gan_pytorch".
    text
        One line.

    Raises
    ------
    TypeError, ValueError
        If `lesson` is no such name, or `text` is not one line. A file that cannot be written
        raises nothing: that is said.

    Examples
    --------
    >>> write("01_gan_pytorch", "")
    Nothing written. To write, put one line between the quotes and run the cell.
    """
    if not isinstance(lesson, str) or not re.fullmatch(r"[\w-]+", lesson):
        raise ValueError(f'lesson is {lesson!r}, expected a notebook\'s name: "01_gan_pytorch".')
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"text is {text!r} ({kind}), expected one line between quotes.")
    text = text.strip()
    if not text:
        print("Nothing written. To write, put one line between the quotes and run the cell.")
        return
    if (count := len(text.splitlines())) > 1:
        raise ValueError(f"text has {count} lines, expected one: join them, or write each alone.")
    file = path()
    try:
        runtime.append_line(file, f"{time.strftime('%Y-%m-%d')}\t{lesson}\t{text}")
    except OSError as error:
        print(f"Not written: {file} ({error.strerror}). Keep your line in this cell, or elsewhere.")
    else:
        print(f"Written into {file}; nothing is sent.")
