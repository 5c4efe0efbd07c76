"""Pictures for the lessons: grids of images and curves of a training, each with alt text.

Figures are built without pyplot, so nothing depends on a display, a backend or what another
cell left open. A figure becomes one PNG in the notebook and is then gone.
"""

import base64
import io
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grid", "history", "show"]

DPI = 100  # sharp enough for a projector, and a notebook of figures stays below 1 MB
# Okabe and Ito's palette, readable for colour-blind eyes (their yellow is too faint on white).
# Each colour has a line style of its own: on paper, in grey, curves still differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))


def show(figure: "Figure", alt: str) -> None:
    """Display a figure once, as a PNG with alt text, and close it.

    Outside IPython nothing is displayed; the figure is closed all the same.

    Parameters
    ----------
    figure
        A matplotlib figure, from ``plt.subplots`` or built by hand.
    alt
        One or two sentences that say what a reader would see. They are stored as the output's
        metadata (``image/png`` → ``alt``) and as its plain text.

    Raises
    ------
    ValueError
        If `alt` is empty: every figure of the course can be read without seeing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> _ = figure.subplots().plot([0, 1], [0, 1])
    >>> show(figure, alt="A straight line through the origin.")
    """
    if not alt or not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows.")
    if in_ipython():
        from IPython.display import display

        data, metadata = bundle(figure, alt)
        display(data, metadata=metadata, raw=True)
    if "matplotlib.pyplot" in sys.modules:  # else the inline backend draws it a second time
        sys.modules["matplotlib.pyplot"].close(figure)


