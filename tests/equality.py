"""Tell whether a lesson's two tracks are one model: copy weights from PyTorch to Keras, compare.

A lesson joins by itself: `models` finds its builders and the classes in Keras that train what they
build. A builder is build_generator, build_encoder or build_discriminator, or has a word between,
build_ring_generator. The cells tagged `model` define, in both tracks with the same names:

- Networks, by builders which need no arguments. A network with labels takes two inputs:
  generator(latent, labels) in PyTorch, a functional model with the inputs [latent, labels] in
  Keras; labels are whole numbers, at least CLASSES different ones. A network with captions takes
  rows of tokens instead. An encoder returns (mean, log_var), all others but a generator of images
  logits. Text is rows of tokens, each of which ends at its first 0; a generator takes the tokens
  before each place, and a discriminator one-hot vectors.
- Their losses. More arguments have defaults. All other functions of the same arguments, or of the
  arrays below, with or without the networks, are compared too.
- A training step, in PyTorch a function, in Keras a class:

  train_step         GAN(generator, discriminator)        of real, labels or tokens; draws latent
  train_step         VAE(encoder, decoder)                of images, labels; draws noise
  train_step         Writer(generator)                    of tokens, labels, weights
  gumbel_train_step  GumbelGAN(generator, discriminator)  of tokens, labels; draws noise
  discriminator_step Judge(discriminator)                 of real, fake, labels

  Only networks with labels or tokens need them. The class is trained on a tuple of what stands
  behind "of" and draws the rest with its method draw_latent(n) or draw_noise(n). The function is
  called by the names of its arguments. It may ask for these arrays, the networks, `average`, and
  either `optimizers`, one for each network, or one `optimizer`; all others have defaults and keep
  them. `adam(network)` makes one of `optimizers`, `adam(encoder, decoder)` makes the one
  `optimizer`, and `adam()` Keras's.

If build_ring_generator needs other ones, ring_train_step and RingGAN are taken where they exist;
where build_ring_discriminator does not, build_discriminator is.

In one step of a game, the discriminator judges real images or texts first, then fakes, each in one
call, and both networks move at once: it by `discriminator_loss(real_logits, fake_logits)`, the
generator by `generator_loss(fake_logits)`. In the Gumbel game, the fakes are
`rollout(generator, labels, noise)`, and the real ones the tokens as one-hot vectors. A VAE's loss
is `reconstruction_loss(images, logits)` plus `kl_divergence(mean, log_var)` times train_step's
`beta`, if it has one. A writer's is `likelihood_loss(logits, tokens, weights)`, after it was given
`shifted(tokens)`.

Where the GAN in Keras has an `average` of the generator, train_step takes one: what
`build_average(generator)` returns, or else a deep copy. Both tracks update it at the beginning of
the step, before the weights move: Keras in `compute_loss`.

Layers are paired first by name, where both tracks give the same, then by kind and size, in their
order. A pair of layers that KNOWN does not list pairs if the classes have the same name, and then
its arrays do by their names, without transposition. So do further arrays of a subclass of a known
layer, such as the vector `u` of a spectral normalisation. A parameter that PyTorch does not train
and Keras does not have is left out, such as the LSTM's second bias, held at zero.

Everything is computed in 64 bits on the CPU. Rounding is then far below any difference that means
something; in 32 bits it alone turns the sign of the smallest gradients, and Adam's first step with
them. Keras's backend is TensorFlow, or what KERAS_BACKEND names.
"""

from __future__ import annotations

import copy
import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar
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
CLASSES = 4  # the labels are 0 to 3
CONDITIONS = "labels", "tokens"  # a number for each sample, or a row of them
Namespace = dict[str, Any]


@contextmanager
def same_arithmetic() -> Iterator[None]:
    """Let both frameworks compute in 64 bits on the CPU, and batch norm keep equal statistics."""
    floats = keras.config.floatx(), keras.config.dtype_policy()
    # Except on TensorFlow, Keras rounds 64 bits to 32; only this private table can forbid it.
    wide = mock.patch.dict(dtypes.BIT64_TO_BIT32_DTYPE, float64="float64")
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    norm = mock.patch.object(torch.nn.functional, "batch_norm", biased_batch_norm)
    try:
        with wide, norm, keras.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
        keras.config.set_floatx(floats[0])
        keras.config.set_dtype_policy(floats[1])


