"""Tell whether a lesson's two tracks are one model: copy weights from PyTorch to Keras, compare.

Everything is computed in 64 bits on the CPU. Rounding is then far below any difference that means
something; in 32 bits it alone turns the sign of the smallest gradients, and Adam's first step with
them. Keras's backend is TensorFlow, or what KERAS_BACKEND names.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import nbformat
import numpy as np
import torch
from keras.src.backend.common import dtypes

from course_utils import runtime

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BATCH = 16
Namespace = dict[str, Any]


@contextmanager
def double_precision() -> Iterator[None]:
    """Let both frameworks compute in 64 bits on the CPU."""
    floats = keras.config.floatx(), keras.config.dtype_policy()
    # Except on TensorFlow, Keras rounds 64 bits to 32; only this private table can forbid it.
    wide = mock.patch.dict(dtypes.BIT64_TO_BIT32_DTYPE, float64="float64")
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        with wide, keras.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
        keras.config.set_floatx(floats[0])
        keras.config.set_dtype_policy(floats[1])


# ------------------------------------------------------------------ what the lessons define


def model_code(lesson: str, track: str) -> str:
    """Return the code of the cells tagged `model` in a committed notebook."""
    path = NOTEBOOKS / lesson / f"{lesson}_{track}.ipynb"
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not there; build it: python tools/build.py")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if "model" in c.metadata.get("tags", []))


def generators(lesson: str) -> list[str]:
    """Name the functions of a lesson that build a generator, the same in both tracks."""
    pytorch, keras_ = (
        re.findall(r"^def (build_\w*generator)\(", model_code(lesson, track), re.MULTILINE)
        for track in ("pytorch", "keras")
    )
    if not pytorch or pytorch != keras_:
        raise LookupError(
            f"{lesson}: the cells tagged model build {pytorch} in PyTorch and {keras_} in Keras; "
            "expected the same names, build_generator or build_…_generator, one at least."
        )
    return pytorch


def load(lesson: str, track: str, changes: dict[str, str] | None = None) -> Namespace:
    """Execute a notebook's cells tagged `model`; `changes` is what to replace in them before."""
    code = model_code(lesson, track)
    for old, new in (changes or {}).items():
        if old not in code:
            raise LookupError(f'"{old}" stands in no cell tagged model of {lesson}_{track}.')
        code = code.replace(old, new)
    namespace: Namespace = {"__name__": f"{lesson}_{track}"}
    with mock.patch.object(runtime, "device", lambda: "cpu"):
        exec(compile(code, f"{lesson}_{track}", "exec"), namespace)
    return namespace


# ------------------------------------------------------------------ which array is which

VARIABLES = {"weight": "kernel", "bias": "bias"}
STATISTICS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
NORM = {"weight": "gamma", "bias": "beta", **STATISTICS}
# For each known pair of layers: PyTorch's names of the arrays, and Keras's.
KNOWN = {
    ("Linear", "Dense"): VARIABLES,
    ("Conv2d", "Conv2D"): VARIABLES,
    ("ConvTranspose2d", "Conv2DTranspose"): VARIABLES,
    ("Embedding", "Embedding"): {"weight": "embeddings"},
    ("BatchNorm1d", "BatchNormalization"): NORM,
    ("BatchNorm2d", "BatchNormalization"): NORM,
}
# PyTorch's (out, in, height, width) is Keras's (height, width, in, out). For a transposed
# convolution "in" and "out" change places in both.
AXES = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}


class Mismatch(Exception):
    """Two networks whose arrays do not belong together."""


@dataclass(frozen=True, eq=False)
class Twin:
    """One array of weights or statistics that both networks hold."""

    name: str
    tensor: torch.Tensor
    variable: keras.Variable
    axes: tuple[int, ...]
    units_in: np.ndarray | None  # PyTorch's unit for each of Keras's units
    units_out: np.ndarray | None

    def to_keras(self, values: torch.Tensor) -> np.ndarray:
        """Bring this tensor, or its gradient, into the layout of Keras, as a copy."""
        array = values.detach().numpy().transpose(self.axes).copy()  # JAX keeps what it is given
        array = array if self.units_in is None else array[self.units_in]
        return array if self.units_out is None else array[..., self.units_out]


