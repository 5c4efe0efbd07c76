"""The slides: what a deck shows, says and refuses; then all decks are walked in a real browser."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build  # noqa: E402
import slides  # noqa: E402

COURSE = build.Course.load(ROOT)
DECKS = [f"{name}_{track}" for name in COURSE.titles for track in build.TRACKS]
FEWEST, MOST = 12, 20  # slides of a deck
LEAST = 0.6  # of a slide's width or height, for a picture
MARGINS = {"left": 60, "right": 1220, "top": 30, "bottom": 677}
LETTERS = {"text": 24, "code": 20}  # pixels, of the slide's 720


# ------------------------------------------------------------------ from a notebook to a deck


def png(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def picture(alt: str, width: int = 30, height: int = 10):
    metadata = {"image/png": {"alt": alt}} if alt else {}
    data = {"image/png": png(width, height), "text/plain": "a curve"}
    return new_output("display_data", data=data, metadata=metadata)


def printed(text: str):
    return new_output("stream", text=text)


def text(source: str, *tags: str):
    return new_markdown_cell(source, metadata={"tags": list(tags)})


def code(source: str, *tags: str, outputs=()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


SVG = new_output(
    "display_data", data={"image/svg+xml": "<svg/>"}, metadata={"image/svg+xml": {"alt": "a dot"}}
)
FIRST = text("# 01 · Tiny\n\nThe idea of it.\n\nYou will learn it.")
FRONT = new_markdown_cell(
    "badges\n\n![The <result>](attachment:result.png)",
    attachments={"result.png": {"image/png": png(30, 10)}},
)


def seen(*cells) -> list[list[str]]:
    """What a deck has after its first two slides: a list of each slide's parts."""
    deck = slides.make_deck(new_notebook(cells=[FIRST, FRONT, *cells]), "Keras", "a.ipynb")
    found = []
    for cell in deck.cells:
        kind = cell.metadata.slideshow.slide_type
        if kind == "slide":
            found.append([])
        says = [
            output.get("text") or output.metadata["image/png"]["alt"]
            for output in cell.get("outputs", [])
        ]
        mark = {"slide": "", "-": "", "fragment": "+ ", "notes": "(notes) "}[kind]
        found[-1].append(mark + (" ".join(says) or cell.source))
    assert found[:2] == [
        ["# 01 · Tiny, in Keras", "The <result>"],
        ["## The idea", "The idea of it.", "(notes) You will learn it.", *found[1][3:]],
    ]
    return found[2:]


def test_a_deck_has_what_is_tagged_and_says_the_rest():
    assert seen(
        text("## A\n\nshort", "slide"),
        text("long"),
        code("x", "fragment", outputs=[printed("1\n")]),
        text("## B\n\nlong, too"),
        code("y = 1\nz", "slide"),
        code("hidden", outputs=[printed("2\n")]),
        text("### C\n\nno word"),
        code("draw", "slide", outputs=[printed("3\n"), picture("p"), picture("q")]),
        text("so", "fragment"),
        text("Go on."),
    ) == [
        ["## A", "short", "(notes) long", "(notes) ## B\n\nlong, too", "+ 1\n"],
        ["## B", "y = 1\nz", "(notes) ### C\n\nno word"],
        ["### C", "p"],
        ["### C", "q", "(notes) Go on.", "+ so"],
    ]


@pytest.mark.parametrize(
    "cell, said",
    [
        (code("draw", "slide", outputs=[picture("")]), "a.ipynb: a picture has no alternative"),
        (code("x\n" * 17, "slide"), "a.ipynb: 17 lines of up to 1 letters .* begins: x"),
        (code("x", "fragment", outputs=[printed("é" * 93)]), "1 lines of up to 93 letters .* é"),
        (code("draw", "slide", outputs=[SVG]), "a picture is image/svg.xml; slides show image/png"),
        (text("## A\n\nshort\n\n### B\n\nshort", "slide"), "one heading.* ## A and ### B into"),
        (text("## A\n\nshort", "fragment"), "a fragment none.* ## A into"),
    ],
)
def test_what_nobody_can_see_or_read_is_refused(cell, said):
    with pytest.raises(build.Refusal, match=said):
        seen(cell)