TORCH_BATCH_NORM = torch.nn.functional.batch_norm


def biased_batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Normalise as PyTorch does; keep the variance that Keras keeps, divided by n, not n - 1."""
    kept = None if running_var is None else running_var * (1 - momentum)
    y = TORCH_BATCH_NORM(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if training and kept is not None:
        count = x.numel() / x.shape[1]
        running_var.data.copy_(kept + (running_var - kept) * (count - 1) / count)
    return y


# ------------------------------------------------------------------ what the lessons define


def model_code(lesson: str, track: str) -> str:
    """Return the code of the cells tagged `model` in a committed notebook."""
    path = NOTEBOOKS / lesson / f"{lesson}_{track}.ipynb"
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not there; build it: python tools/build.py")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if "model" in c.metadata.get("tags", []))


def builders(lesson: str) -> list[str]:
    """Name the functions of a lesson that build a model's first network, in both tracks."""
    pytorch, keras_ = (
        re.findall(
            r"^def (build_\w*(?:generator|encoder|discriminator))\(",
            model_code(lesson, track),
            re.MULTILINE,
        )
        for track in ("pytorch", "keras")
    )
    if pytorch != keras_:
        raise LookupError(
            f"{lesson}: the cells tagged model build {pytorch} in PyTorch and {keras_} in Keras; "
            "expected the same names, such as build_generator or build_…_encoder."
        )
    return pytorch


def containers(code: str, build: str) -> list[str]:
    """Name those of KINDS that this code in Keras trains what this builder builds with."""
    found = [
        name
        for name, kind in KINDS.items()
        if build.endswith(next(iter(kind.takes)))
        and any(f"class {one}(" in code for one in own_names(build, f"{{}}{name}"))
    ]
    if not found and not build.endswith("discriminator"):  # a discriminator has its generator's
        raise LookupError(f"No cell tagged model in Keras defines a class that trains {build}.")
    return found


def models() -> list[tuple[str, str, str]]:
    """Return, of each lesson that has been built, builders with classes that train what they build.

    Each builder stands with one class at least, and each class with one builder.
    """
    found = []
    for lesson in sorted(path.parent.name for path in NOTEBOOKS.glob("*/*_keras.ipynb")):
        code, seen = model_code(lesson, "keras"), set()
        for build in builders(lesson):
            for container in containers(code, build):
                if not {build, container} <= seen:
                    found.append((lesson, build, container))
                seen |= {build, container}
    return found


def load(lesson: str, track: str, changes: dict[str, str] | None = None) -> Namespace:
    """Execute a notebook's cells tagged `model`; `changes` is what to replace in them before."""
    return execute(model_code(lesson, track), f"{lesson}_{track}", changes)


def execute(code: str, name: str, changes: dict[str, str] | None = None) -> Namespace:
    """Execute a track's code, and return all that it defines."""
    for old, new in (changes or {}).items():
        if old not in code:
            raise LookupError(f'"{old}" stands in no cell tagged model of {name}.')
        code = code.replace(old, new)
    namespace: Namespace = {"__name__": name}
    with mock.patch.object(runtime, "device", lambda: "cpu"):
        exec(compile(code, name, "exec"), namespace)
    return namespace


def pick(namespace: Namespace, *names: str) -> Any:
    """Return what the first of these names that is defined stands for."""
    for name in names:
        if name in namespace:
            return namespace[name]
    raise LookupError(f"{namespace['__name__']}: no cell tagged model defines {names[-1]}.")


# ------------------------------------------------------------------ which array is which

VARIABLES = {"weight": "kernel", "bias": "bias"}
STATISTICS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
NORM = {"weight": "gamma", "bias": "beta", **STATISTICS}
# For each known pair of layers, or of bases of layers: PyTorch's names of the arrays, and Keras's.
KNOWN = {
    ("Linear", "Dense"): VARIABLES,
    ("Conv1d", "Conv1D"): VARIABLES,
    ("Conv2d", "Conv2D"): VARIABLES,
    ("ConvTranspose2d", "Conv2DTranspose"): VARIABLES,
    ("Embedding", "Embedding"): {"weight": "embeddings"},
    ("BatchNorm1d", "BatchNormalization"): NORM,
    ("BatchNorm2d", "BatchNormalization"): NORM,
    ("LayerNorm", "LayerNormalization"): {"weight": "gamma", "bias": "beta"},
    ("LSTM", "LSTMCell"): {
        "weight_ih_l0": "kernel",
        "weight_hh_l0": "recurrent_kernel",
        "bias_ih_l0": "bias",
    },
}
# PyTorch's kernel (out, in, height, width) is Keras's (height, width, in, out). For a transposed
# convolution "in" and "out" change places in both.
AXES = {2: (1, 0), 3: (2, 1, 0), 4: (2, 3, 1, 0)}


