"""Keep a long training in a file, so that a lost session costs a minute of it and not all.

The file is in the safetensors format: arrays and JSON, and nothing that runs code when it is read
(https://huggingface.co/docs/safetensors). It holds weights, optimisers' moments, the states of
random generators, history and samples. A loop in PyTorch that goes on from it takes the very steps
that it would have taken. Keras's ``fit`` asks a generator for batches before it needs them, so it
goes on with other batches than it would have had, and as good ones.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from course_utils import runtime

__all__ = ["Checkpoint", "folder"]

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a learner's Google Drive


def folder() -> Path | None:
    """Return the folder for checkpoints, or None where none are kept.

    What the variable COURSE_CHECKPOINTS says (empty: none). Without it: on a CPU, where a lesson
    trains for a minute, none; on a GPU, where it trains longer, a folder on the Drive if Colab
    has mounted one, else ``checkpoints`` in the course's folder.

    Examples
    --------
    >>> os.environ["COURSE_CHECKPOINTS"] = ""
    >>> folder() is None
    True
    """
    chosen = os.environ.get("COURSE_CHECKPOINTS")
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    if runtime.device() == "cpu":
        return None
    return DRIVE / "checkpoints" if DRIVE.is_dir() else runtime.course_folder() / "checkpoints"


class Checkpoint:
    """All that a training changes, and the file in which it is kept.

    Give it to a `live.LiveView`, which restores it at the beginning, keeps it every minute, when
    the training is interrupted and when it ends. The file's name holds a fingerprint of the
    shapes, the optimisers' settings and all numbers and texts among the parts: with other
    settings another file is written, and none is lost.

    Parameters
    ----------
    name
        Of the training, such as "02_dcgan_pytorch".
    into
        The folder; by default what `folder` returns. Where that is None, nothing is kept.
    every
        Seconds between two writings.
    parts
        Whatever the training changes: PyTorch modules, optimisers and schedulers; Keras models
        (with the optimiser they are compiled with) and optimisers; NumPy generators; tuples,
        lists and dicts of these. PyTorch's own generators are kept too. And, as they are, numbers
        and texts that make it another training, such as the seed or the name of the data.

    Attributes
    ----------
    path : pathlib.Path or None
        The file.

    Raises
    ------
    TypeError
        If a part is nothing of this.

    Examples
    --------
    ::

        checkpoint = Checkpoint("gan", networks=(generator, discriminator), optimizers=optimizers)
        with LiveView(total=steps, checkpoint=checkpoint) as view:
            train(steps - view.step)
    """

    def __init__(
        self, name: str, *, into: str | Path | None = None, every: float = 60.0, **parts: Any
    ) -> None:
        self.every = every
        self._parts = dict(flatten(parts))
        digest = hashlib.sha256(json.dumps(self._describe(), sort_keys=True).encode()).hexdigest()
        where = folder() if into is None else Path(into)
        self.path = where and where / f"{name}-{digest[:8]}.safetensors"

    def _describe(self) -> dict[str, Any]:
        """What makes this training another one: settings, and shapes instead of values."""
        described = {}
        for path, part in self._parts.items():
            arrays: dict[str, np.ndarray] = {}
            notes = None if isinstance(part, np.random.Generator) else pack(take(part), arrays)
            shapes = {key: [list(array.shape), str(array.dtype)] for key, array in arrays.items()}
            described[path] = [notes, settings(part), shapes]
        return described

    def save(self, state: Mapping[str, Any]) -> None:
        """Write all parts, and `state` (numbers, texts, arrays and dicts, lists of them).

        The file is replaced in one piece: a kill in the middle of writing leaves the former one.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self.path is None:
            return
        arrays: dict[str, np.ndarray] = {}
        kept = {path: take(part) for path, part in self._parts.items()}
        notes = {"state": state, "parts": kept, "random": torch_random()}
        text = json.dumps(pack(notes, arrays))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with open(fresh, "wb") as file:
                file.write(to_bytes(arrays, {"notes": text}))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """Restore all parts and return the state, or return None where nothing is kept.

        A file that cannot be read is put aside, under a name that ends in ".damaged", with a line
        that says so. Parts are changed only when all of it has been read.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                notes = unpack(json.loads(file.metadata()["notes"]), arrays)
            state, kept = notes["state"], notes["parts"]
            found = [(part, kept[path]) for path, part in self._parts.items()]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            aside = self.path.with_suffix(".damaged")
            os.replace(self.path, aside)
            print(f"The checkpoint cannot be read ({error}). It is now {aside}; starting afresh.")
            return None
        for part, values in found:
            give(part, values)
        torch_random(notes["random"])
        return state

    def when(self) -> str:
        """Return the time of the last writing, such as "2026-11-23 19:04"."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.path.stat().st_mtime))

    def clear(self) -> None:
        """Remove the file, so that the next training starts afresh."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def flatten(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single parts of nested dicts, lists and tuples, each with its path."""
    if isinstance(part, Mapping):
        inner = part.items()
    elif isinstance(part, list | tuple):
        inner = enumerate(part)
    else:
        yield path, part
        return
    for key, value in inner:
        yield from flatten(value, f"{path}/{key}".lstrip("/"))


