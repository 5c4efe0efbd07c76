"""Exercises on their way through nbgrader: at a desk, and on a hub as workshop/grading.md says."""

from __future__ import annotations

import contextlib
import csv
import html
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from traitlets.config import Config

from course_utils import checks

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import exercises  # noqa: E402

ASSIGNMENT = "01_gan_pytorch"
GUIDE = ROOT / "workshop" / "grading.md"
SETTINGS = ROOT / "workshop" / "hub" / "nbgrader_config.py"
# Where `nbgrader` is, and `alembic`, which it calls.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def notebook_in(folder: Path) -> Path:
    return folder / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"


def marks(folder: Path) -> dict[str, dict[str, str]]:
    """Each student's row of what `nbgrader export` has written."""
    with open(folder / "grades.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == ASSIGNMENT]
    return {row["student_id"]: row for row in rows}


# ------------------------------------------------------------------ at a desk


def nbgrader(folder, *arguments):
    command = [sys.executable, "-m", "nbgrader", *arguments]
    environment = {**os.environ, "PATH": PATH}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]


def submit(folder, student, solved):
    """Put a release into a student's hands, with the solutions of the first `solved` exercises."""
    given = nbformat.read(notebook_in(folder / "release"), as_version=4)
    source = nbformat.read(notebook_in(folder / "source"), as_version=4)
    solutions = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in source.cells
        if "nbgrader" in cell.metadata
    }
    order = [cell.metadata.nbgrader.grade_id for cell in given.cells if is_graded(cell)]
    for cell in given.cells:
        mark = cell.metadata.get("nbgrader", {})
        if mark.get("solution") and mark["grade_id"].rpartition("-answer-")[0] in order[:solved]:
            cell.source = solutions[mark["grade_id"]]
    path = notebook_in(folder / "submitted" / student)
    path.parent.mkdir(parents=True)
    nbformat.write(given, path)
    return order


def is_graded(cell):
    return cell.metadata.get("nbgrader", {}).get("grade", False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_submissions_get_the_marks_they_deserve(tmp_path):
    assert exercises.main(["01", "--graded", str(tmp_path)], ROOT) == 0
    nbgrader(tmp_path, "generate_assignment", ASSIGNMENT, "--create")
    released = notebook_in(tmp_path / "release").read_text("utf-8")
    assert "SOLUTION" not in released and "HIDDEN" not in released
    order = submit(tmp_path, "diligent", solved=99)
    submit(tmp_path, "half", solved=4)
    for command in ("autograde", "generate_feedback"):
        nbgrader(tmp_path, command, ASSIGNMENT, "--force")
    nbgrader(tmp_path, "export")
    rows = marks(tmp_path)
    worth = [len(checks.find(name.replace("-", ".", 1)).parts) for name in order]
    assert len(order) == len(checks.exercises("01"))
    assert float(rows["diligent"]["score"]) == float(rows["diligent"]["max_score"]) == sum(worth)
    assert float(rows["half"]["score"]) == sum(worth[:4])
    for student in ("diligent", "half"):
        page = notebook_in(tmp_path / "feedback" / student).with_suffix(".html")
        assert "right." in page.read_text("utf-8")


# ------------------------------------------------------------------ on a hub


@pytest.mark.parametrize(
    "account, name, student",
    [
        ("ada", "ada", None),  # an account for everybody
        ("jupyter-ada", "ada", None),  # so on The Littlest JupyterHub
        ("jovyan", "ada", "ada"),  # so on Kubernetes
        ("ada", None, None),  # no hub
    ],
)
def test_where_all_share_an_account_the_hubs_name_counts(account, name, student, monkeypatch):
    pwd = pytest.importorskip("pwd", reason="nbgrader's exchange is not for Windows")
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name=account))
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    if name:
        monkeypatch.setenv("JUPYTERHUB_USER", name)
    config = Config()
    exec(SETTINGS.read_text("utf-8"), {"get_config": lambda: config})
    assert config.CourseDirectory.get("student_id") == student
    assert ("check_owner" in config.ExchangeCollect) == (student is not None)


