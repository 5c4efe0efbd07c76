"""course_utils.checkpoints: a training that was cut off ends where it would have ended."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course_utils import checkpoints, live
from course_utils.checkpoints import Checkpoint
from course_utils.live import LiveView

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tools")]
import benchmark  # noqa: E402

STEPS = 12


class Cut(Exception):
    """The session is lost."""


def torch_training(folder, cut=None, rate=0.1, width=5):
    """Train a small network; return its weights, the history and the samples."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(3, width), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, 1)
    )
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    rng = np.random.default_rng(0)
    checkpoint = Checkpoint(
        "torch", into=folder, every=0, parts=[network, adam], fall=fall, rng=rng, data="noise"
    )

    def look():
        return np.full((1, 4, 4, 1), float(network[2].bias.detach().sigmoid()), np.float32)

    def step():
        batch = torch.randn(8, 3) + torch.as_tensor(rng.normal(size=(8, 3)), dtype=torch.float32)
        loss = (network(batch) - 1).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        fall.step()
        return loss

    with LiveView(STEPS, sample=look, checkpoint=checkpoint) as view:
        for _ in range(STEPS - view.step):
            view.update(view.step + 1, loss=step())
            if view.step == cut:
                raise Cut
    return [value.numpy() for value in network.state_dict().values()], view


def keras_training(folder, cut=None, rate=0.1, width=5):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(8, 3)).astype("float32"), np.ones((8, 1))
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(width),
            keras.layers.BatchNormalization(),
            keras.layers.GaussianNoise(0.5, seed=1),
            keras.layers.Dense(1),
        ]
    )
    fall = keras.optimizers.schedules.CosineDecay(rate, STEPS)
    model.compile(keras.optimizers.Adam(fall), "mse")
    checkpoint = Checkpoint("keras", into=folder, every=0, model=model)

    def record(epoch, logs):
        view.update(view.step + 1, loss=logs["loss"])
        if view.step == cut:
            raise Cut

    with LiveView(STEPS, checkpoint=checkpoint) as view:
        model.fit(
            *data,
            batch_size=8,
            epochs=STEPS - view.step,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=record)],
            verbose=0,
            shuffle=False,
        )
    return model.get_weights(), view


TRAININGS = [torch_training, keras_training]


@pytest.mark.parametrize("training", TRAININGS)
def test_a_cut_training_ends_where_an_uncut_one_does(training, tmp_path, capsys):
    expected, uncut = training(tmp_path / "uncut")
    with pytest.raises(Cut):
        training(tmp_path, cut=7)
    capsys.readouterr()
    weights, view = training(tmp_path)
    assert "Going on from step 7 of 12" in capsys.readouterr().out
    assert view.start == 7 and view.step == STEPS
    assert view.history.keys() == uncut.history.keys()
    for key, values in uncut.history.items():
        np.testing.assert_allclose(view.history[key], values, rtol=1e-6)
    assert view.samples.keys() == uncut.samples.keys()
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("training", TRAININGS)
def test_a_finished_training_is_restored_without_a_step(training, tmp_path):
    expected, done = training(tmp_path)
    weights, view = training(tmp_path)
    assert view.start == view.step == STEPS and view.history == done.history
    assert view.steps_per_second == done.steps_per_second
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("other", [{"rate": 0.2}, {"width": 6}])
def test_other_settings_are_another_training(training, other, tmp_path):
    training(tmp_path)
    _, view = training(tmp_path, **other)
    assert view.start == 0
    assert len(list(tmp_path.glob("*.safetensors"))) == 2  # and the first is still there


def test_clear_starts_afresh(tmp_path):
    _, view = torch_training(tmp_path)
    view.checkpoint.clear()
    assert torch_training(tmp_path)[1].start == 0


def test_a_damaged_file_is_put_aside(tmp_path, capsys):
    _, done = torch_training(tmp_path)
    path = done.checkpoint.path
    path.write_bytes(path.read_bytes()[:-100])
    _, view = torch_training(tmp_path)
    assert view.start == 0 and path.exists() and path.with_suffix(".damaged").exists()
    assert "cannot be read" in capsys.readouterr().out


