"""One line from a learner: kept, one after the other, in a file of their own."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest

from course_utils import feedback

LESSON = "01_gan_pytorch"


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    file = tmp_path / "handed in" / "feedback.txt"  # a folder that is not there yet
    monkeypatch.setenv("COURSE_FEEDBACK", str(file))
    return file


def test_lines_are_added_with_date_and_lesson(file, capsys):
    for text in ("  Clear, but “fast”. ", "Zürich → Ćuprija"):
        feedback.write(LESSON, text)
    today = time.strftime("%Y-%m-%d")
    assert file.read_text("utf-8") == (
        f"{today}\t{LESSON}\tClear, but “fast”.\n{today}\t{LESSON}\tZürich → Ćuprija\n"
    )
    assert capsys.readouterr().out == f"Written into {file}; nothing is sent.\n" * 2


def test_nothing_is_sent(file, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    feedback.write(LESSON, "Read by nobody yet.")
    assert file.exists()


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_line_writes_nothing_and_says_what_to_do(empty, file, capsys):
    feedback.write(LESSON, empty)
    assert "put one line between the quotes" in capsys.readouterr().out
    assert not file.parent.exists()


@pytest.mark.parametrize(
    "lesson, text, error, said",
    [
        (LESSON, "one\ntwo\nthree", ValueError, "text has 3 lines, expected one: join them"),
        (LESSON, "one\u2028two", ValueError, "text has 2 lines"),
        (LESSON, 5, TypeError, "text is 5 (int), expected one line between quotes."),
        (LESSON, None, TypeError, "text is None (NoneType)"),
        ("01\t", "text", ValueError, "lesson is '01\\t', expected a notebook's name"),
        ("The text, put first.", LESSON, ValueError, "expected a notebook's name"),
        (1, "text", ValueError, "lesson is 1, expected a notebook's name"),
    ],
)
def test_what_is_no_line_is_refused(lesson, text, error, said, file):
    with pytest.raises(error, match=re.escape(said)):
        feedback.write(lesson, text)
    assert not file.exists()


def test_a_last_line_without_an_end_is_kept_as_it_is(file):
    file.parent.mkdir()
    file.write_bytes(b"2026-01-01\t00_start_keras\tcut of")
    feedback.write(LESSON, "whole")
    first, second = file.read_text("utf-8").splitlines()
    assert first.endswith("\tcut of") and second.endswith("\twhole")


@pytest.mark.skipif(os.name == "nt", reason="Windows appends in two steps")
def test_two_notebooks_may_write_at_once(file):
    program = (
        "import sys; from course_utils import feedback\n"
        "for n in range(200): feedback.write('01', f'{sys.argv[1]}{n} ' + 'long ' * 2000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, name], stdout=subprocess.DEVNULL)
        for name in "xy"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = [line for line in file.read_text("utf-8").splitlines() if line]
    assert {line.count("long") for line in lines} == {2000}
    words = sorted(line.split()[2] for line in lines)
    assert words == sorted(f"{name}{n}" for name in "xy" for n in range(200))


def test_the_file_is_in_the_folder_of_the_course(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_FEEDBACK")
    (tmp_path / "exercises").mkdir()
    (tmp_path / "notebooks" / "01_gan").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "01_gan")
    assert feedback.path() == tmp_path / "feedback.txt"
    monkeypatch.setenv("COURSE_FEEDBACK", "~/course_feedback/feedback.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    assert feedback.path() == tmp_path / "course_feedback" / "feedback.txt"


def test_a_file_that_cannot_be_written_is_no_error_of_the_lesson(file, capsys):
    file.mkdir(parents=True)
    feedback.write(LESSON, "A line.")
    assert capsys.readouterr().out.startswith(f"Not written: {file} (")


def test_a_line_that_the_disk_takes_in_part_is_said(file):
    pytest.importorskip("resource", reason="not on Windows")
    program = (
        "import resource; from course_utils import feedback\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        f"feedback.write({LESSON!r}, 'long ' * 100)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.startswith(f"Not written: {file} (No space left on device).")
    feedback.write(LESSON, "The next one is whole.")
    assert file.read_text("utf-8").splitlines()[1].endswith("\tThe next one is whole.")
