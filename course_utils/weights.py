"""Weights from the course's own runs: for those who come late, or have no time for a training.

Of each lesson's main training the course keeps what later cells need: weights, history, samples. It
is a checkpoint like those of `checkpoints`, but a finished one that everybody shares: a
`live.LiveView` that begins with it has arrived before the first step. ``make weights`` writes the
files by running the lessons. They lie beside the notebooks; where only a notebook is open, as on
Colab, they are downloaded. Their SHA-256 sums stand in this package, in ``weights.json``.

Arrays of two or more dimensions are kept in 16 bits, for half the size: a weight is off by at most
1 in 2,048, a pixel by less than a tenth of a grey level of 255. Vectors, such as biases and the
statistics of batch norm, are small, and kept as they are.
"""

import copy
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from course_utils import downloads, runtime
from course_utils.checkpoints import Checkpoint, flatten, give, keras_variables, pack, take, unpack

__all__ = ["CourseRun", "pack_run"]

SUMS = Path(__file__).with_name("weights.json")  # run -> file, from the course's folder -> SHA-256
MOST_BYTES = 2_000_000  # of a file; a run that is larger gets several


class CourseRun(Checkpoint):
    """A lesson's main training as the course ran it: a checkpoint that has arrived.

    It is read, and never written.

    Parameters
    ----------
    name
        Of the lesson, such as "02_dcgan"; the networks tell the track.
    parts
        What the run has trained, by its names there: PyTorch modules or Keras models; tuples,
        lists and dicts of these. They get their weights when a `live.LiveView` begins with it.
        And, as they are, numbers and texts that must be the same here as in that run, such as the
        name of the data.

    Attributes
    ----------
    name : str
        Of the run, such as "02_dcgan_pytorch".
    step : int
        The run's last step; a lesson trains for longer where it finds a GPU.
    notes : dict
        What the lesson has noted in that run.
    path : pathlib.Path or None
        Its (first) file; None after `clear`.

    Raises
    ------
    ValueError
        If there is no such run, a file is damaged, or what it holds does not fit the parts.
    ConnectionError
        If a file is not on this machine and cannot be downloaded.

    Examples
    --------
    ::

        checkpoint = CourseRun("02_dcgan", data=dataset.name, generator=generator)
        steps = checkpoint.step
        with LiveView(total=steps, checkpoint=checkpoint) as view:
            train(steps - view.step)  # none
    """

    def __init__(self, name: str, **parts: Any) -> None:
        self.every = math.inf
        self._parts = dict(networks(parts))
        self.name = full_name(name, self._parts)
        paths = [locate(file, expected) for file, expected in find(self.name).items()]
        self.path = paths[0]
        arrays: dict[str, np.ndarray] = {}
        texts: dict[str, str] = {}
        for path in paths:
            with safe_open(path, framework="np") as file:
                arrays |= {key: widened(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
                texts |= file.metadata() or {}
        notes = unpack(json.loads(texts["notes"]), arrays)
        self._state, self._kept = notes["state"], notes["parts"]
        self.step: int = self._state["step"]
        self.notes: dict[str, Any] = self._state["notes"]
        self._check()

    def _check(self) -> None:
        """Compare the parts with what the run holds, before any is changed."""
        problems = []
        for path, part in self._parts.items():
            if path not in self._kept:
                held = ", ".join(self._kept)
                problems.append(f"{path} is not in it; it holds {held}")
            else:
                problems += (f"{path}: {one}" for one in differences(part, self._kept[path]))
        if problems:
            more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise ValueError(
                f"The course's run {self.name} does not fit what you have here:\n  "
                + "\n  ".join(problems[:5])
                + more
                + "\nIt fits the lesson as it stands: the numbers of its configuration cell, its "
                "networks, its data (connect to the internet or set COURSE_DATA where they are "
                "missing). Put back what differs, run all cells above again, and then this one. "
                "Or train what you have: late = False."
            )

    def load(self) -> dict[str, Any]:
        """Give all parts their weights and return the state: step, history, samples, notes."""
        for path, part in self._parts.items():
            give(part, self._kept[path])
        return copy.deepcopy(self._state)  # the live view goes on with what it gets

    def save(self, state: Mapping[str, Any]) -> None:
        """Do nothing: who trains on does not change what everybody shares."""

    def when(self) -> str:
        """Return who has kept it, where a checkpoint of one's own says when."""
        return "by the course"

    def clear(self) -> None:
        """Leave the file where it is and forget it, so that the next view starts afresh."""
        self.path = None


def networks(parts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the single parts, each with its path; of Keras models their own variables only.

    An optimiser's second moments are too small for 16 bits, and all its moments twice as large as
    the weights: who trains on begins with new ones. On PyTorch's backend a Keras model is a PyTorch
    module too; its variables are the same on all backends.
    """
    for path, part in flatten(parts):
        if hasattr(part, "variables"):
            passing = getattr(part, "metrics_variables", ())
            part = SimpleNamespace(variables=part.variables, metrics_variables=passing)
        yield path, part


def differences(part: Any, kept: Any) -> Iterator[str]:
    """Say in what a part's values differ from those kept for it: in value, number or shape."""
    ours = take(part)
    if not isinstance(ours, dict | list):
        if ours != kept:
            yield f"{ours!r} here, {kept!r} there"
        return
    if isinstance(ours, list) and isinstance(kept, list):  # Keras's, in the order of the layers
        names = [variable.path for variable in keras_variables(part)]
        ours = dict(zip(names, ours, strict=True))
        kept = dict(zip([*names, *range(len(names), len(kept))], kept, strict=False))
    for name in [*ours, *(name for name in kept if name not in ours)]:
        here, there = (
            f"the shape {tuple(np.shape(values[name]))}" if name in values else "nothing"
            for values in (ours, kept)
        )
        if here != there:
            yield f"{name} has {here} here, {there} there"


# ------------------------------------------------------------------ files


def full_name(name: str, parts: Mapping[str, Any]) -> str:
    """Return a run's name with the track that its parts tell; without any, as it is."""
    if any(hasattr(part, "load_state_dict") for part in parts.values()):
        return f"{name}_pytorch"
    return f"{name}_keras" if any(hasattr(part, "variables") for part in parts.values()) else name


def find(name: str) -> dict[str, str]:
    """Return a run's files, each with its sum."""
    runs = json.loads(SUMS.read_text("utf-8"))
    if name not in runs:
        raise ValueError(
            f"The course keeps no run called {name!r}. There are: {', '.join(runs) or 'none yet'}."
        )
    return runs[name]


def locate(file: str, expected: str) -> Path:
    """Return where a file is on this machine, whole; download it if it is nowhere."""
    title = Path(file).name
    places = [runtime.course_folder() / file]
    if given := os.environ.get("COURSE_DATA"):
        places.insert(0, Path(given).expanduser() / "weights" / title)
    for path in places:
        if path.is_file():
            if (found := sha256(path.read_bytes())) == expected:
                return path
            raise ValueError(
                f"{path} is damaged or of another version: its SHA-256 sum is {found}, expected "
                f"{expected}. Bring this notebook and course_utils to the same version: git pull, "
                f"git checkout {file}; on a hub let course_utils be installed again. Or delete the "
                "file, and the course downloads it. Or train: late = False."
            )
    return download(file, expected)


def download(file: str, expected: str) -> Path:
    """Return a file from the course's cache; what is not there, or damaged, is downloaded."""
    path = downloads.cache() / "weights" / Path(file).name
    if not path.is_file() or sha256(path.read_bytes()) != expected:
        url = f"{repository()}/raw/main/{file}"
        try:
            downloads.fetch(path, f"sha256:{expected}", downloads.answering([url]))
        except ConnectionError as reason:
            raise ConnectionError(
                f"{path.name}, the weights of the course's own run, is not on this machine and "
                f"cannot be downloaded from {url} ({reason}). Connect this machine to the internet "
                "and run this cell again; if it is connected, course_utils may be older than the "
                "weights: install it again, on Colab in a new runtime. Or set COURSE_DATA to a "
                f"folder that has it as weights/{path.name}; or train: late = False."
            ) from None
    return path


def repository() -> str:
    """Return the address of the course's repository, which pyproject.toml has."""
    from importlib.metadata import metadata

    addresses = metadata("course-utils").get_all("Project-URL")
    return dict(address.split(", ", 1) for address in addresses)["Repository"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ------------------------------------------------------------------ for the author


def pack_run(name: str, state: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a run as files, by their names; equal runs give equal bytes.

    Parameters
    ----------
    name
        Of the run, such as "02_dcgan_pytorch".
    state
        What a `live.LiveView` keeps in a checkpoint.
    parts
        As for `CourseRun`.

    Raises
    ------
    ValueError
        If a number is too large for 16 bits, or one array for one file.
    """
    arrays: dict[str, np.ndarray] = {}
    kept = {path: take(part) for path, part in networks(parts)}
    text = json.dumps(pack({"state": state, "parts": kept}, arrays))
    contents: list[dict[str, np.ndarray]] = [{}]
    room = MOST_BYTES - len(text) - 20_000  # and for the names and shapes of the arrays
    if room < 0:
        raise ValueError(
            f"The history and notes of {name} alone are {len(text):,} bytes of text, at most "
            f"{MOST_BYTES - 20_000:,} are meant: record fewer steps (record_every)."
        )
    for key, array in arrays.items():
        if array.ndim > 1 and array.dtype.kind == "f":
            array = halved(key, array)
        if array.nbytes > room:
            contents.append({})
            room = MOST_BYTES - 20_000
        contents[-1][key] = array
        room -= array.nbytes
    files = {}
    for number, content in enumerate(contents, 1):
        file = f"{name}.safetensors" if number == 1 else f"{name}_{number}.safetensors"
        files[file] = to_bytes(content, {"notes": text} if number == 1 else None)
        if len(files[file]) > MOST_BYTES:
            raise ValueError(
                f"{file} would have {len(files[file]):,} bytes, at most {MOST_BYTES:,} are meant: "
                "one array alone is larger. Publish fewer or smaller parts."
            )
    return files


def halved(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array in 16 bits."""
    largest = np.finfo(np.float16).max
    if not (np.abs(array) <= largest).all():  # NaN neither
        raise ValueError(
            f"{name}, an array of shape {array.shape}, has values that 16 bits cannot hold: at "
            f"most {largest:,.0f}, expected of weights and pictures. Has the training failed?"
        )
    return array.astype(np.float16)


def widened(array: np.ndarray) -> np.ndarray:
    """Undo `halved`, but for the lost digits."""
    return array.astype(np.float32) if array.dtype == np.float16 else array
