"""The two tracks of a lesson are one model: outputs, losses, gradients, optimiser steps.

A lesson joins by itself; what its cells tagged `model` must define is said in equality.py.
"""

from __future__ import annotations

import equality
import keras
import numpy as np
import pytest
import torch
from equality import BATCH, Mismatch, Pair, couple, difference, execute, load, twins
from keras import ops
from torch import nn

from course_utils import runtime

TOLERANCE = 1e-4  # of arrays, by their norms; TensorFlow keeps a slope in 32 bits and is 1e-5 off
CAUGHT = 1e-2  # what a real mistake exceeds
MODELS = equality.models()
TRACKS = ("pytorch", "keras")

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras with NumPy 2


@pytest.fixture(autouse=True, scope="module")
def same_arithmetic():
    with equality.same_arithmetic():
        yield


def model(lesson: str, build: str, container: str, **changes: dict[str, str]) -> Pair:
    """Load a lesson, or one of SMALL; `changes` is what to replace in a track's code before."""
    code = SMALL.get(lesson)
    namespaces = (
        execute(code[track], lesson, changes.get(track))
        if code
        else load(lesson, track, changes.get(track))
        for track in TRACKS
    )
    return equality.KINDS[container](*namespaces, build)


def wrong(differences: dict[str, float]) -> dict[str, float]:
    return {name: size for name, size in differences.items() if not size <= TOLERANCE}


# ------------------------------------------------------------------ the lessons


def test_the_lessons_are_found():
    expected = {("01_gan", f"build_{word}generator", "GAN") for word in ("", "ring_")}
    assert expected <= set(MODELS)


def test_a_builder_without_a_class_to_train_it():
    with pytest.raises(LookupError, match="a class that trains build_generator"):
        equality.containers("class Gan(keras.Model):", "build_generator")


@pytest.mark.parametrize("which", MODELS, ids="-".join)
def test_both_tracks_are_one_model(which):
    made = model(*which)
    found = made.everything()
    assert {*made.loss_names} < {*found}
    assert not wrong(found)


@pytest.mark.parametrize("which", MODELS, ids="-".join)
def test_both_tracks_have_as_many_parameters(which):
    for ours, theirs in model(*which).networks.values():
        trainable = sum(weight.numel() for weight in ours.parameters() if weight.requires_grad)
        assert trainable == sum(np.prod(weight.shape) for weight in theirs.trainable_variables)


# Settings that a lesson's experiments choose: what to replace in both tracks.
VARIANTS = {
    "gradient penalty": (
        ("04_broken", "build_ring_generator", "GAN"),
        {'losses="non-saturating"': 'losses="wasserstein"', "penalty=0.0": "penalty=10.0"},
    ),
    "spectral normalisation": (
        ("04_broken", "build_ring_generator", "GAN"),
        {'losses="non-saturating"': 'losses="hinge"', "linear=Parallel": "linear=Spectral"},
    ),
}


@pytest.mark.parametrize("variant", [name for name, (of, _) in VARIANTS.items() if of in MODELS])
def test_both_tracks_take_the_same_steps_with_other_settings(variant):
    which, changes = VARIANTS[variant]
    made = model(*which, pytorch=changes, keras=changes)
    assert not wrong(made.steps(1) | made.steps(5))


def start_differences(made: Pair) -> dict[str, float]:
    """Compare untrained weights, by mean and spread if drawn; beyond 1 is more than chance."""
    keras.utils.set_random_seed(0)  # PyTorch too
    found = {}
    for role in made.takes:
        for twin in twins(*made.untrained(role)):
            name, ours = f"{role}'s {twin.name}", twin.to_keras(twin.tensor)
            theirs = keras.ops.convert_to_numpy(twin.variable)
            if ours.size > 2 >= len(np.unique(ours)):  # not by chance, such as zeros and ones
                found[name] = 0.0 if (ours == theirs).all() else np.inf
                continue
            off = max(abs(ours.mean() - theirs.mean()), abs(ours.std() - theirs.std()))
            chance = 5 * np.sqrt(2 / ours.size) * max(ours.std(), theirs.std())
            found[name] = off / chance if off else 0.0
    return found


