"""course_utils.weights and tools/train_weights.py: who comes late is where the others are."""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import data, downloads, live, weights
from course_utils.live import LiveView
from course_utils.weights import CourseRun

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools")]
import train_weights  # noqa: E402

STEPS = 10
NOTEBOOKS = sorted(
    path for path in ROOT.glob("notebooks/*/*_*.ipynb") if "CourseRun(" in path.read_text("utf-8")
)


class Torch:
    """A small network, its training and its outputs, in PyTorch."""

    track = "pytorch"

    @staticmethod
    def build(width=40, start=0, norm=True):
        torch = pytest.importorskip("torch")
        torch.manual_seed(start)
        middle = [torch.nn.BatchNorm1d(width)] * norm
        return torch.nn.Sequential(
            torch.nn.Linear(3, width), *middle, torch.nn.Linear(width, 16), torch.nn.Sigmoid()
        )

    @staticmethod
    def train(network, inputs, steps, view):
        import torch

        network.train()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        for _ in range(steps):
            loss = (network(torch.as_tensor(inputs)) - 0.3).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            view.update(view.step + 1, loss=loss)

    @staticmethod
    def outputs(network, inputs):
        import torch

        with torch.no_grad():
            return network.eval()(torch.as_tensor(inputs)).numpy()

    @staticmethod
    def norm_statistics(network):
        return [network[1].running_mean.numpy(), network[1].running_var.numpy()]


class Keras:
    """The same in Keras."""

    track = "keras"

    @staticmethod
    def build(width=40, start=0, norm=True):
        keras = pytest.importorskip("keras")
        keras.utils.set_random_seed(start)
        middle = [keras.layers.BatchNormalization()] * norm
        ending = keras.layers.Dense(16, activation="sigmoid")
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width), *middle, ending])

    @staticmethod
    def train(network, inputs, steps, view):
        import keras

        network.compile(keras.optimizers.Adam(0.05), "mse")

        def batches():  # as the lessons' loops
            while True:
                yield inputs, np.full((len(inputs), 16), 0.3, np.float32)

        def record(epoch, logs):
            view.update(view.step + 1, loss=logs["loss"])

        calls = [keras.callbacks.LambdaCallback(on_epoch_end=record)]
        plan = {"epochs": steps, "steps_per_epoch": 1, "shuffle": False}
        network.fit(batches(), **plan, callbacks=calls, verbose=0)

    @staticmethod
    def outputs(network, inputs):
        import keras

        return keras.ops.convert_to_numpy(network(inputs, training=False))

    @staticmethod
    def norm_statistics(network):
        return [variable.numpy() for variable in network.layers[1].non_trainable_variables]


both = pytest.mark.parametrize("kit", [Torch, Keras])
INPUTS = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course without runs in an empty folder; nothing else is within reach."""
    sums = tmp_path / "sums.json"
    sums.write_text("{}")
    monkeypatch.setattr(weights, "SUMS", sums)
    monkeypatch.setattr(downloads, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(downloads, "SECONDS", 1)
    monkeypatch.setattr(weights, "repository", lambda: "http://127.0.0.1:1")  # nobody listens
    monkeypatch.delenv("COURSE_DATA", raising=False)
    folder = tmp_path / "course" / "notebooks" / "07_tiny"
    folder.mkdir(parents=True)
    (tmp_path / "course" / "exercises").mkdir()
    monkeypatch.chdir(folder)
    return folder


def publish(folder, kit, network, view):
    """Keep a run as the tool does; return its first file."""
    name = f"07_tiny_{kit.track}"
    timed = [view._timed_steps, view._timed_seconds]
    names = ("step", "history", "samples", "notes")
    state = {name: getattr(view, name) for name in names} | {"timed": timed}
    files = weights.pack_run(name, state, {"network": network, "data": "noise"})
    train_weights.write(name, files, folder, folder.parents[1])
    return folder / next(iter(files))


def train(kit, network, checkpoint=None, steps=STEPS):
    """What a lesson's training cell does."""

    def look():
        return kit.outputs(network, INPUTS[:4]).reshape(4, 4, 4, 1)

    with LiveView(total=steps, sample=look, checkpoint=checkpoint) as view:
        view.notes.setdefault("matching", {"digit": (0.5, np.arange(3.0))})
        kit.train(network, INPUTS, steps - view.step, view)
    return view