def grid(
    images: np.ndarray,
    columns: int = 10,
    title: str | None = None,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    alt: str | None = None,
) -> None:
    """Show images side by side: 0 is black, 1 is white, no pixel is blended with another.

    Parameters
    ----------
    images
        Floats in [0, 1], shape (n, height, width, 1); row by row from the top left.
    columns
        Images in a row.
    title
        A line above the grid.
    row_labels, column_labels
        One label for each row (on its left) and each column (above it).
    alt
        Alt text; by default the number of images, the title and the labels.

    Raises
    ------
    TypeError
        If `images` is not a NumPy array of floats.
    ValueError
        If its shape or values are others than above, or the number of labels is wrong.

    Examples
    --------
    >>> grid(np.zeros((20, 28, 28, 1)), row_labels=["before", "after"])
    >>> grid(np.zeros((20, 1, 28, 28)))
    Traceback (most recent call last):
        ...
    ValueError: images has shape (20, 1, 28, 28), expected (n, height, width, 1). \
The channel comes second: pass images.transpose(0, 2, 3, 1).
    """
    from matplotlib.figure import Figure

    check_images(images)
    if columns < 1:
        raise ValueError(f"columns is {columns}, expected 1 or more.")
    n, height, width, _ = images.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    row_labels, column_labels = (
        labels if labels is None else list(labels) for labels in (row_labels, column_labels)
    )
    for name, labels, expected in (
        ("row_labels", row_labels, rows),
        ("column_labels", column_labels, columns),
    ):
        if labels is not None and len(labels) != expected:
            raise ValueError(
                f"{name} has {len(labels)} entries, expected {expected}: "
                f"{n} images in {columns} columns make {rows} rows."
            )
    picture = mosaic(images, columns)

    # An image pixel is a whole number of screen pixels, placed exactly: that keeps it crisp.
    scale = max(1, min(4, 700 // picture.shape[1], 700 // picture.shape[0]))
    tall, wide = scale * picture.shape[0], scale * picture.shape[1]
    left = 10 + 8 * max((len(str(label)) for label in row_labels or ()), default=0)
    top = 6 + (28 if title else 0) + (20 if column_labels is not None else 0)
    # A title may be wider than the pictures below it.
    total_wide = max(left + wide + 10, 20 + 9 * len(title or ""))
    total_tall = top + tall + 6
    figure = Figure(figsize=(total_wide / DPI, total_tall / DPI), dpi=DPI)
    box = (left / total_wide, 6 / total_tall, wide / total_wide, tall / total_tall)
    axes = figure.add_axes(box)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_frame_on(False)
    axes.set_xticks((width + 1) * np.arange(columns) + width / 2 - 0.5, column_labels or "")
    axes.set_yticks((height + 1) * np.arange(rows) + height / 2 - 0.5, row_labels or "")
    axes.tick_params(length=0, pad=3, labeltop=True, labelbottom=False, labelsize=9)
    if title:
        figure.text(10 / total_wide, 1 - 8 / total_tall, title, va="top", fontsize=11)
    if alt is None:
        alt = f"{n} grey image{'s' * (n > 1)} of {height} × {width} pixels"
        alt += f" in {rows} row{'s' * (rows > 1)} of {columns}"
        alt = (f"{title}: " if title else "") + alt
        for kind, labels in (("Rows", row_labels), ("Columns", column_labels)):
            if labels is not None:
                alt += f". {kind}: " + ", ".join(str(label) for label in labels if label != "")
        alt += "."
    show(figure, alt)


def history(
    history: Mapping[str, Sequence[float]],
    keys: Sequence[str] | None = None,
    title: str | None = None,
    smooth: int | None = None,
    x: str = "step",
    alt: str | None = None,
) -> None:
    """Show the curves of a training.

    Parameters
    ----------
    history
        Equally long lists of floats, one for each curve.
    keys
        The curves to draw; by default all but `x`.
    title
        A line above the curves.
    smooth
        Each point of a line is the mean of this many entries around it; a shade behind it shows
        their range. 1 draws the entries themselves. By default the length / 25.
    x
        Name of the horizontal axis, and of the list that holds its values. If there is no such
        list (Keras's ``History.history``: ``x="epoch"``), the entries are numbered from 1.
    alt
        Alt text; by default the names of the curves, where they start and where they end.

    Raises
    ------
    ValueError
        If lists differ in length, are empty, or a key is unknown.

    Examples
    --------
    >>> history({"step": [1, 2, 3], "loss": [0.9, 0.5, 0.4]})
    >>> history({"step": [1, 2, 3], "loss": [0.9, 0.5]})
    Traceback (most recent call last):
        ...
    ValueError: history holds lists of different lengths (step 3, loss 2): \
append to all of them in every step.
    """
    from matplotlib.figure import Figure

    keys = check_history(history, keys, x)
    if len(history[keys[0]]) == 0:
        raise ValueError("history is empty: nothing was recorded yet. Train first, then draw.")
    figure = Figure(figsize=(7, 3.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    curves(axes, history, keys, smooth, x)
    if title:
        axes.set_title(title, loc="left", fontsize=11)
    show(figure, alt or (f"{title}. " if title else "") + describe(history, keys, x))


# Below: what LiveView and the judge share with the functions above.


def in_ipython() -> bool:
    """Whether this is IPython: a notebook's kernel, or a terminal."""
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def in_kernel() -> bool:
    """Whether this is a notebook's kernel."""
    return in_ipython() and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def bundle(figure: "Figure", alt: str) -> tuple[dict, dict]:
    """Return the figure as an output of a notebook: (data, metadata)."""
    from PIL import Image

    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", pil_kwargs={"compress_level": 1})
    image = Image.open(drawn).convert("RGB")
    pixels = np.asarray(image)
    # A third of the bytes: greys stay exact, colours within a few of 255 levels.
    if (pixels == pixels[..., :1]).all():
        image = image.convert("L")
    else:
        image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(png, format="png")
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt}}


def check_images(images: np.ndarray, name: str = "images") -> None:
    """Raise unless images are floats in [0, 1] of shape (n, height, width, 1)."""
    if not isinstance(images, np.ndarray):
        raise TypeError(
            f"{name} is a {type(images).__name__}, expected a NumPy array: pass "
            "images.detach().cpu().numpy() from PyTorch, "
            "keras.ops.convert_to_numpy(images) from Keras."
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            f"{name} holds {images.dtype}, expected floats in [0, 1]: "
            'for bytes pass images.astype("float32") / 255.'
        )
    if images.ndim != 4 or images.shape[-1] != 1 or 0 in images.shape:
        if images.size == 0:
            hint = "There are no images."
        elif images.ndim == 4 and images.shape[1] == 1:
            hint = "The channel comes second: pass images.transpose(0, 2, 3, 1)."
        elif images.ndim == 3 and images.shape[-1] == 1:
            hint = "For a single image pass images[None]."
        elif images.ndim == 3:
            hint = "The channel is missing: pass images[..., None]."
        elif images.ndim == 2 and images.shape[1] == 784:
            hint = "The pixels lie in one row: pass images.reshape(-1, 28, 28, 1)."
        elif images.ndim == 2:
            hint = "For a single image pass images[None, ..., None]."
        else:
            hint = "Only grey images can be shown."
        raise ValueError(f"{name} has shape {images.shape}, expected (n, height, width, 1). {hint}")
    low, high = float(images.min()), float(images.max())  # NaN if any value is
    if not math.isfinite(low + high):
        broken = int((~np.isfinite(images)).any(axis=(1, 2, 3)).sum())
        raise ValueError(
            f"{broken} of {len(images)} {name} hold NaN or infinite values: "
            "the model that drew them diverged. Look at its losses; try a smaller learning rate."
        )
    if low < -1e-5 or high > 1 + 1e-5:
        if high > 1 + 1e-5 and low >= 0 and high <= 255:
            hint = "They look like bytes: pass images / 255."
        elif low >= -1 - 1e-5 and high <= 1 + 1e-5:
            hint = "They look like a tanh's: pass (images + 1) / 2."
        else:
            hint = "If they are logits, pass them through a sigmoid first."
        raise ValueError(f"{name} has values from {low:.3g} to {high:.3g}, expected [0, 1]. {hint}")


def check_history(
    history: Mapping[str, Sequence[float]], keys: Sequence[str] | None, x: str = "step"
) -> list[str]:
    """Raise unless history holds equally long lists; return the keys of the curves to draw."""
    lengths = {name: len(values) for name, values in history.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(
            f"history holds lists of different lengths ({listed}): "
            "append to all of them in every step."
        )
    keys = [name for name in history if name != x] if keys is None else list(keys)
    unknown = [name for name in keys if name not in history]
    if unknown or not keys:
        raise ValueError(
            f"history has no curve {', '.join(unknown) or 'at all'}: its keys are {list(history)}."
        )
    return keys


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Set images of shape (n, height, width, 1) into one picture, a white pixel between them.

    Examples
    --------
    >>> mosaic(np.zeros((3, 2, 2, 1)), columns=2)
    array([[0., 0., 1., 0., 0.],
           [0., 0., 1., 0., 0.],
           [1., 1., 1., 1., 1.],
           [0., 0., 1., 1., 1.],
           [0., 0., 1., 1., 1.]])
    """
    n, height, width, _ = images.shape
    rows = math.ceil(n / columns)
    tiles = np.ones((rows * columns, height + 1, width + 1), images.dtype)
    tiles[:n, :-1, :-1] = images[..., 0]
    tiles = tiles.reshape(rows, columns, height + 1, width + 1)
    return tiles.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def curves(
    axes: "Axes",
    history: Mapping[str, Sequence[float]],
    keys: Sequence[str],
    smooth: int | None = None,
    x: str = "step",
) -> None:
    """Draw the named curves into axes; see `history`."""
    n = len(history[keys[0]])
    places = np.asarray(history.get(x, range(1, n + 1)))
    smooth = max(1, n // 25) if smooth is None else smooth
    for index, key in enumerate(keys):
        style = {"color": COLOURS[index % 7], "linestyle": DASHES[index % 7]}
        values = np.asarray(history[key], dtype=float)
        if smooth > 1:
            # A shade instead of a thousand zigzags: quicker to draw, a third of the bytes.
            known = np.where(np.isfinite(values), values, np.nan)
            starts = np.arange(0, n, smooth)
            centres = places[np.minimum(starts + smooth // 2, n - 1)]
            low, high = np.fmin.reduceat(known, starts), np.fmax.reduceat(known, starts)
            axes.fill_between(centres, low, high, color=style["color"], alpha=0.2, linewidth=0)
            values = moving_mean(values, smooth)
        marker = "o" if n == 1 else None  # a line needs two points
        axes.plot(places, values, label=spoken(key), linewidth=1.8, marker=marker, **style)
    explained = f" (line: mean of {smooth} entries, shade: their range)" if smooth > 1 else ""
    axes.set_xlabel(x + explained)
    axes.set_ylabel("loss" if all("loss" in key for key in keys) else "value")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False, handlelength=3.5)


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the `window` values around each one; of fewer at the ends. NaN counts as absent.

    Examples
    --------
    >>> moving_mean(np.array([1.0, 2.0, 6.0, 4.0]), 3)
    array([1.5, 3. , 4. , 5. ])
    """
    known = np.isfinite(values)
    sums = np.cumsum([0, *np.where(known, values, 0)])
    counts = np.cumsum([0, *known])
    centre = np.arange(len(values))
    first = np.maximum(centre - (window - 1) // 2, 0)
    last = np.minimum(centre + window // 2 + 1, len(values))
    counts = (counts[last] - counts[first]).astype(float)
    counts[counts == 0] = np.nan
    return (sums[last] - sums[first]) / counts


def describe(history: Mapping[str, Sequence[float]], keys: Sequence[str], x: str = "step") -> str:
    """Say in a sentence where each curve starts and ends (means of a tenth of its length)."""
    n = len(history[keys[0]])
    end = max(1, n // 10)
    parts = []
    for key in keys:
        first, final = np.mean(history[key][:end]), np.mean(history[key][-end:])
        parts.append(f"{spoken(key)} from {first:.3g} to {final:.3g}")
    last = history[x][-1] if x in history else n
    return f"Curves up to {x} {last:,.0f}: " + "; ".join(parts) + "."


def spoken(key: str) -> str:
    """Return a key as words: ``generator_loss`` is "generator loss"."""
    return key.replace("_", " ")