class Mismatch(Exception):
    """Two networks whose arrays do not belong together."""


@dataclass(frozen=True, eq=False)
class Twin:
    """One array of weights or statistics that both networks hold."""

    name: str
    module: torch.nn.Module
    tensor_name: str
    variable: keras.Variable
    axes: tuple[int, ...]
    units_in: np.ndarray | None  # PyTorch's unit for each of Keras's units
    units_out: np.ndarray | None

    @property
    def tensor(self) -> torch.Tensor:
        """PyTorch's array; a module may have put another one in the place of the first."""
        return getattr(self.module, self.tensor_name)

    def to_keras(self, values: torch.Tensor) -> np.ndarray:
        """Bring this tensor, or its gradient, into the layout of Keras, as a copy."""
        array = values.detach().numpy().transpose(self.axes).copy()  # JAX keeps what it is given
        array = array if self.units_in is None else array[..., self.units_in, :]
        return array if self.units_out is None else array[..., self.units_out]


@dataclass(eq=False)
class Row:
    """A Keras layer with weights, and how its units are ordered where they are pixels of a map."""

    layer: keras.Layer
    units_in: np.ndarray | None = None
    units_out: np.ndarray | None = None


@dataclass
class Values:
    """What flows from layer to layer: one sample's shape, the order of its units, who made them."""

    shape: tuple[int, ...]
    units: np.ndarray | None = None
    makers: list[Row] = field(default_factory=list)


def keras_rows(network: keras.Model) -> list[Row]:
    """List the layers with weights, in the order in which the network calls them.

    A flattened map has its channels last in Keras and first in PyTorch. So the units of a Dense
    that follows a Flatten, or that comes before a Reshape, stand in another order; and so do those
    of a layer whose output meets a flattened map, in a product or a sum.
    """
    rows: dict[int, Row] = {}

    def within(layer: Any) -> list[Row]:
        """Return the rows of a layer and of those inside it, each for weights of its own."""
        own = [rows.setdefault(id(layer), Row(layer))] if own_variables(layer) else []
        return own + [row for inner in inner_layers(layer) for row in within(inner)]

    def follow(operation: Any) -> Callable[..., Any]:
        graph = getattr(operation, "_functional", operation)  # a Sequential's
        if hasattr(graph, "_run_through_graph"):
            return lambda *inputs, **_: graph._run_through_graph(inputs, operation_fn=follow)
        return partial(call, operation)

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        given = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, Values)]
        made = within(operation) if isinstance(operation, keras.Layer) else []
        results = keras.tree.map_structure(lambda x: Values(one_sample(x.shape)), operation.output)
        if isinstance(results, Values) and given:
            order(operation, given, made, results)
        return results

    def order(operation: Any, given: list[Values], made: list[Row], result: Values) -> None:
        before, after = given[0].shape, result.shape
        if isinstance(operation, keras.layers.BatchNormalization):
            made[0].units_out = result.units = given[0].units
            result.makers = given[0].makers + made
        elif made:
            made[0].units_in, result.makers = given[0].units, made[-1:]
        elif type(operation).__name__ == "Concatenate" and len(after) == 1:
            starts = np.cumsum([0, *(math.prod(x.shape) for x in given)])
            result.units = np.concatenate(
                [
                    start + (np.arange(math.prod(x.shape)) if x.units is None else x.units)
                    for start, x in zip(starts, given, strict=False)
                ]
            )
        elif type(operation).__name__ in ("Flatten", "Reshape") and len(before) == 3 > len(after):
            result.units = pytorch_units(*before)
        elif type(operation).__name__ == "Reshape" and len(before) == 1 and len(after) == 3:
            for row in given[0].makers:
                row.units_out = pytorch_units(*after)
        else:  # unit by unit: an activation, a sum, a product
            equal = [x for x in given if math.prod(x.shape) == math.prod(before)]
            units = next((x.units for x in equal if x.units is not None), None)
            for row in (row for x in equal if x.units is None for row in x.makers):
                row.units_out = row.units_out if units is None else units
            if math.prod(after) == math.prod(before):
                result.units, result.makers = units, [row for x in equal for row in x.makers]

    if hasattr(getattr(network, "_functional", network), "_run_through_graph"):
        follow(network)(*(Values(one_sample(x.shape)) for x in network.inputs))
    return list({id(row): row for row in [*rows.values(), *within(network)]}.values())