@both
def test_who_comes_late_is_where_the_others_are(kit, course, capsys):
    network = kit.build()
    view = train(kit, network)
    file = publish(course, kit, network, view)
    late = kit.build(start=1)
    assert abs(kit.outputs(late, INPUTS) - kit.outputs(network, INPUTS)).max() > 0.1

    checkpoint = CourseRun("07_tiny", network=late, data="noise")
    assert checkpoint.step == STEPS
    arrived = train(kit, late, checkpoint)
    said = capsys.readouterr().out
    assert f"Going on from step {STEPS} of {STEPS}, kept by the course in {file}" in said
    assert arrived.start == arrived.step == STEPS and arrived.history == view.history
    assert arrived.steps_per_second == view.steps_per_second
    assert list(arrived.samples) == list(view.samples)
    for step, images in view.samples.items():
        assert arrived.samples[step].dtype == np.float32
        np.testing.assert_allclose(arrived.samples[step], images, rtol=2**-11)
    assert arrived.notes["matching"]["digit"][0] == 0.5
    np.testing.assert_array_equal(arrived.notes["matching"]["digit"][1], np.arange(3.0))
    # 16 bits cost kernels their last digits; vectors are what they were.
    np.testing.assert_allclose(kit.outputs(late, INPUTS), kit.outputs(network, INPUTS), atol=2e-3)
    for one, other in zip(kit.norm_statistics(late), kit.norm_statistics(network), strict=True):
        np.testing.assert_array_equal(one, other)


@both
def test_to_train_on_or_afresh_leaves_the_files(kit, course):
    network = kit.build()
    file = publish(course, kit, network, train(kit, network))
    before = file.read_bytes()
    checkpoint = CourseRun("07_tiny", network=kit.build(start=1))
    view = train(kit, network, checkpoint, STEPS + 2)
    assert view.start == STEPS and view.step == STEPS + 2
    again = train(kit, network, checkpoint)  # what the first view has added is not in it
    assert again.step == STEPS and again.history["step"] == [*range(1, STEPS + 1)]
    checkpoint.clear()
    assert train(kit, network, checkpoint, 2).start == 0
    assert file.read_bytes() == before and [path.name for path in course.iterdir()] == [file.name]


@both
def test_what_does_not_fit_is_named_and_nothing_changed(kit, course):
    network = kit.build()
    publish(course, kit, network, train(kit, network))
    here = {"pytorch": r"0\.weight .* \(50, 3\) here", "keras": r"kernel .* \(3, 50\) here"}
    there = {"pytorch": r"\(40, 3\) there", "keras": r"\(3, 40\) there"}
    wide = kit.build(width=50)
    before = kit.outputs(wide, INPUTS)
    with pytest.raises(ValueError, match=f"network: .*{here[kit.track]}, .*{there[kit.track]}"):
        CourseRun("07_tiny", network=wide)
    np.testing.assert_array_equal(kit.outputs(wide, INPUTS), before)
    with pytest.raises(ValueError, match="nothing here"):
        CourseRun("07_tiny", network=kit.build(norm=False))
    with pytest.raises(ValueError, match="data: 'digits' here, 'noise' there"):
        CourseRun("07_tiny", network=network, data="digits")
    with pytest.raises(ValueError, match="average is not in it; it holds network, data"):
        CourseRun("07_tiny", average=network)
    with pytest.raises(ValueError, match="configuration cell.* late = False"):
        CourseRun("07_tiny", network=wide)


def test_on_pytorch_backend_keras_is_still_keras():
    class Model:  # such a model is a PyTorch module too
        variables = ()
        state_dict = load_state_dict = None

    ((path, part),) = weights.networks({"network": Model()})
    assert weights.full_name("07_tiny", {path: part}) == "07_tiny_keras"
    assert not hasattr(part, "load_state_dict")


def test_an_unknown_run_is_refused(course):
    with pytest.raises(ValueError, match="no run called '07_tiny_pytorch'. There are: none yet"):
        CourseRun("07_tiny", network=Torch.build())


# ------------------------------------------------------------------ files


@pytest.fixture
def kept(course):
    """A published run in PyTorch: its file, and what takes it."""
    network = Torch.build()
    file = publish(course, Torch, network, train(Torch, network))
    return file, functools.partial(CourseRun, "07_tiny", network=network)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The repository's address, with nothing there yet."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "web"))

        def log_message(self, *arguments):
            asked.append(self.path)

    asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(weights, "repository", lambda: f"http://127.0.0.1:{server.server_port}")
    yield tmp_path / "web" / "raw" / "main" / "notebooks" / "07_tiny", asked
    server.shutdown()
    server.server_close()


