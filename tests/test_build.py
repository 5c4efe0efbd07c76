"""tools/build.py on a tiny course: what it builds, keeps, and refuses."""

import copy
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_utils import metrics

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import build  # noqa: E402
import measures  # noqa: E402
import notebook_files  # noqa: E402

PROJECT = """\
[project]
name = "course-utils"
[project.urls]
Repository = "https://github.com/someone/models"
"""
README = "# Course\n\n<!-- lessons: built by tools/build.py -->\n<!-- /lessons -->\n\nMore.\n"
# What a build must clean up or keep: a widget, a progress line, a display that is updated, one
# output that no second execution would give again, the same code twice, an empty cell.
LESSON = """\
# 01 · Tiny

The goal.

```python
import time

from IPython.display import display

print(time.time_ns())
```

```python tags=["pytorch", "model"]
framework = "torch"
```

```python tags=["keras", "model"]
framework = "keras"
```

Some words for both tracks, many more than there are for one of them alone.

<!-- #region tags=["pytorch"] -->
About torch.

Second paragraph.
<!-- #endregion -->

<!-- #region tags=["keras"] -->
About keras.
<!-- #endregion -->

```python
print(framework)
```

```python
print(framework)
```

```python
import ipywidgets

print("10 %\\r", end="", flush=True)
print("100 %", flush=True)
display(ipywidgets.IntSlider())
handle = display({"text/plain": "training"}, raw=True, display_id=True)
handle.update({"text/plain": "trained"}, raw=True)
live = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": ", still"}
display(live, raw=True)
```

```python
```

```python tags=["result"]
display({"image/png": "iVBORw0KGgo=", "text/plain": "A dot."}, raw=True)
```

```python
7 * 6
```
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course of one lesson and a framework-free neighbour, built once for the whole module."""
    root = tmp_path_factory.mktemp("built")
    for name, text in {"01_tiny": LESSON, "02_plain": "# 02 · Plain\n\nOnly prose.\n"}.items():
        (root / "notebooks" / name).mkdir(parents=True)
        (root / "notebooks" / name / "lesson.md").write_text(text, "utf-8")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "README.md").write_text(README)
    (root / "notebooks" / "measured.json").write_text(
        '{"01_tiny_keras": {"minutes": 1.42, "training_seconds": 40.1, "peak_gib": 0.91, '
        '"data": "digits", "measures": {"Fréchet distance": [21.375, 0.412]}}}',
        "utf-8",
    )
    assert build.main([], root) == 0
    return root


@pytest.fixture
def course(built, tmp_path):
    """A copy of the built course, free to be broken."""
    shutil.copytree(built, tmp_path / "course")
    return tmp_path / "course"


def lesson(root):
    return root / "notebooks" / "01_tiny" / "lesson.md"


def path(root, track="keras"):
    return root / "notebooks" / "01_tiny" / f"01_tiny_{track}.ipynb"


def read(root, track="keras"):
    return nbformat.read(path(root, track), as_version=4)