def inner_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Return the layers right inside a model or a layer."""
    if isinstance(layer, keras.Model):
        return layer.layers
    return list(layer._flatten_layers(include_self=False, recursive=False))


def own_variables(layer: keras.Layer) -> dict[str, keras.Variable]:
    """Return a layer's weights that are not those of a layer inside it, by name."""
    inner = {id(weight) for one in inner_layers(layer) for weight in one.weights}
    return {weight.name: weight for weight in layer.weights if id(weight) not in inner}


def own_tensors(layer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's parameters and statistics, without those of a module inside it, by name."""
    named = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}


def largest(arrays: dict[str, Any]) -> int:
    """Return the size of the largest of these arrays."""
    return max(math.prod(array.shape) for array in arrays.values())


def pytorch_units(height: int, width: int, channels: int) -> np.ndarray:
    """Return, for each unit of a map that Keras flattened, its number in PyTorch."""
    units = np.arange(channels * height * width)
    return units.reshape(channels, height, width).transpose(1, 2, 0).ravel()


def known_arrays(layer: torch.nn.Module, other: keras.Layer) -> dict[str, str] | None:
    """Return which arrays of these two belong together, {} for those of equal names, or None."""
    for ours in type(layer).__mro__:
        for theirs in type(other).__mro__:
            if (ours.__name__, theirs.__name__) in KNOWN:
                return KNOWN[ours.__name__, theirs.__name__]
    return {} if type(layer).__name__ == type(other).__name__ else None


def pair_layers(
    pytorch_network: torch.nn.Module, keras_network: keras.Model
) -> list[tuple[torch.nn.Module, Row]]:
    """Pair the layers with weights: by name, then by kind and size, then by kind alone, in order.

    A wrong pair of right shapes can do no harm: the outputs then differ.
    """
    ours = {name: one for name, one in pytorch_network.named_modules() if own_tensors(one)}
    rows = keras_rows(keras_network)
    found: dict[str, Row] = {}
    for by_name, by_size in ((True, False), (False, True), (False, False)):
        for name, layer in ours.items():
            fits = (
                row
                for row in rows
                if name not in found
                and row not in found.values()
                and known_arrays(layer, row.layer) is not None
                and (not by_name or row.layer.name == name.rpartition(".")[2])
                and (
                    not by_size or largest(own_tensors(layer)) == largest(own_variables(row.layer))
                )
            )
            for row in fits:
                found[name] = row
                break
    alone = (
        [(number, one) for number, (name, one) in enumerate(ours.items(), 1) if name not in found],
        [(number, row.layer) for number, row in enumerate(rows, 1) if row not in found.values()],
    )
    for lonely in zip_longest(*alone):
        where = [
            "nothing" if one is None else f"layer {one[0]} with weights, {type(one[1]).__name__},"
            for one in lonely
        ]
        raise Mismatch(
            f"{where[0]} in PyTorch and {where[1]} in Keras: not a known pair. Make the networks "
            f"equal, give both classes one name, or add the pair to KNOWN in {Path(__file__).name}."
        )
    return [(layer, found[name]) for name, layer in ours.items()]


