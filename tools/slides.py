"""Build the slides in build/slides from the committed notebooks: a deck for each lesson and track.

    python tools/slides.py              all lessons
    python tools/slides.py 01_gan 02    the named ones
    python tools/slides.py --to FOLDER

Nothing is executed or fetched: reveal.js is copied from the package sphinx-revealjs, and formulas
are written as MathML. A cell tagged "slide" begins a slide, one tagged "fragment" is added to it at
the next press of a key. Of a code cell one sees its pictures, each on a slide of its own unless the
cell is a fragment; without any, what it printed; without that, its code. Text stands beside a
picture that is about as high as wide, and above or below a wider one. All other prose becomes the
speaker's notes.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import io
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from build import ROOT, TRACKS, Course, Refusal, select
from mathml import mathml
from nbconvert import SlidesExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from traitlets.config import Config
from website import ATTACHMENT, alternative_text

MAX_LINES, MAX_COLUMNS = 16, 92  # of code or print: letters are then 20 of 720 pixels high
WIDTH, HEIGHT = 1280, 720
TALL = 1.5  # a picture less than so many times as wide as high has its text beside it
HEADING = re.compile("^#{2,3} .*", re.MULTILINE)
LANGUAGE = {"name": "python"}  # or nbconvert takes code for IPython's


class Renderer(IPythonRenderer):
    """Markdown as HTML, its formulas as MathML; of links the text, as no file is beside a deck."""

    def inline_math(self, body: str) -> str:
        return mathml(body, block=False)

    def block_math(self, body: str) -> str:
        return mathml(body, block=True)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return text


def to_html(source: str) -> str:
    renderer = Renderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(source)


# ------------------------------------------------------------------ from a notebook to a deck


@dataclass
class Slide:
    """What a slide shows at once, what is added to it key by key, and what its speaker says."""

    shown: list[NotebookNode]  # the first is its heading
    fragments: list[NotebookNode] = field(default_factory=list)
    notes: list[NotebookNode] = field(default_factory=list)

    def cells(self) -> Iterator[NotebookNode]:
        """Yield the cells as nbconvert wants them, each with its type."""
        # Notes come before fragments: within one, they would hide the others.
        ways = {"-": self.shown, "notes": self.notes, "fragment": self.fragments}
        for kind, cells in ways.items():
            for cell in cells:
                cell.metadata.slideshow = NotebookNode(slide_type=kind)
        begin = self.shown[0].metadata.slideshow
        begin.slide_type = "slide"
        if self.is_beside():
            begin.data = {"text": "beside"}  # in the page: data-text="beside"
        yield from (*self.shown, *self.notes, *self.fragments)

    def is_beside(self) -> bool:
        """Whether text stands beside the slide's only picture, for below it too little is left."""
        _, *seen = self.shown + self.fragments
        found = [output for cell in seen for output in cell.get("outputs", []) if "data" in output]
        if len(found) != 1 or len(seen) == 1:
            return False
        picture = Image.open(io.BytesIO(base64.b64decode(found[0].data["image/png"])))
        return picture.width < TALL * picture.height


def make_deck(notebook: NotebookNode, framework: str, shown: str) -> NotebookNode:
    """Select from a lesson's notebook what its deck shows and what its speaker says."""
    first, front, *cells = notebook.cells
    title, *paragraphs = first.source.split("\n\n")
    if not paragraphs:
        raise Refusal(
            f"{shown} has only a title in its first cell; write the lesson's idea under it."
        )
    title, (idea, *more) = f"{title}, in {framework}", paragraphs
    slides = [
        Slide([new_markdown_cell(title), result(front, shown)]),
        Slide([new_markdown_cell("## The idea"), new_markdown_cell(idea)], notes=prose(more)),
    ]
    heading = ""
    for cell in cells:
        tags = {"slide", "fragment"} & set(cell.metadata.get("tags", []))
        if cell.cell_type == "markdown" and (found := HEADING.findall(cell.source)):
            heading = found[-1]
            if tags and (found[1:] or "fragment" in tags):
                raise Refusal(
                    f"{shown}: a slide has one heading, and a fragment none. Put what is under "
                    f"{' and '.join(found)} into cells of their own."
                )
        if cell.cell_type == "markdown" and not tags:
            slides[-1].notes += prose([cell.source])
        for part in parts(cell, shown) if tags else ():
            if "fragment" in tags:
                slides[-1].fragments.append(part)
            else:
                slides.append(Slide([new_markdown_cell(heading), part]))
    cells = [cell for slide in slides for cell in slide.cells()]
    metadata = {"title": title.removeprefix("# "), "language_info": LANGUAGE}
    return new_notebook(cells=cells, metadata=metadata)