def commands(heading: str) -> str:
    """The lines for a terminal in a section of the guide."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", GUIDE.read_text("utf-8"), re.M | re.S)
    (lines,) = re.findall(r"^```console\n(.*?)^```", section[1], re.M | re.S)
    return lines


RUN = """
import subprocess
run = subprocess.run(
    ["bash", "-euc", {lines!r}], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
)
assert run.returncode == 0, run.stdout
print(run.stdout)
"""


class Person:
    """Somebody with an own server on the hub, where they do what the guide says."""

    def __init__(self, server, kernel):
        self.server, self.kernel, self.home = server, kernel, server.home

    def do(self, heading):
        return self.kernel.run(RUN.format(lines=commands(heading)))

    def answer(self, **values):
        """Give the first exercise's answers as in JupyterLab: edit, save, run up to the check."""
        path = f"contents/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
        notebook = self.server.api("GET", path)["content"]
        codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        answer = next(cell for cell in codes if exercises.STUB in cell["source"])
        assert all(f"{name} = ..." in answer["source"] for name in values)
        answer["source"] = "\n".join(f"{name} = {value}" for name, value in values.items())
        self.server.api("PUT", path, json={"type": "notebook", "content": notebook})
        ran = codes[: codes.index(answer) + 2]
        return self.kernel.run("\n".join(cell["source"] for cell in ran))


@pytest.fixture
def people(tmp_path):
    """The instructor and two learners, each at work on one hub."""
    pytest.importorskip("jupyterhub", reason="jupyterhub is not installed")
    import hub

    shared = tmp_path / "exchange"
    shared.mkdir(mode=0o777)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / SETTINGS.name).symlink_to(SETTINGS)
    environment = {
        "PATH": PATH,
        "COURSE_EXCHANGE": str(shared),  # for /srv/nbgrader/exchange
        "JUPYTER_CONFIG_PATH": str(tmp_path / "etc"),  # for /etc/jupyter
    }
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(hub.running(tmp_path / "hub", environment=environment))
        found = {}
        for name in ("instructor", "ada", "grace"):
            server = running.start(name)
            found[name] = Person(server, stack.enter_context(server.kernel()))
        # As nbgitpuller brings it, see tests/test_hub.py.
        (found["instructor"].home / "generative-models").symlink_to(ROOT)
        yield found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_exercise_is_handed_out_done_collected_and_marked_on_a_hub(people):
    instructor, ada, grace = people.values()
    instructor.do("Hand out")
    for learner in (ada, grace):
        learner.do("Fetch")
        given = notebook_in(learner.home).read_text("utf-8")
        assert "SOLUTION" not in given and "HIDDEN" not in given

    told = ada.answer(discriminator_value="1.39", generator_value="0.69")
    assert told.count("right.") == 2
    told = grace.answer(discriminator_value="0.69", generator_value="0.69")
    assert told.count("right.") == 1 and "✗ discriminator: " in told
    mistake = re.search("✗ discriminator: (.*)", told)[1]
    for learner in (ada, grace):
        learner.do("Submit")

    # Both write a line. Only one hands it over.
    for name, learner in (("ada", ada), ("grace", grace)):
        learner.kernel.run(
            "from course_utils import feedback\n"
            f"feedback.write('01_gan_pytorch', 'The losses are clear, says {name}.')"
        )
        assert name in (learner.home / "course_feedback" / "feedback.txt").read_text("utf-8")
    grace.do("Give feedback")

    collected = instructor.do("Collect and mark")
    folder = instructor.home / "grading"
    lines = [line for line in collected.splitlines() if "says" in line]
    assert len(lines) == 1
    assert lines[0].startswith("submitted/grace/course_feedback/feedback.txt:20")
    assert lines[0].endswith("\t01_gan_pytorch\tThe losses are clear, says grace.")
    assert not (folder / "submitted" / "ada" / "course_feedback").exists()

    rows = marks(folder)
    assert {name: float(row["score"]) for name, row in rows.items()} == {"ada": 2, "grace": 1}
    worth = sum(len(exercise.parts) for exercise in checks.exercises("01").values())
    assert {float(row["max_score"]) for row in rows.values()} == {worth}

    for learner, said in ((ada, "right."), (grace, html.escape(mistake))):
        learner.do("See the marks")
        (page,) = (learner.home / ASSIGNMENT / "feedback").glob(f"*/{ASSIGNMENT}.html")
        assert said in page.read_text("utf-8")
