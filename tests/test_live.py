"""The live view: in a real kernel, interrupted, in a terminal, and in a learner's wrong hands."""

import os
import re
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel

import course_utils
from course_utils import live, plots
from course_utils.live import LiveView

ROOT = os.path.dirname(os.path.dirname(course_utils.__file__))

# Draws ten times a second, so that a short training sees many drawings.
PREPARE = f"""
import os, sys, time
os.environ.pop("COURSE_RAISE_INTERRUPT", None)
sys.path.insert(0, {ROOT!r})
import numpy as np
from course_utils import live
live.LINE_SECONDS = live.FIGURE_SECONDS = 0.1
live.FIGURE_SHARE = 0.5
sample = lambda: np.zeros((4, 28, 28, 1), np.float32)
"""
TRAIN = """
with live.LiveView(total=TOTAL, sample=sample) as view:
    for step in range(view.start, TOTAL):
        time.sleep(0.01)
        view.update(step + 1, discriminator_loss=0.5, generator_loss=np.float32(1.0))
print("after", view.interrupted, {len(column) for column in view.history.values()} == {view.step})
"""
STOPPED = re.compile(r"Stopped at step \d+ of 100,000 after .* Weights and history are kept")


def texts(outputs):
    return [o.get("text") or o["data"]["text/plain"] for o in outputs]


def test_a_notebook_keeps_one_line_and_one_figure_with_alt_text():
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    cells = [nbformat.v4.new_code_cell(code) for code in (PREPARE, TRAIN.replace("TOTAL", "60"))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()

    line, figure, after = notebook.cells[1].outputs
    assert re.fullmatch(r"60 of 60 steps in [\d.]+ m?s \(\d+ ms a step\)", texts([line])[0])
    assert set(line["data"]) == {"text/plain"}  # static: nothing to trust, nothing to run
    assert set(figure["data"]) == {"image/png", "text/plain"}
    alt = figure["metadata"]["image/png"]["alt"]
    assert alt == figure["data"]["text/plain"]
    assert alt.startswith("Curves up to step 60: discriminator loss from 0.5 to 0.5; generator")
    assert alt.endswith("4 samples after 60 steps.")
    assert after["text"] == "after False True\n"
    assert "widgets" not in notebook.metadata
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    assert f'alt="{alt}"' in page


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
    run(client, PREPARE)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client, code, when=None, then=None):
    """Run code; call then() once when(outputs) is true. Returns (reply, messages' contents)."""
    outputs = []
    waiting = then is not None

    def hook(message):
        nonlocal waiting
        if message["msg_type"] in ("stream", "display_data", "update_display_data", "error"):
            outputs.append(message["content"])
        if waiting and when(outputs):
            waiting = False
            then()

    reply = client.execute_interactive(code, output_hook=hook, timeout=60)
    return reply["content"], outputs


def figures(outputs):
    return [o for o in outputs if "image/png" in o.get("data", {})]


def interrupt(kernel, code):
    """Run code in the kernel and press stop as soon as three figures were drawn."""
    manager, client = kernel
    return run(client, code, lambda outputs: len(figures(outputs)) >= 3, manager.interrupt_kernel)


def test_interrupt_ends_the_training_and_the_next_cell_runs(kernel):
    _, client = kernel
    reply, outputs = interrupt(kernel, TRAIN.replace("TOTAL", "100_000"))
    assert reply["status"] == "ok"
    assert outputs[-1]["text"] == "after True True\n"
    assert STOPPED.match(outputs[-2]["data"]["text/plain"])
    assert "<progress" in outputs[0]["data"]["text/html"]
    assert any(re.search(r" of 100,000 steps · .* left", t) for t in texts(outputs))
    reply, outputs = run(client, "print(len(view.history['step']) == view.step > 0)")
    assert outputs[0]["text"] == "True\n"


def test_interrupt_is_raised_where_tests_ask_for_it(kernel):
    _, client = kernel
    run(client, "os.environ['COURSE_RAISE_INTERRUPT'] = '1'")
    reply, outputs = interrupt(kernel, TRAIN.replace("TOTAL", "100_000"))
    run(client, "del os.environ['COURSE_RAISE_INTERRUPT']")
    assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt"
    assert any(STOPPED.match(t) for t in texts(o for o in outputs if "ename" not in o))
    _, outputs = run(client, "print(view.interrupted, len(view.history['step']) > 0)")
    assert outputs[0]["text"] == "True True\n"


