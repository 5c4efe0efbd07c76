"""The two tracks of a lesson are one model: outputs, losses, gradients, optimiser steps.

A lesson of generator and discriminator joins by adding its name to LESSONS; what its cells tagged
`model` must define is said at `Game` in equality.py.
"""

from __future__ import annotations

import equality
import keras
import numpy as np
import pytest
import torch
from equality import BATCH, Game, Mismatch, couple, difference, generators, load, twins
from torch import nn

LESSONS = ["01_gan"]
TOLERANCE = 1e-4  # of arrays, by their norms; TensorFlow keeps 0.999 in 32 bits and is 1e-5 off
CAUGHT = 100 * TOLERANCE  # what a real mistake exceeds
GAMES = [(lesson, build) for lesson in LESSONS for build in generators(lesson)]

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras with NumPy 2


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    with equality.double_precision():
        yield


def game(lesson: str, build: str, **changes: dict[str, str]) -> Game:
    """Load a lesson's game; `changes` is what to replace in a track's code before."""
    return Game(*(load(lesson, track, changes.get(track)) for track in ("pytorch", "keras")), build)


def wrong(differences: dict[str, float]) -> dict[str, float]:
    return {name: size for name, size in differences.items() if not size <= TOLERANCE}


# ------------------------------------------------------------------ the lessons


@pytest.mark.parametrize(("lesson", "build"), GAMES)
def test_both_tracks_are_one_model(lesson, build):
    found = game(lesson, build).everything()
    assert {"discriminator_loss", "generator_loss"} < set(found)
    assert not wrong(found)


@pytest.mark.parametrize(("lesson", "build"), GAMES)
def test_both_tracks_have_as_many_parameters(lesson, build):
    for ours, theirs in game(lesson, build).networks.values():
        trainable = sum(weight.numel() for weight in ours.parameters())
        assert trainable == sum(np.prod(weight.shape) for weight in theirs.trainable_variables)


def start_differences(played: Game) -> dict[str, float]:
    """Compare mean and spread of untrained weights; beyond 1 is more than chance."""
    keras.utils.set_random_seed(0)  # PyTorch too
    found = {}
    for role in played.networks:
        networks = [track[played.build.replace("generator", role)]() for track in played.tracks]
        for twin in twins(*networks):
            ours = twin.to_keras(twin.tensor)
            theirs = keras.ops.convert_to_numpy(twin.variable)
            off = max(abs(ours.mean() - theirs.mean()), abs(ours.std() - theirs.std()))
            chance = 5 * np.sqrt(2 / ours.size) * max(ours.std(), theirs.std())
            found[f"{role}'s {twin.name}"] = off / chance if off else 0.0
    return found


@pytest.mark.parametrize(("lesson", "build"), GAMES)
def test_both_tracks_start_from_the_same_distribution(lesson, build):
    found = start_differences(game(lesson, build))
    assert {name: size for name, size in found.items() if size > 1} == {}


# ------------------------------------------------------------------ this test can fail

