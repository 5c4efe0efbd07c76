"""course_utils.explore: what controls decode and draw, the paths between latents, the still."""

import base64
import io
import re
import sys
import threading
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from course_utils import explore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import notebook_files  # noqa: E402

RNG = np.random.default_rng(0)


class Decoder:
    """Grey images whose level is that of the latent's first coordinate; remembers its latents."""

    def __init__(self):
        self.got = []

    def __call__(self, latent):
        self.got.append(latent)
        return np.clip(0.5 + latent[:, :1, None, None] / 10, 0, 1) * np.ones((1, 28, 28, 1))


@pytest.fixture
def decode():
    return Decoder()


def shown(explorer):
    """The pixels in the browser: the decoded PNG."""
    source = re.search(r'src="data:image/png;base64,([^"]+)"', explorer._picture.value)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) / 255


# ---------------------------------------------------------------- sliders


def test_a_slider_moves_its_own_coordinate_and_the_picture(decode):
    explorer = explore.latent_sliders(decode, latent_dim=16, coordinates=[0, 9])
    assert list(explorer.values) == ["latent 1", "latent 10"]
    before = shown(explorer)
    np.testing.assert_allclose(before, 0.5, atol=1 / 255)
    explorer.controls["latent 10"].value = -2.5
    expected = np.zeros((1, 16), np.float32)
    expected[0, 9] = -2.5
    np.testing.assert_array_equal(decode.got[-1], expected)
    assert decode.got[-1].dtype == np.float32
    explorer.controls["latent 1"].value = 2.0
    np.testing.assert_allclose(shown(explorer), 0.7, atol=1 / 255)
    assert "latent 1 2, latent 10 −2.5" in explorer._picture.value  # the alt text


def test_the_first_eight_coordinates_start_where_asked(decode):
    start = RNG.normal(size=16)
    explorer = explore.latent_sliders(decode, 16, start=start)
    assert len(explorer.values) == 8
    np.testing.assert_array_equal(decode.got[0], start[None].astype(np.float32))
    explorer.controls["latent 1"].value = 0.0
    np.testing.assert_array_equal(decode.got[-1][0, 1:], start[1:].astype(np.float32))


def test_buttons_draw_once_and_lead_back(decode):
    start = RNG.normal(size=4)
    explorer = explore.latent_sliders(decode, 4, start=start, coordinates=[0, 1])
    calls = len(decode.got)
    explorer.controls["new latent"].click()
    assert len(decode.got) == calls + 1
    new = decode.got[-1][0]
    assert not np.isclose(new, start).any()  # coordinates without a slider, too
    assert explorer.controls["latent 2"].value == pytest.approx(new[1])
    explorer.controls["back to the start"].click()
    np.testing.assert_array_equal(decode.got[-1], start[None].astype(np.float32))
    assert explorer.controls["latent 2"].value == pytest.approx(start[1])


def test_a_slider_moved_while_a_button_sets_others_counts(decode):
    explorer = explore.latent_sliders(decode, 2)
    one, two = (explorer.controls[f"latent {number}"] for number in (1, 2))
    two.observe(lambda _: setattr(one, "value", 2.0), names="value")  # as another thread would
    explorer.redraw({"latent 2": -1.0})
    assert explorer.values == {"latent 1": 2.0, "latent 2": -1.0}
    np.testing.assert_array_equal(decode.got[-1], [[2.0, -1.0]])


def test_several_latents_move_together():
    labels, got = np.arange(3), []

    def decode(latent):  # fails where there are not as many latents as labels
        got.append(latent)
        return (labels[:, None] + 0 * latent[:, :1])[..., None, None] / 3 * np.ones((1, 8, 8, 1))

    explorer = explore.latent_sliders(decode, 2, start=np.zeros((3, 2)))
    explorer.controls["latent 2"].value = 1.5
    np.testing.assert_array_equal(got[-1], [[0, 1.5]] * 3)
    assert shown(explorer).shape == (8, 3 * 8 + 2)


def test_dragging_draws_only_where_drawing_is_quick(decode, monkeypatch):
    explorer = explore.latent_sliders(decode, 2)
    sliders = [explorer.controls[name] for name in explorer.values]
    sliders[0].value = 1.0
    assert all(slider.continuous_update for slider in sliders)
    monkeypatch.setattr(explore, "SLOW_SECONDS", 0.0)
    sliders[0].value = 2.0
    assert not any(slider.continuous_update for slider in sliders)


def test_what_comes_from_another_thread_is_drawn_once_and_in_the_main_one(decode, monkeypatch):
    waiting = []
    loop = SimpleNamespace(add_callback=waiting.append)
    shell = SimpleNamespace(kernel=SimpleNamespace(io_loop=loop))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    explorer = explore.latent_sliders(decode, 2)
    calls = len(decode.got)

    def drag():
        for value in (1.0, 2.0, 3.0):
            explorer.controls["latent 1"].value = value

    thread = threading.Thread(target=drag)
    thread.start()
    thread.join()
    assert len(decode.got) == calls and len(waiting) == 1  # a training may run here
    waiting.pop()()
    assert len(decode.got) == calls + 1 and decode.got[-1][0, 0] == 3
    assert explorer.controls["latent 1"].value == 3
    explorer.controls["latent 1"].value = 1.0
    assert decode.got[-1][0, 0] == 1


