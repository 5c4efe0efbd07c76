"""Build each lesson's two notebooks, the map of lessons in README, and the start page.

``notebooks/NN_topic/lesson.md`` is the source. jupytext reads it, nbconvert picks one track's
cells, nbclient executes them. Outputs are kept as long as the code stays the same, so a build
after a change of prose takes no time, and a build after no change writes the very same bytes.

    python tools/build.py              all lessons
    python tools/build.py 01_gan 02    the named ones
    python tools/build.py --check      compare with what is committed; execute and write nothing
    python tools/build.py --force 01   execute even if the code has not changed
    python tools/build.py --measured   take over the figures of the last `make test`, then build
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import jupytext
import measures
import notebook_files
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_files import Problem

ROOT = Path(__file__).resolve().parent.parent
TRACKS = {"pytorch": "PyTorch", "keras": "Keras"}
MISTAKEN_TAGS = {"tf": "keras", "tensorflow": "keras"}  # other slips are found by their spelling
MAX_LINES = 40  # of a code cell
MAX_TAGGED_PROSE = 1 / 3
TITLE = re.compile(r"# (\d\d|Capstone) · \S.*")
TAGS = re.compile(r'\btags=\["\w[\w-]*"(, ?"\w[\w-]*")*\]')
MAP = re.compile(r"(<!-- lessons: built by tools/build\.py -->\n).*?(<!-- /lessons -->)", re.S)
# From the branch that the badges open, so that package and notebook belong together; as an archive,
# so that the repository's history stays away; alone, so that what Colab has keeps its version.
COLAB_CELL = """\
# On Colab only, once, in seconds: the course's helper package, and Faker, which Colab lacks.
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("course_utils") is None:
    %pip install --quiet --no-deps faker "{address}/archive/main.zip\""""
FEEDBACK_CELL = """\
# For whoever teaches this: what helped, and what did not? One line between the last quotes.
# It is kept in a file of yours. Nothing is sent anywhere.
from course_utils import feedback

feedback.write("{notebook}", "")"""
START = """\
# Generative Models, Built Twice

Every lesson exists twice, once in PyTorch and once in Keras, and makes the same points in both.
Choose a track, open its first lesson with a click, and run the cells from top to bottom with
Shift+Enter. To change things and keep what you did, work on a copy (*File → Save Notebook As…*).

{caption}## Choose a track

**PyTorch**: training steps are written out, line by line. Choose it to see all that happens.

{pytorch}
**Keras**: a loss is written, `fit` does the rest, and it runs on TensorFlow, PyTorch and JAX.

{keras}
## What you have solved

Each exercise is a circle until a check has found it right. Run the cell again for the latest.

```python
from course_utils import checks

checks.progress()
```

## Is this computer ready?

```python
from course_utils import runtime

problems = runtime.check()
```
"""


START_PAGE = "notebooks/START.ipynb"  # which tools/lab.py and binder/start write
MAP_CAPTION = """\
Minutes and peak memory as measured in one run of `make test`, where each notebook has one of two
CPU cores; with both it is faster. Quality on {data}, as the notebook's last cell measures it; in
brackets what real images score.

"""
DATA = {"mnist": "MNIST", "digits": "the stand-in `digits`"}


class Refusal(Exception):
    """What stands in the way of any build, and what to do about it."""


