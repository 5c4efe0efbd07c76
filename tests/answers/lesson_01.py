import numpy as np
import torch
from keras import losses, ops
from torch.nn import functional as F

from answers import keras, pytorch


def softplus(logits):
    return np.logaddexp(0, logits)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def loss(real_logits, fake_logits):
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def cross_entropy(logits, label):
    return (label * softplus(-logits) + (1 - label) * softplus(logits)).mean()


def torch_cross_entropy(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def keras_cross_entropy(logits, label):
    return losses.BinaryCrossentropy(from_logits=True)(ops.full_like(logits, label), logits)


def swapped_keras(logits):
    return losses.BinaryCrossentropy(from_logits=True)(logits, ops.ones_like(logits))


def slow_losses(batches):
    found = []
    for logits in batches:
        found = [*found, float(-np.log(sigmoid(logits)).mean())]
    return tuple(found)


def play(order="at once", d_to_W=0.0, g_to_v=0.0, d=1.0, g=1.0, track="numpy"):
    """One step of the game by autograd, with the faults asked for: new W and v."""

    def step(real, latent, W, v):
        real, latent, W, v = (torch.as_tensor(np.asarray(x)) for x in (real, latent, W, v))
        W, v = W.clone().requires_grad_(), v.clone().requires_grad_()

        def gradients():
            fake = latent @ W
            d_loss = F.softplus(-real @ v).mean() + F.softplus(fake @ v).mean()
            g_loss = F.softplus(-fake @ v).mean()
            of_d = torch.autograd.grad(d_loss, [W, v], retain_graph=True)
            of_g = torch.autograd.grad(g_loss, [W, v])
            return g * of_g[0] + d_to_W * of_d[0], d * of_d[1] + g_to_v * of_g[1]

        with torch.no_grad():
            with torch.enable_grad():
                to_W, to_v = gradients()
            if order != "generator last":
                W -= to_W
            if order == "generator first":
                with torch.enable_grad():
                    to_v = gradients()[1]
            v -= to_v
            if order == "generator last":
                with torch.enable_grad():
                    to_W = gradients()[0]
                W -= to_W
        return W.detach().numpy(), v.detach().numpy()

    return step


def normal(steps, batch_size, latent_dim):
    return np.random.default_rng().normal(size=(steps, batch_size, latent_dim))


def latents_one_by_one(steps, batch_size, latent_dim):
    rng = np.random.default_rng(3)
    return [rng.standard_normal((batch_size, latent_dim)) for _ in range(steps)]


def latents_seeded_again(steps, batch_size, latent_dim):
    return [np.random.default_rng(1).normal(size=(batch_size, latent_dim)) for _ in range(steps)]


def latents_of_two_steps(steps, batch_size, latent_dim):
    return np.tile(normal(2, batch_size, latent_dim), (steps // 2, 1, 1))


def latents_nearly_alike(steps, batch_size, latent_dim):
    return normal(1, batch_size, latent_dim) + 0.01 * normal(steps, batch_size, latent_dim)


def latents_alike(steps, batch_size, latent_dim):
    return np.broadcast_to(normal(steps, 1, latent_dim), (steps, batch_size, latent_dim))


def latents_of_one_number(steps, batch_size, latent_dim):
    return np.broadcast_to(normal(steps, batch_size, 1), (steps, batch_size, latent_dim))


def unchanged_names(discriminator, real_points, fake_points):
    fake = np.zeros((len(fake_points), 1))
    return loss(discriminator(real_points), discriminator(fake))


def torch_named_loss(discriminator, real_points, fake_points):
    return torch_cross_entropy(discriminator(real_points), 1.0) + torch_cross_entropy(
        discriminator(fake_points), 0.0
    )


def keras_named_loss(discriminator, real_points, fake_points):
    return keras_cross_entropy(discriminator(real_points), 1.0) + keras_cross_entropy(
        discriminator(fake_points), 0.0
    )


def at_odds(real_label, fake_label):
    return lambda real, fake, label: (
        cross_entropy(real, real_label(label)) + cross_entropy(fake, fake_label(label))
    )


RIGHT = {
    "undecided.discriminator": [2 * np.log(2), 1.39, torch.tensor(1.386), "1.386"],
    "undecided.generator": [np.log(2), 0.69, ops.convert_to_tensor(0.693)],
    "squashed.mend": [
        lambda points, weights: points @ weights,
        lambda points, weights: np.einsum("bi,ij->bj", points, weights),
        pytorch(lambda points, weights: F.linear(points, weights.T)),
        keras(lambda points, weights: ops.matmul(points, weights)),
    ],
    "caught.mend": [
        lambda logits: -np.log(sigmoid(logits)).mean(),
        pytorch(lambda logits: F.softplus(-logits).mean()),
        pytorch(lambda logits: torch_cross_entropy(logits, 1.0)),
        keras(lambda logits: -ops.mean(ops.log_sigmoid(logits))),
        keras(lambda logits: keras_cross_entropy(logits, 1.0)),
    ],
    "swapped.mend": [
        loss,
        lambda real, fake: -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean(),
        pytorch(lambda real, fake: torch_cross_entropy(real, 1.0) + torch_cross_entropy(fake, 0.0)),
        keras(lambda real, fake: keras_cross_entropy(real, 1.0) + keras_cross_entropy(fake, 0.0)),
    ],
    "two_forms.text": [-1 / (1 + np.exp(6)), -0.0025, torch.tensor(-0.0025)],
    "two_forms.code": [-1 / (1 + np.exp(-6)), -0.998, np.array([-0.9975])],
    "crashes.mend": [
        slow_losses,
        pytorch(lambda batches: [torch_cross_entropy(logits, 1.0) for logits in batches]),
        keras(lambda batches: [keras_cross_entropy(logits, 1.0) for logits in batches]),
        pytorch(lambda batches: torch.stack([torch_cross_entropy(x, 1.0) for x in batches])),
    ],
    "detach.mend": [play(), play("generator first"), play("generator last")],
    "same_latents.mend": [
        normal,
        latents_one_by_one,
        pytorch(lambda *size: torch.randn(size)),
        keras(lambda *size: ops.reshape(np.random.default_rng(5).normal(size=size), size)),
    ],
    "names.mend": [
        lambda discriminator, real, fake: loss(discriminator(real), discriminator(fake)),
        pytorch(torch_named_loss),
        keras(keras_named_loss),
    ],
    "smoothing.loss": [
        at_odds(lambda label: label, lambda label: 0),
        pytorch(
            lambda real, fake, y: torch_cross_entropy(real, y) + torch_cross_entropy(fake, 0.0)
        ),
        keras(lambda real, fake, y: keras_cross_entropy(real, y) + keras_cross_entropy(fake, 0.0)),
        lambda real, fake, y: loss(real, fake) + (1 - y) * real.mean(),
    ],
}

WRONG = {
    "undecided.discriminator": [
        (np.log(2), "this loss has two"),
        (0, "sure of everything"),
        (1.0, "in bits"),
        (2.0, "natural one"),
        (-1.386, "the sign"),
        (5.0, "logit 0"),
        ("two", "a str"),
    ],
    "undecided.generator": [
        (1.386, "one term only"),
        (-0.693, "minimax"),
        (0.5, "that is the probability"),
        (0.0, "with certainty"),
        (1, "natural one"),
        ([0.69, 0.69], "shape (2,)"),
    ],
    "squashed.mend": [
        (pytorch(lambda points, weights: torch.sigmoid(points @ weights)), "still a sigmoid"),
        (keras(lambda points, weights: ops.sigmoid(points @ weights)), "still a sigmoid"),
        (lambda points, weights: sigmoid(sigmoid(points @ weights)), "two sigmoids"),
        (lambda points, weights: np.tanh(points @ weights), "tanh"),
        (lambda points, weights: -points @ weights, "sign"),
        (lambda points, weights: np.log(sigmoid(points @ weights)), "log-probability"),
        (lambda points, weights: (points @ weights)[:, 0], "shape (3,)"),
    ],
    "caught.mend": [
        (pytorch(lambda logits: torch_cross_entropy(logits, 0.0)), "recognised as fake"),
        (keras(lambda logits: keras_cross_entropy(logits, 0.0)), "recognised as fake"),
        (lambda logits: -softplus(logits).mean(), "minimax"),
        (lambda logits: -softplus(-logits).mean(), "sign is wrong"),
        (lambda logits: softplus(-logits).sum(), "the sum over the batch"),
        (lambda logits: softplus(-sigmoid(logits)).mean(), "sigmoid twice"),
        (lambda logits: softplus(-logits), "shape (3, 1)"),
        (lambda logits: np.square(logits - 1).mean(), "expected"),
    ],
    "swapped.mend": [
        (lambda real, fake: loss(fake, real), "still rewards"),
        (lambda real, fake: softplus(real).mean() + softplus(-fake).mean(), "still rewards"),
        (lambda real, fake: -loss(real, fake), "its sign is wrong"),
        (pytorch(lambda real, fake: torch_cross_entropy(real, 1.0)), "the fakes have no part"),
        (keras(lambda real, fake: keras_cross_entropy(fake, 0.0)), "the real points have no part"),
        (lambda real, fake: loss(real, fake) / 2, "mean of both terms"),
        (lambda real, fake: loss(real, -fake), "takes fakes for real"),
        (lambda real, fake: 3 * loss(real, fake), "sums over the batch"),
        (pytorch(lambda real, fake: F.softplus(-real) + F.softplus(fake)), "shape (3, 1)"),
    ],
    "two_forms.text": [
        (-0.998, "other form"),
        (0.0025, "the sign"),
        (-0.5, "at the logit 0"),
        (0.0, "three decimals"),
        (7.0, "is -D"),
    ],
    "two_forms.code": [
        (-0.0025, "other form"),
        (0.998, "the sign"),
        (-0.5, "at the logit 0"),
        (-1.0, "three decimals"),
        (-6, "-(1 - D)"),
    ],
    "crashes.mend": [
        (lambda batches: [softplus(logits).mean() for logits in batches], "the label is 0"),
        (lambda batches: [softplus(-batches[0]).mean()] * len(batches), "the first one's"),
        (lambda batches: slow_losses(batches[::-1]), "reverse"),
        (lambda batches: np.cumsum(slow_losses(batches)).tolist(), "earlier ones"),
        (lambda batches: slow_losses(batches[1:]), "expected 3 results"),
        (lambda batches: batches[0]("again"), "TypeError"),
        (lambda batches: [softplus(-sigmoid(x)).mean() for x in batches], "a sigmoid first"),
        (keras(lambda batches: [swapped_keras(x) for x in batches]), "changed places"),
        (lambda batches: [slow_losses(batches)[0]], "a list of 1"),
    ],
    "detach.mend": [
        (play(d_to_W=1.0, g_to_v=1.0), "the gradients of both losses"),
        (play(d_to_W=1.0), "still moves the generator"),
        (play(g_to_v=1.0), "still moves the discriminator"),
        (play(g=0.0), "the generator does not move"),
        (play(d=0.0), "the discriminator does not move"),
        (play(g=0.0, d_to_W=1.0), "in place of its own"),
        (play(g=0.0, d=0.0, d_to_W=1.0, g_to_v=1.0), "the other one's loss"),
        (play(g=-1.0, d=-1.0), "up their losses"),
        (play(g=0.5), "not where the gradients"),
        (play(g=0.0, g_to_v=1.0), "does not reach it"),
        (play(g=0.0, d_to_W=1.0, g_to_v=1.0), "cut off in the wrong loss"),
    ],
    "same_latents.mend": [
        (latents_seeded_again, "of the first one"),
        (latents_of_two_steps, "come again"),
        (latents_alike, "within a step"),
        (latents_nearly_alike, "nearly those"),
        (latents_of_one_number, "numbers of one latent"),
        (lambda *size: np.random.default_rng(0).random(size), "uniform"),
        (lambda *size: 3 * normal(*size), "standard deviation"),
        (lambda *size: np.random.default_rng(0).uniform(-1.73, 1.73, size), "beyond 2.5"),
        (pytorch(lambda *size: torch.rand(size)), "uniform"),
        (lambda steps, batch_size, latent_dim: normal(batch_size, steps, latent_dim), "shape"),
    ],
    "names.mend": [
        (lambda d, real, fake: loss(d(real), 0 * d(fake)), "judges labels"),
        (unchanged_names, "judges labels"),
        (lambda d, real, fake: loss(d(real), -d(fake)), "get the label 1"),
        (lambda d, real, fake: loss(-d(real), -d(fake)), "labels are exchanged"),
        (lambda d, real, fake: loss(d(fake), d(real)), "are exchanged"),
        (pytorch(lambda d, real, fake: torch_cross_entropy(d(real), 1.0)), "no part"),
        (keras(lambda d, real, fake: keras_cross_entropy(d(fake), 0.0)), "no part"),
        (lambda d, real, fake: loss(d(real), d(fake)) / 2, "mean of both"),
    ],
    "smoothing.loss": [
        (lambda real, fake, y: loss(real, fake), "has no effect"),
        (at_odds(lambda y: y, lambda y: 1 - y), "smoothed too"),
        (at_odds(lambda y: y, lambda y: y), "the real label"),
        (at_odds(lambda y: 1, lambda y: 1 - y), "only the fakes"),
        (at_odds(lambda y: 1 - y, lambda y: 0), "exchanged"),
        (lambda real, fake, y: y * softplus(-real).mean() + softplus(fake).mean(), "is missing"),
        (at_odds(lambda y: 0.6, lambda y: 0), "wrong for another"),
        (at_odds(lambda y: 0.9, lambda y: 0), "is 0.9 whatever"),
        (at_odds(lambda y: (1 + y) / 2, lambda y: 0), "label_smoothing"),
        (lambda real, fake, y: loss(y * real, fake), "multiplied with the logit"),
        (pytorch(lambda real, fake, y: torch_cross_entropy(real, y)), "no part"),
    ],
}
