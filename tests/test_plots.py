"""Grids and curves: what is drawn, what alt text says, what a wrong input is told."""

import base64
import io
import time

import numpy as np
import pytest

from course_utils import plots


@pytest.fixture
def shown(monkeypatch):
    """Collect (figure, alt) instead of displaying."""
    collected = []
    monkeypatch.setattr(plots, "show", lambda figure, alt: collected.append((figure, alt)))
    return collected


def pixels(figure, alt="x"):
    """The figure's PNG as grey values in [0, 255]."""
    from PIL import Image

    data, _ = plots.bundle(figure, alt)
    png = base64.b64decode(data["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def images(n, seed=0):
    return np.random.default_rng(seed).random((n, 28, 28, 1), dtype=np.float32)


def test_grid_shows_every_pixel_crisp_and_in_place(shown):
    given = np.round(images(6) * 255) / 255
    plots.grid(given, columns=3)
    picture = pixels(shown[0][0])
    scale = 4  # two rows of three are small, so the largest scale is taken
    for index in range(6):
        row, column = divmod(index, 3)
        top, left = 6 + 29 * scale * row, 10 + 29 * scale * column
        tile = picture[top : top + 28 * scale, left : left + 28 * scale]
        expected = np.kron(np.round(given[index, ..., 0] * 255), np.ones((scale, scale)))
        assert np.abs(tile - expected).max() <= 1


def test_mosaic_puts_images_row_by_row_and_leaves_the_rest_white():
    picture = plots.mosaic(images(5), columns=3)
    assert picture.shape == (2 * 29 - 1, 3 * 29 - 1)
    np.testing.assert_array_equal(picture[29:, 29 : 29 + 28], images(5)[4, ..., 0])
    assert (picture[29:, 58:] == 1).all() and (picture[28] == 1).all()


def test_grid_labels_stand_beside_their_rows(shown):
    columns = np.array([7, 8])  # any sequence
    plots.grid(images(4), columns=2, title="T", row_labels=["a", "b"], column_labels=columns)
    figure, alt = shown[0]
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["7", "8"]
    for row, y in enumerate(axes.get_yticks()):
        assert y == pytest.approx(29 * row + 13.5)
    assert alt == ("T: 4 grey images of 28 × 28 pixels in 2 rows of 2. Rows: a, b. Columns: 7, 8.")
    plots.grid(images(4), columns=2, row_labels=["a", ""])
    assert shown[1][1].endswith("Rows: a.")


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (np.zeros((5, 28, 28)), ValueError, r"images\[\.\.\., None\]"),
        (np.zeros((28, 28, 1)), ValueError, r"images\[None\]"),
        (np.zeros((28, 28)), ValueError, r"images\[None, \.\.\., None\]"),
        (np.zeros((5, 784)), ValueError, r"reshape\(-1, 28, 28, 1\)"),
        (np.zeros((5, 1, 28, 28)), ValueError, r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((5, 28, 28, 3)), ValueError, "Only grey"),
        (np.zeros((0, 28, 28, 1)), ValueError, "no images"),
        (np.zeros((5, 28, 28, 1), np.uint8), TypeError, r"/ 255"),
        (np.linspace(-1, 1, 784).reshape(1, 28, 28, 1), ValueError, r"\(images \+ 1\) / 2"),
        (np.linspace(0, 255, 784).reshape(1, 28, 28, 1), ValueError, r"images / 255"),
        (np.linspace(-9, 9, 784).reshape(1, 28, 28, 1), ValueError, "sigmoid"),
        (np.full((2, 28, 28, 1), np.nan), ValueError, "2 of 2 images hold NaN"),
        ([[0.0]], TypeError, "list, expected a NumPy array"),
    ],
)
def test_grid_says_how_to_mend_wrong_images(wrong, kind, message):
    with pytest.raises(kind, match=message):
        plots.grid(wrong)


def test_the_mends_that_messages_name_work():
    nchw = images(3).transpose(0, 3, 1, 2)
    plots.grid(nchw.transpose(0, 2, 3, 1))
    plots.grid(((images(3) * 2 - 1) + 1) / 2)


def test_grid_refuses_labels_that_do_not_fit():
    with pytest.raises(ValueError, match="row_labels has 3 entries, expected 2"):
        plots.grid(images(20), row_labels=["a", "b", "c"])


def test_hundred_images_are_drawn_quickly(shown):
    plots.grid(images(100))  # imports matplotlib
    start = time.process_time()
    plots.grid(images(100))
    plots.bundle(*shown[-1])
    assert time.process_time() - start < 0.5  # 0.1 s on a quiet machine


def test_figures_are_small(shown):
    n = 1000
    noise = np.random.default_rng(0).normal(size=n)
    plots.history({"step": list(range(n)), "a_loss": list(noise), "b_loss": list(noise + 1)})
    plots.grid(images(100))
    sizes = [len(plots.bundle(*entry)[0]["image/png"]) / 1024 for entry in shown]
    assert sizes[0] < 40  # KiB in the notebook
    assert sizes[1] < 160  # pure noise, the worst case; digits take a fifth


def test_curves_differ_in_colour_and_in_line_style(shown):
    plots.history({"step": [1, 2], **{f"k{i}": [i, i + 1] for i in range(7)}}, smooth=1)
    lines = shown[0][0].axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 7
    # get_linestyle() answers "--" for every pattern given as numbers.
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 7


def test_history_draws_what_it_is_given(shown):
    plots.history({"epoch": [10, 20], "d_loss": [1.0, 0.5]}, x="epoch", title="Two")
    figure, alt = shown[0]
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), [[10, 1], [20, 0.5]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert axes.get_legend().get_texts()[0].get_text() == "d loss"
    assert alt == "Two. Curves up to epoch 20: d loss from 1 to 0.5."


def test_entries_without_an_axis_are_counted(shown):
    plots.history({"accuracy": [0.1, 0.2, 0.3]}, x="epoch")
    np.testing.assert_array_equal(shown[0][0].axes[0].get_lines()[0].get_xdata(), [1, 2, 3])


@pytest.mark.parametrize("window", [1, 2, 5, 30])
def test_moving_mean_is_the_plain_mean_of_a_window(window):
    values = np.random.default_rng(1).normal(size=20)
    values[3] = np.nan
    expected = [
        np.nanmean(values[max(0, i - (window - 1) // 2) : i + window // 2 + 1])
        if not (window == 1 and i == 3)
        else np.nan
        for i in range(20)
    ]
    np.testing.assert_allclose(plots.moving_mean(values, window), expected)


def test_history_survives_a_diverged_training(shown):
    values = [1.0] * 50 + [np.inf] * 50 + [np.nan] * 50
    plots.history({"step": list(range(150)), "loss": values})
    pixels(*shown[0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"step": [1, 2], "loss": [1.0]}, "step 2, loss 1"),
        ({"step": [], "loss": []}, "nothing was recorded"),
        ({"step": [1]}, "no curve"),
    ],
)
def test_history_says_what_is_wrong(wrong, message):
    with pytest.raises(ValueError, match=message):
        plots.history(wrong)


def test_unknown_key_is_named():
    with pytest.raises(ValueError, match="no curve lost: its keys are"):
        plots.history({"step": [1], "loss": [1.0]}, keys=["lost"])


def test_show_closes_the_figure_and_asks_for_alt_text():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="alt is empty"):
        plots.show(figure, " ")
    plots.show(figure, "An empty figure.")
    assert not plt.fignum_exists(figure.number)