def test_what_just_fits_is_taken():
    lines = "\n".join(["é" * 92] * 16)
    assert seen(code(lines, "slide"), text("no slide" * 999)) == [
        ["", lines, "(notes) " + 999 * "no slide"]
    ]


@pytest.mark.parametrize(
    "first, front, said",
    [
        (FIRST, text("badges"), 'a.ipynb shows no result; tag a cell .* "result"'),
        (text("# 01 · Tiny"), FRONT, "a.ipynb has only a title"),
    ],
)
def test_a_lesson_without_a_result_or_an_idea_is_refused(first, front, said):
    with pytest.raises(build.Refusal, match=said):
        slides.make_deck(new_notebook(cells=[first, front]), "Keras", "a.ipynb")


@pytest.mark.parametrize(
    "width, says, beside",
    [(149, True, True), (151, True, False), (149, False, False)],
    ids=["tall", "wide", "tall and alone"],
)
def test_text_stands_beside_a_tall_picture(width, says, beside):
    cells = [new_markdown_cell("## A"), code("draw", outputs=[picture("p", width, 100)])]
    slide = slides.Slide(cells, fragments=[text("so")] * says, notes=[text("said")])
    begin, *_ = slide.cells()
    assert begin.metadata.slideshow.get("data") == ({"text": "beside"} if beside else None)


# ------------------------------------------------------------------ from a deck to a page


@pytest.fixture
def tiny(tmp_path):
    """Build the decks of a course of one lesson; return both pages."""

    def tiny(*cells):
        course = build.Course(tmp_path, COURSE.address, {"01_tiny": "01 · Tiny"}, {})
        for track in build.TRACKS:
            path = course.notebook("01_tiny", track)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(writes(new_notebook(cells=[FIRST, FRONT, *cells])), "utf-8")
        slides.build(course, ["01_tiny"], tmp_path / "to")
        pages = [tmp_path / "to" / f"01_tiny_{track}.html" for track in build.TRACKS]
        return [BeautifulSoup(page.read_text("utf-8"), "html.parser") for page in pages]

    return tiny


def test_a_page_has_everything_in_it_or_beside_it(tiny, tmp_path):
    cells = [
        text("## A\n\n[link](../gone.ipynb) to $x_1$ and\n\n$$\\frac{a}{b}$$", "slide"),
        text("said"),
        code("draw", "fragment", outputs=[picture("Alt & text", 10, 10)]),
    ]
    page, other = tiny(*cells)
    assert (page.title.text, other.title.text) == (
        "01 · Tiny, in PyTorch",
        "01 · Tiny, in Keras",
    )
    last = page.select(".slides > section > section")[-1]
    assert last["data-text"] == "beside"
    assert last.h2.text == "A" and "link to" in last.p.text and not page.find("a")
    assert [math.get("display") for math in last.find_all("math")] == [None, "block"]
    assert "\\" not in last.text and "$" not in last.text
    assert last.select_one("aside.notes").text.strip() == "said"
    assert last.select_one(".fragment > img")["alt"] == "Alt & text"
    assert page.img["alt"] == "The <result>"
    for part in page.find_all(src=True) + page.find_all(href=True):
        address = part.get("src") or part["href"]
        assert address.startswith("data:") or (tmp_path / "to" / address).is_file()


def test_a_formula_that_browsers_cannot_show_is_refused(tiny):
    with pytest.raises(build.Refusal, match=r"the formula \\frac\{1 cannot be written as MathML"):
        tiny(text("$\\frac{1$", "slide"))


def test_the_command_line_says_what_is_missing(tmp_path, capsys):
    assert slides.main(["99", "--to", str(tmp_path)]) == 1
    assert 'no lesson "99"; there are: 00_start' in capsys.readouterr().err


