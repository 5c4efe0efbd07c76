"""workshop/hub/: three learners on a real JupyterHub; its sums, links and settings."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

pytest.importorskip("jupyterhub", reason="JupyterHub is not installed (there is none for Windows)")

import hub  # noqa: E402
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator  # noqa: E402
from jupyterhub.spawner import LocalProcessSpawner  # noqa: E402
from traitlets.config import Config  # noqa: E402
from traitlets.config.loader import PyFileConfigLoader  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "workshop" / "hub"
sys.path.insert(0, str(ROOT / "tools"))
import check  # noqa: E402
import hub_plan  # noqa: E402

GIB = 1 << 30
LESSON = "generative-models/notebooks/00_start/00_start_pytorch.ipynb"
ANSWER_SECONDS = 20  # for a cell that takes a tenth of one, beside whatever the others do
# A home of 128 MiB, in a namespace of its own: it goes when the server does.
SMALL_DISK = [
    *["unshare", "--map-root-user", "--mount", "sh", "-c"],
    'mount -t tmpfs -o size=128m tmpfs "$HOME" && cd "$HOME" && exec "$@"',
    "sh",
]
CONFIG = f"""
def small_disk(spawner):
    if spawner.user.name == "cleo":
        spawner.cmd = [*{SMALL_DISK!r}, *spawner.cmd]

c.Spawner.pre_spawn_hook = small_disk
"""


# ------------------------------------------------------------------ three learners

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the hub's means are Linux's")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A hub with three learners: their servers run, and they have the course."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git clone, so nothing can be pulled from it")
    folder = tmp_path_factory.mktemp("hub")
    repository = hub.publish(folder)
    config = CONFIG if can_mount(folder) else ""
    with hub.running(folder, config=config) as running, ThreadPoolExecutor() as pool:
        running.repository = repository
        running.servers = list(pool.map(running.start, ["ada", "ben", "cleo"]))
        ada, *others = running.servers  # ada follows a link, in a browser
        list(pool.map(lambda server: server.pull(repository), others))
        yield running


def can_mount(folder: Path) -> bool:
    command = [*SMALL_DISK[:-2], 'mount -t tmpfs tmpfs "$0"', str(folder)]
    return shutil.which("unshare") and not subprocess.run(command, capture_output=True).returncode


@on_linux
@pytest.mark.slow
def test_a_learner_follows_the_link_and_runs_a_lesson(room, browser):
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 1300, "height": 1600})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(hub_plan.link(room.url, room.repository, "pytorch"))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(hub.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/user/ada/lab/tree/{LESSON}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def choose(menu: str, command: str) -> None:
        page.locator(".lm-MenuBar-item", has_text=menu).click()
        page.locator(f'[data-command="{command}"]').click()

    choose("Edit", "editmenu:clear-all")  # the course's own outputs
    expect(page.locator(".jp-OutputArea-output")).to_have_count(0)
    choose("Run", "runmenu:run-all")
    # The last cell, in which a learner may write a line, says so; the measures stand before it.
    said = page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
    expect(said).to_contain_text("Nothing written", timeout=120_000)
    measures = page.locator(".jp-OutputArea-output", has_text=re.compile(r"Fréchet distance +\d"))
    expect(measures.last).to_be_visible()
    assert page.locator('[data-mime-type*="error"]').count() == 0
    context.close()
    ada = room.servers[0]
    assert (ada.home / LESSON).is_file()
    assert len(ada.api("GET", "kernels")) == 1  # it is hers, and stays when the page is closed
    ada.session.delete(f"{ada.url}api/kernels/{ada.api('GET', 'kernels')[0]['id']}")


def answers(kernel: hub.Kernel) -> None:
    """Check that a learner's cell answers soon, with what the learner had before."""
    said = kernel.run("print(mine, sum(range(1_000_000)))", ANSWER_SECONDS)
    assert said == f"{kernel.server.name} 499999500000\n"


def save(server: hub.Server) -> None:
    note = {"type": "file", "format": "text", "content": "x" * 100_000}
    server.api("PUT", "contents/note.txt", json=note)


@on_linux
@pytest.mark.slow
def test_what_happens_to_one_leaves_the_others_untouched(room):
    ada, ben, cleo = room.servers
    with ada.kernel() as hers, ben.kernel() as his, cleo.kernel() as third:
        for kernel in (hers, his, third):
            kernel.run(f"mine = {kernel.server.name!r}")

        # An endless loop.
        loop = his.begin("while True: pass")
        answers(hers)
        answers(third)
        his.send("interrupt")
        said = [message["content"].get("ename") for message in his.answers(loop, ANSWER_SECONDS)]
        assert "KeyboardInterrupt" in said
        answers(his)

        # A killed kernel: the server starts another, which knows nothing.
        with pytest.raises(hub.Failure, match="died"):
            his.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        answers(hers)
        answers(third)
        with pytest.raises(hub.Failure, match="name 'mine' is not defined"):
            his.run("mine")
        his.run("mine = 'ben'")

        # A full disk.
        if not can_mount(room.folder):
            pytest.skip("no right to mount a small disk; all but that is tested")
        with pytest.raises(hub.Failure, match="No space left on device"):
            third.run("open('full', 'wb').write(bytes(1 << 27))")
        with pytest.raises(hub.Failure, match="error while saving"):
            save(cleo)
        for server, kernel in ((ada, hers), (ben, his)):
            answers(kernel)
            save(server)
        third.run("import os; os.remove('full')")
        save(cleo)
        answers(third)


