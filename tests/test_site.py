"""The website: each part by itself; then all of it is built, read, and walked in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_output

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build  # noqa: E402
import website  # noqa: E402

COURSE = build.Course.load(ROOT)
HOST = COURSE.address.removeprefix("https://github.com/")
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1300, "height": 900}


def lesson_page(name: str, track: str) -> str:
    return f"notebooks/{name}/{name}_{track}.html"


LESSONS = {track: [lesson_page(name, track) for name in COURSE.titles] for track in build.TRACKS}
PAGES = ["index.html", "notation.html", "glossary.html", *sum(LESSONS.values(), [])]


# ------------------------------------------------------------------ from notebooks to pages


def picture(alt: str | None):
    metadata = {} if alt is None else {"image/png": {"alt": alt}}
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "a curve"}
    return new_output("display_data", data=data, metadata=metadata)


def test_each_picture_has_its_own_text():
    outputs = [picture("one"), new_output("stream", text="between"), picture("two")]
    cell = new_code_cell("draw()", outputs=list(outputs), metadata={"tags": ["training"]})
    first, second = website.one_picture_each(cell, "a.ipynb")
    assert first.outputs == outputs[:2] and second.outputs == outputs[2:]
    assert first.metadata == {"tags": ["training"], "mystnb": {"image": {"alt": "one"}}}
    assert second.metadata["mystnb"] == {"image": {"alt": "two"}}
    assert second.metadata["tags"] == ["training", "remove-input"]


@pytest.mark.parametrize("alt", [None, "", " "])
def test_a_picture_without_text_is_refused(alt):
    with pytest.raises(build.Refusal, match=r"a\.ipynb: a picture has no alternative text.*curve"):
        list(website.one_picture_each(new_code_cell(outputs=[picture(alt)]), "a.ipynb"))


def test_links_lead_to_pages_or_to_the_repository():
    site = website.Site(COURSE, ROOT / "build" / "nowhere")
    first, second = list(COURSE.titles)[:2]
    notebook = COURSE.notebook(first, "keras")
    text = (
        f"[a](../{second}/{second}_keras.ipynb) [b](../../exercises/{first}/exercise.md) "
        f"[c](https://example.org) [d](#here) [e](gone.md) [f](../spread.md#top)\n\n"
        f"[1]: ../{second}/{second}_keras.ipynb\n"
    )
    blob = f"{COURSE.address}/blob/main"
    assert site.relink(text, notebook) == (
        f"[a](../{second}/{second}_keras.ipynb) [b]({blob}/exercises/{first}/exercise.md) "
        f"[c](https://example.org) [d](#here) [e](gone.md) [f]({blob}/notebooks/spread.md#top)\n\n"
        f"[1]: ../{second}/{second}_keras.ipynb\n"
    )
    glossary = ROOT / "website" / "glossary.md"
    link = f"[1]: ../notebooks/{first}/{first}_keras.ipynb\n"
    assert site.relink(link, glossary) == link.replace("../", "")


# ------------------------------------------------------------------ notation and glossary

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$", re.DOTALL)
LAYOUT = (
    r"\\(begin|end)\{\w+\}|\\(text|operatorname|mathrm)\{.*?\}"
    r"|\\(frac|tfrac|sqrt|left|right|bigl|bigr|underbrace|mid|dots|qquad)(?![A-Za-z])"
)
EVERYDAY = {r"\approx", r"\le", r"\ge", r"\infty", r"\int", r"\pi"}


def symbols(path: Path) -> set[str]:
    """The letters and commands of a page's formulas."""
    text = re.sub(r"^(`{3,}).*?^\1", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    formulas = [re.sub(LAYOUT, " ", block or line) for block, line in FORMULA.findall(text)]
    return set(re.findall(r"\\[A-Za-z]+|[A-Za-z]", " ".join(formulas))) - EVERYDAY


@pytest.mark.parametrize("name", COURSE.titles)
def test_notation_has_every_symbol_of_a_lesson(name):
    unknown = symbols(COURSE.source(name)) - symbols(ROOT / "website" / "notation.md")
    assert not unknown, f"website/notation.md does not explain {sorted(unknown)}"


def test_symbols_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("$\\frac{a}{b}$ `$c$` $$\\text{d} \\bar\\theta$$\n```\n$e$\n```\n5 $ or f\n")
    assert symbols(page) == {"a", "b", r"\bar", r"\theta"}


def test_glossary_is_in_order():
    text = (ROOT / "website" / "glossary.md").read_text("utf-8")
    entries = re.search(r"```\{glossary\}\n(.*?)\n```", text, re.DOTALL)[1].split("\n\n")
    terms = [entry.partition("\n")[0] for entry in entries]
    plain = [unicodedata.normalize("NFD", term).encode("ascii", "ignore").lower() for term in terms]
    assert len(terms) >= 60 and plain == sorted(set(plain))
    assert all(re.search(r"esson \d\d\]\[\d\d\]", entry) for entry in entries)


# ------------------------------------------------------------------ the site, read


@pytest.fixture(scope="module")
def site(tmp_path_factory, worker_id):
    """The folder of the site, freshly built, once for all processes of the test run."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder = shared / "website" / "site"
    with FileLock(shared / "website.lock"):
        if not folder.exists():
            command = [sys.executable, "tools/website.py", "--to", str(folder)]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
            assert run.stderr == ""
    return folder


@pytest.fixture(scope="module")
def soups(site):
    """All pages of the site, by their path."""
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }


@pytest.mark.slow
def test_all_pages_are_there(soups):
    assert set(soups) == {*PAGES, "search.html"}


@pytest.mark.slow
def test_every_link_and_anchor_leads_somewhere(site, soups):
    broken = []
    ids = {page: {part["id"] for part in soup.find_all(id=True)} for page, soup in soups.items()}
    for page, soup in soups.items():
        for link in soup.find_all(["a", "link"], href=True):
            target = urlsplit(urljoin(f"http://site/{page}", link["href"]))
            path, anchor = unquote(target.path).lstrip("/"), unquote(target.fragment)
            if target.netloc != "site" or link["href"] == "#":
                continue
            if not (site / path).is_file() or (anchor and anchor not in ids[path]):
                broken.append((page, link["href"]))
    assert not broken


@pytest.mark.slow
def test_nothing_comes_from_another_host(site, soups):
    foreign = []
    for page, soup in soups.items():
        parts = soup.find_all(["script", "img", "iframe", "source", "video"], src=True)
        sources = [part["src"] for part in parts]
        for link in soup.find_all("link", href=True):
            if not {"next", "prev", "search", "index", "canonical"} & set(link.get("rel", [])):
                sources.append(link["href"])
        sources += re.findall(r"url\(|@import", " ".join(s.text for s in soup.find_all("style")))
        foreign += [(page, source) for source in sources if re.match(r"(\w+:)?//", source)]
    for sheet in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*[\"']?((?:\w+:)?//[^\"')\s]+)", sheet.read_text())
        foreign += [(sheet.name, source) for source in found]
    assert not foreign


@pytest.mark.slow
def test_every_picture_is_there_and_has_a_text(site, soups):
    for page, soup in soups.items():
        for image in soup.find_all("img"):
            assert (site / page).parent.joinpath(unquote(image["src"])).is_file()
            assert image.get("alt", "").strip(), f"{page}: {image['src']} has no text"
    for track, pages in LESSONS.items():
        for name, page in zip(COURSE.titles, pages, strict=True):
            notebook = website.nbformat.read(COURSE.notebook(name, track), as_version=4)
            drawn = [
                output.metadata["image/png"]["alt"]
                for cell in notebook.cells
                for output in cell.get("outputs", [])
                if "image/png" in output.get("data", {})
            ]
            images = soups[page].select(".cell_output img")
            assert [image["alt"] for image in images] == drawn


@pytest.mark.slow
def test_formulas_are_mathml(soups):
    for track, pages in LESSONS.items():
        for name, page in zip(COURSE.titles, pages, strict=True):
            notebook = website.nbformat.read(COURSE.notebook(name, track), as_version=4)
            texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
            formulas = FORMULA.findall(re.sub(r"`[^`\n]*`", "", "\n\n".join(texts)))
            article = soups[page].find("article")
            assert len(article.find_all("math")) == len(formulas)
            assert not [math for math in article.find_all("math") if "\\" in math.text]


@pytest.mark.slow
def test_a_page_says_its_track_and_leads_through_it(soups):
    for track, pages in LESSONS.items():
        for index, page in enumerate(pages):
            soup = soups[page]
            assert soup.h1.text.startswith(list(COURSE.titles.values())[index])
            assert f", in {build.TRACKS[track]}" in soup.h1.text
            near = {-1: "a.left-prev", 1: "a.right-next"}
            for step, link in near.items():
                there = soup.select_one(link)
                if 0 <= index + step < len(pages):
                    assert urljoin(page, there["href"]) == pages[index + step]
                else:
                    assert there is None


@pytest.mark.slow
def test_both_tracks_have_the_same_headings(soups):
    for pages in zip(*LESSONS.values(), strict=True):
        ids = [[part["id"] for part in soups[page].select("section section")] for page in pages]
        assert ids[0] == ids[1] and len(ids[0]) > 4


@pytest.mark.slow
def test_a_lesson_can_be_launched_but_not_twice(soups):
    for page in sum(LESSONS.values(), []):
        file, soup = page.replace(".html", ".ipynb"), soups[page]
        links = [link["href"] for link in soup.find_all("a", href=True)]
        for launch in (
            f"https://colab.research.google.com/github/{HOST}/blob/main/{file}",
            f"https://mybinder.org/v2/gh/{HOST}/main?urlpath=lab/tree/{file}",
        ):
            assert links.count(launch) == 1
        article = soup.find("article").text
        assert "google.colab" not in article and "track; the same lesson" not in article


# ------------------------------------------------------------------ the site, walked


@pytest.fixture(scope="module")
def address(site, serve):
    """The address of a server that serves the site."""
    return serve(site)


@pytest.fixture
def visit(visit_alone, address):
    """Open a page in a context of its own; its `said` is all that went wrong."""

    def visit(path, **options):
        return visit_alone(address + path, **{"viewport": SCREEN, **options})

    return visit


@pytest.mark.slow
def test_every_page_opens_without_trouble_on_a_screen_and_on_a_phone(visit, address):
    page = visit("index.html")
    for path in [*PAGES, "search.html"]:
        page.set_viewport_size(SCREEN)
        page.goto(address + path)
        for size in (SCREEN, PHONE):
            page.set_viewport_size(size)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], f"{path} scrolls sideways: {wide} pixels"
            outside = page.evaluate(
                """[...document.querySelectorAll("article *, .bd-header-article *")]
                .filter(part => part.getBoundingClientRect().right > innerWidth + 1)
                .filter(part => !part.closest("pre, div.math, .pst-scrollable-table-container"))
                .filter(part => part.checkVisibility())
                .map(part => part.outerHTML.slice(0, 80))"""
            )
            assert not outside, f"{path}, {size['width']} pixels wide"
        page.evaluate(
            """Promise.all([...document.images].filter(image => image.checkVisibility())
            .map(image => { image.loading = "eager"; return image.decode(); }))"""
        )
        assert page.said == [], path


@pytest.mark.slow
def test_the_track_is_switched_and_remembered(visit, address):
    page = visit("index.html")

    def in_sidebar(track):
        links = page.locator(f'.bd-sidenav a[href$="_{track}.html"]')
        return sum(link.is_visible() for link in links.all())

    lessons = len(COURSE.titles)
    assert in_sidebar("keras") == in_sidebar("pytorch") == lessons
    page.get_by_role("button", name="Keras").click()
    assert in_sidebar("keras") == lessons and in_sidebar("pytorch") == 0
    page.get_by_role("heading", name="01 ·").get_by_role("link").click()
    page.wait_for_url(f"**/{LESSONS['keras'][1]}")
    assert in_sidebar("keras") == lessons - 1 and in_sidebar("pytorch") == 0  # less this page

    page.locator("#the-losses").evaluate("heading => heading.scrollIntoView()")
    box = page.get_by_role("navigation", name="Track").get_by_text("PyTorch").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)  # `click` would scroll before
    page.wait_for_url(f"**/{LESSONS['pytorch'][1]}#the-losses")
    page.wait_for_function(
        "Math.abs(document.querySelector('#the-losses').getBoundingClientRect().top) < 150"
    )
    assert in_sidebar("pytorch") == lessons - 1 and in_sidebar("keras") == 0

    page.goto(f"{address}glossary.html")
    link = page.locator("dd").get_by_role("link", name="Lesson 04").first
    assert link.get_attribute("href").endswith(LESSONS["pytorch"][4])
    page.goto(f"{address}index.html")
    assert page.get_by_role("button", name="PyTorch").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Keras").click()
    page.goto(f"{address}notation.html")
    link = page.locator("td").get_by_role("link", name="07").first
    assert link.get_attribute("href").endswith(LESSONS["keras"][7])


@pytest.mark.slow
def test_without_scripts_everything_can_be_reached(visit):
    page = visit("index.html", java_script_enabled=False)
    for path in sum(LESSONS.values(), []):
        assert page.locator(f'.bd-sidebar-primary a[href="{path}"]').is_visible()
    page.locator(f'.bd-sidebar-primary a[href="{LESSONS["keras"][2]}"]').click()
    page.get_by_role("navigation", name="Track").get_by_role("link", name="PyTorch").click()
    assert page.url.endswith(LESSONS["pytorch"][2])
    page.said.clear()  # the scripts, which were not loaded


@pytest.mark.slow
def test_search_finds_a_word_and_says_the_track(visit):
    page = visit("index.html")
    page.keyboard.press("Control+KeyK")
    page.keyboard.type("Wasserstein")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Wasserstein*")
    hits = page.locator("#search-results li a")
    page.get_by_text("Search finished").wait_for()
    found = hits.all_inner_texts()
    assert {f"04 · When training breaks, in {name}" for name in build.TRACKS.values()} <= set(found)


@pytest.mark.slow
def test_dark_is_what_the_system_says_and_can_be_switched(visit, address):
    colours = """() => ["color", "backgroundColor"].map(key => {
        const [r, g, b] = getComputedStyle(document.body)[key].match(/[\\d.]+/g).map(Number);
        return (r + g + b) / 3;
    })"""
    light = visit(LESSONS["keras"][1], color_scheme="light")
    text, ground = light.evaluate(colours)
    assert text < 80 and ground > 200
    page = visit(LESSONS["keras"][1], color_scheme="dark")
    text, ground = page.evaluate(colours)
    assert text > 180 and ground < 50
    corner = page.locator(".cell_output img").first.evaluate(
        """async image => {
            await image.decode();
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert corner == [255, 255, 255, 255]  # plots bring their own white ground
    page.get_by_role("button", name="Color mode").click()
    page.get_by_role("button", name="Light").click()
    page.goto(f"{address}index.html")
    text, ground = page.evaluate(colours)
    assert text < 80 and ground > 200