def twins(pytorch_network: torch.nn.Module, keras_network: keras.Model) -> list[Twin]:
    """Pair the arrays of two networks."""
    found = []
    for number, (layer, row) in enumerate(pair_layers(pytorch_network, keras_network), 1):
        known = known_arrays(layer, row.layer)
        kinds = type(layer).__name__, type(row.layer).__name__
        where = f"layer {number} with weights, {kinds[0]} in PyTorch and {kinds[1]} in Keras"
        if known is NORM:
            check_norm(where, layer, row.layer)
        tensors, variables = own_tensors(layer), own_variables(row.layer)
        others = {*tensors, *variables} - {*known, *known.values()}
        for ours, theirs in [*known.items(), *((name, name) for name in sorted(others))]:
            tensor, variable = tensors.get(ours), variables.get(theirs)
            if variable is None and (tensor is None or held(tensor)):
                continue
            if tensor is None or variable is None:
                missing = "PyTorch" if tensor is None else "Keras"
                raise Mismatch(f"{where}: {ours}/{theirs} is missing in {missing}.")
            kernel = known.get(ours, "").endswith("kernel")
            axes = AXES[tensor.ndim] if kernel else tuple(range(tensor.ndim))
            expected = tuple(tensor.shape[axis] for axis in axes)
            ordered = {-2: row.units_in if len(expected) > 1 and (kernel or not known) else None}
            ordered[-1] = row.units_out
            if expected != tuple(variable.shape) or any(
                units is not None and len(units) != expected[axis]
                for axis, units in ordered.items()
            ):
                raise Mismatch(
                    f"{where}: {ours} has the shape {tuple(tensor.shape)}, {theirs} "
                    f"{tuple(variable.shape)}, and a flattened map comes before or after it with "
                    f"{[0 if units is None else len(units) for units in ordered.values()]} units."
                )
            name = f"{number} {kinds[1]}.{theirs}"
            found.append(Twin(name, layer, ours, variable, axes, ordered[-2], ordered[-1]))
    return found


