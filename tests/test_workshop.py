"""The instructor's guide: plans add up, what they name exists, run times are those measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from course_utils import data, downloads, runtime

ROOT = Path(__file__).resolve().parent.parent
WORKSHOP = ROOT / "workshop"
PAGES = sorted(WORKSHOP.glob("*.md"))
PLANS = {"half_day.md": [3.5], "one_day.md": [8], "two_days.md": [8, 8]}  # hours of each table
MEASURED = json.loads((ROOT / "notebooks" / "measured.json").read_text("utf-8"))
LESSONS = {path.parent.name[:2]: path for path in sorted(ROOT.glob("notebooks/[0-9]*/lesson.md"))}
TRACKS = ("pytorch", "keras")

LONGEST_STRETCH, LONGEST_SILENCE = 100, 135  # minutes without a break, and without questions
SLOW_LAPTOP = 2  # a row lasts so many times as long as what it runs
BUSY, IDLE = 1.25, 2  # a measured time may be so many times the stated one, or as many times less

PLACE = re.compile(r"\[((?:\w+|\d\d\.\d+) · [^\]]+)\](?!\()")  # [01.4 · Mend: caught in the act]
DEFINITION = re.compile(r"^\[(.+? · .+)\]: (\S+)$", re.MULTILINE)


def text_of(page):
    return (WORKSHOP / page).read_text("utf-8")


def tables(page):
    """The tables of a page, each a list of rows, each a dict by the head's words."""
    found, table = [], []
    for line in [*text_of(page).splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif table:
            head, _, *rows = table
            found.append([dict(zip(head, row, strict=True)) for row in rows])
            table = []
    return found


def minutes(clock):
    hours, rest = clock.split(":")
    return 60 * int(hours) + int(rest)


def lasts(row):
    return minutes(row["To"]) - minutes(row["From"])


DAYS = [
    pytest.param(hours, table, id=f"{page}-{number}")
    for page, lengths in PLANS.items()
    for number, (hours, table) in enumerate(zip(lengths, tables(page), strict=True), 1)
]


def number(cell):
    """The number of "67 s" or "1.3 min"."""
    return float(cell.split()[0])


def fits(stated, measured):
    """Whether a plan's time is enough, and not far too much: machines vary from run to run."""
    return measured <= BUSY * stated and stated <= IDLE * measured


def measured(lesson, figure):
    """What was measured for a lesson in each track, PyTorch first."""
    name = LESSONS[lesson].parent.name
    return [MEASURED[f"{name}_{track}"][figure] for track in TRACKS]


# ------------------------------------------------------------------ places in the course


def source_of(key):
    """The file and the heading's beginning that a place's key stands for."""
    if key == "start":
        return ROOT / "notebooks" / "START.md", ""
    if key in LESSONS:
        return LESSONS[key], ""
    lesson, _, number = key.partition(".")
    if number:
        return ROOT / "exercises" / LESSONS[lesson].parent.name / "exercise.md", f"{number} · "
    return ROOT / "exercises" / f"capstone_{key}" / "exercise.md", ""


def section(place):
    """The file, the heading and the text of the section that "01 · The losses" names."""
    key, _, title = place.partition(" · ")
    if key == "Capstone":
        candidates = [(path, place) for path in ROOT.glob("exercises/capstone_*/exercise.md")]
    else:
        path, beginning = source_of(key)
        candidates = [(path, beginning + title)]
    for path, heading in candidates:
        found = re.search(
            rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", path.read_text("utf-8"), re.M | re.S
        )
        if found:
            return path, heading, found[1]
    raise AssertionError(f"[{place}]: no such title in {', '.join(str(p) for p, _ in candidates)}")


def places(text):
    return [place for place in PLACE.findall(DEFINITION.sub("", text)) if "`" not in place]


@pytest.mark.parametrize("page", [path.name for path in PAGES])
def test_each_place_that_a_page_names_exists_and_its_link_leads_there(page):
    text = text_of(page)
    links = dict(DEFINITION.findall(text))
    assert len(links) == len(DEFINITION.findall(text)), f"{page}: a place is defined twice"
    assert set(links) == set(places(" ".join(text.split()))), f"{page}: used and defined differ"
    for place, link in links.items():
        path, heading, _ = section(place)
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        file, _, found = link.partition("#")
        assert (WORKSHOP / file).resolve() == path, f"{page}: [{place}] leads to {file}"
        assert found == anchor, f"{page}: [{place}] leads to #{found}, expected #{anchor}"


# ------------------------------------------------------------------ the plans


def test_every_plan_is_listed():
    listed = set(re.findall(r"\| \[(\w+\.md)\]\(", text_of("README.md"))) | {"README.md"}
    assert listed == {path.name for path in PAGES}
    assert set(PLANS) <= listed


@pytest.mark.parametrize("hours, table", DAYS)
def test_a_plan_has_no_gaps_and_the_promised_length(hours, table):
    for row in table:
        assert lasts(row) > 0, row
    for row, after in zip(table, table[1:], strict=False):
        assert row["To"] == after["From"], f"{row['What']} ends at {row['To']}, next {after}"
    assert sum(map(lasts, table)) == 60 * hours


@pytest.mark.parametrize("hours, table", DAYS)
def test_a_plan_has_breaks_and_time_for_questions(hours, table):
    for what, most in (
        ({"Break", "Lunch"}, LONGEST_STRETCH),
        ({"Questions", "Break", "Lunch"}, LONGEST_STRETCH),
        ({"Questions", "Lunch"}, LONGEST_SILENCE),
    ):
        since = minutes(table[0]["From"])
        for row in table:
            if row["What"] in what:
                assert minutes(row["From"]) - since <= most, f"{what}: none for long at {row}"
                since = minutes(row["To"])
        assert minutes(table[-1]["To"]) - since <= most
    assert table[-1]["What"] == "Questions"


@pytest.mark.parametrize("hours, table", DAYS)
def test_a_row_holds_what_it_announces(hours, table):
    for row in table:
        kind, _, lesson = row["What"].partition(" ")
        named = [place.partition(" · ")[0] for place in places(row["Section or exercise"])]
        if kind == "Lesson":
            assert named and set(named) == {lesson}, f"{row}: sections of lesson {lesson}"
        elif kind == "Exercise":
            assert named and all("." in key for key in named), f"{row}: exercises"
        else:
            assert kind in ("Welcome", "Questions", "Homework", "Break", "Lunch"), row
        if kind not in ("Break", "Lunch"):
            assert row["Instructor"] and row["Learners"], f"{row}: who does what?"


@pytest.mark.parametrize("hours, table", DAYS)
def test_exercises_have_the_time_that_they_say_they_take(hours, table):
    for row in table:
        if row["What"] == "Exercise":
            sections = [section(place)[2] for place in places(row["Section or exercise"])]
            needed = sum(int(re.search(r"^\*(\d+) minutes", text, re.M)[1]) for text in sections)
            assert needed <= lasts(row), f"{row}: these exercises take {needed} minutes"
            assert "Build" not in row["Section or exercise"], f"{row}: a plan has none"


@pytest.mark.parametrize("hours, table", DAYS)
def test_run_times_are_those_measured_and_leave_room_for_slow_laptops(hours, table):
    run = []
    for row in table:
        kind, _, lesson = row["What"].partition(" ")
        if row["Runs"]:
            ran, stated = re.fullmatch(r"(\d\d): (\d(?:\.5)?) min", row["Runs"]).groups()
            slower = max(measured(ran, "minutes"))
            assert fits(float(stated), slower), f"{row}: measured {slower} minutes"
            assert ran == lesson, f"{row}: another lesson"
            assert SLOW_LAPTOP * float(stated) <= lasts(row), f"{row}: too short to wait for it"
            run.append(ran)
        if kind == "Lesson":
            assert lesson in run, f"{row}: its notebook has not been run"
    assert len(run) == len(set(run))


def test_two_days_hold_all_lessons():
    named = {row["What"] for table in tables("two_days.md") for row in table}
    assert {f"Lesson {number}" for number in LESSONS} <= named


# ------------------------------------------------------------------ lesson by lesson


def test_each_lesson_has_its_part():
    parts = re.split(r"^## ", text_of("lessons.md"), flags=re.MULTILINE)[2:]
    words = ["Idea", "Ask", "Answer", "The mistake", "While it runs", "When late"]
    assert len(parts) == len(LESSONS)
    for part, path in zip(parts, LESSONS.values(), strict=True):
        title = re.search(r"^# .*", path.read_text("utf-8"), re.MULTILINE)[0]
        assert f"# {part.partition(chr(10))[0]}" == title
        assert re.findall(r"^\*\*(.+?)\.\*\*", part, re.MULTILINE) == words, title
        others = [p for p in places(part) if not p.startswith(title[2:4])]
        assert not others, f"{title} names {others}"
        assert "On the screen:" in part, f"{title}: how does the mistake look?"


def live_seconds(lesson):
    """The seconds of each live view in a lesson's committed notebooks."""
    for path in LESSONS[lesson].parent.glob("*.ipynb"):
        for spent, rest in re.findall(r" steps in (?:(\d+) min )?([\d.]+) s", path.read_text()):
            yield 60 * int(spent or 0) + float(rest)


def test_the_table_of_run_times_is_as_measured():
    (table,) = tables("lessons.md")
    assert [row["Lesson"] for row in table] == list(LESSONS)
    planned = {
        match[1]: match[2]
        for page in PLANS
        for match in re.finditer(r"(\d\d): ([\d.]+ min) \|", text_of(page))
    }
    for row in table:
        lesson, longest = row["Lesson"], number(row["Longest wait"])
        assert row["Whole notebook"] == planned[lesson]
        assert fits(number(row["Whole notebook"]), max(measured(lesson, "minutes")))
        slowest = max(measured(lesson, "training_seconds"))
        assert longest <= BUSY * slowest
        if views := list(live_seconds(lesson)):  # written down on a machine busy or not
            assert fits(longest, min(max(views), slowest)), f"{row}: {max(views)} s"


# ------------------------------------------------------------------ what the pages promise


def test_memory_and_minutes_of_a_notebook_are_as_the_guide_says():
    text = text_of("README.md")
    assert "No notebook takes three minutes" in text
    assert max(found["minutes"] for found in MEASURED.values()) < 3
    least, most = map(float, re.search(r"kernel, of ([\d.]+) to ([\d.]+) GiB", text).groups())
    peaks = [found["peak_gib"] for found in MEASURED.values()]
    assert least - 0.1 <= min(peaks) and max(peaks) <= most


def test_capstones_take_the_minutes_of_their_milestones():
    for row in tables("README.md")[1]:
        path, _, _ = section(row["Capstone"][1:-1])
        parts = re.findall(r"^\*(\d+) minutes\.\*", path.read_text("utf-8"), re.MULTILINE)
        assert int(row["Minutes"]) == sum(map(int, parts)), row


def test_the_check_before_the_day_is_the_one_that_is_printed(capsys, monkeypatch):
    text = text_of("before.md")
    monkeypatch.setattr(runtime, "_package_problems", list)
    monkeypatch.setattr(runtime, "_machine_problems", list)
    runtime.check()
    shown = re.search(r"```text\n(Ready: Python )[\d.]+, torch .*, keras .*, tensorflow .*\n", text)
    assert capsys.readouterr().out.startswith(shown[1])
    assert f"{runtime.NEEDED_MEMORY:g} GiB of free memory" in text
    assert f"{runtime.NEEDED_DISK:g} GiB of free disk" in text


def test_what_the_guide_says_of_data_is_so(capsys):
    text = text_of("before.md")
    exec(re.search(r'python -c "(.*downloads.*)"$', text, re.MULTILINE)[1], {})
    assert capsys.readouterr().out == f"{downloads.cache()}\n"
    for name, count in (("mnist", "four"), ("reviews", "three")):
        source = data._SOURCES[name]
        assert f"`{source.folder}/` with {count}" in text
        assert len(source.md5) == {"four": 4, "three": 3}[count]
        assert f"({source.megabytes} MB)" in text
    quoted = re.search(r"> (MNIST is not .*?)\n\n", text, re.DOTALL)[1].replace("\n> ", " ")
    printed = re.sub(r'"\s+"', "", Path(data.__file__).read_text("utf-8"))
    assert quoted in printed


def test_commands_and_settings_that_the_guide_names_exist():
    text = "".join(map(text_of, (path.name for path in PAGES)))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)[`\n]", text)) <= targets
    code = "".join(path.read_text("utf-8") for path in ROOT.glob("course_utils/**/*.py"))
    for setting in set(re.findall(r"\bCOURSE_[A-Z]+\b", text)):
        assert f'"{setting}"' in code, setting
    digits = LESSONS["01"].read_text("utf-8")
    assert "steps = 6_000 if device == " in digits and "else 30_000" in digits
    assert '"of 30,000" in lesson 01' in text and '"of 6,000"' in text