@dataclass
class Row:
    """A Keras layer with weights, and how its units are ordered where they are pixels of a map."""

    layer: keras.Layer
    units_in: np.ndarray | None
    units_out: np.ndarray | None


def keras_rows(network: keras.Model) -> list[Row]:
    """List the layers with weights, in order.

    A flattened map has its channels last in Keras and first in PyTorch. So the units of a Dense
    that follows a Flatten, or that comes before a Reshape, stand in another order.
    """

    def flat(model: keras.Model) -> Iterator[keras.Layer]:
        for layer in model.layers:
            yield from flat(layer) if isinstance(layer, keras.Model) else [layer]

    rows: list[Row] = []
    units = None
    for layer in flat(network):
        if isinstance(layer, keras.layers.Flatten | keras.layers.Reshape):
            before, after = layer.input.shape[1:], layer.output.shape[1:]
            if len(before) == 3 and len(after) == 1:
                units = pytorch_units(*before)
            elif len(before) == 1 and len(after) == 3:
                for row in reversed(rows):
                    row.units_out = pytorch_units(*after)
                    if not isinstance(row.layer, keras.layers.BatchNormalization):
                        break  # this layer has made the units
        if layer.weights:
            if isinstance(layer, keras.layers.BatchNormalization):
                rows.append(Row(layer, None, units))
            else:
                rows.append(Row(layer, units, None))
                units = None
    return rows


def pytorch_units(height: int, width: int, channels: int) -> np.ndarray:
    """Return, for each unit of a map that Keras flattened, its number in PyTorch."""
    units = np.arange(channels * height * width)
    return units.reshape(channels, height, width).transpose(1, 2, 0).ravel()