@dataclass(frozen=True)
class Course:
    """What every notebook needs to know about the whole course."""

    root: Path
    address: str
    titles: dict[str, str]  # folder name -> "01 · GAN", in the course's order
    measured: dict[str, dict]  # "01_gan_keras" -> {"minutes": …, "peak_gib": …, "measures": …}

    @classmethod
    def load(cls, root: Path) -> Course:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
        address = project.get("urls", {}).get("Repository", "")
        if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+(?<!\.git)", address):
            raise Refusal(
                f'pyproject.toml: [project.urls] Repository is "{address}"; Colab and Binder need '
                "the form https://github.com/<owner>/<repository>."
            )
        titles = {}
        for source in sorted(root.glob("notebooks/[0-9][0-9]_*/lesson.md")):
            title = re.search(f"^{TITLE.pattern}$", source.read_text("utf-8"), re.MULTILINE)
            titles[source.parent.name] = title[0][2:] if title else source.parent.name
        measured = root / "notebooks" / "measured.json"
        figures = json.loads(measured.read_text("utf-8")) if measured.exists() else {}
        return cls(root, address, titles, figures)

    def source(self, name: str) -> Path:
        return self.root / "notebooks" / name / "lesson.md"

    def notebook(self, name: str, track: str) -> Path:
        return self.root / "notebooks" / name / f"{name}_{track}.ipynb"

    def shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def exercises(self, name: str, track: str) -> Path:
        return self.root / "exercises" / name / f"{name}_exercises_{track}.ipynb"

    def figures(self, path: Path) -> tuple[str, str, str]:
        """Return one notebook's minutes, memory and quality as text, empty if nobody measured."""
        if not (found := self.measured.get(path.stem)):
            return "", "", ""
        quality = measures.headlines(found.get("measures", {}))
        return f"{found['minutes']:.1f}", f"{found['peak_gib']:.1f} GiB", quality

    def caption(self) -> str:
        """Say how the map's figures were measured; nothing if nobody measured."""
        data = sorted({found["data"] for found in self.measured.values() if "data" in found})
        return MAP_CAPTION.format(data=" and ".join(DATA[name] for name in data)) if data else ""

    def capstones(self) -> Iterator[tuple[str, str]]:
        """Yield folder name and title of each capstone whose notebooks are built."""
        for source in sorted(self.root.glob("exercises/capstone_*/exercise.md")):
            if self.exercises(source.parent.name, "keras").exists():
                title = source.read_text("utf-8").partition("\n")[0].removeprefix("# ")
                yield source.parent.name, title

    def badges(self, path: Path) -> str:
        """Return one notebook's launch badges."""
        repository, file = self.address.removeprefix("https://github.com/"), self.shown(path)
        return (
            "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{repository}/blob/main/{file}) "
            + self.binder(file)
        )

    def binder(self, file: str) -> str:
        """Return the badge that opens a file on Binder."""
        repository = self.address.removeprefix("https://github.com/")
        return (
            "[![Launch on Binder](https://mybinder.org/badge_logo.svg)]"
            f"(https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{file})"
        )

    def table(self, start: Path) -> str:
        """Return the map of lessons, a table whose links begin at the folder `start`."""
        head = ["Lesson", "Notebook", "Exercises", "Minutes", "Memory", "Quality", "Launch"]
        rows = [head, ["---"] * len(head)]
        for name, title in self.titles.items():
            for track, framework in TRACKS.items():
                path = self.notebook(name, track)
                link = f"[{framework}]({relative(path, start)})"
                more = self.exercises(name, track)
                practice = f"[try it]({relative(more, start)})" if more.exists() else ""
                figures = [text or "not measured yet" for text in self.figures(path)]
                rows.append([title, link, practice, *figures, self.badges(path)])
                title = ""  # each lesson's once, so that its two rows are read as one
        for name, title in self.capstones():
            for track, framework in TRACKS.items():
                path = self.exercises(name, track)
                link = f"[{framework}]({relative(path, start)})"
                rows.append([title, "", link, "", "", "", self.badges(path)])
                title = ""
        return self.caption() + "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def track_table(self, track: str, start: Path) -> str:
        """Return one track's lessons and capstones, folded up, with links from `start`."""
        rows = [["Lesson", "Exercises", "Minutes", "Memory", "Quality"], ["---"] * 5]
        for name, title in self.titles.items():
            path, more = self.notebook(name, track), self.exercises(name, track)
            practice = f"[try them]({relative(more, start)})" if more.exists() else ""
            figures = [text or "not measured yet" for text in self.figures(path)]
            rows.append([f"[{title}]({relative(path, start)})", practice, *figures])
        for name, title in self.capstones():
            link = f"[{title}]({relative(self.exercises(name, track), start)})"
            rows.append([link, "", "", "", ""])
        table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        summary = f"<summary>The lessons in {TRACKS[track]}</summary>"
        return f"<details>\n{summary}\n\n{table}\n</details>\n"

    def pages(self) -> Iterator[tuple[Path, str]]:
        """Yield the files that show the map, each with the text that it should hold."""
        folder, readme = self.root / "notebooks", self.root / "README.md"
        tables = {track: self.track_table(track, folder) for track in TRACKS}
        yield folder / "START.md", START.format(caption=self.caption(), **tables)
        if readme.exists():
            whole = f"The whole course, at its start page: {self.binder(START_PAGE)}\n\n"
            table = whole + self.table(self.root)
            yield (
                readme,
                MAP.sub(lambda found: found[1] + table + found[2], readme.read_text("utf-8")),
            )