def held(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is a parameter that no training moves."""
    return isinstance(tensor, torch.nn.Parameter) and not tensor.requires_grad


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
    ours, theirs = ours.astype(float), keras.ops.convert_to_numpy(theirs).astype(float)
    if ours.shape != theirs.shape:
        return np.inf
    return float(np.linalg.norm(ours - theirs) / max(np.linalg.norm(ours), 1e-9))


def to_pytorch(images: np.ndarray) -> torch.Tensor:
    """Turn an array into a tensor, and maps (n, height, width, channels) into channels first."""
    return torch.tensor(np.moveaxis(images, -1, 1) if images.ndim == 4 else images)


def to_numpy(images: torch.Tensor) -> np.ndarray:
    """Turn a tensor into an array, and maps (n, channels, height, width) into channels last."""
    array = images.detach().numpy()
    return np.moveaxis(array, 1, -1) if images.ndim == 4 else array


# ------------------------------------------------------------------ one model, trained twice


@dataclass
class Pair:
    """A lesson's networks in both tracks, with equal weights, and the arrays that they take."""

    pytorch: Namespace
    keras: Namespace
    build: str  # "build_generator", or "build_…_generator"
    container: ClassVar[str]  # Keras's class, and PyTorch's function
    step: ClassVar[str] = "train_step"
    takes: ClassVar[dict[str, str]]  # for each network's role the array that it takes, by name
    batch: ClassVar[tuple[str, ...]]  # what Keras's class is trained on, and what it draws
    draws: ClassVar[tuple[str, ...]] = ()
    loss_names: ClassVar[tuple[str, ...]]
    networks: dict[str, tuple[torch.nn.Module, keras.Model]] = field(init=False)
    twins: dict[str, list[Twin]] = field(init=False)
    arrays: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.networks = {role: self.untrained(role) for role in self.takes}
        self.twins = {role: couple(*networks) for role, networks in self.networks.items()}
        rng = np.random.default_rng(0)
        names = dict.fromkeys([*self.takes.values(), *self.batch, *self.draws])
        arrays = {name: self.array(name, rng) for name in names}
        self.arrays = {name: array for name, array in arrays.items() if array is not None}

    def untrained(self, role: str) -> tuple[torch.nn.Module, keras.Model]:
        """Build one of the networks anew in both tracks."""
        tracks = self.pytorch, self.keras
        return tuple(part(track, self.build, f"build_{{}}{role}")() for track in tracks)

    def anew(self) -> Pair:
        """Return the same before its first step."""
        return type(self)(self.pytorch, self.keras, self.build)

    def shapes(self, role: str) -> list[tuple[int, ...]]:
        """Return the shapes of a network's inputs in Keras."""
        return [filled(one.shape) for one in self.networks[role][1].inputs]

    def condition(self, role: str) -> str | None:
        """Name what a network takes as its second input: one number for a sample, or a row."""
        shapes = self.shapes(role)
        return CONDITIONS[len(shapes[1]) - 1] if len(shapes) > 1 else None

    def tensor(self, name: str) -> torch.Tensor:
        return to_pytorch(self.arrays[name])

    def ours(self, role: str, batch: torch.Tensor) -> Any:
        """Call PyTorch's network, with its condition if it has one."""
        condition = self.condition(role)
        return self.networks[role][0](batch, *([self.tensor(condition)] if condition else []))

    def theirs(self, names: Iterable[str]) -> Any:
        """Return arrays for Keras, all in one, or the one alone; it need not have labels."""
        there = [self.arrays[name] for name in names if name in self.arrays]
        there = tuple(keras.ops.convert_to_tensor(array) for array in there)
        return there if len(there) > 1 else there[0]

    # Each kind of model says what its functions take, and what its networks descend.

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        """Return an array for an argument of this name, or None for an unknown one."""
        if name in CONDITIONS:
            shapes = [self.shapes(role)[1] for role in self.takes if self.condition(role) == name]
            return rng.integers(CLASSES, size=shapes[0]) if shapes else None
        takers = [role for role, taken in self.takes.items() if taken == name]
        return rng.normal(size=self.shapes(takers[0])[0]) if takers else None

    def own_losses(self) -> dict[str, torch.Tensor]:
        """Return for each role the loss that its network alone descends, by its definition."""
        raise NotImplementedError

    # Each of the following returns relative differences, by what was compared.

    def outputs(self, training: bool) -> dict[str, float]:
        found = {}
        for role, (ours, theirs) in self.networks.items():
            ours.train(training)
            taken = self.takes[role]
            inputs = self.theirs([taken, self.condition(role)])
            both = zip(
                keras.tree.flatten(self.ours(role, self.tensor(taken))),
                keras.tree.flatten(theirs(inputs, training=training)),
                strict=True,
            )
            for number, (one, other) in enumerate(both, 1):
                name = f"output of the {role}" if number == 1 else f"output {number} of the {role}"
                found[name] = difference(to_numpy(one), other)
        return found

    def losses(self) -> dict[str, float]:
        """Compare every function whose arguments without default are known, on equal arrays."""
        found = {}
        for name, ours in self.pytorch.items():
            if not inspect.isfunction(ours) or ours.__globals__ is not self.pytorch:
                continue
            rng = np.random.default_rng(0)
            names = required(ours)
            arrays = {one: self.array(one, rng) for one in names if one not in self.networks}
            if not arrays or any(array is None for array in arrays.values()):
                continue
            given = [
                self.networks.get(one)
                or (to_pytorch(arrays[one]), keras.ops.convert_to_tensor(arrays[one]))
                for one in names
            ]
            pytorch, theirs = zip(*given, strict=True)
            found[name] = difference(to_numpy(ours(*pytorch)), pick(self.keras, name)(*theirs))
        return found

    def gradients(self) -> dict[str, float]:
        """Compare what moves each network with the gradient of its own loss alone.

        A step of plain descent with rate 1 moves each weight by its gradient, in either track's
        own training step. If a loss moved the other's network too, the sum would show it.
        """
        losses = self.own_losses()
        right = {
            f"{role}'s {twin.name}": twin.to_keras(
                torch.autograd.grad(losses[role], twin.tensor, retain_graph=True)[0]
            )
            for role, pairs in self.twins.items()
            for twin in pairs
            if twin.tensor.requires_grad
        }
        moved = self.anew().play(
            lambda *networks: torch.optim.SGD(
                [weight for network in networks for weight in network.parameters()], lr=1.0
            ),
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
        pytorch_optimizer: Callable[..., torch.optim.Optimizer],
        keras_optimizer: keras.optimizers.Optimizer,
        count: int = 1,
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Take training steps in both tracks; return how far each array moved, in each."""
        model = part(self.keras, self.build, f"{{}}{self.container}")(
            *(theirs for _, theirs in self.networks.values())
        )
        step = part(self.pytorch, self.build, f"{{}}{self.step}")
        arguments = self.step_arguments(step, pytorch_optimizer, hasattr(model, "average"))
        pairs = dict(self.twins)
        if "average" in arguments:
            average = arguments["average"]
            if isinstance(average, torch.optim.swa_utils.AveragedModel):
                average = average.module
            pairs["average"] = twins(average, model.average)
        arrays = {f"{role}'s {twin.name}": twin for role in pairs for twin in pairs[role]}
        start = {name: twin.to_keras(twin.tensor) for name, twin in arrays.items()}

        for _ in range(count):
            step(**arguments)

        for name in self.draws:
            setattr(model, f"draw_{name}", lambda n, name=name: self.theirs([name]))
        model.compile(optimizer=keras_optimizer, run_eagerly=True)
        for name in {"beta_1", "beta_2"} & {*vars(keras_optimizer)}:
            # TensorFlow rounds a plain number to 32 bits.
            setattr(keras_optimizer, name, np.float64(getattr(keras_optimizer, name)))
        epsilon = getattr(keras_optimizer, "epsilon", None)
        for number in range(1, count + 1):
            if epsilon is not None:
                # Keras adds Adam's epsilon before it corrects the bias of the second moment,
                # PyTorch after (Kingma & Ba 2015, end of section 2: two forms of one algorithm).
                keras_optimizer.epsilon = epsilon * (1 - keras_optimizer.beta_2**number) ** 0.5
            model.train_on_batch(self.theirs(self.batch))
        return {
            name: (
                twin.to_keras(twin.tensor) - start[name],
                keras.ops.convert_to_numpy(twin.variable) - start[name],
            )
            for name, twin in arrays.items()
        }

    def step_arguments(self, step: Callable, optimizer: Callable, averaged: bool) -> dict[str, Any]:
        """Gather by name what PyTorch's training step asks for."""
        networks = {role: ours for role, (ours, _) in self.networks.items()}
        offered = {**networks, **{name: self.tensor(name) for name in self.arrays}}
        names = inspect.signature(step).parameters
        if averaged:
            build = self.pytorch.get("build_average", copy.deepcopy)
            offered["average"] = build(networks["generator"])
        if "optimizers" in names:
            offered["optimizers"] = [optimizer(network) for network in networks.values()]
        if "optimizer" in names:
            offered["optimizer"] = optimizer(*networks.values())
        unknown = {*required(step)} - {*offered}
        unused = {*CONDITIONS, "average"} & {*offered} - {*names}
        if unknown or unused:
            raise Mismatch(
                f"{step.__name__} in PyTorch asks for {sorted(unknown)}, which Keras's model does "
                f"not have, and not for {sorted(unused)}, which it has. See {Path(__file__).name}."
            )
        return {name: offered[name] for name in names if name in offered}

    def everything(self) -> dict[str, float]:
        """Compare all of the above; to be called before anything else has moved the networks."""
        fresh = self.anew()
        inference = {f"{name}, inference": size for name, size in fresh.outputs(False).items()}
        return {
            **fresh.outputs(True),
            **inference,
            **self.losses(),
            **self.gradients(),
            **self.steps(1),
            **self.steps(5),
        }


class Game(Pair):
    """A generator and a discriminator."""

    container = "GAN"
    takes: ClassVar = {"generator": "latent", "discriminator": "real"}
    batch, draws = ("real", *CONDITIONS), ("latent",)
    loss_names = "discriminator_loss", "generator_loss"

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        if name.endswith("_logits"):
            return 3 * rng.normal(size=filled(self.networks["discriminator"][1].output_shape))
        return super().array(name, rng)

    def real_and_fake(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the discriminator judges in one step."""
        return self.tensor("real"), self.ours("generator", self.tensor("latent"))

    def own_losses(self) -> dict[str, torch.Tensor]:
        logits = [self.ours("discriminator", one) for one in self.real_and_fake()]
        return {
            "generator": self.pytorch["generator_loss"](logits[1]),
            "discriminator": self.pytorch["discriminator_loss"](*logits),
        }


class Autoencoder(Pair):
    """A variational encoder and a decoder."""

    container = "VAE"
    takes: ClassVar = {"encoder": "images", "decoder": "noise"}
    batch, draws = ("images", "labels"), ("noise",)
    loss_names = "reconstruction_loss", "kl_divergence"

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        if name == "logits":
            return 3 * rng.normal(size=filled(self.networks["decoder"][1].output_shape))
        if name == "images":
            return 1 / (1 + np.exp(-super().array(name, rng)))  # pixels in [0, 1]
        return super().array("noise" if name in ("mean", "log_var") else name, rng)

    def own_losses(self) -> dict[str, torch.Tensor]:
        images = self.tensor("images")
        mean, log_var = self.ours("encoder", images)
        logits = self.ours("decoder", mean + (log_var / 2).exp() * self.tensor("noise"))
        step = part(self.pytorch, self.build, f"{{}}{self.step}")
        beta = inspect.signature(step).parameters.get("beta")
        divergence = self.pytorch["kl_divergence"](mean, log_var)
        loss = self.pytorch["reconstruction_loss"](images, logits)
        loss = loss + (1.0 if beta is None else beta.default) * divergence
        return dict.fromkeys(self.takes, loss)


class OfText(Pair):
    """A generator of text."""

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        count, length, kinds = shape = filled(self.networks["generator"][1].output_shape)
        if name == "tokens":  # the first text ends at once, the last one nowhere
            ends = np.linspace(0, length, count).astype(int)[:, None]
            tokens = rng.integers(1, kinds, size=(count, length))
            return np.where(np.arange(length) < ends, tokens, 0)
        if name == "noise":
            # Where places tie for the strongest sign, rounding decides where the gradient goes. So
            # the noise is loud, lest tokens repeat as the weights move, and padding is short.
            noise = 3 * rng.gumbel(size=shape)
            noise[..., 0] += np.where(np.arange(length) < length - 5, -60, 12)
            return noise
        return super().array(name, rng)


class Text(OfText):
    """A generator of text alone, which learns by likelihood."""

    container = "Writer"
    takes: ClassVar = {"generator": "tokens"}
    batch = "tokens", "labels", "weights"
    loss_names = ("likelihood_loss",)

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        if name == "logits":
            return 3 * rng.normal(size=filled(self.networks["generator"][1].output_shape))
        return rng.normal(size=BATCH) if name == "weights" else super().array(name, rng)

    def own_losses(self) -> dict[str, torch.Tensor]:
        tokens = self.tensor("tokens")
        logits = self.ours("generator", self.pytorch["shifted"](tokens))
        loss = self.pytorch["likelihood_loss"](logits, tokens, self.tensor("weights"))
        return {"generator": loss}


class TextGame(OfText, Game):
    """A generator of text and a discriminator; the gradient passes through the drawing."""

    container, step = "GumbelGAN", "gumbel_train_step"
    takes: ClassVar = {"generator": "tokens", "discriminator": "real"}
    batch, draws = ("tokens", "labels"), ("noise",)

    def real_and_fake(self) -> tuple[torch.Tensor, torch.Tensor]:
        labels, noise = self.tensor("labels"), self.tensor("noise")
        real = torch.nn.functional.one_hot(self.tensor("tokens"), noise.shape[2]).to(noise.dtype)
        return real, self.pytorch["rollout"](self.networks["generator"][0], labels, noise)


class Judgement(Game):
    """A discriminator alone; both the real ones and the fakes are given."""

    container, step = "Judge", "discriminator_step"
    takes: ClassVar = {"discriminator": "real"}
    batch, draws = ("real", "fake", "labels"), ()

    def array(self, name: str, rng: np.random.Generator) -> np.ndarray | None:
        return super().array("real" if name == "fake" else name, rng)

    def real_and_fake(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tensor("real"), self.tensor("fake")


KINDS = {kind.container: kind for kind in (Game, Autoencoder, Text, TextGame, Judgement)}


def own_names(build: str, name: str) -> tuple[str, str]:
    """Return a name with the word that this builder has, and without.

    For build_ring_generator, "build_{}discriminator" is first build_ring_discriminator, "{}GAN" is
    RingGAN.
    """
    word = "".join(build.removeprefix("build_").rpartition("_")[:2])
    own = word.title().replace("_", "") if name.strip("{}")[0].isupper() else word
    return name.format(own), name.format("")


def part(namespace: Namespace, build: str, name: str) -> Any:
    """Return the function or class of this name, the builder's own where there is one."""
    return pick(namespace, *own_names(build, name))


def filled(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Put this module's batch size into a shape."""
    return tuple(BATCH if size is None else size for size in shape)


def one_sample(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Leave the batch size out of a shape; it need not come first."""
    return tuple(size for size in shape if size is not None)


def required(function: Callable) -> list[str]:
    """Name the arguments that have no default."""
    parameters = inspect.signature(function).parameters.values()
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [one.name for one in parameters if one.default is one.empty and one.kind not in kinds]
