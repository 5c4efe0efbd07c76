"""In a real JupyterLab: dragging and clicking changes the picture; the start page leads on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import lab  # noqa: E402
import notebook_files  # noqa: E402

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.slow

PREPARE = """\
import threading
import numpy as np
from course_utils import explore

def decode(latent):
    if latent[0, 0] > 2.9:
        raise RuntimeError("too far <out>")
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    x, y = x - latent[:, :1, None] / 4, y - latent[:, 1:2, None] / 4
    return np.exp(-8 * (x**2 + y**2))[..., None]
"""
CELLS = [
    PREPARE,
    "explore.latent_sliders(decode, latent_dim=12)",
    "explore.interpolation_walk(decode, start=np.array([-2.0, 1.0]), end=np.array([1.0, 2.0]))",
    """\
def sample(truncation, label):
    latent = truncation * np.linspace(-1, 1, 20).reshape(10, 2)
    return decode(latent + label), f"ten times a {label}, {threading.current_thread().name}"

explore.choices(sample, truncation=(0.0, 1.0, 0.5), label=[0, 1, 2])""",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two notebooks: one to run, and the same as the build commits it."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=notebook_files.KERNEL)
    nbformat.write(notebook, folder / "run.ipynb")
    assert notebook_files.execute(notebook, ROOT) == []
    (folder / "built.ipynb").write_bytes(notebook_files.to_bytes(notebook_files.finish(notebook)))
    course = folder / "some" / "course" / "notebooks"
    (course / "00_start").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "START.md", course)
    shutil.copy(ROOT / "notebooks" / "00_start" / "00_start_keras.ipynb", course / "00_start")
    lab.page(course / "START.md")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    """The address of a JupyterLab that works in the folder."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=t", "--allow-root"]
    command += [f"--LabApp.app_settings_dir={ROOT / 'tools' / 'jupyterlab'}"]
    # Settings, runtime files and open tabs of whoever runs the tests stay out of it.
    own = {f"JUPYTER{name}_DIR": str(folder / f".{name}") for name in ("_CONFIG", "_RUNTIME")}
    own |= {
        f"JUPYTERLAB_{name}_DIR": str(folder / f".{name}") for name in ("SETTINGS", "WORKSPACES")
    }
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    server = subprocess.Popen(
        command,
        env={**os.environ, **own, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    try:
        for line in server.stdout:
            said += line
            if found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/", line):
                # Nobody reads on: what it says from here must not fill the pipe.
                subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
                yield found[0]
                return
        pytest.fail(f"JupyterLab did not start:\n{said}")
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:  # it waits for a kernel that is only starting
            server.kill()


@pytest.fixture
def open_notebook(browser, address):
    """Open a notebook of the folder in a fresh context; its page's `said` is the console."""
    contexts = []

    def open_notebook(name):
        contexts.append(browser.new_context(viewport={"width": 1300, "height": 1600}))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.said = []
        page.on("console", lambda m: m.type == "error" and page.said.append(m.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(f"{address}lab/tree/{name}?token=t&reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        idle(page)
        return page

    yield open_notebook
    for context in contexts:
        context.close()


def idle(page):
    """Wait for the kernel; the notebook's own indicator says "idle" before there is one."""
    status = page.locator("#jp-main-statusbar")
    sync_api.expect(status).to_contain_text("| Idle", timeout=30_000)


def cell(page, index):
    return page.locator(".jp-CodeCell").nth(index)


@pytest.fixture
def page(open_notebook):
    """The notebook, all its cells run."""
    page = open_notebook("run.ipynb")
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.locator('[data-command="runmenu:run-all"]').click()
    cell(page, len(CELLS) - 1).locator("img").wait_for()
    idle(page)
    return page


def drag(page, handle, pixels, still_down=lambda: None):
    """Drag a slider's handle to the right, as a hand does; look before it is let go."""
    handle.scroll_into_view_if_needed()
    handle.hover()
    box = handle.bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + pixels, box["y"] + box["height"] / 2, steps=8)
    still_down()
    page.mouse.up()


class Picture:
    """The picture of a cell, which must change."""

    def __init__(self, cell):
        self.img = cell.locator("img")
        self.before = self.img.get_attribute("src")

    def changed(self):
        sync_api.expect(self.img).not_to_have_attribute("src", self.before)
        self.before = self.img.get_attribute("src")


def test_a_learner_drags_and_clicks(page):
    said = sync_api.expect
    sliders, walk, choices = (cell(page, index) for index in (1, 2, 3))

    picture = Picture(sliders)
    assert sliders.locator("img").count() == 1  # the widget, and no still beside it
    assert sliders.locator(".noUi-handle").count() == 8
    drag(page, sliders.locator(".noUi-handle").nth(1), 40, picture.changed)  # while dragging
    reading = sliders.locator(".widget-readout").first  # of a slider that has not been dragged
    before = reading.inner_text()
    sliders.get_by_role("button", name="new latent").click()
    said(reading).not_to_have_text(before)
    picture.changed()
    sliders.locator(".noUi-handle").first.press("End")
    said(sliders.get_by_role("alert")).to_contain_text("RuntimeError: too far <out>")
    sliders.get_by_role("button", name="back to the start").click()
    said(sliders.get_by_role("alert")).to_have_count(0)
    picture.changed()

    picture = Picture(walk)
    drag(page, walk.locator(".noUi-handle"), 60)
    picture.changed()
    walk.get_by_role("button", name="spherical").click()
    picture.changed()
    walk.locator(".widget-play button").first.click()
    picture.changed()
    picture.changed()

    picture = Picture(choices)
    choices.locator("select").select_option("2")
    said(choices.locator(".widget-html").last).to_contain_text("ten times a 2, MainThread")
    picture.changed()
    drag(page, choices.locator(".noUi-handle"), -50)
    picture.changed()

    assert page.locator('[data-mime-type*="stderr"], [data-mime-type*="error"]').count() == 0
    assert page.said == []


def test_a_built_notebook_shows_its_stills(open_notebook):
    page = open_notebook("built.ipynb")
    images = page.locator(".jp-OutputArea img")
    sync_api.expect(images).to_have_count(3)
    for index in range(3):
        images.nth(index).scroll_into_view_if_needed()
        assert images.nth(index).evaluate("image => image.complete && image.naturalWidth") > 100
    assert "widget" not in page.locator(".jp-Notebook").inner_text()  # "Error displaying widget"
    assert page.said == []


def test_the_start_page_leads_to_a_lesson_wherever_the_server_was_started(open_notebook):
    page = open_notebook("some/course/notebooks/START.ipynb")
    outputs = page.locator(".jp-OutputArea-output")
    sync_api.expect(outputs.first).to_contain_text("Lesson 00: 0 of 7")
    sync_api.expect(outputs.last).to_contain_text(re.compile("Ready: |Problem: "))
    lesson = page.get_by_role("link", name="00 · Start")
    sync_api.expect(lesson.last).not_to_be_visible()
    page.get_by_text("The lessons in Keras", exact=True).click()
    lesson.last.click()
    title = page.locator(".jp-Notebook h1:visible", has_text="00 · Start")
    sync_api.expect(title).to_be_visible()
    idle(page)  # a server that ends waits for a kernel that starts
    assert [said for said in page.said if "net::ERR" not in said] == []  # badges need a network