def test_it_is_downloaded_once_where_only_a_notebook_is_open(kept, server, tmp_path, monkeypatch):
    (file, take), (web, asked) = kept, server
    web.mkdir(parents=True)
    file.rename(web / file.name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert take().path == tmp_path / "cache" / "weights" / file.name and asked
    asked.clear()
    assert take().step == STEPS and not asked
    (tmp_path / "cache" / "weights" / file.name).write_bytes(b"damaged")
    assert take().step == STEPS and asked  # downloaded again


def test_a_damaged_download_is_not_kept(kept, server, tmp_path):
    (file, take), (web, _) = kept, server
    web.mkdir(parents=True)
    (web / file.name).write_bytes(file.read_bytes()[:-1])
    file.unlink()
    with pytest.raises(ConnectionError, match="(?i)hash"):
        take()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_without_network_it_says_what_to_do(kept):
    file, take = kept
    file.unlink()
    with pytest.raises(ConnectionError, match=r"internet .* weights/07_tiny_pytorch.* late = Fal"):
        take()


def test_course_data_comes_first(kept, tmp_path, monkeypatch):
    file, take = kept
    given = tmp_path / "given" / "weights" / file.name
    given.parent.mkdir(parents=True)
    given.write_bytes(file.read_bytes())
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "given"))
    assert take().path == given
    given.unlink()
    assert take().path == file


@pytest.mark.parametrize("place", ["beside the notebook", "COURSE_DATA"])
def test_a_damaged_file_is_named(place, kept, tmp_path, monkeypatch):
    file, take = kept
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    if place == "COURSE_DATA":
        monkeypatch.setenv("COURSE_DATA", str(tmp_path))
        file = tmp_path / "weights" / file.name
        file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{file.name} is damaged .* checkout .* delete the file"):
        take()


def test_equal_runs_give_equal_bytes():
    state = {"step": 3, "notes": {"b": np.ones((2, 2)), "a": [1, None, "x"]}}
    one, other = (weights.pack_run("x", state, {"net": Torch.build()}) for _ in range(2))
    assert one == other


def test_a_large_run_gets_several_files(course, monkeypatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 60_000)
    notes = {str(number): np.full((100, 100), number, np.float32) for number in range(5)}
    files = weights.pack_run("large", {"step": 1, "notes": notes}, {})
    assert list(files) == [f"large{number}.safetensors" for number in ("", "_2", "_3")]
    assert all(len(content) <= 60_000 for content in files.values())
    train_weights.write("large", files, course, course.parents[1])
    read = CourseRun("large").notes
    assert all((array == int(number)).all() for number, array in read.items()) and len(read) == 5

    # The next run takes one file only; the others of the former one go.
    files = weights.pack_run("large", {"step": 1, "notes": {}}, {})
    train_weights.write("large", files, course, course.parents[1])
    assert [path.name for path in course.iterdir()] == ["large.safetensors"]

    with pytest.raises(ValueError, match="one array alone"):
        weights.pack_run("large", {"notes": np.ones((300, 300))}, {})
    with pytest.raises(ValueError, match="history and notes of large alone"):
        weights.pack_run("large", {"notes": [0.123] * 9999}, {})


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e5])
def test_what_16_bits_cannot_hold_is_refused(bad):
    with pytest.raises(ValueError, match=r"^\S+, an array of shape \(1, 2\), .* 16 bits"):
        weights.pack_run("x", {"notes": np.array([[1.0, bad]])}, {})


def test_half_the_digits_are_enough_for_pictures_and_weights():
    rng = np.random.default_rng(0)
    values = rng.normal(scale=0.05, size=(100, 100)).astype(np.float32)
    again = weights.widened(weights.halved("values", values))
    assert again.dtype == np.float32
    large = abs(values) > 2**-14  # below, the steps are of equal size
    assert abs(again / values - 1)[large].max() <= 2**-11
    pixels = rng.random((10, 28, 28, 1)).astype(np.float32)
    assert abs(weights.widened(weights.halved("pixels", pixels)) - pixels).max() < 0.1 / 255


def test_the_repository_is_known_where_the_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert weights.repository() == project["urls"]["Repository"]


# ------------------------------------------------------------------ the command

CELLS = [
    "%pip install nothing",
    "import torch\nfrom course_utils.live import LiveView\n"
    "from course_utils.weights import CourseRun\nsteps = 5\nbar = []",
    "bar.append(1)",  # in place, as a network is trained
    "torch.manual_seed(0)\nnetwork = torch.nn.Linear(2, 2)",
    "late = False\ncheckpoint = None\nif late:\n"
    "    checkpoint = CourseRun('07_tiny', network=network)\n    steps = checkpoint.step",
    "with LiveView(total=steps, checkpoint=checkpoint) as view:\n"
    "    for step in range(view.step, steps):\n"
    "        network.weight.data += 1\n"
    "        view.update(step + 1, loss=1.0)\n"
    "history = view.history",
    "raise SystemExit('a toy that nothing needs')",
    "taken = steps - view.start\nmean = float(network.weight.detach().mean())\n"
    "assert mean > bar[0], 'below the bar'",
]