@pytest.mark.parametrize("which", MODELS, ids="-".join)
def test_both_tracks_start_from_the_same_distribution(which):
    found = start_differences(model(*which))
    assert {name: size for name, size in found.items() if size > 1} == {}


# ------------------------------------------------------------------ lessons as small as can be

# Labels in both networks, an average, batch norm, maps, a spectral normalisation by hand. Both
# tracks order the generator's layers differently.
GAME = {
    "pytorch": """
import copy
import torch
from torch import nn
from torch.nn import functional as F

class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(5 + 3, 4 * 2 * 3, bias=False)
        self.norm = nn.BatchNorm1d(4 * 2 * 3, eps=1e-5, momentum=0.1)
        self.draw = nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)
        self.embedding = nn.Embedding(4, 3)

    def forward(self, latent, labels):
        x = self.project(torch.cat([latent, self.embedding(labels)], dim=1))
        return torch.tanh(self.draw(F.leaky_relu(self.norm(x), 0.2).unflatten(1, (4, 2, 3))))

class SpectralLinear(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("u", torch.randn(outputs))

    def forward(self, x):
        with torch.no_grad():
            if self.training:
                self.u = F.normalize(self.weight @ (self.weight.T @ self.u), dim=0)
        sigma = (self.weight.T @ self.u).norm()
        return F.linear(x, self.weight / sigma, self.bias)

class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(2, 4, 4, stride=2, padding=1)
        self.hidden = SpectralLinear(4 * 2 * 3, 6)
        self.judge = nn.Linear(6, 1)
        self.embedding = nn.Embedding(4, 4 * 2 * 3)

    def forward(self, images, labels):
        features = F.leaky_relu(self.look(images), 0.2).flatten(1)
        logits = self.judge(F.leaky_relu(self.hidden(features), 0.2))
        return logits + (self.embedding(labels) * features).sum(dim=1, keepdim=True)

build_generator, build_discriminator = Generator, Discriminator

def discriminator_loss(real_logits, fake_logits, margin=1.0):
    return F.softplus(margin - real_logits).mean() + F.softplus(margin + fake_logits).mean()

def generator_loss(fake_logits):
    return -fake_logits.mean()

@torch.no_grad()
def update(average, generator):
    for old, new in zip(average.state_dict().values(), generator.state_dict().values()):
        if old.is_floating_point():
            old.lerp_(new, 0.1)

def train_step(latent, real, labels, average, generator, discriminator, optimizers, note=None):
    update(average, generator)
    fake = generator(latent, labels)
    logits = discriminator(real, labels), discriminator(fake, labels)
    weights = list(discriminator.parameters()), list(generator.parameters())
    for optimizer in optimizers:
        optimizer.zero_grad()
    discriminator_loss(*logits).backward(inputs=weights[0], retain_graph=True)
    generator_loss(logits[1]).backward(inputs=weights[1])
    for optimizer in optimizers:
        optimizer.step()

def adam(network):
    return torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999), eps=1e-8)
""",
    "keras": """
import keras
from keras import layers, ops

def build_generator():
    latent, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([latent, layers.Embedding(4, 3)(labels)])
    x = keras.Sequential([
        layers.Dense(4 * 2 * 3, use_bias=False),
        layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
        layers.LeakyReLU(negative_slope=0.2),
    ])(x)
    x = layers.Conv2DTranspose(2, 4, strides=2, padding="same")(layers.Reshape((2, 3, 4))(x))
    return keras.Model([latent, labels], ops.tanh(x))

class SpectralLinear(layers.Dense):
    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(name="u", shape=(self.units,), trainable=False)

    def call(self, x, training=None):
        if training:
            u = ops.matmul(ops.matmul(self.kernel, self.u), self.kernel)
            self.u.assign(ops.stop_gradient(u / ops.norm(u)))
        u = ops.copy(self.u)  # the next call writes over it before the gradient is taken
        sigma = ops.norm(ops.matmul(self.kernel, u))
        return ops.matmul(x, self.kernel / sigma) + self.bias

def build_discriminator():
    images, labels = keras.Input((4, 6, 2)), keras.Input((), dtype="int32")
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(4, 4, strides=2, padding="same")(images))
    features = layers.Flatten()(x)
    x = layers.LeakyReLU(negative_slope=0.2)(SpectralLinear(6)(features))
    embedding = layers.Embedding(4, 4 * 2 * 3)(labels)
    match = layers.Dot(axes=1)([embedding, features])
    return keras.Model([images, labels], layers.Add()([layers.Dense(1)(x), match]))

def discriminator_loss(real_logits, fake_logits, margin=1.0):
    real, fake = ops.softplus(margin - real_logits), ops.softplus(margin + fake_logits)
    return ops.mean(real) + ops.mean(fake)

def generator_loss(fake_logits):
    return -ops.mean(fake_logits)

class GAN(keras.Model):
    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.average = keras.models.clone_model(generator)
        self.average.set_weights(generator.get_weights())
        self.average.trainable = False

    def call(self, inputs, training=None):
        return self.discriminator(inputs, training=training)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        for old, new in zip(self.average.weights, self.generator.weights):
            old.assign(old + 0.1 * (new - old))
        labels = x[1]
        fake = self.generator([self.draw_latent(ops.shape(labels)[0]), labels], training=training)
        fakes = [ops.stop_gradient(fake), labels]
        loss = discriminator_loss(y_pred, self.discriminator(fakes, training=training))
        frozen = [ops.stop_gradient(w.value) for w in self.discriminator.trainable_variables]
        state = [v.value for v in self.discriminator.non_trainable_variables]
        # Without training: the power iteration has been done for this batch.
        logits, _ = self.discriminator.stateless_call(frozen, state, [fake, labels])
        return loss + generator_loss(logits)

class Adam(keras.optimizers.Adam):
    # TensorFlow gives an embedding's gradient in pieces, one for each label in the batch, and
    # Keras squares each piece before it adds those of equal labels. So add them first.
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(ops.add(gradient, 0.0), variable, learning_rate)

def adam():
    return Adam(1e-3, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
""",
}