def test_a_failed_writing_leaves_the_former_file_and_the_training(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    checkpoint = Checkpoint("one", into=tmp_path, every=0, rng=rng)
    checkpoint.save({"step": 1})
    before = checkpoint.path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save({"step": 2})
    assert checkpoint.path.read_bytes() == before and list(tmp_path.iterdir()) == [checkpoint.path]
    with LiveView(3, checkpoint=Checkpoint("two", into=tmp_path, every=0, rng=rng)) as view:
        for step in range(3):
            view.update(step + 1, loss=0.0)
    assert view.step == 3
    assert capsys.readouterr().out.count("No checkpoint could be written") == 2  # and at the end


KILLED = """
import os, signal, sys
import numpy as np
from course_utils.checkpoints import Checkpoint
checkpoint = Checkpoint("killed", into=sys.argv[1], rng=np.random.default_rng(0))
for step in range(10**9):
    checkpoint.save({"step": step, "weights": np.full(200_000, step)})
    print(step, flush=True)
"""


def test_a_kill_at_any_time_leaves_a_whole_file(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(checkpoints.__file__).parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    for _ in range(20):
        said = int(process.stdout.readline())
    process.kill()
    process.wait()
    state = Checkpoint("killed", into=tmp_path, rng=np.random.default_rng(0)).load()
    assert state["step"] >= said and (state["weights"] == state["step"]).all()


def test_where_checkpoints_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_CHECKPOINTS", str(tmp_path / "chosen"))
    assert checkpoints.folder() == tmp_path / "chosen"
    monkeypatch.setenv("COURSE_CHECKPOINTS", "")
    assert checkpoints.folder() is None
    monkeypatch.delenv("COURSE_CHECKPOINTS")
    monkeypatch.setattr(checkpoints.runtime, "device", lambda: "cpu")
    assert checkpoints.folder() is None
    monkeypatch.setattr(checkpoints.runtime, "device", lambda: "cuda")
    assert checkpoints.folder() == tmp_path / "checkpoints"
    drive = tmp_path / "MyDrive"
    drive.mkdir()
    monkeypatch.setattr(checkpoints, "DRIVE", drive)
    assert checkpoints.folder() == drive / "checkpoints"


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_CHECKPOINTS", "")
    _, view = torch_training(None)
    assert view.checkpoint.path is None and list(tmp_path.iterdir()) == []
    assert "heckpoint" not in capsys.readouterr().out


def test_what_cannot_be_kept_is_named():
    with pytest.raises(TypeError, match="cannot keep object"):
        Checkpoint("odd", into=".", thing=object())
    with pytest.raises(ValueError, match="Both history and checkpoint"):
        LiveView(3, history={"step": [1.0]}, checkpoint=Checkpoint("x", into="."))


# ------------------------------------------------------------------ in the lessons

LESSONS = sorted(
    path
    for path in ROOT.glob("notebooks/*/*_*.ipynb")
    if " = Checkpoint(" in path.read_text("utf-8")
)


def main_training(path, cut=None):
    """Run a lesson's cells up to its main training, which is made short; return their names."""
    lesson = benchmark.Notebook(path)
    numbers = {"steps": 20, "record_every": 5, "warm_up": 15, "early_steps": 5}
    numbers |= {"naive_steps": 5, "cluster_steps": 10}

    class View(LiveView):
        def update(self, step, **values):
            super().update(step, **values)
            if step == cut:
                raise Cut

    space = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "LiveView", View)
        for number in benchmark.needed(lesson.cells, [lesson.main]):
            code = lesson.cells[number]
            for name, value in numbers.items():
                code = benchmark.set_number(code, name, value)
            try:
                exec(compile(code, f"{path.name}, cell {number}", "exec"), space)
            except Cut:
                break
    return space


def weights(space):
    """All that the training has changed, and what it has put by."""
    found = {}
    for part in space["checkpoint"]._parts.values():
        checkpoints.pack(checkpoints.take(part), found)
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_a_lesson_goes_on(path, tmp_path, monkeypatch, capsys):
    exact = path.stem.endswith("_pytorch")  # Keras goes on with other batches
    uncut = main_training(path) if exact else None
    monkeypatch.setenv("COURSE_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(Checkpoint.__init__, "__kwdefaults__", {"into": None, "every": 0})
    cut = main_training(path, cut=15)
    assert cut["view"].step == 15 and "history" not in cut
    capsys.readouterr()
    resumed = main_training(path)
    assert "Going on from step 15 of 20" in capsys.readouterr().out
    assert resumed["view"].start == 15
    assert resumed["history"]["step"] == [5, 10, 15, 20]
    assert all(np.isfinite(values).all() for values in resumed["history"].values())
    for step, images in cut["view"].samples.items():
        np.testing.assert_array_equal(resumed["view"].samples[step], images)
    if exact:
        assert resumed["history"] == uncut["history"]
        for one, other in zip(weights(resumed), weights(uncut), strict=True):
            np.testing.assert_array_equal(one, other)
