"""What a learner has solved, in a small file that only grows.

Each record is one line of JSON, written in one piece at the end of the file. So two notebooks may
write at once, and a record that a kill has cut short costs nothing but itself.
"""

import json
import os
import time
from pathlib import Path

from course_utils import runtime

__all__ = ["path", "record", "solved"]

NAME = "progress.jsonl"


def path() -> Path:
    """Return the file: where COURSE_PROGRESS says, else in the course's folder, else here."""
    if chosen := os.environ.get("COURSE_PROGRESS"):
        return Path(chosen).expanduser()
    return runtime.course_folder() / NAME


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
    line = json.dumps({"exercise": name, "when": time.strftime("%Y-%m-%d %H:%M")})
    path().parent.mkdir(parents=True, exist_ok=True)
    # The line's end comes first: it also ends a record that was cut short.
    with open(path(), "ab", buffering=0) as file:
        file.write(f"\n{line}".encode())