# A class in one hot beside a flattened map, two outputs, one optimiser.
VAE = {
    "pytorch": """
import torch
from torch import nn
from torch.nn import functional as F

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(2 * 3 * 4 + 4, 7), nn.Linear(7, 2 * 3)

    def forward(self, images, labels):
        x = torch.cat([images.flatten(1), F.one_hot(labels, 4)], dim=1)
        return self.output(torch.tanh(self.hidden(x))).chunk(2, dim=1)

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(3 + 4, 7), nn.Linear(7, 2 * 3 * 4)

    def forward(self, latent, labels):
        x = torch.cat([latent, F.one_hot(labels, 4)], dim=1)
        return self.output(torch.tanh(self.hidden(x))).unflatten(1, (2, 3, 4))

build_small_encoder, build_small_decoder = Encoder, Decoder

def reconstruction_loss(images, logits):
    return (F.softplus(logits) - images * logits).flatten(1).sum(dim=1).mean()

def kl_divergence(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum(dim=1).mean()

def small_train_step(images, labels, noise, encoder, decoder, optimizer, beta=0.5):
    mean, log_var = encoder(images, labels)
    logits = decoder(mean + (0.5 * log_var).exp() * noise, labels)
    optimizer.zero_grad()
    (reconstruction_loss(images, logits) + beta * kl_divergence(mean, log_var)).backward()
    optimizer.step()

def adam(*networks):
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr=1e-3, eps=1e-8)
""",
    "keras": """
import keras
from keras import layers, ops

def build_small_encoder():
    images, labels = keras.Input((3, 4, 2)), keras.Input((), dtype="int32")
    x = ops.concatenate([layers.Flatten()(images), ops.one_hot(labels, 4)], axis=1)
    x = layers.Dense(2 * 3)(layers.Dense(7, activation="tanh")(x))
    return keras.Model([images, labels], ops.split(x, 2, axis=1))

def build_small_decoder():
    latent, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    x = ops.concatenate([latent, ops.one_hot(labels, 4)], axis=1)
    x = layers.Dense(2 * 3 * 4)(layers.Dense(7, activation="tanh")(x))
    return keras.Model([latent, labels], layers.Reshape((3, 4, 2))(x))

def reconstruction_loss(images, logits):
    return ops.mean(ops.sum(ops.softplus(logits) - images * logits, axis=(1, 2, 3)))

def kl_divergence(mean, log_var):
    return 0.5 * ops.mean(ops.sum(mean**2 + ops.exp(log_var) - log_var - 1, axis=1))

class SmallVAE(keras.Model):
    def __init__(self, encoder, decoder, beta=0.5):
        super().__init__()
        self.encoder, self.decoder, self.beta = encoder, decoder, beta

    def call(self, inputs, training=None):
        return self.encoder(inputs, training=training)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        (images, labels), (mean, log_var) = x, y_pred
        latent = mean + ops.exp(0.5 * log_var) * self.draw_noise(ops.shape(mean)[0])
        logits = self.decoder([latent, labels], training=training)
        return reconstruction_loss(images, logits) + self.beta * kl_divergence(mean, log_var)

def adam():
    return keras.optimizers.Adam(1e-3, epsilon=1e-8)
""",
}
SMALL = {"a game": GAME, "a VAE": VAE}
RING, GAME_BUILD, VAE_BUILD = (
    ("01_gan", "build_ring_generator", "GAN"),
    ("a game", "build_generator", "GAN"),
    ("a VAE", "build_small_encoder", "VAE"),
)
TEXT, ATTENTION, TEXT_GAME, JUDGE = (
    ("06_text", "build_generator", "Writer"),
    ("06_text", "build_attention_generator", "Writer"),
    ("06_text", "build_generator", "GumbelGAN"),
    ("06_text", "build_discriminator", "Judge"),
)
CAPTIONS = ("07_text_to_image", "build_generator", "GAN")
UPDATE = "update(average, generator)"
AVERAGED = {
    "@torch.no_grad()": "def build_average(generator):\n"
    "    swa = torch.optim.swa_utils\n"
    "    average = swa.get_ema_multi_avg_fn(0.9)\n"
    "    return swa.AveragedModel(generator, multi_avg_fn=average, use_buffers=True)\n\n"
    "@torch.no_grad()",
    "update(average, generator)\n    fake": "average.update_parameters(generator)\n    fake",
}