PROGRAM = """
import sys, time
from course_utils import live
live.PRINT_SECONDS = 0.1
with live.LiveView(total=30) as view:
    for step in range(30):
        time.sleep(0.02)
        view.update(step + 1, loss=1 / (step + 1))
assert not {"matplotlib", "IPython"} & set(sys.modules)
"""


def test_a_terminal_gets_plain_lines():
    environment = {**os.environ, "PYTHONPATH": ROOT, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    *progress, last = done.stdout.splitlines()
    assert 2 <= len(progress) <= 12
    for line in progress:
        assert re.fullmatch(r"\d+ of 30 steps · loss 0\.\d+ · [\d.]+ (m?s|µs) left", line), line
    assert re.fullmatch(r"30 of 30 steps in .* \(\d+ ms a step\)", last)


class Tensor:
    """What matters here of a framework's 0-d tensor."""

    converted = 0

    def __init__(self, value):
        self.value = value

    def __float__(self):
        type(self).converted += 1
        return self.value


def test_only_recorded_values_are_converted():
    Tensor.converted = 0
    with LiveView(total=25, record_every=10) as view:
        for step in range(1, 26):
            view.update(step, loss=Tensor(step / 2))
    assert view.history == {"step": [10.0, 20.0, 25.0], "loss": [5.0, 10.0, 12.5]}
    assert Tensor.converted == 3
    assert all(type(v) is float for column in view.history.values() for v in column)


@pytest.mark.filterwarnings("error")
def test_a_loss_with_a_gradient_is_a_number():
    torch = pytest.importorskip("torch")
    with LiveView(total=1) as view:
        view.update(1, loss=torch.ones((), requires_grad=True) * 2)
    assert view.history["loss"] == [2.0]


def test_update_is_cheap():
    with LiveView(total=100_000) as view:
        best = min(timed(view, begin) for begin in range(0, 10_000, 1000))
    assert best < 20e-6


def timed(view, begin):
    start = time.perf_counter()
    for step in range(begin, begin + 1000):
        view.update(step, discriminator_loss=0.1, generator_loss=0.2)
    return (time.perf_counter() - start) / 1000


def test_samples_are_drawn_at_fixed_steps_whatever_the_clock_says():
    images = np.zeros((2, 28, 28, 1), np.float32)
    for pause in (0, 0.01):
        with LiveView(total=25, sample=lambda: images) as view:
            for step in range(25):
                time.sleep(pause)
                view.update(step + 1, loss=0.0)
        assert list(view.samples) == [*range(0, 25, 2), 25]


def test_keras_calls_with_many_steps_at_once():
    images = np.zeros((2, 28, 28, 1), np.float32)
    with LiveView(total=100, sample=lambda: images) as view:
        for epoch in range(4):
            view.update(25 * (epoch + 1), **{"loss": 0.1, "other": 0.2})
    assert list(view.samples) == [0, 25, 50, 75, 100]
    assert view.history["step"] == [25.0, 50.0, 75.0, 100.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_loss_is_reported_once_and_recorded(bad, capsys):
    with LiveView(total=3) as view:
        for step in range(3):
            view.update(step + 1, loss=bad)
    out = capsys.readouterr().out
    assert f"loss is {bad} at step 1. The training goes on" in out
    assert out.count("The training goes on") == 1
    np.testing.assert_array_equal(view.history["loss"], [bad] * 3)


def test_history_goes_on():
    with LiveView(total=2) as first:
        for step in range(2):
            first.update(step + 1, loss=1.0)
    with LiveView(total=4, history=first.history) as second:
        for step in range(second.start, 4):
            second.update(step + 1, loss=2.0)
    assert second.history == {"step": [1.0, 2.0, 3.0, 4.0], "loss": [1.0, 1.0, 2.0, 2.0]}
    assert len(first.history["step"]) == 2  # copied, not shared


@pytest.fixture
def held_back(monkeypatch):
    monkeypatch.delenv("COURSE_RAISE_INTERRUPT", raising=False)


def test_an_interrupt_between_two_appends_leaves_lists_of_equal_length(held_back, capsys):
    with LiveView(total=5) as view:
        view.update(1, a=1.0, b=2.0)
        view.history["step"].append(2.0)
        view.history["a"].append(3.0)
        raise KeyboardInterrupt
    assert view.interrupted
    assert view.history == {"step": [1.0], "a": [1.0], "b": [2.0]}
    assert "Stopped at step 1 of 5" in capsys.readouterr().out


def interrupted_again(*_, **__):
    raise KeyboardInterrupt


def test_a_second_interrupt_while_finishing_loses_nothing(held_back, monkeypatch, capsys):
    with LiveView(total=5) as view:
        view.update(1, loss=1.0)
        monkeypatch.setattr(view, "_write", interrupted_again)
        raise KeyboardInterrupt
    assert view.history == {"step": [1.0], "loss": [1.0]}
    assert "Stopped at step 1 of 5" in capsys.readouterr().out


def test_other_errors_pass_and_are_never_swallowed(held_back, monkeypatch):
    view = LiveView(total=5)
    with pytest.raises(ZeroDivisionError), view:
        view.update(1, loss=1.0)
        # An interrupt while the view finishes must not hide the error.
        monkeypatch.setattr(view, "_write", interrupted_again)
        _ = 1 / 0
    assert not view.interrupted
    assert view.history == {"step": [1.0], "loss": [1.0]}


def test_an_unfinished_loop_says_so(capsys):
    with LiveView(total=10) as view:
        view.update(4, loss=1.0)
    assert "4 of 10 steps in" in capsys.readouterr().out


def test_a_bar_without_values():
    with LiveView(total=3) as view:
        for step in range(3):
            view.update(step + 1)
    assert view.history == {"step": [1.0, 2.0, 3.0]}


def test_time_left_forgets_a_slow_first_step(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(live, "perf_counter", lambda: clock[0])
    with LiveView(total=100) as view:
        clock[0] = 60.0  # the first step compiles for a minute
        view.update(1, loss=1.0)
        for step in range(2, 12):
            clock[0] += 5.0
            view.update(step, loss=1.0)
        assert view._progress().endswith("7 min 25 s left")  # 89 steps of 5 s


@pytest.mark.parametrize("at_once", [1, 50])  # a loop by hand, and Keras's epochs
def test_speed_is_that_of_the_training_alone(monkeypatch, at_once):
    clock = [0.0]

    def wait(seconds):
        clock[0] += seconds

    def sample():
        wait(7.0)
        return np.zeros((1, 28, 28, 1))

    monkeypatch.setattr(live, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(plots, "in_kernel", lambda: True)
    monkeypatch.setattr(LiveView, "_draw", lambda view: wait(3.0))
    monkeypatch.setattr(LiveView, "_write", lambda view, *_, **__: wait(0.5))
    with LiveView(total=500, sample=sample) as view:
        wait(60.0)  # the first compiles for a minute
        view.update(at_once, loss=1.0)
        assert np.isnan(view.steps_per_second)
        for step in range(2 * at_once, 501, at_once):
            wait(0.25 * at_once)
            view.update(step, loss=1.0)
            assert view.steps_per_second == pytest.approx(4.0)
        wait(9.0)  # what comes after the last step
    assert len(view.samples) > 5
    assert view.steps_per_second == pytest.approx(4.0)


def test_speed_begins_anew_with_a_history_that_goes_on(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(live, "perf_counter", lambda: clock[0])
    with LiveView(total=300, history={"step": [100.0], "loss": [1.0]}) as view:
        for step in (200, 300):
            clock[0] += 50.0
            view.update(step, loss=1.0)
    assert view.steps_per_second == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total": 0}, "total is 0"),
        ({"total": 1.5}, "total is 1.5"),
        ({"total": 1, "record_every": 0}, "record_every is 0"),
        ({"total": 1, "history": {"loss": [1.0]}}, 'history has no "step"'),
        ({"total": 1, "history": {"step": [1], "loss": []}}, "different lengths"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LiveView(**arguments)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": np.zeros(64)}, r"loss is an array of shape \(64,\), expected one number"),
        ({"loss": "low"}, "loss is str"),
        ({"lost": 1.0}, r"got \['lost'\] at step 2, expected \['loss'\]"),
        ({}, r"got \[\] at step 2"),
    ],
)
def test_wrong_values_leave_the_history_as_it_was(values, message):
    view = LiveView(total=5)
    with pytest.raises(ValueError, match=message), view:
        view.update(1, loss=1.0)
        view.update(2, **values)
    assert view.history == {"step": [1.0], "loss": [1.0]}


def test_unknown_curves_are_named_at_the_first_step():
    with pytest.raises(ValueError, match="no curve lost"), LiveView(5, keys=["lost"]) as view:
        view.update(1, loss=1.0)


def test_wrong_samples_are_told_before_the_training():
    with (
        pytest.raises(ValueError, match="transpose"),
        LiveView(5, sample=lambda: np.zeros((2, 1, 28, 28))),
    ):
        pytest.fail("the block must not be entered")
