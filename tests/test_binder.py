"""binder/: the image is built with the course's data and settings, and starts whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import data

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
sys.path.insert(0, str(ROOT / "tools"))
import check  # noqa: E402

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the image is a Linux")


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A folder with binder/, as in the image: another home, no network, and no real pip."""
    shutil.copytree(BINDER, tmp_path / "binder", symlinks=True)
    shutil.copytree(ROOT / "tools" / "jupyterlab", tmp_path / "tools" / "jupyterlab")
    (tmp_path / "tools" / "lab.py").write_text(
        "import os, sys; print('lab.py', *sys.argv[1:], 'in', os.path.basename(os.getcwd()))"
    )
    script(
        tmp_path / "bin" / "python",
        f'#!/bin/sh\n[ "$2" = pip ] && echo "$@" || exec "{sys.executable}" "$@"\n',
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("JUPYTERLAB_DIR", str(tmp_path / "lab"))
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*command: str | Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_binder_has_the_environment_of_conda():
    link = BINDER / "environment.yml"  # a text with the link's target, where git makes no links
    target = os.readlink(link) if link.is_symlink() else link.read_text("utf-8")
    assert target == "../environment.yml"


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_the_build_has_data_settings_and_a_page(image, monkeypatch, there):
    if there and "COURSE_DATA" not in os.environ:
        pytest.skip("COURSE_DATA names no folder")
    if not there:
        monkeypatch.delenv("COURSE_DATA", raising=False)
    built = run(image / "binder" / "postBuild", cwd="/")
    assert built.returncode == 0, built.stderr
    said = built.stdout.splitlines()
    assert said[0] == "-m pip install --no-deps --no-cache-dir --editable ."
    assert said[-1] == f"lab.py --page in {image.name}"
    assert ("Images('mnist'" in built.stdout) == there
    assert ("Texts('reviews'" in built.stdout) == there
    assert ("cannot be downloaded" in built.stdout) != there
    settings = {path.name: json.loads(path.read_text()) for path in image.glob("lab/settings/*")}
    assert set(settings) == {"overrides.json", "page_config.json"}


@on_linux
def test_the_build_stops_at_what_fails(image):
    script(image / "bin" / "python", "#!/bin/sh\necho $1; exit 3\n")
    built = run(image / "binder" / "postBuild")
    assert (built.returncode, built.stdout) == (3, "-m\n")


def test_the_build_fetches_what_the_lessons_load():
    fetched = re.search(r"for name in \((.*?)\)", (BINDER / "postBuild").read_text("utf-8"))[1]
    sources = [*ROOT.glob("notebooks/*/lesson.md"), *ROOT.glob("exercises/*/exercise.md")]
    loaded = {
        name
        for source in sources
        for name in re.findall(r"\bload\(\"(\w+)\"", source.read_text("utf-8"))
    }
    assert set(re.findall(r"\w+", fetched)) == loaded & set(data._SOURCES)


@on_linux
def test_the_start_hands_over(image, monkeypatch):
    for name in check.ONE_THREAD:  # these tests themselves may run with them
        monkeypatch.delenv(name, raising=False)
    command = [image / "binder" / "start", "sh", "-c", 'echo "$$ $0"; env; exit 5', "two words"]
    with subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, text=True) as server:
        page, first, *variables = server.stdout.read().splitlines()
    assert page == f"lab.py --page in {image.name}"
    assert first == f"{server.pid} two words"  # in its place, so that signals reach the server
    assert server.returncode == 5
    assert {f"{name}={value}" for name, value in check.ONE_THREAD.items()} <= set(variables)


@on_linux
@pytest.mark.parametrize("trouble", ["raise SystemExit(1)", "import time; time.sleep(50)"])
def test_the_start_waits_for_no_page(image, trouble):
    (image / "tools" / "lab.py").write_text(trouble)
    script(image / "bin" / "timeout", f'#!/bin/sh\nshift; exec {shutil.which("timeout")} 1 "$@"\n')
    started = run(image / "binder" / "start", "echo", "server")
    assert (started.returncode, started.stdout) == (0, "server\n")
    assert "it is that of the build" in started.stderr


def test_a_lesson_has_on_binder_what_the_check_gives_it():
    (stage,) = check.stages("binder")
    assert "--like-binder" in stage.command and "-n" not in stage.command  # one after the other
    assert check.ONE_THREAD.items() <= stage.environment.items()