def edit(file, old, new):
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def contents(root):
    return {file: file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def text_of(notebook, index):
    """The text that the notebook's code cell `index` shows."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(
        output.get("text") or output["data"].get("text/plain", "")
        for output in cells[index].outputs
    )


def refusals(root, capsys, *arguments):
    """Run a build that has to fail; return what it says."""
    assert build.main(list(arguments), root) == 1
    return capsys.readouterr().err


# ---------------------------------------------------------------- what is built


def test_each_track_gets_its_own_cells(built):
    for track, other in (("pytorch", "keras"), ("keras", "pytorch")):
        notebook = read(built, track)
        tags = {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
        assert track in tags and other not in tags and "model" in tags
        assert text_of(notebook, 3) == f"{track.removeprefix('py')}\n"
        assert not any("line" in cell.metadata for cell in notebook.cells)
        assert path(built, track).read_bytes().endswith(b"}\n")


def test_outputs_are_static_and_final(built):
    notebook = read(built)
    assert [o.output_type for o in notebook.cells[-6].outputs] == ["stream", *2 * ["display_data"]]
    assert text_of(notebook, -5) == "100 %\ntrained, still"
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1))
    outputs = json.dumps([cell.outputs for cell in codes])
    assert "widget" not in outputs and "transient" not in outputs
    assert codes[-2].outputs[0].execution_count == len(codes) - 1
    assert set(notebook.metadata) == {"course", "kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


def test_ids_are_unique_stable_and_follow_the_content(built, course):
    before = [cell.id for cell in read(built).cells]
    assert len(set(before)) == len(before)  # though two cells are equal
    edit(lesson(course), "The goal.", "The new goal.")
    assert build.main(["01"], course) == 0
    after = [cell.id for cell in read(course).cells]
    assert after[0] != before[0] and after[1:] == before[1:]


def test_front_part(built):
    title, links, colab = read(built).cells[:3]
    assert title.source.startswith("# 01 · Tiny")
    file = "notebooks/01_tiny/01_tiny_keras.ipynb"
    for link in (
        f"(https://colab.research.google.com/github/someone/models/blob/main/{file})",
        f"(https://mybinder.org/v2/gh/someone/models/main?urlpath=lab/tree/{file})",
        "[in PyTorch](01_tiny_pytorch.ipynb)",
        "Next: [02 · Plain](../02_plain/02_plain_keras.ipynb)",
        "Measured on one CPU core: 1.4 minutes, 0.9 GiB peak memory.",
    ):
        assert link in links.source
    assert "Previous" not in links.source
    assert "not measured yet" in read(built, "pytorch").cells[1].source
    assert "https://github.com/someone/models/archive/main.zip" in colab.source


def test_result_is_shown_at_the_front(built):
    front = read(built).cells[1]
    assert front.source.endswith("![A dot.](attachment:result.png)")
    assert front.attachments == {"result.png": {"image/png": "iVBORw0KGgo="}}


def test_colab_cell_installs_on_colab_and_only_there(built, monkeypatch, request):
    from IPython.core.interactiveshell import InteractiveShell

    source = read(built).cells[2].source
    shell = InteractiveShell.instance()
    # Else every later test would run "in IPython".
    request.addfinalizer(InteractiveShell.clear_instance)
    calls = []
    monkeypatch.setattr(shell, "run_line_magic", lambda *arguments, **_: calls.append(arguments))
    code = compile(shell.transform_cell(source), "cell", "exec")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(code, {"get_ipython": lambda: shell})
    assert calls == []
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    exec(code, {"get_ipython": lambda: shell})
    assert len(calls) == 1 and calls[0][0] == "pip" and "--no-deps" in calls[0][1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: sys)
    exec(code, {"get_ipython": lambda: shell})
    assert len(calls) == 1  # it is there already


def test_lesson_without_tags_gives_both_notebooks(built):
    for track in ("pytorch", "keras"):
        file = built / "notebooks" / "02_plain" / f"02_plain_{track}.ipynb"
        assert len(nbformat.read(file, as_version=4).cells) == 4


def test_a_line_of_feedback_ends_the_lesson_and_is_no_result_of_it(built, course, monkeypatch):
    *_, seven, line, go_on = read(built).cells
    assert seven.source == "7 * 6" and go_on.source.startswith("**Go on**")
    assert line.metadata.tags == ["feedback"]
    assert 'feedback.write("01_tiny_keras", "")' in line.source
    assert line.outputs == []  # though it was executed, and says what to do
    assert notebook_files.own_codes(read(built))[-1] == seven
    # What was built before there was this cell gets it without an execution.
    older = read(course)
    del older.cells[-2]
    path(course).write_bytes(notebook_files.to_bytes(older))
    monkeypatch.setattr(notebook_files, "execute", lambda *_: pytest.fail("executed"))
    assert build.main([], course) == 0
    assert path(course).read_bytes() == path(built).read_bytes()


def test_map_and_start_page(built):
    readme = (built / "README.md").read_text("utf-8")
    start = (built / "notebooks" / "START.md").read_text("utf-8")
    link = "notebooks/01_tiny/01_tiny"
    assert f"| 01 · Tiny | [PyTorch]({link}_pytorch.ipynb) |  | not measured yet |" in readme
    measured = " |  | 1.4 | 0.9 GiB | Fréchet 21.4 (real 0.4) |"
    assert f"|  | [Keras]({link}_keras.ipynb){measured}" in readme
    assert f"| [01 · Tiny](01_tiny/01_tiny_keras.ipynb){measured}" in start
    assert start.index("The lessons in PyTorch") < start.index("The lessons in Keras")
    for page in (readme, start):
        assert "Quality on the stand-in `digits`" in page
    assert readme.startswith("# Course\n") and readme.endswith("\nMore.\n")
    assert readme.count("colab-badge") == readme.count("badge_logo") - 1 == 4
    assert "http" not in start  # it opens without a network


def test_exercises_and_the_next_lesson_are_offered(built):
    def last():
        return read(built).cells[-1].source

    next_lesson = "[02 · Plain](../02_plain/02_plain_keras.ipynb)."
    assert last() == f"**Go on**: {next_lesson}"
    folder = built / "exercises" / "01_tiny"
    folder.mkdir(parents=True)
    (folder / "01_tiny_exercises_keras.ipynb").touch()
    assert build.main([], built) == 0
    way = "../exercises/01_tiny/01_tiny_exercises_keras.ipynb"
    assert last().endswith(f"check themselves](../{way}); then {next_lesson}")
    assert f"[try them]({way})" in (built / "notebooks" / "START.md").read_text("utf-8")


def measured_in_a_test_run(root, **figures):
    """Leave what `make test` would have measured of all four notebooks."""
    found = {"minutes": 2.0, "training_seconds": 50.0, "peak_gib": 1.2, "data": "mnist"}
    found["measures"] = {"Fréchet distance": [18.0, 0.4], "label accuracy": [0.987, None]}
    names = [f"{lesson}_{track}" for lesson in ("01_tiny", "02_plain") for track in build.TRACKS]
    (root / "build").mkdir(exist_ok=True)
    text = json.dumps({name: found for name in names} | figures)
    (root / "build" / "measured.json").write_text(text, "utf-8")


def test_the_map_takes_over_what_a_test_run_has_measured(course):
    measured_in_a_test_run(course)
    before = text_of(read(course), 1)
    assert build.main(["--check"], course) == 0  # a run of the tests alone changes no page
    assert build.main(["--measured"], course) == 0
    readme = (course / "README.md").read_text("utf-8")
    assert readme.count("| 2.0 | 1.2 GiB | Fréchet 18.0 (real 0.4), 99% as asked |") == 4
    assert "Quality on MNIST" in readme and "not measured" not in readme
    assert "2.0 minutes, 1.2 GiB" in read(course).cells[1].source
    assert text_of(read(course), 1) == before  # nothing was executed for it
    assert build.main(["--check"], course) == 0


def test_figures_are_taken_over_of_the_whole_course_only(course, capsys):
    before = contents(course)
    assert "`make test` leaves it" in refusals(course, capsys, "--measured")
    measured_in_a_test_run(course, **{"09_gone_keras": {}})
    assert "of another course (09_gone_keras)" in refusals(course, capsys, "--measured")
    (course / "build" / "measured.json").write_text("{}")
    assert "01_tiny_keras, 01_tiny_pytorch, 02_plain" in refusals(course, capsys, "--measured")
    shutil.rmtree(course / "build")
    assert contents(course) == before


def test_measures_are_read_from_what_scores_print():
    scores = metrics.Scores(21.375, 0.75, 0.4, 1.0, 0.001, None, 5000, 1000, 1000)
    floor = dataclasses.replace(scores, frechet=0.412, label_accuracy=0.9)
    table = dataclasses.replace(scores, floor=floor, label_accuracy=0.5)
    text = f"the curves: 100\nKeras   3.15.1\n{table}\nend"
    found = measures.read(text)
    assert found["Fréchet distance"] == (21.375, 0.412) and found["label accuracy"] == (0.5, 0.9)
    assert set(found) == {
        *("Fréchet distance", "precision", "recall", "class coverage", "memorised"),
        "label accuracy",
    }
    assert measures.headlines(found) == "Fréchet 21.4 (real 0.4), 50% as asked (real 90%)"


# ---------------------------------------------------------------- what is kept


def test_rebuild_is_byte_identical_under_another_hash_seed(course):
    before = contents(course)
    program = f"import sys, pathlib; sys.path.insert(0, {str(ROOT / 'tools')!r}); import build; "
    program += f"sys.exit(build.main([], pathlib.Path({str(course)!r})))"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # this process has a random one
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert contents(course) == before
    assert build.main(["--check"], course) == 0


def test_prose_keeps_outputs_and_code_executes_again(course):
    first = text_of(read(course), 1)
    edit(lesson(course), "Some words", "Some other words")
    edit(course / "pyproject.toml", "someone", "publisher")  # changes the cell for Colab
    assert build.main([], course) == 0
    assert text_of(read(course), 1) == first
    assert "Some other words" in path(course).read_text("utf-8")
    assert "publisher/models/archive/main.zip" in path(course).read_text("utf-8")

    edit(lesson(course), 'framework = "keras"', 'framework = "keras 3"')
    other = path(course, "pytorch").read_bytes()
    assert build.main(["01_tiny"], course) == 0
    assert text_of(read(course), 1) != first  # cells whose own code is the same, too
    assert text_of(read(course), 3) == "keras 3\n"
    assert path(course, "pytorch").read_bytes() == other


def test_force_executes_again(course, monkeypatch):
    executed = []
    monkeypatch.setattr(
        notebook_files, "execute", lambda notebook, *_: executed.append(notebook) or []
    )
    assert build.main(["--force", "01", "notebooks/01_tiny/"], course) == 0
    assert len(executed) == 2


def test_failing_cell_leaves_the_old_notebook(course, capsys):
    before = {track: path(course, track).read_bytes() for track in ("pytorch", "keras")}
    edit(lesson(course), 'framework = "keras"', "framework = 1 / 0")
    said = refusals(course, capsys)
    assert "notebooks/01_tiny/lesson.md:17: keras: execution failed" in said
    assert "ZeroDivisionError" in said and "\x1b" not in said
    assert path(course).read_bytes() == before["keras"]
    assert path(course, "pytorch").read_bytes() == before["pytorch"]
    assert not list(course.rglob("*.part"))


# ---------------------------------------------------------------- what --check finds


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('framework = \\"keras\\"', 'framework = \\"jax\\"', "cell 5 (code) is not what"),
        ("Some words", "My words", "cell 6 (markdown) is not what"),
        ("100 %", "99 %", "has outputs that the build did not write"),
        ('"display_name": "Python 3"', '"display_name": "conda"', "has other metadata"),
        ('"model"', '"modell"', "cell 5 has another metadata"),
        ('"nbformat"', '<<<<<<< ours\n"nbformat"', "is missing or no notebook"),
    ],
)
def test_check_finds_a_hand_edit_and_a_build_mends_it(course, capsys, monkeypatch, old, new, what):
    before = path(course).read_bytes()
    edit(path(course), old, new)
    said = refusals(course, capsys, "--check")
    assert said.startswith(f"notebooks/01_tiny/01_tiny_keras.ipynb: {what}")
    assert said.count("\n") == 1 and "python tools/build.py 01_tiny" in said
    assert path(course).read_bytes() != before  # --check writes nothing


def test_check_finds_changes_of_the_source(course, capsys):
    before = contents(course)
    edit(lesson(course), "7 * 6", "6 * 9")
    said = refusals(course, capsys, "--check", "01")
    assert "01_tiny_keras.ipynb: cell 13 (code) is not what notebooks/01_tiny/lesson.md:60" in said
    assert "01_tiny_pytorch.ipynb" in said
    edit(lesson(course), "# 01 · Tiny", "# 01 · Small")
    edit(lesson(course), "6 * 9", "7 * 6")
    said = refusals(course, capsys, "--check")
    assert "README.md: its map is not up to date" in said and "START.md" in said
    assert "02_plain_keras.ipynb: cell 2 (markdown)" in said  # its link to the lesson before
    edit(lesson(course), "# 01 · Small", "# 01 · Tiny")
    assert contents(course) == before and build.main(["--check"], course) == 0
    path(course).rename(path(course).with_name("old_keras.ipynb"))
    said = refusals(course, capsys, "--check")
    assert "old_keras.ipynb: no lesson.md builds this" in said and "is missing" in said


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '```python tags=["pytorch", "model"]\nframework = "torch"\n```\n\n',
            "",
            '13: code cell tagged "keras" has no "pytorch" twin next to it; add one, or remove',
        ),
        (
            '<!-- #region tags=["keras"] -->\nAbout keras.\n<!-- #endregion -->\n',
            "",
            '23: markdown cell tagged "pytorch" has no "keras" twin next to it',
        ),
        ('["keras", "model"]', '["keras"]', "13: only one of this pair has ['model']; tag both"),
        ('"pytorch", "model"', '"pytroch"', '13: unknown tag "pytroch"; write "pytorch"'),
        ('"keras", "model"', '"tensorflow"', '17: unknown tag "tensorflow"; write "keras"'),
        ('"model"', '"keras"', "13: cell has both tracks' tags; remove both"),
        (
            '["keras", "model"]',
            '"keras"',
            '17: cannot read the tags in ```python tags="keras"; write tags=["keras"].',
        ),
        ("About keras.\n<!-- #endregion -->", "About keras.", "29: region is never closed"),
        ("About torch.", '<!-- #region tags=["keras"] -->', "24: region inside the region"),
        ("Some words", "<!-- #endregion -->\nSome words", "21: #endregion closes no region"),
        ("7 * 6\n```\n", "7 * 6\n", "60: code fence is never closed; add ```."),
        ("About torch.", "About torch. " * 20, "1: 44 of 65 words of prose are tagged, more than"),
        ("7 * 6", "x = 1\n" * 40 + "x", "60: code cell of 41 lines; split it, 40 is the limit."),
        ("# 01 · Tiny", "# Tiny", '1: a lesson begins with its title; make its first line "# 01 ·'),
        ("# 01 · Tiny", "# 02 · Tiny", "1: a lesson begins with its title"),
        ("The goal.", "```bash\nmake lab\n```", "3: cell magic %%bash; write ```console to show"),
    ],
)
def test_refusals_name_file_and_line(course, capsys, monkeypatch, old, new, message):
    monkeypatch.setattr(
        notebook_files, "execute", lambda *_: pytest.fail("executed a faulty lesson")
    )
    edit(lesson(course), old, new)
    for mode in ([], ["--check"]):
        said = refusals(course, capsys, *mode, "01")
        assert f"notebooks/01_tiny/lesson.md:{message}" in said


def test_all_problems_are_told_at_once(course, capsys):
    edit(lesson(course), '"pytorch", "model"', '"pytroch"')
    edit(lesson(course), "7 * 6", "7\n" * 41)
    lines = re.findall(r"lesson\.md:(\d+):", refusals(course, capsys, "01"))
    assert lines == ["13", "17", "60"]


@pytest.mark.parametrize("leak", ["root", "home"])
def test_paths_of_this_machine_are_refused(course, capsys, monkeypatch, leak):
    monkeypatch.setenv("HOME", str(course.parent / "me"))
    monkeypatch.setenv("USERPROFILE", str(course.parent / "me"))
    shown = {"root": course / "notebooks", "home": course.parent / "me" / "x"}[leak]
    say(monkeypatch, f"saved in '{shown}'\n")
    said = refusals(course, capsys, "--force", "01")
    assert "notebooks/01_tiny/lesson.md:5: keras: output shows a path of this" in said
    say(monkeypatch, f"saved in '{course.parent / 'measures'}'\n")
    assert build.main(["--force", "01"], course) == 0


def say(monkeypatch, text, name="stdout"):
    """Let every execution give this text as the output of the lesson's first cell."""
    give(monkeypatch, nbformat.v4.new_output("stream", name=name, text=text))


def give(monkeypatch, *outputs):
    def execute(notebook, folder):
        notebook_files.own_codes(notebook)[0].outputs = copy.deepcopy(list(outputs))
        return []

    monkeypatch.setattr(notebook_files, "execute", execute)


def test_warnings_are_refused_unless_tagged(course, capsys, monkeypatch):
    before = path(course).read_bytes()
    say(monkeypatch, "UserWarning: old\nmore\n", name="stderr")
    said = refusals(course, capsys, "--force", "01")
    assert (
        'notebooks/01_tiny/lesson.md:5: keras: writes to stderr: "UserWarning: old". Mend' in said
    )
    assert path(course).read_bytes() == before
    edit(lesson(course), "```python\nimport time", '```python tags=["stderr"]\nimport time')
    assert build.main(["--force", "01"], course) == 0


def test_the_log_of_tensorflows_start_is_left_out(course, monkeypatch):
    start = "WARNING: All log messages before absl::InitializeLog()\nI0000 00:00:17.5 port.cc] on\n"
    say(monkeypatch, start, name="stderr")
    assert build.main(["--force", "01"], course) == 0
    assert text_of(read(course), 1) == ""


def test_what_stood_around_a_dropped_line_is_one_stream(course, monkeypatch):
    said = (("stdout", "one\n"), ("stderr", "I0000 00:00:17.5 port.cc] on\n"), ("stdout", "two\n"))
    give(monkeypatch, *(nbformat.v4.new_output("stream", name=n, text=t) for n, t in said))
    assert build.main(["--force", "01"], course) == 0
    assert text_of(read(course), 1) == "one\ntwo\n"
    assert build.main(["--check"], course) == 0


def test_size_limit_names_the_biggest_outputs(course, capsys, monkeypatch):
    say(monkeypatch, "a" * 1_000_000)
    said = refusals(course, capsys, "--force", "01")
    assert re.search(r"the notebook has 1,0\d\d,\d{3} bytes, 1,000,000 is the limit", said)
    assert "\n  line 5: 1,000,0" in said


def test_error_outputs_are_refused(course, capsys, monkeypatch):
    give(monkeypatch, nbformat.v4.new_output("error", ename="ValueError", evalue="bad"))
    said = refusals(course, capsys, "--force", "01")
    assert "lesson.md:5: keras: output is an error: ValueError: bad" in said


@pytest.mark.parametrize("address", ["https://gitlab.com/a/b", "https://github.com/a", ""])
def test_address_must_be_one_that_colab_and_binder_know(course, capsys, address):
    edit(course / "pyproject.toml", "https://github.com/someone/models", address)
    said = refusals(course, capsys)
    assert said.startswith(f'pyproject.toml: [project.urls] Repository is "{address}"')


def test_unknown_lesson(course, capsys):
    assert refusals(course, capsys, "07") == 'no lesson "07"; there are: 01_tiny, 02_plain.\n'


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_what_the_build_adds_passes_ruff(built, command):
    configuration = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    subprocess.run(
        [sys.executable, "-m", "ruff", *command, *configuration, str(path(built))], check=True
    )


def test_notebooks_are_plain_json_with_sorted_keys(built):
    loaded = json.loads(path(built).read_bytes())
    text = json.dumps(loaded, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert text.encode() == path(built).read_bytes()