def twins(pytorch_network: torch.nn.Module, keras_network: keras.Model) -> list[Twin]:
    """Walk both networks in order, and pair their arrays."""
    layers = [
        layer
        for layer in pytorch_network.modules()
        if [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
    ]
    found = []
    for number, (layer, row) in enumerate(zip_longest(layers, keras_rows(keras_network)), 1):
        other = row and row.layer
        pair = tuple("nothing" if one is None else type(one).__name__ for one in (layer, other))
        where = f"layer {number} with weights, {pair[0]} in PyTorch and {pair[1]} in Keras"
        if pair not in KNOWN:
            raise Mismatch(
                f"{where}: not a known pair. Make the networks equal, or add it to KNOWN in "
                f"{Path(__file__).name}."
            )
        if KNOWN[pair] is NORM:
            check_norm(where, layer, other)
        for ours, theirs in KNOWN[pair].items():
            tensor, variable = getattr(layer, ours), getattr(other, theirs)
            if tensor is None and variable is None:
                continue
            if tensor is None or variable is None:
                missing = "PyTorch" if tensor is None else "Keras"
                raise Mismatch(f"{where}: {ours}/{theirs} is missing in {missing}.")
            axes = (0, 1) if "Embedding" in pair else AXES[tensor.ndim]
            units_in = row.units_in if theirs == "kernel" else None
            expected = tuple(tensor.shape[axis] for axis in axes)
            ordered = ((units_in, 0), (row.units_out, -1))
            if expected != tuple(variable.shape) or any(
                units is not None and len(units) != expected[axis] for units, axis in ordered
            ):
                raise Mismatch(
                    f"{where}: {ours} has the shape {tuple(tensor.shape)}, {theirs} "
                    f"{tuple(variable.shape)}, and a flattened map comes before or after it with "
                    f"{[0 if units is None else len(units) for units, _ in ordered]} units."
                )
            name = f"{number} {pair[1]}.{theirs}"
            found.append(Twin(name, tensor, variable, axes, units_in, row.units_out))
    return found


def check_norm(where: str, layer: torch.nn.Module, other: keras.Layer) -> None:
    """Refuse two batch norms with different settings."""
    momentum = None if layer.momentum is None else 1 - layer.momentum
    if layer.eps != other.epsilon or momentum is None or not np.isclose(momentum, other.momentum):
        raise Mismatch(
            f"{where}: PyTorch has eps={layer.eps}, momentum={layer.momentum} (in Keras's sense "
            f"{momentum}), Keras epsilon={other.epsilon}, momentum={other.momentum}."
        )


def couple(pytorch_network: torch.nn.Module, keras_network: keras.Model) -> list[Twin]:
    """Pair two networks' arrays, move each a little from its start, and copy it to Keras.

    Moved, because zeros and ones look the same in any order and at any place.
    """
    pairs = twins(pytorch_network, keras_network)
    with torch.no_grad():
        for twin in pairs:
            twin.tensor.add_(0.2 * torch.rand(twin.tensor.shape) - 0.1)
            twin.variable.assign(twin.to_keras(twin.tensor))
    return pairs


def difference(ours: np.ndarray, theirs: Any) -> float:
    """Return the norm of the difference, relative to the norm."""
    theirs = keras.ops.convert_to_numpy(theirs)
    if ours.shape != theirs.shape:
        return np.inf
    return float(np.linalg.norm(ours - theirs) / max(np.linalg.norm(ours), 1e-12))


def to_pytorch(images: np.ndarray) -> torch.Tensor:
    """Turn an array into a tensor, and maps (n, height, width, channels) into channels first."""
    return torch.tensor(np.moveaxis(images, -1, 1) if images.ndim == 4 else images)


def to_numpy(images: torch.Tensor) -> np.ndarray:
    """Turn a tensor into an array, and maps (n, channels, height, width) into channels last."""
    array = images.detach().numpy()
    return np.moveaxis(array, 1, -1) if images.ndim == 4 else array


# ------------------------------------------------------------------ one game, played twice


@dataclass
class Game:
    """A lesson's generator and discriminator in both tracks, with equal weights.

    Beside the functions that build them, the lesson's cells tagged `model` define:
    `discriminator_loss(real_logits, fake_logits)` and `generator_loss(fake_logits)`; in PyTorch
    `train_step(real, latent, generator, discriminator, optimizers)`, in which both networks move
    at once, and `adam(network)`; in Keras `GAN(generator, discriminator)`, which draws latents
    with its method `draw_latent(n)`, and `adam()`.
    """

    pytorch: Namespace
    keras: Namespace
    build: str  # "build_generator", or "build_…_generator"
    networks: dict[str, tuple[torch.nn.Module, keras.Model]] = field(init=False)
    twins: dict[str, list[Twin]] = field(init=False)
    latent: np.ndarray = field(init=False)
    real: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.networks = {
            role: tuple(track[self.build.replace("generator", role)]() for track in self.tracks)
            for role in ("generator", "discriminator")
        }
        self.twins = {role: couple(*networks) for role, networks in self.networks.items()}
        rng = np.random.default_rng(0)
        self.latent, self.real = (
            rng.normal(size=(BATCH, *networks[1].inputs[0].shape[1:]))
            for networks in self.networks.values()
        )

    @property
    def tracks(self) -> tuple[Namespace, Namespace]:
        return self.pytorch, self.keras

    def anew(self) -> Game:
        """Return the same game before its first step."""
        return Game(self.pytorch, self.keras, self.build)

    # Each of the following returns relative differences, by what was compared.

    def outputs(self, training: bool) -> dict[str, float]:
        found = {}
        for (role, networks), batch in zip(
            self.networks.items(), (self.latent, self.real), strict=True
        ):
            ours = networks[0].train(training)(to_pytorch(batch))
            theirs = networks[1](keras.ops.convert_to_tensor(batch), training=training)
            found[f"output of the {role}"] = difference(to_numpy(ours), theirs)
        return found

    def losses(self) -> dict[str, float]:
        """Compare every function of logits whose name ends in `_loss`, on the same logits."""
        found = {}
        for name, ours in self.pytorch.items():
            if not name.endswith("_loss") or not callable(ours):
                continue
            arguments = list(inspect.signature(ours).parameters)
            if all(argument.endswith("_logits") for argument in arguments):
                logits = 3 * np.random.default_rng(0).normal(size=(len(arguments), BATCH, 1))
                theirs = self.keras[name](*map(keras.ops.convert_to_tensor, logits))
                found[name] = difference(ours(*map(torch.tensor, logits)).numpy(), theirs)
        return found

    def gradients(self) -> dict[str, float]:
        """Compare what moves each network with the gradient of its own loss alone.

        A step of plain descent with rate 1 moves each weight by its gradient, in either track's
        own training step. If a loss moved the other's network too, the sum would show it.
        """
        (generator, _), (discriminator, _) = self.networks.values()
        fake_logits = discriminator(generator(to_pytorch(self.latent)))
        losses = {
            "generator": self.pytorch["generator_loss"](fake_logits),
            "discriminator": self.pytorch["discriminator_loss"](
                discriminator(to_pytorch(self.real)), fake_logits
            ),
        }
        right = {
            f"{role}'s {twin.name}": twin.to_keras(
                torch.autograd.grad(losses[role], twin.tensor, retain_graph=True)[0]
            )
            for role, pairs in self.twins.items()
            for twin in pairs
            if twin.tensor.requires_grad
        }
        moved = self.anew().play(
            lambda network: torch.optim.SGD(network.parameters(), lr=1.0),
            keras.optimizers.SGD(1.0),
        )
        return {
            f"gradient of the {name} in {track}": difference(gradient, -moved[name][which])
            for name, gradient in right.items()
            for which, track in enumerate(("PyTorch", "Keras"))
        }

    def steps(self, count: int) -> dict[str, float]:
        """Compare how far `count` steps with the lesson's own optimiser move each array."""
        moved = self.anew().play(self.pytorch["adam"], self.keras["adam"](), count)
        return {
            f"step {count} of the {name}": difference(ours, theirs)
            for name, (ours, theirs) in moved.items()
        }

    def play(
        self,
        pytorch_optimizer: Callable[[torch.nn.Module], torch.optim.Optimizer],
        keras_optimizer: keras.optimizers.Optimizer,
        count: int = 1,
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Take training steps in both tracks; return how far each array moved, in each."""
        arrays = {
            f"{role}'s {twin.name}": twin
            for role, pairs in self.twins.items()
            for twin in pairs
            if twin.tensor.requires_grad or "variance" not in twin.name  # PyTorch's is unbiased
        }
        start = {name: twin.to_keras(twin.tensor) for name, twin in arrays.items()}

        networks = [ours for ours, _ in self.networks.values()]
        optimizers = [pytorch_optimizer(network) for network in networks]
        batch = to_pytorch(self.real), to_pytorch(self.latent)
        for _ in range(count):
            self.pytorch["train_step"](*batch, *networks, optimizers)

        gan = self.keras["GAN"](*(theirs for _, theirs in self.networks.values()))
        gan.draw_latent = lambda n: keras.ops.convert_to_tensor(self.latent)
        gan.compile(optimizer=keras_optimizer, run_eagerly=True)
        epsilon = getattr(keras_optimizer, "epsilon", None)
        for step in range(1, count + 1):
            if epsilon is not None:
                # Keras adds Adam's epsilon before it corrects the bias of the second moment,
                # PyTorch after (Kingma & Ba 2015, end of section 2: two forms of one algorithm).
                keras_optimizer.epsilon = epsilon * (1 - keras_optimizer.beta_2**step) ** 0.5
            gan.train_on_batch(self.real)
        return {
            name: (
                twin.to_keras(twin.tensor) - start[name],
                keras.ops.convert_to_numpy(twin.variable) - start[name],
            )
            for name, twin in arrays.items()
        }

    def everything(self) -> dict[str, float]:
        inference = {f"{name}, inference": x for name, x in self.anew().outputs(False).items()}
        return {
            **self.anew().outputs(True),
            **inference,
            **self.losses(),
            **self.gradients(),
            **self.steps(1),
            **self.steps(5),
        }