def notebook(folder, cells=CELLS):
    path = folder / "07_tiny_pytorch.ipynb"
    made = [new_code_cell(code) for code in cells]
    made[0].metadata["tags"] = ["colab"]
    made.append(new_code_cell("0 / 0", metadata={"tags": ["feedback"]}))
    nbformat.write(new_notebook(cells=made), path)
    return path


def test_the_command_keeps_what_the_lesson_names_and_checks_it(course, monkeypatch):
    pytest.importorskip("torch")
    path = notebook(course)
    lines = train_weights.train(path, course.parents[1])
    assert lines == ["notebooks/07_tiny/07_tiny_pytorch.safetensors: 0.00 MB"]
    steps = []
    monkeypatch.setattr(live.LiveView, "update", lambda view, step, **values: steps.append(step))
    assert train_weights.run(path, measure=False).step == 5
    checkpoint = train_weights.run(path)  # a late learner
    assert isinstance(checkpoint, CourseRun) and checkpoint.step == 5 and not steps
    assert checkpoint.load()["history"] == {"step": [1.0, 2.0, 3.0, 4.0, 5.0], "loss": [1.0] * 5}


def test_below_its_bar_nothing_is_kept(course):
    pytest.importorskip("torch")
    path = notebook(course, [code.replace("append(1)", "append(100)") for code in CELLS])
    with pytest.raises(AssertionError, match="below the bar"):
        train_weights.train(path, course.parents[1])
    assert weights.SUMS.read_text() == "{}" and list(course.iterdir()) == [path]


def test_a_run_without_a_view_keeps_its_notes(course):
    late = "late = False\ncheckpoint = CourseRun('07_tiny_pytorch') if late else None\n"
    late += "played = checkpoint.notes.setdefault('played', {}) if late else {}"
    play = "def play(name):\n    if name not in played:\n        played[name] = len(name)\n"
    play += "    return played[name]"
    path = notebook(course, [*CELLS[:2], late, play, "assert play('mode collapse') == 13"])
    train_weights.train(path, course.parents[1])
    assert CourseRun("07_tiny_pytorch").notes == {"played": {"mode collapse": 13}}


def test_a_view_that_was_not_told_is_named(course):
    pytest.importorskip("torch")
    path = notebook(course, [code.replace(", checkpoint=checkpoint", "") for code in CELLS])
    with pytest.raises(SystemExit, match="LiveView get checkpoint=checkpoint"):
        train_weights.train(path, course.parents[1])


def test_a_notebook_without_a_run_is_named(course):
    with pytest.raises(SystemExit, match="07_tiny_pytorch: 0 cells make a CourseRun"):
        train_weights.run(notebook(course, ["pass", "pass"]))


# ------------------------------------------------------------------ what the course keeps


def test_every_file_is_as_listed():
    runs = json.loads(weights.SUMS.read_text("utf-8"))
    listed = {file: total for files in runs.values() for file, total in files.items()}
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/**/*.safetensors")}
    assert found == set(listed), "make weights"
    for file, total in listed.items():
        content = (ROOT / file).read_bytes()
        assert weights.sha256(content) == total and len(content) <= weights.MOST_BYTES


ARRIVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import train_weights
for path in map(Path, sys.argv[2:]):
    print("===", path.stem, flush=True)
    train_weights.run(path, measure=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("track", ["pytorch", "keras"])
def test_lessons_take_their_weights(track):  # a process for each: two frameworks in one are large
    if data.load("mnist").name != "mnist":
        pytest.skip("the course's runs are of MNIST, which is not here")
    paths = [path for path in NOTEBOOKS if path.stem.endswith(track)]
    command = [sys.executable, "-c", ARRIVE, str(ROOT / "tools"), *map(str, paths)]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    hint = "If the lesson has changed: make weights"
    assert done.returncode == 0, f"{done.stdout[-200:]}{done.stderr[-2000:]}\n{hint}"
    for part in done.stdout.split("=== ")[1:]:
        steps = re.findall(r"Going on from step ([\d,]+) of ([\d,]+), kept by the course", part)
        assert all(first == last for first, last in steps) and (steps or part.startswith("04_"))