@on_linux
@pytest.mark.slow
def test_a_learner_does_not_get_at_anothers_server(room):
    ada, ben, _ = room.servers
    assert ben.session.get(f"{ada.url}api/contents").status_code == 403
    with pytest.raises(hub.Failure, match="403"):
        room.login("ada", "another password")


# ------------------------------------------------------------------ sums and links


def test_the_sizing_is_computed_from_what_was_measured():
    page = (FOLDER / "README.md").read_text("utf-8")
    assert page == hub_plan.page(), "Mend it: python tools/hub_plan.py"
    measured = json.loads((ROOT / "notebooks" / "measured.json").read_text("utf-8"))
    server = json.loads(hub_plan.MEASURED.read_text("utf-8"))["mnist"]["server_mib"] / 1024
    largest = {
        framework: max(found["peak_gib"] for name, found in measured.items() if track in name)
        for track, framework in (("_pytorch", "PyTorch"), ("_keras", "Keras"))
    }
    rows = re.findall(r"\| ([\d,]+) \| (\w+) \| (.+?) GiB \| (.+?) \| (\d+) \| ([\d,]+) GiB", page)
    assert len(rows) == 6
    for shown, framework, memory, cores, machines, disk in rows:
        learners = int(shown.replace(",", ""))
        gib, half = (re.findall(r"[\d.]+", text.replace(",", "")) for text in (memory, cores))
        assert [int(gib[0]), int(half[0]), int(disk.replace(",", ""))] == [learners] * 3
        assert float(gib[1]) == pytest.approx(largest[framework] + server, abs=0.006)
        assert math.ceil(learners * float(gib[1])) == int(gib[2])
        assert learners * float(half[1]) == int(half[2])
        # As many machines as it takes, and not one more.
        assert int(gib[2]) <= int(machines) * 62 and int(half[2]) <= int(machines) * 16
        one_less = int(machines) - 1
        assert int(gib[2]) > one_less * 60 or int(half[2]) > one_less * 16


def test_the_link_is_what_nbgitpuller_reads():
    address = "https://example.org/some/course"
    for track in ("pytorch", "keras"):
        link = urlsplit(hub_plan.link("https://hub.example.org/", address, track))
        assert f"{link.scheme}://{link.netloc}{link.path}" == (
            "https://hub.example.org/hub/user-redirect/git-pull"
        )
        query = {name: value for name, (value,) in parse_qs(link.query).items()}
        lesson = query.pop("urlpath").removeprefix("lab/tree/course/")
        assert query == {"repo": address, "branch": "main"}
        assert (ROOT / lesson).is_file() and track in lesson