def relative(path: Path, start: Path) -> str:
    """Write the link from a page in the folder `start` to `path`."""
    return Path(os.path.relpath(path, start)).as_posix()


# ------------------------------------------------------------------ from lesson.md to cells


def read_lesson(source: Path) -> tuple[list[NotebookNode], list[Problem]]:
    """Read a lesson's cells, each with its line in the file, and all that is wrong with them."""
    text = source.read_text("utf-8")
    if problems := list(mark_problems(text)):
        return [], problems
    cells = jupytext.reads(text, fmt="md").cells
    position = 0
    for cell in cells:
        body = re.sub(r"\A%%.*\n", "", cell.source)  # jupytext made this line of ```bash
        # With a line's end in front of everything, each cell is found at the begin of a line.
        position = max(position, f"\n{text}".find(f"\n{body}", position))
        marked = cell.cell_type == "code" or "tags" in cell.metadata  # the line above is its mark
        cell.metadata["line"] = text.count("\n", 0, position) + 1 - marked
        position += len(body)
    number = source.parent.name[:2]
    number = number if number.isdigit() else "Capstone"
    return cells, sorted([*cell_problems(cells, number), *pair_problems(cells)])


def mark_problems(text: str) -> Iterator[Problem]:
    """Find regions and code fences that never end, ends without a begin, and misspelt tags."""
    region = fence = ""
    region_line = fence_line = 0
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if line.rstrip() == fence else fence
            continue
        if opening := re.match(r"`{3,}|~{3,}", line):
            fence, fence_line = opening[0], number
        elif re.match(r"<!--\s*#region\b", line):
            if region:
                yield number, f"region inside the region of line {region_line}; close that first."
            region, region_line = line, number
        elif re.match(r"<!--\s*#endregion\b", line):
            if not region:
                yield number, "#endregion closes no region; remove it."
            region = ""
        meant = number in (fence_line, region_line) and re.search("tag|pytorch|keras", line)
        if meant and not TAGS.search(line):
            yield number, f'cannot read the tags in {line}; write tags=["keras"].'
    if region:
        yield region_line, "region is never closed; add <!-- #endregion -->."
    if fence:
        yield fence_line, f"code fence is never closed; add {fence}."


def cell_problems(cells: list[NotebookNode], lesson: str) -> Iterator[Problem]:
    """Find what is wrong with single cells, and with the chapter as a whole."""
    title = TITLE.match(cells[0].source) if cells and cells[0].cell_type == "markdown" else None
    if not title or title[1] != lesson:
        yield 1, f'a lesson begins with its title; make its first line "# {lesson} · Title".'
    words: Counter[bool] = Counter()
    for cell in cells:
        line, tags = cell.metadata["line"], cell.metadata.get("tags", [])
        for tag in set(tags) - set(TRACKS):
            near = difflib.get_close_matches(tag.lower(), TRACKS, n=1, cutoff=0.7)
            if meant := MISTAKEN_TAGS.get(tag.lower()) or "".join(near):
                yield line, f'unknown tag "{tag}"; write "{meant}", or another word.'
        if set(TRACKS) <= set(tags):
            yield line, "cell has both tracks' tags; remove both, then it goes to both tracks."
        if cell.cell_type == "markdown":
            words[not set(TRACKS).isdisjoint(tags)] += len(cell.source.split())
        elif cell.source.startswith("%%"):
            magic = cell.source.split("\n")[0]
            yield line, f"cell magic {magic}; write ```console to show commands and not run them."
        elif (length := cell.source.count("\n") + 1) > MAX_LINES:
            yield line, f"code cell of {length} lines; split it, {MAX_LINES} is the limit."
    if words[True] > MAX_TAGGED_PROSE * words.total():
        yield (
            1,
            f"{words[True]} of {words.total()} words of prose are tagged, more than a third; say "
            "more of it once for both tracks, or split the chapter.",
        )