# ------------------------------------------------------------------ the decks, walked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of all decks, freshly built."""
    folder = tmp_path_factory.mktemp("slides")
    assert slides.main(["--to", str(folder)]) == 0
    return folder


@pytest.fixture
def visit(visit_alone):
    """Open a deck on a projector."""
    return lambda address: visit_alone(address, viewport={"width": 1280, "height": 720})


WALK = """async ({LEAST, MARGINS, LETTERS}) => {
    const found = {headings: [], wrong: []};
    for (let number = 0; number < Reveal.getTotalSlides(); number++) {
        Reveal.slide(number, 0, 99);  // with all fragments
        const slide = Reveal.getCurrentSlide();
        const all = [...slide.querySelectorAll("*")].filter(part => !part.closest("aside"));
        const wrong = (what, part) => found.wrong.push(
            `${number + 1}: ${what}: ${part.textContent || part.alt}`.slice(0, 80));
        found.headings.push(slide.querySelector("h1, h2, h3").textContent);
        const images = all.filter(part => part.matches("img"));
        await Promise.all(images.map(image => image.decode()));
        for (const part of all) {
            const box = part.getBoundingClientRect();
            if (box.left < MARGINS.left - 1 || box.right > MARGINS.right + 1
                || box.top < MARGINS.top || box.bottom > MARGINS.bottom
                || (part.matches("pre") && part.scrollWidth > part.clientWidth + 1))
                wrong(`outside, ${Math.round(box.right)}, ${Math.round(box.bottom)}`, part);
            const size = parseFloat(getComputedStyle(part).fontSize);
            const own = [...part.childNodes].some(
                node => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
            const least = part.closest("pre") ? LETTERS.code : LETTERS.text;
            if (own && !part.closest("math") && size < least) wrong(`letters of ${size}`, part);
        }
        for (const image of images) {
            const box = image.getBoundingClientRect();
            const scale = Math.min(
                box.width / image.naturalWidth, box.height / image.naturalHeight);
            const share = scale * Math.max(
                image.naturalWidth / innerWidth, image.naturalHeight / innerHeight);
            if (share < LEAST) wrong(`share ${share.toFixed(2)}`, image);
            if (!image.alt.trim()) wrong("no text", image);
            for (const text of all.filter(part => part.matches(".text, pre"))) {
                const other = text.getBoundingClientRect();
                if (box.left < other.right && other.left < box.right
                    && box.top < other.bottom && other.top < box.bottom) wrong("under", text);
            }
        }
    }
    return found;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("served", [False, True], ids=["as files", "served"])
def test_every_slide_can_be_read_in_the_last_row(folder, serve, visit, served):
    address = serve(folder) if served else folder.as_uri() + "/"
    page, wrong = visit(f"{address}{DECKS[0]}.html"), {}
    for deck in DECKS[served::2]:  # one track as files, the other from a server
        page.goto(f"{address}{deck}.html")
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        limits = {"LEAST": LEAST, "MARGINS": MARGINS, "LETTERS": LETTERS}
        found = page.evaluate(WALK, limits)
        wrong |= {deck: found["wrong"]} if found["wrong"] else {}
        assert all(found["headings"]), deck
        assert FEWEST <= len(found["headings"]) <= MOST, deck
        assert page.said == [], deck
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("served", [False, True], ids=["as files", "served"])
def test_keys_turn_the_slides_and_open_the_speakers_view(folder, serve, visit, served):
    address = serve(folder) if served else folder.as_uri() + "/"
    page = visit(f"{address}{DECKS[2]}.html")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.keyboard.press("ArrowRight")
    assert page.locator("section.present section.present h2").inner_text() == "The idea"
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    notes = popup.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("You will").first.wait_for()
    page.keyboard.press("ArrowRight")
    popup.value.get_by_text("The plain circle is there for comparison").first.wait_for()
