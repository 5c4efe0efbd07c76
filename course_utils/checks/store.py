"""What a learner has solved, in a small file that only grows.

Each record is one line of JSON, written in one piece at the end of the file. So two notebooks may
write at once, and a record that a kill has cut short costs nothing but itself.
"""

import json
import time
from pathlib import Path

from course_utils import runtime

__all__ = ["path", "record", "solved"]

NAME = "progress.jsonl"


def path() -> Path:
    """Return the file: where COURSE_PROGRESS says, else in the course's folder, else here."""
    return runtime.own_file(NAME, "COURSE_PROGRESS")


def solved() -> set[str]:
    """Return the names of the exercises that are solved, such as "01.sign"."""
    try:
        lines = path().read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    names = set()
    for line in lines:
        try:
            names.add(json.loads(line)["exercise"])
        except (ValueError, TypeError, KeyError):  # cut short, or not ours
            continue
    return names


def record(name: str) -> None:
    """Add an exercise to those solved.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if name in solved():
        return
    when = time.strftime("%Y-%m-%d %H:%M")
    runtime.append_line(path(), json.dumps({"exercise": name, "when": when}))