def pair_problems(cells: list[NotebookNode]) -> Iterator[Problem]:
    """Find tagged cells without a twin: same type, same other tags, the other track, adjacent."""
    waiting = list(cells)
    while waiting:
        cell = waiting.pop(0)
        tags = set(cell.metadata.get("tags", []))
        if len(tags & set(TRACKS)) != 1:
            continue
        (track,), (other,) = tags & set(TRACKS), set(TRACKS) - tags
        twin = set(waiting[0].metadata.get("tags", [])) if waiting else set()
        if twin & set(TRACKS) != {other} or waiting[0].cell_type != cell.cell_type:
            yield (
                cell.metadata["line"],
                f'{cell.cell_type} cell tagged "{track}" has no "{other}" twin next to it; '
                "add one, or remove the tag.",
            )
            continue
        waiting.pop(0)
        if odd := sorted((tags ^ twin) - set(TRACKS)):
            yield cell.metadata["line"], f"only one of this pair has {odd}; tag both or neither."


# ------------------------------------------------------------------ from cells to notebooks


def assemble(course: Course, name: str, track: str, cells: list[NotebookNode]) -> NotebookNode:
    """Put one track's cells together with the front part, without outputs."""
    (other,) = set(TRACKS) - {track}
    whole = new_notebook(cells=deepcopy(cells))
    notebook, _ = TagRemovePreprocessor(remove_cell_tags={other}).preprocess(whole, {})
    for cell in notebook.cells:
        for key in ("lines_to_next_cell", "region_name"):  # jupytext's notes to itself
            cell.metadata.pop(key, None)
    notebook.cells[1:1] = front(course, name, track, other)
    notebook.cells += end(course, name, track)
    notebook_files.set_ids(notebook)
    return notebook


def front(course: Course, name: str, track: str, other: str) -> list[NotebookNode]:
    """Write the cells that follow the title: badges, links, cost; the installation on Colab."""
    path, twin = course.notebook(name, track), course.notebook(name, other).name
    links = f"{TRACKS[track]} track; the same lesson [in {TRACKS[other]}]({twin})."
    names = list(course.titles)
    here = names.index(name)
    for word, near in (("Previous", names[:here][-1:]), ("Next", names[here + 1 :][:1])):
        for lesson in near:
            file = course.notebook(lesson, track).name
            links += f" {word}: [{course.titles[lesson]}](../{lesson}/{file})."
    minutes, memory, _ = course.figures(path)
    cost = (
        f"Measured on one CPU core: {minutes} minutes, {memory} peak memory."
        if minutes
        else "Run time and peak memory: not measured yet."
    )
    colab = COLAB_CELL.format(address=course.address)
    return [
        new_markdown_cell(f"{course.badges(path)}\n\n{links}\n\n{cost}"),
        new_code_cell(colab, metadata={"tags": ["colab"]}),
    ]


def end(course: Course, name: str, track: str) -> list[NotebookNode]:
    """Write the cells that follow the last one: a line for the instructor; where to go on."""
    path = course.notebook(name, track)
    line = FEEDBACK_CELL.format(notebook=path.stem)
    cells = [new_code_cell(line, metadata={"tags": ["feedback"]})]
    ways, here = [], path.parent
    if (exercises := course.exercises(name, track)).exists():
        ways.append(
            f"[the exercises of this lesson, which check themselves]({relative(exercises, here)})"
        )
    names = list(course.titles)
    for lesson in names[names.index(name) + 1 :][:1]:
        way = relative(course.notebook(lesson, track), here)
        ways.append(f"[{course.titles[lesson]}]({way})")
    if ways:
        cells.append(new_markdown_cell(f"**Go on**: {'; then '.join(ways)}."))
    return cells


def show_result(notebook: NotebookNode, executed: NotebookNode) -> None:
    """Show the picture that the cell tagged "result" drew at the front, as an attachment."""
    for cell in executed.cells:
        for output in cell.get("outputs", []) if "result" in cell.metadata.get("tags", []) else []:
            if "image/png" in output.get("data", {}):
                first = notebook.cells[1]
                first.source += f"\n\n![{output.data['text/plain']}](attachment:result.png)"
                first.attachments = {"result.png": {"image/png": output.data["image/png"]}}
                return notebook_files.set_ids(notebook)


def build(
    course: Course, name: str, track: str, cells: list[NotebookNode], check: bool, force: bool
) -> list[str]:
    """Build one notebook and write it, or with `check` compare it; return what is wrong."""
    new = assemble(course, name, track, cells)
    command = f"python tools/build.py {name}"
    return settle(
        course, course.source(name), course.notebook(name, track), new, command, check, force
    )