@pytest.mark.parametrize(
    ("which", "changes", "names"),
    [
        (GAME_BUILD, {}, ["step 5 of the average's 2 BatchNormalization.moving_variance"]),
        (GAME_BUILD, AVERAGED, ["step 5 of the average's 1 Dense.kernel"]),
        (VAE_BUILD, {}, ["output 2 of the encoder", "reconstruction_loss", "kl_divergence"]),
    ],
    ids=["a game", "PyTorch's AveragedModel", "a VAE"],
)
def test_small_models_are_equal(which, changes, names):
    found = model(*which, pytorch=changes).everything()
    assert {*names} <= {*found}
    assert not wrong(found)


# ------------------------------------------------------------------ this test can fail

MISTAKES = {
    "another slope": (
        RING,
        ("keras", "negative_slope=", "negative_slope=0.1 + "),
        lambda made: made.outputs(training=True),
        "output of the generator",
    ),
    "a loss with the other sign": (
        RING,
        ("keras", "softplus(-fake_logits)", "softplus(fake_logits)"),
        lambda made: made.losses(),
        "generator_loss",
    ),
    "a sum in place of a mean": (
        RING,
        ("pytorch", "F.softplus(fake_logits).mean()", "F.softplus(fake_logits).sum()"),
        lambda made: made.losses(),
        "discriminator_loss",
    ),
    "a generator that learns to be caught": (
        RING,
        ("keras", "ops.stop_gradient(fake)", "fake"),
        lambda made: made.gradients(),
        "gradient of the generator's 1 Dense.kernel in Keras",
    ),
    "a discriminator that learns to look away": (
        RING,
        ("keras", "ops.stop_gradient(w.value)", "w.value"),
        lambda made: made.gradients(),
        "gradient of the discriminator's 1 Dense.kernel in Keras",
    ),
    "the same in PyTorch": (
        RING,
        ("pytorch", "backward(inputs=list(generator.parameters()))", "backward()"),
        lambda made: made.gradients(),
        "gradient of the discriminator's 1 Dense.kernel in PyTorch",
    ),
    "another epsilon": (
        RING,
        ("keras", "epsilon=epsilon", "epsilon=1e-4"),
        lambda made: made.steps(1),
        "step 1 of the generator's 1 Dense.kernel",
    ),
    "another momentum": (
        RING,
        ("keras", "beta_1=beta_1", "beta_1=0.9"),
        lambda made: made.steps(5),
        "step 5 of the generator's 1 Dense.kernel",
    ),
    "swapped labels": (
        GAME_BUILD,
        ("pytorch", "self.embedding(labels)]", "self.embedding(3 - labels)]"),
        lambda made: made.outputs(training=True),
        "output of the generator",
    ),
    "labels that are not heard": (
        GAME_BUILD,
        ("keras", "Dot(axes=1)([embedding", "Dot(axes=1)([0 * embedding"),
        lambda made: made.outputs(training=True),
        "output of the discriminator",
    ),
    "fakes judged without their labels": (
        GAME_BUILD,
        (
            "keras",
            "fakes = [ops.stop_gradient(fake), labels]",
            "fakes = [ops.stop_gradient(fake), 0 * labels]",
        ),
        lambda made: made.gradients(),
        "gradient of the discriminator's 4 Embedding.embeddings in Keras",
    ),
    "another decay": (
        GAME_BUILD,
        ("keras", "0.1 * (new - old)", "0.09 * (new - old)"),
        lambda made: made.steps(5),
        "step 5 of the average's 1 Dense.kernel",
    ),
    "an average without the statistics": (
        GAME_BUILD,
        ("pytorch", "state_dict().values()", "parameters()"),
        lambda made: made.steps(5),
        "step 5 of the average's 2 BatchNormalization.moving_mean",
    ),
    "an average of the weights after the step": (
        GAME_BUILD,
        ("pytorch", "        optimizer.step()", "        optimizer.step()\n    " + UPDATE),
        lambda made: made.steps(1),
        "step 1 of the average's 1 Dense.kernel",
    ),
    "a power iteration that stands still": (
        GAME_BUILD,
        ("keras", "self.u.assign(", "("),
        lambda made: made.steps(1),
        "step 1 of the discriminator's 2 SpectralLinear.u",
    ),
    "a log-variance used as a variance": (
        VAE_BUILD,
        ("keras", "ops.exp(0.5 * log_var)", "ops.sqrt(ops.abs(log_var))"),
        lambda made: made.gradients(),
        "gradient of the encoder's 2 Dense.kernel in Keras",
    ),
    "a mean over the latents": (
        VAE_BUILD,
        ("keras", "ops.mean(ops.sum(mean**2", "ops.mean(ops.mean(mean**2"),
        lambda made: made.losses(),
        "kl_divergence",
    ),
    "another beta": (
        VAE_BUILD,
        ("keras", "beta=0.5", "beta=0.6"),
        lambda made: made.gradients(),
        "gradient of the encoder's 2 Dense.kernel in Keras",
    ),
    "a decoder that does not hear its label": (
        VAE_BUILD,
        ("pytorch", "cat([latent, F.one_hot(labels", "cat([latent, F.one_hot(0 * labels"),
        lambda made: made.outputs(training=True),
        "output of the decoder",
    ),
    "padding that counts": (
        TEXT,
        ("keras", "ops.cast(counting(tokens),", "ops.cast(tokens > -1,"),
        lambda made: made.losses(),
        "likelihood_loss",
    ),
    "an end that does not count": (
        TEXT,
        ("pytorch", "F.pad(ends[:, :-1], (1, 0)) == 0", "ends == 0"),
        lambda made: made.losses(),
        "counting",
    ),
    "a writer that is shown the answer": (
        TEXT,
        ("keras", "self.generator([shifted(tokens), labels]", "self.generator([tokens, labels]"),
        lambda made: made.gradients(),
        "gradient of the generator's 3 LSTMCell.kernel in Keras",
    ),
    "the answer shown in PyTorch": (
        TEXT,
        ("pytorch", "generator(shifted(tokens), labels)", "generator(tokens, labels)"),
        lambda made: made.gradients(),
        "gradient of the generator's 3 LSTMCell.kernel in PyTorch",
    ),
    "a language that is not heard": (
        TEXT,
        ("keras", "+ label_table(labels)[:, None]  #", "+ 0 * label_table(labels)[:, None]  #"),
        lambda made: made.outputs(training=True),
        "output of the generator",
    ),
    "a look at the next token": (
        ATTENTION,
        ("keras", "dtype=bool), 1)", "dtype=bool), 2)"),
        lambda made: made.outputs(training=True),
        "output of the generator",
    ),
    "a step that forgets what was read": (
        ATTENTION,
        ("pytorch", "torch.cat([state, x], dim=1)", "x"),
        lambda made: made.losses(),
        "rollout",
    ),
    "a draw that no gradient passes": (
        TEXT_GAME,
        ("keras", "hard + soft - ops.stop_gradient(soft)", "hard + 0 * soft"),
        lambda made: made.gradients(),
        "gradient of the generator's 3 LSTMCell.kernel in Keras",
    ),
    "a text that goes on behind its end": (
        TEXT_GAME,
        ("keras", "token = alive * token + (1 - alive) * end", "pass"),
        lambda made: made.gradients(),
        "gradient of the discriminator's 3 Conv1D.kernel in Keras",
    ),
    "a caption read backwards": (
        CAPTIONS,
        ("keras", "layers.LSTM(hidden", "layers.LSTM(hidden, go_backwards=True"),
        lambda made: made.outputs(training=True),
        "output of the generator",
    ),
    "pictures and captions in each other's place": (
        CAPTIONS,
        ("pytorch", "phi @ wanted.T", "(phi @ wanted.T).T"),
        lambda made: made.outputs(training=True),
        "output of the discriminator",
    ),
    "wrong captions that do not count": (
        CAPTIONS,
        ("keras", "+ wrong_share * wrong", "+ 0 * wrong"),
        lambda made: made.losses(),
        "discriminator_loss",
    ),
    "real and fake texts in each other's place": (
        JUDGE,
        ("keras", "for texts in (real, fake)]", "for texts in (fake, real)]"),
        lambda made: made.gradients(),
        "gradient of the discriminator's 3 Conv1D.kernel in Keras",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_caught(mistake):
    which, (track, right, slip), compare, where = MISTAKES[mistake]
    assert compare(model(*which, **{track: {right: slip}}))[where] > CAUGHT


@pytest.mark.parametrize(
    ("which", "right", "slip"),
    [
        (RING, "nn.init.xavier_uniform_(layer.weight)", "pass"),
        (TEXT, "bias_ih_l0.data[hidden : 2 * hidden]", "bias_ih_l0.data[:hidden]"),
    ],
    ids=["another spread", "another gate remembers"],
)
def test_another_start_is_caught(which, right, slip):
    assert max(start_differences(model(*which, pytorch={right: slip})).values()) > 1


@pytest.mark.parametrize(
    ("which", "role"),
    [(GAME_BUILD, "generator"), (GAME_BUILD, "discriminator"), (VAE_BUILD, "encoder")],
)
def test_the_order_of_units_matters_in_a_graph(which, role, monkeypatch):
    monkeypatch.setattr(equality, "pytorch_units", lambda *shape: np.arange(np.prod(shape)))
    assert model(*which).outputs(training=False)[f"output of the {role}"] > CAUGHT


@pytest.mark.parametrize(
    ("which", "track", "right", "slip", "message"),
    [
        (GAME_BUILD, "pytorch", "note=None", "note", r"asks for \['note'\]"),
        (GAME_BUILD, "keras", "self.average", "self.mean", r"asks for \['average'\]"),
        (TEXT, "pytorch", ".requires_grad_(False)", "", "bias_hh_l0.* is missing in Keras"),
        (VAE_BUILD, "pytorch", "(images, labels, noise", "(images, noise", r"not for \['labels'\]"),
    ],
)
def test_steps_that_do_not_belong_together(which, track, right, slip, message):
    with pytest.raises(Mismatch, match=message):
        model(*which, **{track: {right: slip}}).steps(1)


def test_a_loss_of_one_track_alone():
    with pytest.raises(LookupError, match="a VAE: no cell tagged model defines kl_divergence"):
        model(*VAE_BUILD, keras={"def kl_divergence": "def divergence"}).losses()


# ------------------------------------------------------------------ the walk over the layers

layers = keras.layers


def torch_norm(kind: type, units: int) -> nn.Module:
    return kind(units, eps=1e-4, momentum=0.2)


def keras_norm() -> keras.Layer:
    return layers.BatchNormalization(epsilon=1e-4, momentum=0.8)


class TorchLinears(nn.Module):
    """Several networks' layers in one product; both tracks hold (networks, in, out)."""

    def __init__(self):
        super().__init__()
        self.kernels = nn.Parameter(torch.randn(3, 4, 4))
        self.biases = nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        return torch.einsum("bni,nio->bno", x, self.kernels) + self.biases


class KerasLinears(keras.Layer):
    def build(self, input_shape):
        self.kernels = self.add_weight(name="kernels", shape=(3, 4, 4))
        self.biases = self.add_weight(name="biases", shape=(3, 4))

    def call(self, x):
        return keras.ops.einsum("bni,nio->bno", x, self.kernels) + self.biases


TorchLinears.__name__ = KerasLinears.__name__ = "Linears"  # as it is in a lesson's two tracks

# Maps of 3 × 4 and other unequal sizes, so that no axis can stand in for another.
# For each: PyTorch's layers, Keras's, one sample's shape.
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
    ),
    "three networks at once": (
        lambda: [TorchLinears()],
        lambda: [KerasLinears()],
        (3, 4),
    ),
}


