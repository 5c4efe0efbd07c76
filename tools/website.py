"""Build the website in build/site from the committed notebooks; nothing is executed or fetched.

    python tools/website.py
    python tools/website.py --to FOLDER

A folder beside it is filled with the pages of website/ and with copies of the notebooks, in which
links lead to pages of the site and every picture has its alternative text. Sphinx makes the site
from it. A warning of Sphinx fails the build; then the last site stays as it was, and so does that
folder, to look for the cause.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import jinja2
import nbformat
import notebook_files
from build import ROOT, TRACKS, Course, Refusal, relative
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import docutils_namespace, patch_docutils

# The targets of "[text](target)" and of "[name]: target"; addresses with a scheme stay as they are.
LINK = re.compile(r"(?<=\]\()[^)\s:#]+|(?<=\]: )[^\s:#]+(?=$|#)", re.MULTILINE)
# In the first cell that the build adds to a notebook: what the header of each page has as well.
LAUNCH = re.compile(r"^(\[!\[Open in Colab\]|\w+ track; the same lesson).*\n*", re.MULTILINE)
ATTACHMENT = re.compile(r"!\[(.*?)\]\(attachment:([^)]+)\)")


class Site:
    """The pages of the site, and what turns the repository's files into them."""

    def __init__(self, course: Course, source: Path) -> None:
        self.course, self.folder, self.source = course, course.root / "website", source
        self.pages = {path: Path(path.name) for path in self.folder.glob("*.md")}
        for name in course.titles:
            for track in TRACKS:
                path = course.notebook(name, track)
                self.pages[path] = path.relative_to(course.root)  # as launch buttons expect it

    def write(self) -> None:
        """Fill the source folder."""
        shutil.copytree(self.folder, self.source)
        for path, page in self.pages.items():
            (self.source / page).parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                (self.source / page).write_text(self.relink(path.read_text("utf-8"), path), "utf-8")
        lessons = [self.lesson(name, title) for name, title in self.course.titles.items()]
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        text = environment.get_template("index.md.jinja").render(
            tracks=TRACKS,
            lessons=lessons,
            caption=self.course.caption(),
            capstones=[
                (title, {track: self.exercises(name, track) for track in TRACKS})
                for name, title in self.course.capstones()
            ],
            address=self.course.address,
        )
        (self.source / "index.md.jinja").unlink()
        (self.source / "index.md").write_text(text, "utf-8")

    def relink(self, text: str, origin: Path) -> str:
        """Let relative links of a file of the repository lead to pages, or to the repository."""
        root, here = self.course.root, self.pages[origin].parent

        def target(link: re.Match) -> str:
            path = Path(os.path.normpath(origin.parent / link[0]))
            if path in self.pages:
                return relative(self.pages[path], here)
            if path.exists() and path.is_relative_to(root):
                return self.in_repository(path)
            return link[0]  # no file: Sphinx will say so

        return LINK.sub(target, text)

    def in_repository(self, path: Path) -> str:
        kind = "tree" if path.is_dir() else "blob"
        return f"{self.course.address}/{kind}/main/{self.course.shown(path)}"

    def exercises(self, name: str, track: str) -> str:
        """Return where a lesson's exercises are; empty if there are none."""
        path = self.course.exercises(name, track)
        return self.in_repository(path) if path.exists() else ""

    def lesson(self, name: str, title: str) -> dict:
        """Write both pages of a lesson; return what the home page says of it."""
        said: dict = {"title": title, "runs": {}}
        for track, framework in TRACKS.items():
            path = self.course.notebook(name, track)
            shown = self.course.shown(path)
            if not path.exists():
                raise Refusal(f"{shown} is missing; build it: make notebooks NAMES={name}")
            notebook, page = nbformat.read(path, as_version=4), self.source / self.pages[path]
            said["promise"] = find_promise(notebook, shown)
            pictures = detach_pictures(notebook, page)
            if not pictures:
                raise Refusal(f'{shown} shows no result; tag a cell of its lesson.md "result".')
            notebook.cells = list(self.cells(notebook, path, f"{title}, in {framework}"))
            nbformat.write(notebook, page)
            minutes, memory, quality = self.course.figures(path)
            said["runs"][track] = {
                "page": self.pages[path].with_suffix("").as_posix(),
                "picture": pictures[0],
                "figures": [f"{minutes} minutes", memory, quality] if minutes else [],
                "exercises": self.exercises(name, track),
            }
        return said

    def cells(self, notebook: NotebookNode, path: Path, title: str) -> Iterator[NotebookNode]:
        """Yield the cells of a notebook's page."""
        notebook.cells[0].source = re.sub("^# .*", f"# {title}", notebook.cells[0].source)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.relink(LAUNCH.sub("", cell.source), path)
                yield cell
            elif notebook_files.is_own(cell):
                yield from one_picture_each(cell, self.course.shown(path))


