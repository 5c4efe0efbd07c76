"""A view of a training while it runs: progress, time left, curves and samples."""

import html
import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from course_utils import plots

if TYPE_CHECKING:
    from course_utils.checkpoints import Checkpoint

__all__ = ["LiveView"]

LINE_SECONDS = 1.0  # between two updates of the progress bar
FIGURE_SECONDS = 2.0  # between two drawings, at least ...
FIGURE_SHARE = 0.05  # ... and drawing takes at most this share of the time
PRINT_SECONDS = 5.0  # between two lines in a terminal


class LiveView:
    """Show a training while it runs, and keep its history.

    In a notebook: a progress bar with the time left, the curves and, if wanted, a few samples.
    They are ordinary outputs (no widgets, no threads): the last state stays in the notebook, and
    closing the browser does not disturb the training (``plots.history(view.history)`` draws the
    curves again). In a terminal: a line every few seconds.

    **Stopping early.** The kernel's interrupt (■) ends the training, not the notebook: the view
    finishes its drawing, says where it stopped, and the code after the ``with`` block goes on
    with the weights learned so far; `interrupted` is True. This is what a learner wants who has
    seen enough, and no line after the block has to be run by hand to get hold of the history.
    The price: under "Run All" the cells below go on too, with a model that has learned less, so
    its pictures are worse and the lesson's last cell may say that its bar is not reached. A
    second ■ stops those, since only this view holds an interrupt back. With
    ``COURSE_RAISE_INTERRUPT=1`` in the environment the interrupt is raised again, so that a
    test's time limit is a failure. Any other exception passes through. The history is kept in
    each case.

    Parameters
    ----------
    total
        Number of the last step.
    sample
        Called without arguments about ten times, at fixed steps (0, total / 10, ...), never by
        the clock: random numbers it draws are the same in each run. Returns images as
        `plots.grid` takes them: floats in [0, 1], shape (n, height, width, 1). Draw them from
        fixed latents to see the same digits form. They are kept in `samples`. Keras on JAX holds
        the new weights back until an epoch ends: call `update` from ``on_epoch_end`` there.
    keys
        Values to draw as curves; by default all.
    record_every
        Values are recorded at multiples of this step and at the last. The others are not even
        converted to numbers: on a GPU each conversion waits for the device.
    history
        An earlier view's history, to go on from: it is copied, and `start` is its last step.
    checkpoint
        A `checkpoints.Checkpoint` of all that the training changes. If its file is there, the
        view restores it, with history and samples, and `step` is where the training goes on:
        train ``total - view.step`` steps. It is written every minute and at the end, also when
        an interrupt is the end.

    Attributes
    ----------
    history : dict[str, list[float]]
        "step" and each value given to `update`; lists of equal length.
    samples : dict[int, np.ndarray]
        Step → images.
    notes : dict
        Yours: numbers, texts and arrays that a checkpoint shall hold beside these.
    start, step : int
        The step before the first, and the present one.
    steps_per_second : float
        Speed of the training itself.
    interrupted : bool
        Whether an interrupt ended the training.

    Raises
    ------
    ValueError
        If `total` or `record_every` is not a positive whole number, `history` holds no steps, or
        both `history` and `checkpoint` are given.

    Examples
    --------
    A loop written by hand:

    >>> with LiveView(total=100) as view:
    ...     for step in range(100):
    ...         view.update(step + 1, loss=1 / (step + 1))  # doctest: +ELLIPSIS
    100 of 100 steps in ...
    >>> view.history["step"][-1], view.history["loss"][-1]
    (100.0, 0.01)

    Going on from there; Keras calls the view at the end of each epoch::

        with LiveView(total=200, history=view.history) as view:
            steps = LambdaCallback(on_epoch_end=lambda epoch, logs:
                                   view.update(view.start + 10 * (epoch + 1), **logs))
            model.fit(data, epochs=10, steps_per_epoch=10, callbacks=[steps], verbose=0)
    """

    def __init__(
        self,
        total: int,
        sample: Callable[[], np.ndarray] | None = None,
        keys: Sequence[str] | None = None,
        record_every: int = 1,
        history: Mapping[str, Sequence[float]] | None = None,
        checkpoint: "Checkpoint | None" = None,
    ) -> None:
        for name, value in (("total", total), ("record_every", record_every)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} is {value!r}, expected a whole number of 1 or more.")
        self.total = int(total)
        self.sample = sample
        self.keys = keys
        self.record_every = int(record_every)
        self.checkpoint = checkpoint
        self.history: dict[str, list[float]] = {"step": []}
        if history and checkpoint:
            raise ValueError("Both history and checkpoint are given: give the one to go on from.")
        if history:
            plots.check_history(history, None)
            if "step" not in history:
                raise ValueError(f'history has no "step", only {list(history)}: pass view.history.')
            self.history = {key: [float(v) for v in values] for key, values in history.items()}
        self.start = self.step = int(max(self.history["step"], default=0))
        self.samples: dict[int, np.ndarray] = {}
        self.notes: dict[str, Any] = {}
        self.interrupted = False
        self._next_sample = self.step
        self._warned = False
        self._in_kernel = plots.in_kernel()
        self._handles: dict[str, Any] = {}
        # Time left is judged by the last few lines' speed. The first mark comes with the first
        # update, so a first step that compiles does not count.
        self._marks: deque[tuple[float, int]] = deque(maxlen=10)
        self._timed_steps, self._timed_seconds = 0, 0.0  # what `steps_per_second` divides
        self._resumed: float | None = None  # when the last update gave control back to the training
        self._line_due = self._figure_due = self._save_due = math.inf

    def __enter__(self) -> "LiveView":
        self._handles.clear()
        self._marks.clear()
        self._timed_steps, self._timed_seconds, self._resumed = 0, 0.0, None
        # Before the clock starts: importing matplotlib and the first drawing take a while.
        if not self._restore():
            self._take_sample()
        if self._in_kernel:
            self._write(self._progress())
            self._draw()
        self._started = self._line_due = self._figure_due = perf_counter()
        if self.checkpoint:
            self._save_due = self._started + self.checkpoint.every
        return self

    def update(self, step: int, **values: Any) -> None:
        """Tell the view how far the training is. Costs some microseconds when nothing is due.

        Parameters
        ----------
        step
            Number of steps done, counted from 1.
        values
            One number each: a float, a 0-d array or any framework's 0-d tensor. The names are
            the same in each call. A NaN or infinite value is reported once and recorded.

        Raises
        ------
        ValueError
            If a value is not one number, or the names changed.
        """
        new_steps, self.step = step - self.step, step
        if step % self.record_every == 0 or step == self.total:
            self._record(step, values)  # on a GPU this waits until the steps are done
        if self._resumed is not None:  # this is not the first update
            self._timed_steps += new_steps
            self._timed_seconds += perf_counter() - self._resumed
        if step >= self._next_sample:
            self._take_sample()
        now = perf_counter()
        if now >= self._line_due:
            self._marks.append((now, step))
            if self._in_kernel or len(self._marks) > 1:
                self._write(self._progress())
            self._line_due = now + (LINE_SECONDS if self._in_kernel else PRINT_SECONDS)
            if self._in_kernel and now >= self._figure_due:
                self._draw()
                spent = perf_counter() - now
                self._figure_due = now + max(FIGURE_SECONDS, spent / FIGURE_SHARE)
        if now >= self._save_due:
            self._save()
        self._resumed = perf_counter()

    @property
    def steps_per_second(self) -> float:
        """Speed of the training itself; times the batch size, it is images per second.

        It is counted from the end of the first `update` on, so a first step (or a first epoch, in
        Keras) that traces and compiles is left out. So is the time that the view takes for its
        drawing and in `sample`. What your own code does between two updates counts. NaN before the
        second update.
        """
        return self._timed_steps / self._timed_seconds if self._timed_seconds else math.nan

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        seconds = perf_counter() - self._started
        # An interrupt may have come between two lists' appends.
        length = min(map(len, self.history.values()))
        for column in self.history.values():
            del column[length:]
        self.interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        hold_back = os.environ.get("COURSE_RAISE_INTERRUPT", "0") in ("", "0")
        done = self.step - self.start
        of = f"{self.step:,} of {self.total:,}"
        if self.interrupted:
            line = (
                f"Stopped at step {of} after {duration(seconds)}. Weights and history are kept: "
                "the next cells use them as they are."
            )
        elif kind is not None:
            line = f"{kind.__name__} after step {of}. The history is kept."
        else:
            each = f" ({duration(seconds / done)} a step)" if done > 0 else ""
            line = f"{of} steps in {duration(seconds)}{each}"
        try:
            if kind is None and self.step not in self.samples:
                self._take_sample()
            if done and self.checkpoint and (kind is None or self.interrupted):
                self._save()
            if self._in_kernel:
                self._draw()
            self._write(line, final=True)
        except KeyboardInterrupt:  # while finishing: give up the drawing
            if hold_back:
                print(line)
            else:
                raise
        return self.interrupted and hold_back

    def _restore(self) -> bool:
        """Go on from the checkpoint, if there is one; say so."""
        if self.checkpoint is None or self.checkpoint.path is None:
            return False
        kept = self.checkpoint.load()
        if kept is None:
            print(f"A checkpoint is kept in {self.checkpoint.path.parent}")
            return False
        self.history, self.samples, self.notes = kept["history"], kept["samples"], kept["notes"]
        self.start = self.step = kept["step"]
        self._timed_steps, self._timed_seconds = kept["timed"]
        self._plan_sample()
        of, path = f"{self.step:,} of {self.total:,}", self.checkpoint.path
        print(f"Going on from step {of}, kept {self.checkpoint.when()} in {path}")
        print("To start afresh: checkpoint.clear(), then run this cell again.")
        return True

    def _save(self) -> None:
        """Write the checkpoint; where that fails, say so once and train on."""
        try:
            self.checkpoint.save(
                {
                    "step": self.step,
                    "history": self.history,
                    "samples": self.samples,
                    "notes": self.notes,
                    "timed": [self._timed_steps, self._timed_seconds],
                }
            )
            self._save_due = perf_counter() + self.checkpoint.every
        except OSError as error:
            self._save_due = math.inf
            print(f"No checkpoint could be written ({error}). The training goes on without.")

    def _record(self, step: int, values: dict[str, Any]) -> None:
        history = self.history
        if len(history) == 1 and not history["step"]:
            history.update((key, []) for key in values)
            if self.keys:
                plots.check_history(history, self.keys)
        if len(values) != len(history) - 1 or any(key not in history for key in values):
            raise ValueError(
                f"update() got {sorted(values)} at step {step}, expected "
                f"{sorted(set(history) - {'step'})} as in the steps before: "
                "give the same values in every step."
            )
        numbers = {key: number(key, value) for key, value in values.items()}
        history["step"].append(float(step))
        for key, value in numbers.items():
            history[key].append(value)
            if not self._warned and not math.isfinite(value):
                self._warned = True
                print(
                    f"{key} is {value} at step {step:,}. The training goes on, but its weights "
                    "are probably lost: interrupt it, look at the curves, then build the model "
                    "again and try a smaller learning rate."
                )

    def _take_sample(self) -> None:
        if self.sample is not None:
            images = self.sample()
            plots.check_images(images)
            self.samples[self.step] = images
        self._plan_sample()

    def _plan_sample(self) -> None:
        every = max(1, self.total // 10)
        self._next_sample = (self.step // every + 1) * every
        if self.step < self.total:
            self._next_sample = min(self._next_sample, self.total)

    def _progress(self) -> str:
        line = f"{self.step:,} of {self.total:,} steps"
        if len(self.history) > 1 and self.history["step"]:
            for key in self.keys or [key for key in self.history if key != "step"]:
                line += f" · {plots.spoken(key)} {self.history[key][-1]:.4g}"
        if len(self._marks) > 1:
            (first, begin), (last, end) = self._marks[0], self._marks[-1]
            if end > begin:
                line += f" · {duration((self.total - end) * (last - first) / (end - begin))} left"
        return line

    def _write(self, line: str, final: bool = False) -> None:
        if not self._in_kernel:
            print(line, flush=True)
            return
        data = {"text/plain": line}
        if not final:  # what stays in the notebook is plain text, shown without trusting it
            data["text/html"] = (
                f'<progress value="{self.step}" max="{self.total}" '
                f'style="width: 16em" aria-label="Training"></progress> {html.escape(line)}'
            )
        self._publish("line", data, {})

    def _draw(self) -> None:
        from matplotlib.figure import Figure

        columns = [len(self.history) > 1 and bool(self.history["step"]), bool(self.samples)]
        if not any(columns):
            return
        figure = Figure(figsize=(8 if all(columns) else 6, 3), dpi=plots.DPI)
        left, right = 0.72 / figure.get_figwidth(), 0.985  # in inches the labels are equally wide
        alt = ""
        if columns[0]:
            keys = plots.check_history(self.history, self.keys)
            width = 0.54 if columns[1] else right - left
            plots.curves(figure.add_axes((left, 0.17, width, 0.79)), self.history, keys)
            alt = plots.describe(self.history, keys)
        if columns[1]:
            step, images = next(reversed(self.samples.items()))
            axes = figure.add_axes((0.66 if columns[0] else 0.02, 0.02, 0.33, 0.88))
            picture = plots.mosaic(images, columns=math.ceil(math.sqrt(len(images))))
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(f"samples after {step:,} steps", fontsize=9)
            alt += f" {len(images)} samples after {step:,} steps."
        self._publish("figure", *plots.bundle(figure, alt.strip()))

    def _publish(self, place: str, data: dict, metadata: dict) -> None:
        from IPython.display import display

        if place in self._handles:
            self._handles[place].update(data, metadata=metadata, raw=True)
        else:
            self._handles[place] = display(data, metadata=metadata, raw=True, display_id=True)


def number(key: str, value: Any) -> float:
    """Convert a float, a 0-d array or a 0-d tensor to a float."""
    try:
        # PyTorch warns where a loss with a gradient becomes a number.
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        shape = getattr(value, "shape", None)
        given = type(value).__name__ if shape is None else f"an array of shape {tuple(shape)}"
        raise ValueError(
            f"{key} is {given}, expected one number in each step: take its mean first."
        ) from error


def duration(seconds: float) -> str:
    """Return a duration in words, with two or three digits.

    Examples
    --------
    >>> [duration(s) for s in (0.0000042, 0.0432, 4.32, 43.2, 125, 7500)]
    ['4.2 µs', '43 ms', '4.3 s', '43 s', '2 min 5 s', '2 h 5 min']
    """
    if seconds < 1e-3:
        return f"{1e6 * seconds:.2g} µs"
    if seconds < 0.9995:
        return f"{1e3 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
