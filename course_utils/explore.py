"""Sliders, lists and text boxes around any function that draws images; a still when saved.

Each function returns an `Explorer`: make it the last line of a cell. It needs no framework, only
NumPy in and out; ipywidgets 7.7 and 8 both do.
"""

import base64
import html
import io
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from course_utils import plots

__all__ = ["Explorer", "choices", "interpolate", "interpolation_walk", "latent_sliders"]

WIDGET = "application/vnd.jupyter.widget-view+json"
SLOW_SECONDS = 0.25  # a drawing that takes longer waits until the slider is let go
SLIDER_COLUMNS, WALK_COLUMNS = 7, 11  # of the still pictures; odd, to have the middle
NO_WIDGETS = (
    "The sliders need the package ipywidgets: install it (pip install ipywidgets), restart the "
    "kernel and run this cell again. Here is a still picture."
)

Drawn = np.ndarray | tuple[np.ndarray, str]


class Explorer:
    """A picture beside the controls that change it. Returned by the functions of this module.

    In a live notebook, as the last line of a cell, it shows the controls and the picture. Moving
    a control draws again: while it is dragged if drawing is quick, else when it is let go; while
    another cell runs, when that has ended. What the drawing function raises stands under the
    picture, which turns pale. A saved notebook keeps a still picture with alt text in the very same
    output, for readers without a kernel.

    Attributes
    ----------
    values : dict[str, Any]
        The present value of each control.
    images : np.ndarray
        The images last drawn, (n, height, width, 1) in [0, 1].
    caption : str
        The line below them.
    error : str
        What the last drawing raised; empty if all was well.
    controls : dict[str, Any]
        The widgets by name, the buttons among them; empty without ipywidgets.
    still : dict[str, Any]
        What `plots.grid` is given for the still picture.
    widget : ipywidgets.Box or None
        All of it, to put into a layout of your own.
    """

    def __init__(
        self,
        draw: Callable[[dict[str, Any]], Drawn],
        values: Mapping[str, Any],
        buttons: Mapping[str, Callable[[], Mapping[str, Any]]],
        columns: int = 10,
        title: str | None = None,
        play: str | None = None,
    ) -> None:
        self._draw, self._columns = draw, columns
        self.controls: dict[str, Any] = {}
        self.widget = None
        self.still: dict[str, Any] = {}
        self._setting = self._due = False
        try:
            import ipywidgets
        except ImportError:
            ipywidgets = None
        self.values = {name: first_value(name, choice) for name, choice in values.items()}
        self.images, self.caption = self._drawing()  # what it raises is raised in the cell
        self.error = ""
        if ipywidgets is not None:
            self._build(ipywidgets, values, buttons, title, play)

    def redraw(self, values: Mapping[str, Any] | None = None) -> None:
        """Draw again, with some controls set anew; an exception becomes a line of text.

        Parameters
        ----------
        values
            Name of a control → its new value.

        Raises
        ------
        ValueError
            If there is no control of that name.
        """
        values = dict(values or {})
        if unknown := [name for name in values if name not in self.values]:
            raise ValueError(f"there is no control {unknown}, only {list(self.values)}.")
        self._setting = True  # many controls, one drawing
        try:
            for name in values.keys() & self.controls.keys():
                self.controls[name].value = values[name]
        finally:
            self._setting = False
        # A slider keeps to its range, and may have been moved in the meantime, by another thread.
        present = self.values.keys() & self.controls.keys()
        self.values |= values | {name: self.controls[name].value for name in present}
        start = perf_counter()
        try:
            self.images, self.caption = self._drawing()
            self.error = ""
        except Exception as error:  # raised in a callback it would only reach a hidden log
            self.error = f"{type(error).__name__}: {error}"
        quick = perf_counter() - start < SLOW_SECONDS
        for name in self.values:
            if name in self.controls and hasattr(self.controls[name], "readout"):  # a slider
                self.controls[name].continuous_update = quick
        if self.widget is not None:
            self._picture.value = self._html()

    def _drawing(self) -> tuple[np.ndarray, str]:
        drawn = self._draw(dict(self.values))
        images, caption = drawn if isinstance(drawn, tuple) else (drawn, "")
        plots.check_images(images, "what the function returned")
        return images, caption

    def _build(
        self,
        widgets: Any,
        values: Mapping[str, Any],
        buttons: Mapping[str, Callable[[], Mapping[str, Any]]],
        title: str | None,
        play: str | None,
    ) -> None:
        wide = f"{2 + max(len(name) for name in values) * 0.6:.1f}em"
        rows = []
        for name, choice in values.items():
            control = make_control(widgets, name, choice, self.values[name], wide)
            control.observe(lambda _: self._moved(), names="value")
            self.controls[name] = control
            rows.append(control)
        if play is not None:
            self.controls["play"] = player = widgets.Play(
                min=self.controls[play].min, max=self.controls[play].max, step=1, interval=60
            )
            # In the browser: it goes on smoothly while Python draws, and skips what is too much.
            self._link = widgets.jslink((player, "value"), (self.controls[play], "value"))
            rows.insert(0, player)
        for name, new_values in buttons.items():
            self.controls[name] = button = widgets.Button(description=name)
            button.on_click(
                lambda _, new_values=new_values: in_main_thread(lambda: self.redraw(new_values()))
            )
        rows.append(widgets.HBox([self.controls[name] for name in buttons]))
        self._picture = widgets.HTML(self._html(), layout=widgets.Layout(margin="4px 0 0 16px"))
        side = widgets.VBox(rows, layout=widgets.Layout(flex="0 0 auto"))
        # A picture too wide to stand beside the controls goes below them.
        self.widget = widgets.HBox([side, self._picture], layout={"flex_flow": "row wrap"})
        if title:
            head = widgets.HTML(f"<b>{html.escape(title)}</b>")
            self.widget = widgets.VBox([head, self.widget])

    def _moved(self) -> None:
        """Draw what the controls say, once for all that move before it is drawn."""
        if not self._setting and not self._due:
            self._due = True
            in_main_thread(self._catch_up)

    def _catch_up(self) -> None:
        self._due = False
        self.redraw({name: self.controls[name].value for name in self.values})

    def _html(self) -> str:
        """Return the picture as one <img>: small, crisp, and with alt text."""
        from PIL import Image

        pixels = plots.mosaic(self.images, min(self._columns, len(self.images)))
        tall, wide = pixels.shape
        scale = max(1, min(8, 600 // wide, 500 // tall))
        png = io.BytesIO()
        Image.fromarray(np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)).save(png, format="png")
        settings = ", ".join(f"{plots.spoken(k)} {spoken_value(v)}" for k, v in self.values.items())
        alt = f"{len(self.images)} grey image{'s' * (len(self.images) > 1)} at {settings}."
        lines = [
            f'<img width="{scale * wide}" height="{scale * tall}" decoding="sync" '
            f'alt="{html.escape(alt)}" style="image-rendering: pixelated; max-width: none; '
            f'opacity: {0.3 if self.error else 1}" '
            f'src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'
        ]
        if self.caption:
            lines.append(html.escape(self.caption))
        if self.error:
            lines.append(
                '<span role="alert" style="color: var(--jp-error-color1, #b00020)">'
                f"{html.escape(self.error)}<br>The picture is the one before.</span>"
            )
        lines = [f'<div style="line-height: 1.4; max-width: 600px">{line}</div>' for line in lines]
        return "".join(lines)

    def _ipython_display_(self) -> None:
        # Widget and still are one output, as in ipympl: a live front-end shows the widget, any
        # other the picture. The build strips the widget; separate outputs would show both.
        from IPython.display import display
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            plots.grid(**self.still)
        (still,) = captured.outputs
        data = dict(still.data)
        if self.widget is None:
            print(NO_WIDGETS)
        else:
            version = {"version_major": 2, "version_minor": 0}
            data[WIDGET] = {**version, "model_id": self.widget.model_id}
        display(data, metadata=still.metadata, raw=True)


def latent_sliders(
    decode: Callable[[np.ndarray], Drawn],
    latent_dim: int,
    start: np.ndarray | None = None,
    coordinates: Sequence[int] | None = None,
    limit: float = 3.0,
    seed: int = 0,
    title: str = "One slider for each latent coordinate",
) -> Explorer:
    """Move single coordinates of a latent vector and see the picture change.

    The still picture has a row for each slider: it goes from −limit to limit, the others stay.

    Parameters
    ----------
    decode
        Latents, float32 (n, latent_dim), to images (n, height, width, 1) in [0, 1].
    latent_dim
        Number of coordinates.
    start
        The latent to begin with, (latent_dim,); by default the origin. Several, (k, latent_dim),
        are moved together; `decode` then always gets k latents, so that
        ``lambda latent: decode(latent, labels)`` can give each a label of its own.
    coordinates
        The ones that get a slider, counted from 0 as in ``latent[:, 0]``, which is "latent 1";
        by default the first eight.
    limit
        The sliders go from −limit to limit. Latents of the course are drawn from N(0, 1).
    seed
        For the latents of the button "new latent".
    title
        A line above the controls and the still picture.

    Returns
    -------
    Explorer
        To be the last line of a cell.

    Raises
    ------
    ValueError
        If `latent_dim`, `start` or `coordinates` do not fit together.

    Examples
    --------
    >>> def decode(latent):
    ...     return np.full((len(latent), 28, 28, 1), 0.5) + latent[:, :1, None, None] / 10
    >>> explorer = latent_sliders(decode, latent_dim=2)
    >>> explorer.redraw({"latent 1": 3.0})
    >>> explorer.images.shape, float(explorer.images.max().round(2))
    ((1, 28, 28, 1), 0.8)
    """
    if not isinstance(latent_dim, int | np.integer) or latent_dim < 1:
        raise ValueError(f"latent_dim is {latent_dim!r}, expected a whole number of 1 or more.")
    start = as_latents("start", np.zeros(latent_dim) if start is None else start, latent_dim)
    if coordinates is None:
        coordinates = range(min(8, latent_dim))
    wrong = [c for c in coordinates if c not in range(latent_dim)]
    if wrong or len(coordinates) == 0:
        raise ValueError(
            f"coordinates is {list(coordinates)}, expected some of 0 to {latent_dim - 1}."
        )
    limit = max(limit, float(np.abs(start[0, list(coordinates)]).max()))
    names = {f"latent {c + 1}": c for c in coordinates}
    rng = np.random.default_rng(seed)
    base = start

    def at(values: Mapping[str, float]) -> np.ndarray:
        latent = base.copy()
        for name, value in values.items():
            latent[:, names[name]] = value
        return latent

    def settings(latent: np.ndarray) -> dict[str, float]:
        nonlocal base
        base = latent
        return {name: float(latent[0, c]) for name, c in names.items()}

    def new() -> dict[str, float]:
        drawn = rng.normal(size=latent_dim).clip(-limit, limit).astype(np.float32)
        return settings(np.tile(drawn, (len(start), 1)))

    explorer = Explorer(
        lambda values: checked(decode, at(values)),
        {name: (-limit, limit, float(start[0, c])) for name, c in names.items()},
        {"new latent": new, "back to the start": lambda: settings(start)},
        title=title,
    )
    explorer.still = {"images": explorer.images, "title": title}
    if len(start) == 1:
        places = np.linspace(-limit, limit, SLIDER_COLUMNS)
        latents = np.concatenate([at({name: place}) for name in names for place in places])
        explorer.still = {
            "images": only_images(checked(decode, latents)),
            "columns": SLIDER_COLUMNS,
            "title": title,
            "row_labels": list(names),
            "column_labels": [spoken_value(place) for place in places],
        }
    return explorer


def interpolation_walk(
    decode: Callable[[np.ndarray], Drawn],
    start: np.ndarray,
    end: np.ndarray,
    path: str = "linear",
    title: str = "From one latent to another",
) -> Explorer:
    """Walk from one latent to another, by hand or by itself, on either path.

    The still picture has a row for each path.

    Parameters
    ----------
    decode
        Latents, float32 (n, latent_dim), to images (n, height, width, 1) in [0, 1].
    start, end
        Latents, (latent_dim,), or several walks at once, (k, latent_dim).
    path
        The path to begin with: "linear" or "spherical", see `interpolate`.
    title
        A line above the controls and the still picture.

    Returns
    -------
    Explorer
        To be the last line of a cell.

    Raises
    ------
    ValueError
        If `start` and `end` differ in shape, `path` is neither, or an end is opposite its start.

    Examples
    --------
    >>> decode = lambda latent: np.full((len(latent), 28, 28, 1), 0.5)
    >>> walk = interpolation_walk(decode, start=np.array([1.0, 0.0]), end=np.array([0.0, 1.0]))
    >>> walk.redraw({"percent": 50, "path": "spherical"})
    """
    start, end = as_latents("start", start), as_latents("end", end)
    paths = ["linear", "spherical"]
    fractions = np.linspace(0, 1, WALK_COLUMNS)
    # All paths, so that what cannot be walked is told now and not when it is chosen.
    walks = [interpolate(start, end, fraction, way) for way in paths for fraction in fractions]
    if path not in paths:
        raise ValueError(f'path is {path!r}, expected "linear" or "spherical".')

    def draw(values: Mapping[str, Any]) -> Drawn:
        latent = interpolate(start, end, values["percent"] / 100, values["path"])
        return checked(decode, latent)

    explorer = Explorer(
        draw,
        {"percent": (0, 100, 0), "path": sorted(paths, key=path.__ne__)},
        {},
        title=title,
        play="percent",
    )
    latents = np.stack(walks).reshape(2, WALK_COLUMNS, *start.shape).swapaxes(1, 2)
    explorer.still = {
        "images": only_images(checked(decode, latents.reshape(-1, start.shape[1]))),
        "columns": WALK_COLUMNS,
        "title": title,
        "row_labels": [way for way in paths for _ in start],
        "column_labels": [f"{fraction:.0%}" for fraction in fractions],
    }
    return explorer


def choices(
    sample: Callable[..., Drawn],
    /,
    *,
    columns: int = 10,
    rows: int = 5,
    title: str = "Choose",
    button: str | None = "draw again",
    **controls: Any,
) -> Explorer:
    """Put sliders, drop-down lists and text boxes on the keywords of a function that draws images.

    The still picture has a row for each value of the first control (of a slider: a few of them).

    Parameters
    ----------
    sample
        Called with all controls by keyword. Returns images (n, height, width, 1) in [0, 1], or
        images and a line of text to stand below them.
    columns
        Images in a row.
    rows
        At most so many rows in the still picture, each with the first `columns` images. With 1,
        `sample` is called only once.
    title
        A line above the controls and the still picture.
    button
        What stands on the button that draws again with the same values (which shows something
        new if `sample` is random); None for no button.
    controls
        One control for each keyword: ``(low, high)`` or ``(low, high, first)`` is a slider, over
        whole numbers if all are; a list or range is a drop-down list, and so is a dict from what
        is shown to what is passed. Two entries become two buttons. The first is chosen at first.
        A string is a text box, with that string in it at first.

    Returns
    -------
    Explorer
        To be the last line of a cell.

    Raises
    ------
    ValueError
        If there is no control, or one is none of the above.

    Examples
    --------
    >>> def sample(truncation, label):
    ...     return np.full((10, 28, 28, 1), truncation * label / 10), f"ten times a {label}"
    >>> explorer = choices(sample, truncation=(0.0, 1.0, 0.5), label=range(10))
    >>> explorer.redraw({"label": 8})
    >>> float(explorer.images.max()), explorer.caption
    (0.4, 'ten times a 8')
    """
    if not controls:
        raise ValueError("choices has no control: add one, such as label=range(10).")
    buttons = {button: dict} if button else {}
    explorer = Explorer(lambda values: sample(**values), controls, buttons, columns, title)
    name, choice = next(iter(controls.items()))
    if rows == 1:
        shown, labels = [explorer.images], None
    else:
        options = some_values(choice, rows)
        drawn = [sample(**{**explorer.values, name: value}) for value in options.values()]
        for images in map(only_images, drawn):
            plots.check_images(images, "what sample returned")
        shown = [only_images(images)[:columns] for images in drawn]
        labels = [f"{plots.spoken(name)} {label}" for label in options]
        if len({images.shape for images in shown}) > 1:
            raise ValueError(
                f"sample returned {[len(images) for images in shown]} images at {labels}: "
                "return equally many each time, or pass rows=1."
            )
    explorer.still = {
        "images": np.concatenate(shown),
        "columns": min(columns, len(shown[0])),
        "title": title,
        "row_labels": labels,
    }
    return explorer


def interpolate(
    start: np.ndarray, end: np.ndarray, fraction: float, path: str = "linear"
) -> np.ndarray:
    """Return latents between others, on a straight line or on an arc around the origin.

    Latents of N(0, I) in many dimensions lie near a sphere; the straight line between two cuts
    through its inside, where a model has hardly been trained. The spherical path (slerp; White,
    Sampling Generative Networks, 2016) turns at an even rate instead, by the angle Ω between
    them: (sin((1 − t) Ω) start + sin(t Ω) end) / sin Ω.

    Parameters
    ----------
    start, end
        Latents of equal shape, (..., latent_dim); each pair is a path of its own.
    fraction
        t, 0 at the start and 1 at the end.
    path
        "linear" or "spherical". Where there is no angle (equal directions, a vector of zeros),
        the spherical path is the straight line.

    Raises
    ------
    ValueError
        If the shapes differ, `path` is neither, or the ends are opposite: no arc is shortest.

    Examples
    --------
    >>> interpolate(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 0.5)
    array([1., 1.])
    >>> interpolate(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 0.5, "spherical").round(3)
    array([1.414, 1.414])
    """
    if start.shape != end.shape:
        raise ValueError(f"start has shape {start.shape}, end {end.shape}: they must be equal.")
    if path == "linear":
        return (1 - fraction) * start + fraction * end
    if path != "spherical":
        raise ValueError(f'path is {path!r}, expected "linear" or "spherical".')
    lengths = np.linalg.norm(start, axis=-1) * np.linalg.norm(end, axis=-1)
    cosine = (start * end).sum(axis=-1) / np.where(lengths > 0, lengths, 1)
    angle = np.where(lengths > 0, np.arccos(cosine.clip(-1, 1)), 0)[..., None]
    if (angle > np.pi - 1e-3).any():
        raise ValueError(
            "start and end are opposite, so no arc between them is the shortest: "
            'take another end, or path="linear".'
        )
    straight = angle < 1e-3
    sine = np.where(straight, 1, np.sin(angle))
    first = np.where(straight, 1 - fraction, np.sin((1 - fraction) * angle) / sine)
    last = np.where(straight, fraction, np.sin(fraction * angle) / sine)
    return (first * start + last * end).astype(start.dtype)


# Below: what the functions above share.


def in_main_thread(function: Callable[[], None]) -> None:
    """Call it in the main thread: now, or as soon as the cell that runs there has ended.

    JupyterLab may deliver what widgets say in a thread of its own (a subshell), beside a running
    cell: a model must not draw while it is being trained.
    """
    if threading.current_thread() is threading.main_thread():
        function()
    else:
        sys.modules["IPython"].get_ipython().kernel.io_loop.add_callback(function)


def as_latents(name: str, latent: np.ndarray, latent_dim: int | None = None) -> np.ndarray:
    """Return latents as float32 (k, latent_dim)."""
    latent = np.asarray(latent, dtype=np.float32)
    if latent.ndim not in (1, 2) or latent_dim not in (None, latent.shape[-1]) or latent.size == 0:
        expected = "latent_dim" if latent_dim is None else latent_dim
        raise ValueError(
            f"{name} has shape {latent.shape}, expected ({expected},) or (k, {expected})."
        )
    return np.atleast_2d(latent)


def only_images(drawn: Drawn) -> np.ndarray:
    return drawn[0] if isinstance(drawn, tuple) else drawn


def checked(decode: Callable[[np.ndarray], Drawn], latent: np.ndarray) -> Drawn:
    """Decode, and raise unless there is one image for each latent."""
    drawn = decode(latent.astype(np.float32, copy=False))  # networks take no other
    images = only_images(drawn)
    plots.check_images(images, "what decode returned")
    if len(images) != len(latent):
        raise ValueError(
            f"decode returned {len(images)} images for {len(latent)} latents, expected one for "
            "each. For several from one place, pass several latents as start."
        )
    return drawn


def is_slider(choice: Any) -> bool:
    return isinstance(choice, tuple)


def options_of(name: str, choice: Any) -> dict[str, Any]:
    """Return what is shown → what is passed, of a list, range or dict."""
    if isinstance(choice, Mapping):
        found = {str(shown): value for shown, value in choice.items()}
    elif isinstance(choice, Sequence | np.ndarray):
        found = {spoken_value(value): value for value in choice}
    else:
        found = {}
    if not found:
        raise ValueError(
            f"{name} is {choice!r}, expected (low, high) for a slider, a list, range or dict "
            "with an entry or more for a drop-down list, or a string for a text box."
        )
    return found


def first_value(name: str, choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if not is_slider(choice):
        return next(iter(options_of(name, choice).values()))
    numbers = all(isinstance(value, int | float | np.number) for value in choice)
    if not numbers or len(choice) not in (2, 3) or not choice[0] <= choice[-1] <= choice[1]:
        raise ValueError(
            f"{name} is {choice!r}, expected (low, high) or (low, high, first) with "
            "low ≤ first ≤ high. For a drop-down list pass a list."
        )
    return choice[2] if len(choice) == 3 else choice[0]


def some_values(choice: Any, most: int) -> dict[str, Any]:
    """Return at most so many values of a control, evenly spread: what is shown → the value."""
    if isinstance(choice, str):
        return {choice: choice}
    if is_slider(choice):
        values = np.linspace(choice[0], choice[1], most)
        if whole(choice):
            values = np.unique(values.round().astype(int))
        return {spoken_value(value): value.item() for value in values}
    options = list(options_of("", choice).items())
    picked = np.unique(np.linspace(0, len(options) - 1, min(most, len(options))).round())
    return dict(options[int(index)] for index in picked)


def whole(choice: tuple) -> bool:
    return all(isinstance(value, int | np.integer) for value in choice)


def make_control(widgets: Any, name: str, choice: Any, value: Any, wide: str) -> Any:
    """Build the widget for one choice; only what ipywidgets 7.7 and 8 share."""
    common = {"description": plots.spoken(name), "style": {"description_width": wide}}
    common["layout"] = {"width": "360px"}
    if isinstance(choice, str):  # drawn when Enter is pressed, or the box is left
        return widgets.Text(value=value, continuous_update=False, **common)
    if is_slider(choice):
        low, high = choice[:2]
        if whole(choice):
            return widgets.IntSlider(value=value, min=low, max=high, **common)
        step = 10.0 ** np.floor(np.log10(max(high - low, 1e-6) / 40))  # 40 to 400 of them
        return widgets.FloatSlider(
            value=value, min=low, max=high, step=step, readout_format=".2f", **common
        )
    options = list(options_of(name, choice).items())
    if len(options) == 2:
        common["style"]["button_width"] = "auto"
        return widgets.ToggleButtons(options=options, value=value, **common)
    return widgets.Dropdown(options=options, value=value, **common)


def spoken_value(value: Any) -> str:
    return f"{value:.3g}".replace("-", "−") if isinstance(value, float) else str(value)
