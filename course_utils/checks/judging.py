"""What a checker is made of. An answer is judged by what it does; nobody reads its source.

A checker is a function of one :class:`Answer`. It returns if the answer is right, and raises
:class:`Wrong` with a sentence for the learner if it is not. It speaks NumPy; :meth:`Answer.call`
translates for the framework of the learner's track.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Answer", "Choice", "Exercise", "Unanswered", "Wrong", "compare", "number", "within"]

TRACKS = ("pytorch", "keras", "numpy")


class Wrong(Exception):
    """An answer is wrong; the text says in which way."""


class Unanswered(Exception):
    """There is no answer yet."""


@dataclass(frozen=True)
class Answer:
    """What a learner gave as an answer.

    Attributes
    ----------
    value
        Anything: a letter, a number, an array, a function.
    track
        The framework whose tensors its functions take: "pytorch", "keras" or "numpy".
    """

    value: Any
    track: str = "numpy"

    def in_numpy(self) -> "Answer":
        """Return the same answer, with functions of NumPy arrays, whatever the track."""
        return Answer(self.value)

    def result(self, *inputs: Any) -> Any:
        """Call the answer, a function, and return whatever it returns.

        Inputs and errors are those of :meth:`call`.
        """
        if not callable(self.value):
            raise Wrong(f"is {kind(self.value)}; expected a function.")
        try:
            result = self.value(*(to_tensor(value, self.track) for value in inputs))
        except (Wrong, Unanswered):  # of a function that a checker handed to the answer
            raise
        except NotImplementedError:
            raise Unanswered("there is nothing to run yet.") from None
        except Exception as error:
            raise Wrong(f"raised {type(error).__name__}: {first_line(error)}") from None
        if result is None or result is Ellipsis:
            raise Unanswered("it returns nothing yet. If you have written it: is there a `return`?")
        return result

    def call(self, *inputs: Any, shape: tuple | list[tuple]) -> Any:
        """Call the answer, a function, NumPy to NumPy.

        Parameters
        ----------
        inputs
            Arrays become tensors of the track's framework; all else is passed as it is. An array
            with four axes is a batch of images (n, height, width, channels), and goes to PyTorch
            as (n, channels, height, width).
        shape
            Of the array due, in NumPy's order of axes; () is a number. A list of shapes stands
            for several results.

        Returns
        -------
        numpy.ndarray or list of them
            float64, all numbers finite.

        Raises
        ------
        Unanswered
            If the function returns nothing, or raises NotImplementedError.
        Wrong
            If the answer is no function, raises an error, or returns something else than due.

        Examples
        --------
        >>> Answer(lambda x: x.sum()).call(np.ones(3), shape=())
        array(3.)
        >>> Answer(lambda x: x[:2]).call(np.ones(3), shape=())
        Traceback (most recent call last):
            ...
        course_utils.checks.judging.Wrong: returns the shape (2,); expected one number.
        """
        result = self.result(*inputs)
        if not isinstance(shape, list):
            return to_array(result, shape, self.track)
        try:
            results = list(result)
        except TypeError:
            raise Wrong(f"returns {kind(result)}; expected {len(shape)} results.") from None
        if len(results) != len(shape):
            told = f"{kind(result)} of {len(results)}"
            raise Wrong(f"returns {told}; expected {len(shape)} results.")
        pairs = zip(results, shape, strict=True)
        return [
            to_array(one, due, self.track, f"result {n} ") for n, (one, due) in enumerate(pairs, 1)
        ]

    def array(self, shape: tuple) -> np.ndarray:
        """Return the answer itself as an array, like :meth:`call` its result."""
        return to_array(self.value, shape, self.track, verb="is")


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson.

    Attributes
    ----------
    name
        Short, unique in its lesson.
    kind
        "predict", "mend" or "build".
    title
        As in the notebook.
    parts
        For each answer, by the name under which `check` takes it, its checker.
    """

    name: str
    kind: str
    title: str
    parts: dict[str, Callable[[Answer], None]]


class Choice:
    """Checker of a letter; each wrong letter has a sentence that says why it is wrong.

    Examples
    --------
    >>> check = Choice("a", b="That is the other one.")
    >>> check(Answer(" A "))
    >>> check(Answer("b"))
    Traceback (most recent call last):
        ...
    course_utils.checks.judging.Wrong: That is the other one.
    """

    def __init__(self, right: str, **wrong: str):
        self.right, self.wrong = right, wrong
        self.letters = sorted([right, *wrong])

    def __call__(self, answer: Answer) -> None:
        given = answer.value.strip().lower() if isinstance(answer.value, str) else None
        if given not in self.letters:
            shown = repr(answer.value) if isinstance(answer.value, str) else kind(answer.value)
            raise Wrong(f"is {shown}; expected one of {', '.join(map(repr, self.letters))}.")
        if given != self.right:
            raise Wrong(self.wrong[given])


