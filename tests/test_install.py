"""tools/install.py and tools/lab.py: what they do, what they leave alone, what they say."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import install  # noqa: E402
import lab  # noqa: E402


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """A made-up .venv in which PyTorch and Keras are installed; running any step is an error."""
    environment = install.Environment(tmp_path, "constraints.txt")
    environment.python.parent.mkdir()
    environment.python.touch()
    state = install.wanted_state(environment, {"pytorch", "keras"})
    environment.stamp.write_text(json.dumps(state))

    def run(environment: install.Environment, title: str, command: list[str]) -> None:
        raise install.Failure(title)

    monkeypatch.setattr(install, "run", run)
    return environment


@pytest.fixture
def commands(monkeypatch):
    """The command lines of the steps, which are not run."""
    commands = []
    monkeypatch.setattr(install, "run", lambda environment, title, step: commands.append(step))
    monkeypatch.setattr(install, "cpu_torch_wanted", lambda: True)
    monkeypatch.setattr(install, "reachable", lambda address: True)
    return commands


@pytest.mark.parametrize("extras", [{"pytorch", "keras"}, {"keras"}])
def test_nothing_is_done_twice(venv, extras):
    assert install.install(venv, extras) is False


def test_more_extras_are_installed(venv):
    with pytest.raises(install.Failure):
        install.install(venv, {"pytorch", "author"})


def test_changed_versions_are_installed(venv):
    stamp = json.loads(venv.stamp.read_text())
    venv.stamp.write_text(json.dumps({**stamp, "hash": "of another constraints.txt"}))
    with pytest.raises(install.Failure):
        install.install(venv, {"keras"})
    assert not venv.stamp.exists()  # whoever stops now must begin again


def test_the_newest_versions_are_looked_for_each_time(venv, commands):
    newest = install.Environment(venv.folder, None)
    newest.stamp.write_text(json.dumps(install.wanted_state(newest, {"pytorch"})))
    assert install.install(newest, {"pytorch"}) is True
    assert "--clear" in commands[0]  # what was the newest a week ago is not kept
    assert not any("--constraint" in command for command in commands)
    assert commands[1][-1] == "torch" and install.CPU_INDEX in commands[1]


def test_each_choice_has_its_own_folder_and_versions(monkeypatch):
    chosen = []
    monkeypatch.setattr(install, "install", lambda *arguments: chosen.append(arguments))
    assert install.main([]) == 0
    for versions in install.ENVIRONMENTS:
        assert install.main(["--versions", versions, "--extras", "test"]) == 0
    assert [extras - install.LEARNER for _, extras in chosen] == [set()] + [{"test"}] * 3
    tested, *others = [(found.folder.name, found.constraints) for found, _ in chosen]
    assert tested == others[0] == (".venv", "constraints.txt")
    assert others[1:] == [(".venv-oldest", "constraints-oldest.txt"), (".venv-newest", None)]


@pytest.mark.parametrize(
    ("gpu", "reachable", "expected"),
    [
        (False, True, ["--no-deps", "--index-url", install.CPU_INDEX, "torch"]),
        (False, False, ["torch"]),
        (True, True, None),
    ],
)
def test_torch_is_the_cpu_build_where_no_gpu_is(
    venv, commands, monkeypatch, gpu, reachable, expected
):
    monkeypatch.setattr(install, "cpu_torch_wanted", lambda: not gpu)
    monkeypatch.setattr(install, "reachable", lambda address: reachable)
    assert install.install(venv, {"pytorch", "lab"}) is True
    everything = commands[-1]
    assert everything[-2:] == ["--editable", ".[keras,lab,pytorch]"]
    torch = [command for command in commands if command[-1] == "torch"]
    assert [command[len(everything) - 2 :] for command in torch] == ([expected] if expected else [])
    assert all(
        command[-1:] == [str(venv.folder)] or "--constraint" in command for command in commands
    )
    assert install.installed_state(venv)["extras"] == ["keras", "lab", "pytorch"]


def test_the_cpu_index_failing_is_not_the_end(venv, commands, monkeypatch):
    def run(environment: install.Environment, title: str, command: list[str]) -> None:
        commands.append(command)
        if install.CPU_INDEX in command:
            raise install.Failure(title)

    monkeypatch.setattr(install, "run", run)
    assert install.install(venv, {"pytorch", "lab"}) is True
    assert commands[-2][-1] == "torch" and install.CPU_INDEX not in commands[-2]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("ERROR: OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for torch==2.13.0", "64-bit Python"),
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
    ],
)
def test_a_failure_says_what_to_do(said, advice):
    message = install.explain(install.ENVIRONMENTS["tested"], "2 of 3 · PyTorch", [said + "\n"])
    assert "failed: 2 of 3 · PyTorch" in message and said in message
    assert [advice in todo for _, todo in install.CAUSES].count(True) == 1
    assert all((todo in message) == (advice in todo) for _, todo in install.CAUSES)
    assert "run the same command again" in message


def test_a_failing_step_raises_with_its_words(tmp_path):
    environment = install.Environment(tmp_path, None)
    fails = [sys.executable, "-c", "print('ERROR: wrong'); raise SystemExit(3)"]
    with pytest.raises(install.Failure, match="ERROR: wrong"):
        install.run(environment, "a step", fails)
    assert environment.log.read_text() == "a step\nERROR: wrong\n"


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14)])
def test_other_pythons_are_refused(monkeypatch, capsys, version):
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    assert install.main([]) == 1
    said = capsys.readouterr().err
    assert "this is Python {}.{}.".format(*version) in said and "make lab PYTHON=" in said


def test_old_pythons_can_read_the_file():
    for name in ("install.py", "lab.py"):
        ast.parse((install.ROOT / "tools" / name).read_text("utf-8"), feature_version=(3, 8))


def test_the_start_page_is_opened_rendered(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert "--no-browser" in lab.command()
    monkeypatch.setenv("DISPLAY", ":0")
    assert "--no-browser" not in lab.command()
    folder = next(o.split("=")[1] for o in lab.command() if "app_settings_dir" in o)
    overrides = json.loads((Path(folder) / "overrides.json").read_text("utf-8"))
    viewers = overrides["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers == {"markdown": "Markdown Preview"}


def test_the_start_page_has_run(tmp_path, monkeypatch):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))
    source = tmp_path / "notebooks" / "START.md"
    source.write_text((install.ROOT / "notebooks" / "START.md").read_text("utf-8"), "utf-8")
    cells = json.loads(lab.page(source).read_text("utf-8"))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] * 2
    progress, check = ("".join(cells[i]["outputs"][0]["text"]) for i in (1, 3))
    assert "Lesson 01: 0 of 10" in progress and "0 solved" in progress
    assert "Ready: Python" in check or "Problem: " in check


def test_a_start_page_that_fails_is_written_all_the_same(tmp_path, capsys):
    source = tmp_path / "START.md"
    source.write_text("# Map\n\n```python\n1 / 0\n```\n", "utf-8")
    cells = json.loads(lab.page(source).read_text("utf-8"))["cells"]
    assert (
        cells[0]["source"] == ["# Map"] and cells[1]["outputs"][0]["ename"] == "ZeroDivisionError"
    )
    assert "could not be run to its end" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
def test_ctrl_c_waits_for_the_program():
    ends_itself = "import time\ntry: print('up', flush=True); time.sleep(9)\n"
    ends_itself += "except KeyboardInterrupt: raise SystemExit(5)"
    code = f"import sys, lab; sys.exit(lab.hand_over([sys.executable, '-c', {ends_itself!r}]))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=install.ROOT / "tools",
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as waiting:
        assert waiting.stdout.readline() == b"up\n"
        os.killpg(waiting.pid, signal.SIGINT)
        assert waiting.wait(timeout=10) == 5