def settle(
    course: Course,
    source: Path,
    path: Path,
    new: NotebookNode,
    command: str,
    check: bool,
    force: bool,
) -> list[str]:
    """Give an assembled notebook its outputs and write it, or compare it with what is there.

    `command` is what mends a notebook that is not what its source builds.
    """
    old, track = notebook_files.read(path), path.stem.rpartition("_")[2]
    adopted = notebook_files.adopt_outputs(new, old) and not force
    problems: list[Problem] = []
    if not adopted and not check:
        started = time.monotonic()
        print(f"{path.stem}: executing …", flush=True)
        problems = notebook_files.execute(new, path.parent)
        print(f"{path.stem}: {time.monotonic() - started:.0f} s", flush=True)
    if not problems:
        new = notebook_files.finish(new)
        # A check of changed code has no new picture: it must not stumble over that first.
        show_result(new, old if old and check and not adopted else new)
        problems = list(notebook_files.output_problems(new, course.root))
    if problems:
        return [f"{course.shown(source)}:{line}: {track}: {text}" for line, text in problems]
    content = notebook_files.to_bytes(new)
    if not check:
        print(f"{path.stem}: {'written' if notebook_files.write(path, content) else 'unchanged'}")
    elif not path.exists() or path.read_bytes() != content:
        what = notebook_files.difference(old, new, adopted, course.shown(source))
        return [f"{course.shown(path)}: {what}. Mend it: {command}"]
    return []


def select(course: Course, wanted: list[str]) -> list[str]:
    """Find lessons by folder name, path or number; all of them if none is named."""
    chosen = []
    for word in wanted or course.titles:
        found = [name for name in course.titles if Path(word).name in (name, name[:2])]
        if not found:
            raise Refusal(f'no lesson "{word}"; there are: {", ".join(course.titles) or "none"}.')
        chosen += found
    return list(dict.fromkeys(chosen))


def take_over(root: Path) -> None:
    """Copy what the last `make test` measured to where the map is made from."""
    measured, course = root / "build" / "measured.json", Course.load(root)
    if not measured.exists():
        raise Refusal("build/measured.json is not there: `make test` leaves it when all is well.")
    text = measured.read_text("utf-8")
    notebooks = {course.notebook(name, track).stem for name in course.titles for track in TRACKS}
    if odd := sorted(notebooks ^ set(json.loads(text))):
        raise Refusal(f"build/measured.json is of another course ({', '.join(odd)}): make test")
    notebook_files.write(root / "notebooks" / "measured.json", text.encode())


def run(root: Path, wanted: list[str], check: bool, force: bool) -> list[str]:
    """Build or check lessons and pages; return all that is wrong with them."""
    course = Course.load(root)
    wrong = []
    for name in select(course, wanted):
        cells, problems = read_lesson(course.source(name))
        shown = course.shown(course.source(name))
        wrong += [f"{shown}:{line}: {problem}" for line, problem in problems]
        for track in TRACKS if not problems else ():
            wrong += build(course, name, track, cells, check, force)
    for path, text in course.pages():
        if not check:
            notebook_files.write(path, text.encode())
        elif not path.exists() or path.read_bytes() != text.encode():
            shown = course.shown(path)
            wrong.append(f"{shown}: its map is not up to date. Mend it: python tools/build.py")
    known = {course.notebook(name, track) for name in course.titles for track in TRACKS}
    for path in sorted(root.glob("notebooks/*/*.ipynb")):
        if path.stem.endswith(tuple(TRACKS)) and path not in known:
            wrong.append(f"{course.shown(path)}: no lesson.md builds this; remove it.")
    return wrong


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line on the course in `root`; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="lessons, such as 01_gan or 01; all if none")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare; execute and write nothing")
    mode.add_argument("--force", action="store_true", help="execute even if no code has changed")
    mode.add_argument("--measured", action="store_true", help="with the last `make test`'s figures")
    options = parser.parse_args(arguments)
    try:
        if options.measured:
            take_over(root)
        wrong = run(root, options.names, options.check, options.force)
    except Refusal as refusal:
        wrong = [str(refusal)]
    print(*wrong, sep="\n", end="\n" * bool(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