def number(
    right: float, tolerance: float, mistakes: Iterable[tuple[float, str]] = (), otherwise: str = ""
) -> Callable[[Answer], None]:
    """Check a number, to `tolerance` above or below; of mistakes, the first that agrees is told.

    Examples
    --------
    >>> number(1.386, tolerance=0.01)(Answer(1.39))
    >>> number(1.386, 0.01, [(0.693, "That is one of the two terms.")])(Answer(0.693))
    Traceback (most recent call last):
        ...
    course_utils.checks.judging.Wrong: That is one of the two terms.
    """

    def check(answer: Answer) -> None:
        given = answer.array(())
        if abs(given - right) <= tolerance:
            return
        for wrong, sentence in mistakes:
            if abs(given - wrong) <= tolerance:
                raise Wrong(sentence)
        raise Wrong(otherwise or f"gives {brief(given)}; expected another number.")

    return check


def compare(
    given: np.ndarray,
    right: np.ndarray,
    mistakes: Iterable[tuple[np.ndarray, str]] = (),
    otherwise: str = "",
    tolerance: float = 1e-3,
) -> None:
    """Raise :class:`Wrong` unless two arrays agree, and name the mistake if it is a known one.

    Parameters
    ----------
    given, right
        What the answer gives, and what is due.
    mistakes
        What known mistakes give, each with its sentence. The first that agrees is told.
    otherwise
        The sentence for all other mistakes; by default it compares the numbers.
    tolerance
        Greatest absolute difference that still agrees, for numbers up to about 1; greater numbers
        have more.
    """

    def agrees(one: np.ndarray) -> bool:
        one = np.asarray(one, dtype=float)
        return one.shape == np.shape(given) and np.allclose(given, one, tolerance, tolerance)

    if agrees(right):
        return
    for wrong, sentence in mistakes:
        if agrees(wrong):
            raise Wrong(sentence)
    raise Wrong(otherwise or f"gives {brief(given)}; expected {brief(right)}.")


def within(seconds: float, function: Callable, *arguments: Any) -> Any:
    """Call a function that may never return; the caller goes on after `seconds` at the latest.

    Raises
    ------
    TimeoutError
        If the function has not returned by then. It is told to stop: it does at its next line of
        Python, or when the call that it waits for returns.
    """
    result: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(function(*arguments))
        except BaseException as error:  # SystemExit too: it must not end the kernel
            failure.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        worker.join(seconds)
    finally:  # an interrupt of the kernel ends here as well
        if worker.is_alive():
            stop = ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), stop)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"no result after {seconds:g} seconds")
    return result[0]


def track_in_use() -> str:
    """Tell the track by what is imported. Keras counts first: it may have imported PyTorch."""
    return next(
        (t for t, m in (("keras", "keras"), ("pytorch", "torch")) if m in sys.modules), "numpy"
    )


def to_tensor(value: Any, track: str) -> Any:
    if track == "numpy" or not isinstance(value, np.ndarray):
        return value
    value = value.astype("float32") if value.dtype == np.float64 else value
    if track == "keras":
        from keras import ops

        return ops.convert_to_tensor(value)
    import torch

    value = np.moveaxis(value, -1, 1) if value.ndim == 4 else value
    return torch.as_tensor(np.ascontiguousarray(value))


def to_array(
    value: Any, shape: tuple, track: str, name: str = "", verb: str = "returns"
) -> np.ndarray:
    if hasattr(value, "detach"):  # PyTorch's tensors
        value = value.detach().cpu()
    try:
        array = np.asarray(value, dtype=float)
    except Exception:
        raise Wrong(f"{name}{verb} {kind(value)}; expected {due(shape)}.") from None
    if track == "pytorch" and array.ndim == 4:
        array = np.moveaxis(array, 1, -1)
    if shape == () and array.size == 1:
        array = array.reshape(())
    if array.shape != shape:
        has = "has" if verb == "is" else verb
        given, expected = (in_order(one, track) for one in (array.shape, shape))
        raise Wrong(f"{name}{has} the shape {given}; expected {due(expected)}.")
    if not np.isfinite(array).all():
        bad = "NaN" if np.isnan(array).any() else "infinity"
        raise Wrong(f"{name}{verb} {bad}, which is no number to go on with.")
    return array


def in_order(shape: tuple, track: str) -> tuple:
    """Write a shape of images as the learner's framework does."""
    images = track == "pytorch" and len(shape) == 4
    return (shape[0], shape[3], shape[1], shape[2]) if images else shape


def due(shape: tuple) -> str:
    return f"the shape {shape}" if shape else "one number"


def kind(value: Any) -> str:
    """Name what somebody gave: "a str", "an int"."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else "no message"


def brief(array: np.ndarray) -> str:
    """Show a number, or the first numbers of an array."""
    flat = np.ravel(array)
    numbers = ", ".join(f"{value:.4g}" for value in flat[:4])
    return numbers if flat.size == 1 else f"[{numbers}{', …' if flat.size > 4 else ''}]"