# ---------------------------------------------------------------- walks


def test_spherical_path_turns_evenly_between_two_known_ends():
    start, end = 3 * RNG.normal(size=(2, 5, 64)) / 8
    lengths = np.linalg.norm(start, axis=1), np.linalg.norm(end, axis=1)
    unit = start / lengths[0][:, None], end / lengths[1][:, None]
    omega = np.arccos((unit[0] * unit[1]).sum(axis=1))
    for fraction in (0.0, 0.25, 0.5, 1.0):
        found = explore.interpolate(*unit, fraction, "spherical")
        # Closed form, unit vectors: length 1, and the angle from the start grows evenly.
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
        turned = np.arccos((found * unit[0]).sum(axis=1).clip(-1, 1))
        np.testing.assert_allclose(turned, fraction * omega, atol=1e-6)
    np.testing.assert_allclose(explore.interpolate(start, end, 0, "spherical"), start)
    np.testing.assert_allclose(explore.interpolate(start, end, 1, "spherical"), end)
    from scipy.spatial import geometric_slerp

    oracle = geometric_slerp(unit[0][0], unit[1][0], [0.3])[0]
    np.testing.assert_allclose(
        explore.interpolate(unit[0][0], unit[1][0], 0.3, "spherical"), oracle
    )
    np.testing.assert_allclose(explore.interpolate(start, end, 0.3), 0.7 * start + 0.3 * end)


def test_spherical_path_where_there_is_no_angle():
    ones, zeros = np.ones(4), np.zeros(4)
    np.testing.assert_allclose(explore.interpolate(ones, 3 * ones, 0.5, "spherical"), 2 * ones)
    np.testing.assert_allclose(explore.interpolate(zeros, ones, 0.5, "spherical"), ones / 2)
    with pytest.raises(ValueError, match="opposite"):
        explore.interpolate(ones, -ones, 0.5, "spherical")


def test_a_walk_follows_slider_and_toggle(decode):
    start, end = np.array([3.0, 0.0]), np.array([0.0, 3.0])
    walk = explore.interpolation_walk(decode, start, end)
    np.testing.assert_array_equal(decode.got[0], [start])
    assert {latent.dtype for latent in decode.got} == {np.dtype(np.float32)}  # the still, too
    walk.controls["percent"].value = 50
    np.testing.assert_allclose(decode.got[-1], [[1.5, 1.5]])
    walk.controls["path"].value = "spherical"
    np.testing.assert_allclose(decode.got[-1], [[4.5**0.5] * 2], rtol=1e-6)
    walk.controls["percent"].value = 100
    np.testing.assert_allclose(decode.got[-1], [end], atol=1e-6)
    assert explore.interpolation_walk(decode, start, end, "spherical").values["path"] == "spherical"
    assert (walk._link.source[0], walk._link.target[0]) == (
        walk.controls["play"],
        walk.controls["percent"],
    )


# ---------------------------------------------------------------- choices


def test_controls_are_passed_by_keyword():
    got = []

    def sample(**keywords):
        got.append(keywords)
        return np.full((12, 28, 28, 1), keywords["truncation"]), f"label {keywords['label']} <b>"

    remedies = {"none": None, "hinge loss": "hinge", "spectral norm": "spectral"}
    explorer = explore.choices(
        sample, label=range(10), truncation=(0.2, 1.0), remedy=remedies, on=["off", "on"], rows=1
    )
    assert got == [{"label": 0, "truncation": 0.2, "remedy": None, "on": "off"}]
    explorer.controls["remedy"].label = "hinge loss"
    explorer.controls["label"].value = 7
    explorer.controls["truncation"].value = 0.6
    assert got[-1] == {"label": 7, "truncation": 0.6, "remedy": "hinge", "on": "off"}
    assert len(got) == 4
    explorer.controls["draw again"].click()
    assert len(got) == 5 and got[-1] == got[-2]
    assert explorer.caption == "label 7 <b>" and "label 7 &lt;b&gt;" in explorer._picture.value
    assert shown(explorer).shape == (2 * 28 + 1, 10 * 29 - 1)
    kinds = [type(explorer.controls[name]).__name__ for name in explorer.values]
    assert kinds == ["Dropdown", "FloatSlider", "Dropdown", "ToggleButtons"]