MISTAKES = {
    "another slope": (
        ("keras", "negative_slope=", "negative_slope=0.1 + "),
        lambda played: played.outputs(training=True),
        "output of the generator",
    ),
    "a loss with the other sign": (
        ("keras", "softplus(-fake_logits)", "softplus(fake_logits)"),
        lambda played: played.losses(),
        "generator_loss",
    ),
    "a sum in place of a mean": (
        ("pytorch", "F.softplus(fake_logits).mean()", "F.softplus(fake_logits).sum()"),
        lambda played: played.losses(),
        "discriminator_loss",
    ),
    "a generator that learns to be caught": (
        ("keras", "ops.stop_gradient(fake)", "fake"),
        lambda played: played.gradients(),
        "gradient of the generator's 1 Dense.kernel in Keras",
    ),
    "a discriminator that learns to look away": (
        ("keras", "ops.stop_gradient(w.value)", "w.value"),
        lambda played: played.gradients(),
        "gradient of the discriminator's 1 Dense.kernel in Keras",
    ),
    "the same in PyTorch": (
        ("pytorch", "backward(inputs=list(generator.parameters()))", "backward()"),
        lambda played: played.gradients(),
        "gradient of the discriminator's 1 Dense.kernel in PyTorch",
    ),
    "another epsilon": (
        ("keras", "epsilon=epsilon", "epsilon=1e-4"),
        lambda played: played.steps(1),
        "step 1 of the generator's 1 Dense.kernel",
    ),
    "another momentum": (
        ("keras", "beta_1=beta_1", "beta_1=0.9"),
        lambda played: played.steps(5),
        "step 5 of the generator's 1 Dense.kernel",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_caught(mistake):
    (track, right, slip), compare, where = MISTAKES[mistake]
    assert compare(game("01_gan", "build_ring_generator", **{track: {right: slip}}))[where] > CAUGHT


def test_another_start_is_caught():
    changes = {"nn.init.xavier_uniform_(layer.weight)": "pass"}
    assert max(start_differences(game(*GAMES[0], pytorch=changes)).values()) > 1


# ------------------------------------------------------------------ the walk over the layers

layers = keras.layers


def torch_norm(kind: type, units: int) -> nn.Module:
    return kind(units, eps=1e-4, momentum=0.2)


def keras_norm() -> keras.Layer:
    return layers.BatchNormalization(epsilon=1e-4, momentum=0.8)


# Maps of 3 × 4 and other unequal sizes, so that no axis can stand in for another.
# For each: PyTorch's layers, Keras's, one sample's shape, values that each batch norm sees.
NETWORKS = {
    "convolutions, then dense": (
        lambda: [
            nn.Conv2d(2, 5, 4, stride=2, padding=1, bias=False),
            torch_norm(nn.BatchNorm2d, 5),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Conv2d(5, 3, 3, padding=1),
            nn.LeakyReLU(negative_slope=0.2),  # right before a norm, the bias has no gradient
            nn.Flatten(),
            torch_norm(nn.BatchNorm1d, 3 * 3 * 4),
            nn.Linear(3 * 3 * 4, 7),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Linear(7, 2),
        ],
        lambda: [
            layers.Conv2D(5, 4, strides=2, padding="same", use_bias=False),
            keras_norm(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(3, 3, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            keras_norm(),
            layers.Dense(7),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(2),
        ],
        (6, 8, 2),
        (BATCH * 3 * 4, BATCH),
    ),
    "dense, then transposed convolutions": (
        lambda: [
            nn.Linear(5, 6 * 3 * 4, bias=False),
            torch_norm(nn.BatchNorm1d, 6 * 3 * 4),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Unflatten(1, (6, 3, 4)),
            nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1, bias=False),
            torch_norm(nn.BatchNorm2d, 5),
            nn.LeakyReLU(negative_slope=0.2),
            nn.ConvTranspose2d(5, 2, 4, stride=2, padding=1),
            nn.Tanh(),
        ],
        lambda: [
            layers.Dense(6 * 3 * 4, use_bias=False),
            keras_norm(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((3, 4, 6)),
            layers.Conv2DTranspose(5, 4, strides=2, padding="same", use_bias=False),
            keras_norm(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(2, 4, strides=2, padding="same"),
            layers.Activation("tanh"),
        ],
        (5,),
        (BATCH, BATCH * 6 * 8),
    ),
    "an embedding, as a map": (
        lambda: [
            nn.Embedding(10, 2 * 3 * 4),
            nn.Unflatten(1, (2, 3, 4)),
            nn.Conv2d(2, 5, 3, padding=1),
            nn.Flatten(),
            nn.Linear(5 * 3 * 4, 6),
        ],
        lambda: [
            layers.Embedding(10, 2 * 3 * 4),
            layers.Reshape((3, 4, 2)),
            layers.Conv2D(5, 3, padding="same"),
            layers.Flatten(),
            layers.Dense(6),
        ],
        (),
        (),
    ),
}


def networks(kind: str) -> tuple[nn.Module, keras.Model, np.ndarray]:
    """Build one of NETWORKS in both tracks, and a batch for it."""
    ours, theirs, shape, _ = NETWORKS[kind]
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(BATCH, *shape)) if shape else rng.integers(10, size=BATCH)
    entry = keras.Input(shape, dtype=str(batch.dtype))
    return nn.Sequential(*ours()), keras.Sequential([entry, *theirs()]), batch


@pytest.mark.parametrize("kind", NETWORKS)
def test_copied_networks_are_equal(kind):
    torch.manual_seed(0)
    ours, theirs, batch = networks(kind)
    pairs = couple(ours, theirs)
    start = {twin: twin.to_keras(twin.tensor) for twin in pairs}
    images = equality.to_pytorch(batch)
    found = {}
    for training in (False, True):
        output = ours.train(training)(images)
        found[f"output, {training=}"] = difference(
            equality.to_numpy(output), theirs(batch, training=training)
        )

    # One step of plain descent with rate 1 moves each weight by its gradient.
    factors = np.random.default_rng(1).normal(size=theirs(batch).shape)
    (output * equality.to_pytorch(factors)).mean().backward()
    statistics = {twin: keras.ops.copy(twin.variable) for twin in pairs}  # the step moves them on
    loss = lambda factors, output: keras.ops.mean(factors * output)  # noqa: E731
    theirs.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss, run_eagerly=True)
    theirs.train_on_batch(batch, factors)

    counts = iter(NETWORKS[kind][-1])
    for twin in pairs:
        if twin.tensor.requires_grad:
            moved = keras.ops.convert_to_numpy(twin.variable) - start[twin]
            found[twin.name] = difference(-twin.to_keras(twin.tensor.grad), moved)
            continue
        kept = 0.8 * start[twin]
        news = twin.to_keras(twin.tensor) - kept
        if "variance" in twin.name:  # PyTorch's is the unbiased one
            news *= 1 - 1 / next(counts)
        found[twin.name] = difference(kept + news, statistics[twin])
    assert not wrong(found)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_order_of_units_matters(kind, monkeypatch):
    monkeypatch.setattr(equality, "pytorch_units", lambda *shape: np.arange(np.prod(shape)))
    ours, theirs, batch = networks(kind)
    couple(ours, theirs)
    output = equality.to_numpy(ours.eval()(equality.to_pytorch(batch)))
    assert difference(output, theirs(batch)) > CAUGHT


def norms(**settings: float) -> tuple[list[nn.Module], list[keras.Layer]]:
    settings = {"epsilon": 1e-5, "momentum": 0.9} | settings
    return [nn.BatchNorm1d(4)], [layers.BatchNormalization(**settings)]


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([nn.Linear(4, 4)], [layers.PReLU()], "Linear in PyTorch and PReLU in Keras: not a known"),
        ([nn.Linear(4, 3), nn.Linear(3, 2)], [layers.Dense(3)], "Linear in PyTorch and nothing"),
        ([nn.Linear(4, 3, bias=False)], [layers.Dense(3)], "bias/bias is missing in PyTorch"),
        ([nn.Linear(4, 3)], [layers.Dense(2)], r"weight has the shape \(3, 4\), kernel \(4, 2\)"),
        (*norms(epsilon=1e-3), "eps=1e-05.*epsilon=0.001"),
        (*norms(momentum=0.1), "in Keras's sense 0.9.*momentum=0.1"),
    ],
)
def test_networks_that_do_not_belong_together(ours, theirs, message):
    with pytest.raises(Mismatch, match=message):
        twins(nn.Sequential(*ours), keras.Sequential([keras.Input((4,)), *theirs]))


def test_batch_norms_with_equal_settings_belong_together():
    ours, theirs = norms()
    assert len(twins(ours[0], keras.Sequential([keras.Input((4,)), *theirs]))) == 4