def detach_pictures(notebook: NotebookNode, page: Path) -> list[dict[str, str]]:
    """Save the pictures that are attached to cells beside their page; return file and text."""
    found = []
    for cell in notebook.cells:
        attached = cell.pop("attachments", {})
        for alt, name in ATTACHMENT.findall(cell.source):
            file = page.with_name(f"{page.stem}_{name}")
            file.write_bytes(base64.b64decode(attached[name]["image/png"]))
            cell.source = cell.source.replace(f"(attachment:{name})", f"({file.name})")
            found.append({"file": file.name, "alt": alt})
    return found


def one_picture_each(cell: NotebookNode, shown: str) -> Iterator[NotebookNode]:
    """Give each picture of a code cell its alternative text.

    MyST-NB has one for all pictures of a cell, so each further picture goes to a cell of its own,
    whose code is not shown.
    """
    outputs, cell.outputs = cell.outputs, []
    alt = None
    for output in outputs:
        if found := alternative_text(output, shown):
            if alt is not None:
                yield cell
                cell = deepcopy(cell)
                cell.id, cell.outputs = f"{cell.id}-", []
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), "remove-input"]
            alt = cell.metadata["mystnb"] = {"image": {"alt": found}}
        cell.outputs.append(output)
    yield cell


def alternative_text(output: NotebookNode, shown: str) -> str:
    """Return what a picture says to those who cannot see it; empty for what is no picture."""
    kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
    for kind in kinds:
        if alt := output.metadata.get(kind, {}).get("alt", "").strip():
            return alt
    if kinds:
        said = output.data.get("text/plain", "no other text")
        raise Refusal(
            f"{shown}: a picture has no alternative text (it comes with: {said}). Draw it with "
            "course_utils.plots, which writes one, or pass alt=… to what draws it; then build the "
            "notebook."
        )
    return ""


def find_promise(notebook: NotebookNode, shown: str) -> str:
    """Find the paragraph at a lesson's begin that says what its readers will do."""
    for paragraph in notebook.cells[0].source.split("\n\n"):
        if re.search(r"\b(You will|In this lesson you)\b", paragraph):
            return re.sub(r"[*`]", "", " ".join(paragraph.split()))
    raise Refusal(
        f'{shown}: its first cell has no sentence with "You will" or "In this lesson you"; the '
        "home page says with it what one learns. Write one into lesson.md."
    )


def build(course: Course, site: Path) -> int:
    """Build the site into a folder; return Sphinx's exit status."""
    parts = site.with_name(f"{site.name}-parts")
    shutil.rmtree(parts, ignore_errors=True)
    Site(course, parts / "source").write()
    addresses = dict.fromkeys(("repository_url", "github_url"), course.address)
    with patch_docutils(), docutils_namespace():
        sphinx = Sphinx(
            srcdir=parts / "source",
            confdir=parts / "source",
            outdir=parts / "html",
            doctreedir=parts / "doctrees",
            buildername="html",
            confoverrides={
                "html_context.tracks": TRACKS,
                **{f"html_theme_options.{name}": address for name, address in addresses.items()},
            },
            status=None,
            warningiserror=True,
        )
        sphinx.build()
    if not sphinx.statuscode:
        shutil.rmtree(site, ignore_errors=True)
        os.replace(parts / "html", site)
        shutil.rmtree(parts)
    return sphinx.statuscode


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line on the course in `root`; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, default=root / "build" / "site", help="another folder")
    site = parser.parse_args(arguments).to.resolve()
    try:
        status = build(Course.load(root), site)
    except (Refusal, SphinxError) as error:
        print(error, file=sys.stderr)
        return 1
    if not status:
        print(f"{site} is built: open its index.html, or serve the folder.")
    return status


if __name__ == "__main__":
    sys.exit(main())