def networks(kind: str) -> tuple[nn.Module, keras.Model, np.ndarray]:
    """Build one of NETWORKS in both tracks, and a batch for it."""
    ours, theirs, shape = NETWORKS[kind]
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

    for twin in pairs:
        if twin.tensor.requires_grad:
            moved = keras.ops.convert_to_numpy(twin.variable) - start[twin]
            found[twin.name] = difference(-twin.to_keras(twin.tensor.grad), moved)
        else:
            found[twin.name] = difference(twin.to_keras(twin.tensor), statistics[twin])
    assert not wrong(found)


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if "networks" not in kind])
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
        (
            [nn.Linear(4, 4)],
            [layers.PReLU()],
            "Linear, in PyTorch and layer 1 .* PReLU, in Keras: not a known",
        ),
        (
            [nn.Linear(4, 3), nn.Linear(3, 2)],
            [layers.Dense(3)],
            "layer 2 with weights, Linear, in PyTorch and nothing",
        ),
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


def test_layers_of_one_name_belong_together():
    ours = nn.ModuleDict({"first": nn.Linear(4, 4), "second": nn.Linear(4, 4)})
    theirs = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="second"), layers.Dense(4, name="first")]
    )
    for twin in twins(ours, theirs):
        name = twin.variable.path.split("/")[-2]
        assert getattr(ours[name], twin.tensor_name) is twin.tensor


@pytest.mark.parametrize("build", ["build_ring_generator", "build_generator"])
def test_a_compiled_step_is_the_step(build):
    """TensorFlow's graph optimiser would let the generator face a discriminator half updated."""
    made = model("01_gan", build, "GAN")
    networks = [made.untrained(role)[1] for role in made.takes]
    runtime.seed_everything(0)
    gan = equality.part(load("01_gan", "keras"), build, "{}GAN")(*networks)
    variables = [v for network in networks for v in network.variables] + [gan.latents.state]
    start = [ops.convert_to_numpy(variable) for variable in variables]

    def after(steps):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        for _ in range(steps):
            gan.train_on_batch(made.theirs(made.batch))
        return np.concatenate([weights.ravel() for n in networks for weights in n.get_weights()])

    gan.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    expected = after(steps=3)
    gan.compile(optimizer=keras.optimizers.SGD(0.1))
    for _ in range(50):
        np.testing.assert_allclose(after(steps=3), expected, atol=1e-5)