def test_a_text_box_draws_what_is_written_and_says_what_is_wrong():
    def sample(caption):
        if "sevn" in caption:
            raise ValueError('I do not know "sevn" (nearest: seven).')
        got.append(caption)
        return np.full((3, 28, 28, 1), len(caption) / 100), caption

    got = []
    explorer = explore.choices(sample, caption="a seven", title="Your own caption")
    assert set(got) == {"a seven"} and explorer.values == {"caption": "a seven"}
    assert explorer.still["row_labels"] == ["caption a seven"]
    box = explorer.controls["caption"]
    assert type(box).__name__ == "Text" and box.value == "a seven"
    box.value = "a thick seven"
    np.testing.assert_allclose(shown(explorer)[:, :28], 0.13, atol=1 / 255)
    box.value = "a sevn"
    assert "I do not know &quot;sevn&quot; (nearest: seven)" in explorer._picture.value
    assert got[-1] == explorer.caption == "a thick seven"  # the picture stays, and its line
    box.value = "<b>"
    assert explorer.error == "" and "&lt;b&gt;" in explorer._picture.value
    assert not box.continuous_update  # however quick: half a word is not a caption


# ---------------------------------------------------------------- errors


def test_what_decode_raises_is_shown_until_it_works_again():
    def decode(latent):
        if latent[0, 0] == 1:
            raise RuntimeError("out of <memory>")
        return np.zeros((len(latent), 28, 28, 1)) if latent[0, 0] < 2 else np.zeros((1, 28, 28))

    explorer = explore.latent_sliders(lambda latent: decode(latent * (len(latent) == 1)), 2)
    for value, message in ((1, "RuntimeError: out of &lt;memory&gt;"), (2, "channel is missing")):
        explorer.controls["latent 1"].value = value
        assert message in explorer._picture.value and 'role="alert"' in explorer._picture.value
        assert explorer.images.shape == (1, 28, 28, 1)
    explorer.controls["latent 1"].value = -1
    assert "alert" not in explorer._picture.value and explorer.error == ""


def fails(latent):
    raise RuntimeError("decode is broken")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda decode: explore.latent_sliders(decode, 0), "latent_dim is 0, expected a whole"),
        (lambda decode: explore.latent_sliders(decode, 2, coordinates=[2]), "some of 0 to 1"),
        (lambda decode: explore.latent_sliders(decode, 2, start=np.zeros(3)), r"\(2,\) or \(k, 2"),
        (lambda decode: explore.latent_sliders(fails, 2), "decode is broken"),
        (
            lambda decode: explore.latent_sliders(lambda z: decode(z)[..., 0], 2),
            "what decode returned has shape .* The channel is missing",
        ),
        (
            lambda decode: explore.latent_sliders(lambda z: decode(np.zeros((3, 2))), 2),
            "3 images for 1 latents",
        ),
        (
            lambda decode: explore.interpolation_walk(decode, np.zeros(2), np.zeros(3)),
            r"start has shape \(1, 2\), end \(1, 3\)",
        ),
        (
            lambda decode: explore.interpolation_walk(decode, np.ones(2), -np.ones(2)),
            "opposite",
        ),
        (
            lambda decode: explore.interpolation_walk(decode, np.ones(2), np.zeros(2), "round"),
            "path is 'round'",
        ),
        (lambda decode: explore.choices(decode), "no control"),
        (lambda decode: explore.choices(decode, label=5), "label is 5, expected"),
        (lambda decode: explore.choices(decode, label=[]), r"label is \[\], expected"),
        (lambda decode: explore.choices(decode, label=(1, 0)), "low ≤ first ≤ high"),
        (
            lambda decode: explore.choices(lambda n: decode(np.zeros((n, 1))), n=[1, 2]),
            r"\[1, 2\] images",
        ),
        (lambda decode: explore.latent_sliders(decode, 2).redraw({"z": 1}), "no control"),
    ],
)
def test_errors_say_what_was_expected(decode, call, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        call(decode)


# ---------------------------------------------------------------- in a notebook

CELL = """\
import sys
HIDE
import numpy as np
from course_utils import explore
decode = lambda latent: np.full((len(latent), 28, 28, 1), 0.5)
explore.latent_sliders(decode, latent_dim=2, title="Digits")
"""


def outputs(hide=""):
    import nbformat

    cell = nbformat.v4.new_code_cell(CELL.replace("HIDE", hide))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert notebook_files.execute(notebook, Path(__file__).resolve().parent.parent) == []
    live = deepcopy(notebook.cells[0].outputs)
    return live, notebook_files.finish(notebook).cells[0].outputs


def test_the_built_notebook_keeps_a_still_picture():
    (live,), (built,) = outputs()
    assert set(live["data"]) == {explore.WIDGET, "image/png", "text/plain"}
    assert set(built["data"]) == {"image/png", "text/plain"}
    alt = built["metadata"]["image/png"]["alt"]
    assert alt == built["data"]["text/plain"]
    assert alt.startswith("Digits: 14 grey images of 28 × 28 pixels in 2 rows of 7. Rows: latent 1")
    assert alt.endswith("Columns: −3, −2, −1, 0, 1, 2, 3.")


def test_without_ipywidgets_the_still_picture_says_so():
    line, still = outputs('sys.modules["ipywidgets"] = None')[0]
    assert "pip install ipywidgets" in line["text"]
    assert set(still["data"]) == {"image/png", "text/plain"}