def test_links_are_printed_for_a_hub(capsys):
    assert hub_plan.main(["--links", "https://hub.example.org"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == ["PyTorch", "Keras"]
    with pytest.raises(SystemExit):
        hub_plan.main(["--links", "hub.example.org"])
    assert "https://hub.example.org" in capsys.readouterr().err


# ------------------------------------------------------------------ settings


def as_one_machine(before: Config, folder: Path) -> Config:
    """How The Littlest JupyterHub reads it: after its own, as a part of its configuration."""
    shutil.copy(hub.COURSE_CONFIG, folder / "course.py")
    (folder / "own.py").write_text("load_subconfig('course.py')\n")
    config = PyFileConfigLoader("own.py", str(folder)).load_config()
    before.merge(config)
    return before


def as_kubernetes(before: Config, folder: Path) -> Config:
    """How the chart reads it: a text that its own configuration executes at its end."""
    names = {"c": before, "get_config": lambda key, default=None: default}
    exec(hub.COURSE_CONFIG.read_text("utf-8"), names)
    return before


@pytest.mark.parametrize(
    "name, read, before",
    [
        ("LocalProcessSpawner", as_one_machine, {}),
        ("SystemdSpawner", as_one_machine, {"Spawner": {"mem_limit": None, "cpu_limit": None}}),
        (
            "KubeSpawner",
            as_kubernetes,
            {"KubeSpawner": {"environment": {"SITE": "ours"}, "mem_guarantee": "1G"}},
        ),
    ],
)
def test_each_kind_of_hub_takes_over_what_the_course_asks(name, read, before, tmp_path):
    config = read(Config(before), tmp_path)
    kind = type(name, (LocalProcessSpawner,), {})
    assert set(config.Spawner) <= set(kind.class_trait_names())
    spawner = kind(config=config)
    need = max(
        float(each)
        for each in re.findall(
            r"= ([\d.]+) GiB a learner", (FOLDER / "README.md").read_text("utf-8")
        )
    )
    assert need <= spawner.mem_guarantee / GIB < need + 0.15
    assert spawner.mem_guarantee < spawner.mem_limit == 2 * GIB  # Binder's, where all lessons run
    assert spawner.cpu_guarantee == hub_plan.CORES_EACH
    assert spawner.cpu_limit == 1
    assert check.ONE_THREAD.items() <= spawner.environment.items()
    assert "COURSE_DATA" in spawner.environment
    assert before.get(name, {}).get("environment", {}).items() <= spawner.environment.items()
    assert spawner.default_url == "/lab" and spawner.notebook_dir == "~"


def settings(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def test_the_littlest_jupyterhub_knows_these_settings():
    found = settings("tljh.yaml")
    # Of tljh/configurer.py, release 2.
    assert set(found) <= {"users", "user_environment", "services", "limits", "https", "auth"}
    assert found["user_environment"] == {"default_app": "jupyterlab"}
    assert set(found["services"]["cull"]) <= {"enabled", "timeout", "every", "users", "max_age"}
    assert "limits" not in found  # jupyterhub_config.py has them


def test_the_chart_says_what_the_configuration_says():
    values, config = settings("values.yaml"), as_kubernetes(Config(), ROOT).Spawner
    single = values["singleuser"]
    assert single["memory"] == {"guarantee": config.mem_guarantee, "limit": config.mem_limit}
    assert single["cpu"] == {"guarantee": config.cpu_guarantee, "limit": config.cpu_limit}
    assert single["storage"] == {"capacity": f"{hub_plan.DISK_GIB}Gi"}
    cpu, gpu = single["profileList"]
    assert cpu["default"] and "default" not in gpu and "kubespawner_override" not in cpu
    override = gpu["kubespawner_override"]
    assert override["extra_resource_limits"] == {"nvidia.com/gpu": "1"}
    idle = settings("tljh.yaml")["services"]["cull"]
    assert {name: values["cull"][name] for name in idle} == idle
    # What is built is what is run, and `extraConfig` is the chart's name for it.
    text = "".join((FOLDER / name).read_text("utf-8") for name in ("README.md", "gpu.Dockerfile"))
    for image in (f"{single['image']['name']}:{single['image']['tag']}", override["image"]):
        assert re.search(rf"(--tag|--image-name) {re.escape(image)} ", text)
    assert f"--set-file hub.extraConfig.course={hub.COURSE_CONFIG.relative_to(ROOT)}" in text


def test_images_and_readme_put_the_data_where_the_hub_looks(monkeypatch, tmp_path):
    from course_utils import downloads

    monkeypatch.delenv("COURSE_DATA", raising=False)
    place = as_kubernetes(Config(), tmp_path).Spawner.environment["COURSE_DATA"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert downloads.cache().parent == tmp_path
    for name in ("README.md", "gpu.Dockerfile"):
        text = (FOLDER / name).read_text("utf-8")
        assert f"mv /srv/{downloads.cache().name} {place}" in text
        assert {"'mnist'", "'reviews'"} <= set(re.findall(r"'\w+'", text))
    appendix = (FOLDER / "appendix.Dockerfile").read_text("utf-8")
    assert f'mv "${{HOME}}/.cache/{downloads.cache().name}" {place} ' in appendix


def test_images_have_the_versions_that_are_tested():
    constraints = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    texts = [
        (FOLDER / name).read_text("utf-8") for name in ("appendix.Dockerfile", "gpu.Dockerfile")
    ]
    grading = (ROOT / "workshop" / "grading.md").read_text("utf-8")
    pinned = set(re.findall(r"[a-z]+==\d[\d.]*\d", "".join([*texts, grading])))
    assert {pin.partition("==")[0] for pin in pinned} == {"nbgitpuller", "nbgrader", "jupytext"}
    assert pinned <= set(constraints)
    assert all("nbgitpuller==" in text for text in texts)


def test_on_kubernetes_nobody_gets_in_without_the_rooms_password():
    config = Config(settings("values.yaml")["hub"]["config"])
    assert config.JupyterHub.authenticator_class == "shared-password"

    def let_in(name, password):
        found = SharedPasswordAuthenticator(config=config)
        question = found.get_authenticated_user(None, {"username": name, "password": password})
        with ThreadPoolExecutor() as pool:  # this thread has Playwright's loop
            answer = pool.submit(asyncio.run, question).result()
        return answer and answer["admin"]

    room, own = "of this room", "of the instructor alone, 32 letters or more"
    assert let_in("ada", room) is let_in("ada", "") is let_in("instructor", "") is None
    given = config.SharedPasswordAuthenticator
    text = (FOLDER / "README.md").read_text("utf-8")
    for name, password in (("user_password", room), ("admin_password", own)):
        assert f"--set hub.config.SharedPasswordAuthenticator.{name}=" in text
        given[name] = password
    assert let_in("ada", room) is False and let_in("ada", own) is None
    assert let_in("instructor", own) is True and let_in("instructor", room) is None