def prose(texts: list[str]) -> list[NotebookNode]:
    return [new_markdown_cell(text) for text in texts]


def result(front: NotebookNode, shown: str) -> NotebookNode:
    """Return the lesson's result as a cell, from the cell that shows it at the front."""
    if not (found := ATTACHMENT.search(front.source)):
        raise Refusal(f'{shown} shows no result; tag a cell of its lesson.md "result".')
    alt, name = found.groups()
    metadata = {"image/png": {"alt": alt}}
    picture = new_output("display_data", data=front.attachments[name], metadata=metadata)
    return new_code_cell(outputs=[picture])


def parts(cell: NotebookNode, shown: str) -> Iterator[NotebookNode]:
    """Yield what a cell shows: its text; its pictures, else what it printed, else its code."""
    if cell.cell_type == "markdown":  # less its heading, which its slide has
        yield new_markdown_cell(HEADING.sub("", cell.source, count=1).lstrip())
        return
    pictures = [output for output in cell.outputs if alternative_text(output, shown)]
    printed = "".join(output.get("text", "") for output in cell.outputs)
    for picture in pictures:
        if "image/png" not in picture.data:
            raise Refusal(
                f"{shown}: a picture is {', '.join(picture.data)}; slides show image/png."
            )
        yield new_code_cell(outputs=[picture])
    if not pictures:
        lines = (printed or cell.source).rstrip().split("\n")
        columns = max(map(len, lines))
        if len(lines) > MAX_LINES or columns > MAX_COLUMNS:
            raise Refusal(
                f"{shown}: {len(lines)} lines of up to {columns} letters are too much for a slide, "
                f"which holds {MAX_LINES} of {MAX_COLUMNS}. Tag another cell, or make this one "
                f"smaller. It begins: {lines[0]}"
            )
        outputs = [new_output("stream", text=printed)] if printed else []
        size = {"columns": columns, "lines": len(lines)}
        yield new_code_cell(cell.source, outputs=outputs, metadata=size)


# ------------------------------------------------------------------ from decks to files


def copy_reveal(folder: Path) -> None:
    """Put of reveal.js what the decks use beside them."""
    package = importlib.util.find_spec("sphinx_revealjs").submodule_search_locations[0]
    source = Path(package) / "_static" / "revealjs"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "LICENSE", folder)
    for part in ("dist", "plugin/notes", "plugin/zoom"):
        skip = shutil.ignore_patterns("*.map")
        shutil.copytree(source / part, folder / part, ignore=skip, dirs_exist_ok=True)


def build(course: Course, names: list[str], folder: Path) -> None:
    """Build lessons' decks into a folder."""
    copy_reveal(folder / "reveal.js")
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(ROOT / "workshop")],
        filters={"markdown2html": to_html},
        reveal_url_prefix="reveal.js",
        reveal_theme="white",
        reveal_width=str(WIDTH),
        reveal_height=str(HEIGHT),
        config=Config(CSSHTMLHeaderPreprocessor={"style": "a11y-high-contrast-light"}),
    )
    for name in names:
        for track, framework in TRACKS.items():
            path = course.notebook(name, track)
            shown = course.shown(path)
            if not path.exists():
                raise Refusal(f"{shown} is missing; build it: make notebooks NAMES={name}")
            deck = make_deck(nbformat.read(path, as_version=4), framework, shown)
            page, _ = exporter.from_notebook_node(deck)
            (folder / f"{path.stem}.html").write_text(page, "utf-8")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line on the course in `root`; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="lessons, such as 01_gan or 01; all if none")
    parser.add_argument("--to", type=Path, default=root / "build" / "slides", help="another folder")
    options = parser.parse_args(arguments)
    folder = options.to.resolve()
    try:
        course = Course.load(root)
        build(course, select(course, options.names), folder)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{folder} has the slides: open a page in a browser; S opens the speaker's view.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