# ------------------------------------------------------------------ one part


def take(part: Any) -> Any:
    """Return a part's values: numbers, texts and arrays in dicts and lists."""
    if part is None or isinstance(part, str | int | float):
        return part
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    if hasattr(part, "load_state_dict"):
        return part.state_dict()
    if hasattr(part, "variables"):
        return [sys.modules["keras"].ops.convert_to_numpy(v) for v in keras_variables(part)]
    raise TypeError(
        f"A checkpoint cannot keep {type(part).__name__}: give PyTorch modules, optimisers and "
        "schedulers, Keras models and optimisers, NumPy generators, numbers and texts."
    )


def give(part: Any, values: Any) -> None:
    """Give a part the values that `take` returned."""
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = values
    elif hasattr(part, "load_state_dict"):
        from torch import as_tensor
        from torch.utils._pytree import tree_map

        part.load_state_dict(
            tree_map(lambda v: as_tensor(v) if isinstance(v, np.ndarray) else v, values)
        )
    elif hasattr(part, "variables"):
        for variable, value in zip(keras_variables(part), values, strict=True):
            variable.assign(value)


def settings(part: Any) -> Any:
    """Return what no array holds of a part: a Keras optimiser's settings."""
    optimizer = getattr(part, "optimizer", part)
    if not hasattr(part, "variables") or not hasattr(optimizer, "learning_rate"):
        return None
    config = optimizer.get_config()
    config.pop("name")  # Keras counts: adam, adam_1
    return json.loads(json.dumps(config, default=str))


def keras_variables(part: Any) -> list:
    """Return a model's variables with its optimiser's, or an optimiser's."""
    passing = {id(variable) for variable in getattr(part, "metrics_variables", ())}
    found = [variable for variable in part.variables if id(variable) not in passing]
    if (optimizer := getattr(part, "optimizer", None)) is not None:
        if not optimizer.built:
            optimizer.build(part.trainable_variables)
        found += optimizer.variables
    return found


def torch_random(states: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the states of PyTorch's generators; first set them, if some are given."""
    if (torch := sys.modules.get("torch")) is None:
        return {}
    if states:
        torch.set_rng_state(torch.as_tensor(states["cpu"]))
        with contextlib.suppress(RuntimeError, IndexError):  # another machine, fewer GPUs
            torch.cuda.set_rng_state_all([torch.as_tensor(state) for state in states["cuda"]])
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


# ------------------------------------------------------------------ arrays apart, JSON apart


def pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Put a value's arrays and tensors into `arrays`; return the rest as JSON knows it."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        key = str(len(arrays))
        arrays[key] = np.array(value, order="C")  # a copy, and 0-d stays 0-d
        return {"array": key}
    if isinstance(value, Mapping):  # JSON's keys are texts; an optimiser's are numbers
        return {"dict": [[pack(k, arrays), pack(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [pack(one, arrays) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"A checkpoint cannot keep {value!r} ({type(value).__name__}).")


def unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Undo `pack`."""
    if isinstance(value, list):
        return [unpack(one, arrays) for one in value]
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {unpack(k, arrays): unpack(v, arrays) for k, v in value["dict"]}
    return value
