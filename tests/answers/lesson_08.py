import math

import numpy as np
import torch
from keras import losses, ops
from torch.nn import functional as F

from answers import keras, pytorch

HALF_LOG_2_PI = math.log(2 * math.pi) / 2

# ------------------------------------------------------------------ better than the truth


def bound_of(
    latent=lambda mean, log_var, noise: mean + np.exp(log_var / 2) * noise,
    kl=lambda each: each.sum(axis=1).mean(),
    constant=1.0,
    scale=lambda std: 2 * std**2,
):
    """The loss of a VAE on points, with the faults asked for."""

    def loss(points, noise, encoder, decoder, std):
        mean, log_var = encoder(points)
        squared = ((points - decoder(latent(mean, log_var, noise))) ** 2).sum(axis=1).mean()
        each = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)
        return squared / scale(std) + constant * np.log(2 * np.pi * std**2) + kl(each)

    return loss


def torch_bound(points, noise, encoder, decoder, std):
    mean, log_var = encoder(points)
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    p = torch.distributions.Normal(decoder(mean + q.scale * noise), std)
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    return (kl - p.log_prob(points)).sum(dim=1).mean()


def keras_bound(points, noise, encoder, decoder, std):
    mean, log_var = encoder(points)
    latent = mean + ops.sqrt(ops.exp(log_var)) * noise
    squared = ops.sum(ops.square(points - decoder(latent)), axis=-1)
    loss = ops.mean(squared) / (2 * std**2) + math.log(2 * math.pi * std**2)
    return loss - 0.5 * ops.mean(ops.sum(1 + log_var - mean**2 - ops.exp(log_var), axis=-1))


def torch_loop(points, noise, encoder, decoder, std):
    """Picture by picture, and the noise changed in place."""
    pairs = zip(points.split(1), noise.mul_(1).split(1), strict=True)
    return torch.stack([torch_bound(*pair, encoder, decoder, std) for pair in pairs]).mean()


def own_noise(points, noise, encoder, decoder, std):
    noise = np.random.default_rng().normal(size=noise.shape)
    return bound_of()(points, noise, encoder, decoder, std)


def nothing(each):
    return 0.0


# ------------------------------------------------------------------ the KL


def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)


def kl_one_by_one(mean, log_var):
    found = np.zeros(mean.shape)
    for place in np.ndindex(mean.shape):
        std = math.exp(log_var[place] / 2)
        found[place] = -math.log(std) + (std**2 + mean[place] ** 2) / 2 - 0.5
    return found


def torch_kl(mean, log_var):
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))


def kl_on_a_grid(mean, log_var):
    z = np.linspace(-12, 12, 4_801)
    log_q = -0.5 * ((z - mean[..., None]) ** 2 / np.exp(log_var)[..., None] + log_var[..., None])
    return (np.exp(log_q) * (log_q + z**2 / 2)).sum(axis=-1) * (z[1] - z[0]) / np.sqrt(2 * np.pi)


def kl_between(mean, log_var, prior_mean, prior_log_var):
    ratio = log_var - prior_log_var
    return 0.5 * ((mean - prior_mean) ** 2 / np.exp(prior_log_var) + np.exp(ratio) - ratio - 1)


def summed(function):
    return lambda *arguments: function(*arguments).sum(axis=1).mean()


def torch_kl_between(mean, log_var, prior_mean, prior_log_var):
    normal = torch.distributions.Normal
    q, p = normal(mean, (log_var / 2).exp()), normal(prior_mean, prior_log_var.exp().sqrt())
    return torch.distributions.kl_divergence(q, p).sum() / len(mean)


def keras_kl_between(mean, log_var, prior_mean, prior_log_var):
    variance, prior_variance = ops.exp(log_var), ops.exp(prior_log_var)
    each = (variance + (mean - prior_mean) ** 2) / prior_variance - ops.log(
        variance / prior_variance
    )
    return ops.mean(ops.sum((each - 1) / 2, axis=-1))


# ------------------------------------------------------------------ both terms


def two_losses(
    pixels=lambda each: each.sum(axis=(1, 2, 3)).mean(),
    latents=lambda each: each.sum(axis=1).mean(),
):
    return lambda images, logits, mean, log_var: (
        pixels(np.logaddexp(0, logits) - images * logits),
        latents(kl(mean, log_var)),
    )


def torch_two_losses(images, logits, mean, log_var):
    loss = F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
    return loss, torch_kl(mean, log_var).mean() * mean.shape[1]


def keras_two_losses(images, logits, mean, log_var):
    cross_entropy = losses.BinaryCrossentropy(from_logits=True)
    pixels = math.prod(images.shape[1:]) * cross_entropy(images, logits)
    return [pixels, ops.sum(keras_kl(mean, log_var)) / mean.shape[0]]


def torch_by_docstring(images, logits, mean, log_var):
    """For images of 784 pixels, as the docstring says."""
    logits, images = logits.view(-1, 784), images.view(-1, 784)
    loss = F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(dim=1).mean()
    yield loss
    yield torch_kl(mean, log_var).sum() / len(mean)


def keras_kl(mean, log_var):
    return -0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var))


# ------------------------------------------------------------------ draws and densities


def draw_with(scale):
    return lambda mean, log_var, noise: mean + scale(log_var) * noise


def std_of(log_var):
    return np.exp(log_var / 2)


def density_with(std=std_of, log_std=None, constant=HALF_LOG_2_PI, half=0.5):
    def log_density(latent, mean, log_var):
        log = np.log(std(log_var)) if log_std is None else log_std(log_var)
        return (-half * ((latent - mean) / std(log_var)) ** 2 - log - constant).sum(axis=1)

    return log_density


def torch_density(latent, mean, log_var):
    return torch.distributions.Normal(mean, (log_var / 2).exp()).log_prob(latent).sum(dim=1)


def keras_density(latent, mean, log_var):
    std = ops.exp(log_var / 2)
    each = ops.exp(-0.5 * ((latent - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    return ops.log(ops.prod(each, axis=1))


# ------------------------------------------------------------------ many draws


def bound(log_weights):
    greatest = log_weights.max(axis=0)
    return (greatest + np.log(np.exp(log_weights - greatest).mean(axis=0))).mean()


def bound_by_loops(log_weights):
    found = []
    for column in log_weights.T:
        total = -np.inf
        for weight in column:
            total = np.logaddexp(total, weight)
        found.append(total - math.log(len(column)))
    return sum(found) / len(found)


def one_greatest(log_weights):
    """The greatest of all log-weights is taken out, not that of each picture."""
    greatest = log_weights.max()
    return greatest + (log_weights - greatest).exp().mean(dim=0).log().mean()


def least(log_weights):
    """The least of each picture's log-weights is taken out, not the greatest."""
    lowest = log_weights.min(dim=0).values
    return (lowest + (log_weights - lowest).exp().mean(dim=0).log()).mean()


def lse(log_weights, axis=0):
    return np.logaddexp.reduce(log_weights, axis=axis)


RIGHT = {
    "price.nothing": [0, 0.0, torch.tensor(0.0)],
    "price.far": [2, 2.0, "2", np.array([2.0])],
    "price.sure": [1.81, 1.8076, 1.808, ops.convert_to_tensor(1.8076)],
    "awake.one": [4, np.int64(4), 4.0],
    "awake.twenty": [2, np.sum([True, True]), "2"],
    "awake.tenth": [6, torch.tensor(6), 6.0],
    "too_good.mend": [
        bound_of(),
        bound_of(latent=lambda mean, log_var, noise: mean + np.sqrt(np.exp(log_var)) * noise),
        pytorch(torch_bound),
        pytorch(torch_loop),
        keras(keras_bound),
    ],
    "negative.mend": [
        kl,
        kl_one_by_one,
        kl_on_a_grid,
        pytorch(torch_kl),
        keras(keras_kl),
    ],
    "one_price.beta": [1 / 16, 0.06, torch.tensor(0.0625)],
    "one_price.means": [49, 784 / 16, "49"],
    "one_price.mend": [
        two_losses(),
        two_losses(pixels=lambda each: 784 * each.mean()),
        pytorch(torch_two_losses),
        pytorch(torch_by_docstring),
        keras(keras_two_losses),
    ],
    "spread.draw": [
        draw_with(std_of),
        draw_with(lambda log_var: np.sqrt(np.exp(log_var))),
        pytorch(lambda mean, log_var, noise: torch.addcmul(mean, (log_var / 2).exp(), noise)),
        keras(lambda mean, log_var, noise: noise * ops.exp(log_var) ** 0.5 + mean),
    ],
    "spread.density": [
        density_with(),
        density_with(log_std=lambda log_var: log_var / 2),
        pytorch(torch_density),
        keras(keras_density),
    ],
    "prior.kl": [
        summed(kl_between),
        lambda *arguments: kl_between(*arguments).sum() / 4,
        pytorch(torch_kl_between),
        keras(keras_kl_between),
    ],
    "many_draws.bound": [
        bound,
        bound_by_loops,
        pytorch(lambda weights: (weights.logsumexp(dim=0) - math.log(weights.shape[0])).mean()),
        keras(lambda weights: ops.mean(ops.logsumexp(weights - math.log(len(weights)), axis=0))),
    ],
}

WRONG = {
    "price.nothing": [
        (8, "-1 forgotten"),
        (16, "½ and -1"),
        (-8, "never negative"),
        (3, "the same Gaussian"),
    ],
    "price.far": [
        (4, "the ½"),
        (1, "square"),
        (2.5, "the -1"),
        (1.5, "e^0 is 1"),
        (0, "above 0"),
        (7, "formula"),
    ],
    "price.sure": [
        (0.70, "not the variance"),
        (1.853, "there seems to be 0.1"),
        (0.656, "that of 0.1"),
        (2.31, "the -1"),
        (3.615, "the ½"),
        (-2.8, "is subtracted"),
        (0, "costs something"),
        ("much", "a str"),
    ],
    "awake.one": [(6, "less than"), (5, "the fifth"), (3, "the fourth"), (1, "last hint")],
    "awake.twenty": [
        (0, "not standard deviations"),
        (1, "the second"),
        (3, "the third"),
        (4, "twenty times"),
        (6, "almost nothing"),
    ],
    "awake.tenth": [(4, "a tenth"), (5, "the sixth"), (0, "cheap"), (2, "not fewer"), (3, "hint")],
    "too_good.mend": [
        (bound_of(lambda mean, log_var, noise: mean, nothing), "no noise, and no KL"),
        (bound_of(lambda mean, log_var, noise: mean), "still the mean"),
        (bound_of(kl=nothing), "nothing asks"),
        (bound_of(lambda mean, log_var, noise: mean + noise), "the size 1"),
        (bound_of(lambda mean, log_var, noise: std_of(log_var) * noise), "no longer the mean"),
        (bound_of(lambda mean, log_var, noise: mean + np.exp(log_var) * noise), "the variance"),
        (bound_of(lambda mean, log_var, noise: mean + log_var * noise), "the log-variance"),
        (bound_of(lambda mean, log_var, noise: mean + np.exp(log_var) / 2 * noise), "half the"),
        (bound_of(kl=lambda each: -each.sum(axis=1).mean()), "is subtracted"),
        (bound_of(kl=lambda each: each.mean()), "mean over the latents"),
        (bound_of(kl=lambda each: each.sum()), "sum over the batch"),
        (lambda *arguments: -bound_of()(*arguments), "the bound itself"),
        (bound_of(constant=0), "the constant"),
        (bound_of(constant=0, scale=lambda std: 1), "lacks the noise of the decoder"),
        (own_noise, "two results"),
        (bound_of(lambda mean, log_var, noise: 2 * mean), "no effect"),
        (bound_of(kl=lambda each: 2 * each.sum()), "expected"),
        (pytorch(lambda *arguments: torch_bound(*arguments) * torch.ones(5)), "shape (5,)"),
        (keras(lambda points, noise, encoder, decoder, std: decoder(points)), "shape (5, 2)"),
    ],
    "negative.mend": [
        (
            pytorch(lambda mean, log_var: F.kl_div(mean, log_var.exp(), reduction="none")),
            "for probabilities",
        ),
        (
            keras(
                lambda mean, log_var: ops.reshape(
                    losses.KLDivergence(reduction=None)(
                        ops.reshape(ops.exp(log_var), (-1, 1)), ops.reshape(mean, (-1, 1))
                    ),
                    mean.shape,
                )
            ),
            "for probabilities",
        ),
        (lambda mean, log_var: 2 * kl(mean, log_var), "twice"),
        (lambda mean, log_var: -kl(mean, log_var), "never negative"),
        (lambda mean, log_var: kl(mean, log_var) + 0.5, "the -1"),
        (lambda mean, log_var: kl(0, log_var) + mean / 2, "its square"),
        (lambda mean, log_var: kl(0, log_var), "the mean has no part"),
        (lambda mean, log_var: kl(mean, log_var / 2), "with its root"),
        (lambda mean, log_var: kl(mean, 2 * log_var), "of the standard deviation"),
        (
            lambda mean, log_var: 0.5 * (mean**2 + std_of(log_var) - log_var - 1),
            "one term has the standard deviation",
        ),
        (lambda mean, log_var: 0.5 * (mean**2 + log_var - 1), "as if it were a variance"),
        (lambda mean, log_var: kl_between(0, 0, mean, log_var), "the other way round"),
        (lambda mean, log_var: kl(mean, log_var) + log_var, "sign of `log_var`"),
        (summed(kl), "shape ()"),
        (lambda mean, log_var: kl(mean, log_var).sum(axis=1), "shape (4,)"),
    ],
    "one_price.beta": [
        (16, "too little"),
        (1, "would be the sum"),
        (784, "the latents are not"),
        (0.5, "between a mean"),
    ],
    "one_price.means": [
        (16 / 784, "other way round"),
        (784, "summed over the latents"),
        (0.0625, "pixels that are summed"),
        (1, "different numbers"),
        (12544, "are divided"),
        (3, "multiply both"),
    ],
    "one_price.mend": [
        (two_losses(latents=np.mean), "still is a mean"),
        (two_losses(pixels=np.mean), "mean over the pixels"),
        (two_losses(pixels=np.sum), "summed over the batch; a mean"),
        (two_losses(latents=np.sum), "that one is a mean"),
        (two_losses(latents=lambda each: each.sum(axis=0).mean()), "not over the latents"),
        (two_losses(latents=lambda each: 16 * each.mean()), "not always 16"),
        (two_losses(latents=lambda each: 784 * each.mean()), "number of pixels"),
        (
            pytorch(lambda images, logits, *others: torch_two_losses(logits, images, *others)),
            "changed places",
        ),
        (two_losses(latents=lambda each: -each.sum(axis=1).mean()), "sign of the KL"),
        (two_losses(pixels=lambda each: -each.sum() / 4), "sign of the reconstruction"),
        (lambda *arguments: two_losses()(*arguments)[::-1], "comes first"),
        (lambda images, *others: two_losses()(0 * images, *others), "the images have no part"),
        (two_losses(latents=lambda each: 0.3 * each.sum()), "is due"),
        (pytorch(lambda *arguments: sum(torch_two_losses(*arguments))), "expected 2 results"),
    ],
    "spread.draw": [
        (pytorch(lambda mean, log_var, noise: mean + log_var * noise), "by the log-variance"),
        (keras(lambda mean, log_var, noise: mean + ops.exp(log_var) * noise), "by the variance"),
        (draw_with(lambda log_var: log_var / 2), "half a log-variance"),
        (draw_with(lambda log_var: np.exp(log_var) / 2), "half the variance"),
        (draw_with(lambda log_var: 1 / std_of(log_var)), "divided"),
        (draw_with(lambda log_var: np.sqrt(abs(log_var))), "not a logarithm"),
        (draw_with(lambda log_var: np.exp(2 * log_var)), "square of the variance"),
        (draw_with(lambda log_var: 1.0), "no part"),
        (draw_with(lambda log_var: -std_of(log_var)), "wrong sign"),
        (lambda mean, log_var, noise: std_of(log_var) * noise, "the mean is missing"),
        (lambda mean, log_var, noise: mean, "the noise is missing"),
        (pytorch(lambda mean, log_var, noise: mean + log_var.sqrt() * noise), "NaN"),
        (
            pytorch(lambda mean, log_var, noise: torch.normal(mean, (log_var / 2).exp())),
            "two results",
        ),
    ],
    "spread.density": [
        (density_with(np.exp), "still used as a standard deviation"),
        (density_with(log_std=lambda log_var: log_var), "half of `log_var`"),
        (density_with(np.exp, lambda log_var: log_var / 2), "the logarithm is right"),
        (density_with(lambda log_var: np.exp(log_var / 4)), "taken twice"),
        (
            density_with(lambda log_var: np.exp(log_var / 4), lambda log_var: log_var / 2),
            "divided by σ",
        ),
        (density_with(constant=0), "each latent is missing"),
        (density_with(constant=np.log(2 * np.pi)), "not log(2π)"),
        (
            lambda *arguments: density_with(constant=0)(*arguments) - np.log(2 * np.pi) / 2,
            "stands there once",
        ),
        (density_with(log_std=lambda log_var: 0, constant=0), "the square alone"),
        (density_with(log_std=lambda log_var: 0), "area is not 1"),
        (density_with(log_std=lambda log_var: -log_var / 2), "the sign of the logarithm"),
        (density_with(half=1), "lacks its ½"),
        (lambda *arguments: density_with()(*arguments) / 3, "mean over the latents"),
        (lambda *arguments: np.exp(density_with()(*arguments)), "logarithm is due"),
        (lambda *arguments: -density_with()(*arguments), "minus the logarithm"),
        (density_with(np.ones_like), "has no part"),
        (keras(lambda *arguments: ops.sum(keras_density(*arguments))), "shape ()"),
        (
            pytorch(
                lambda latent, mean, log_var: torch.distributions.Normal(
                    mean, (log_var / 2).exp()
                ).log_prob(latent)
            ),
            "shape (4, 3)",
        ),
    ],
    "prior.kl": [
        (lambda mean, log_var, m, v: summed(kl)(mean, log_var), "the prior has no part"),
        (lambda mean, log_var, m, v: summed(kl_between)(m, v, mean, log_var), "other way round"),
        (lambda mean, log_var, m, v: summed(kl)(mean - m, log_var), "its variance has no part"),
        (
            lambda mean, log_var, m, v: summed(kl_between)(mean, log_var, 0, v),
            "its mean has no part",
        ),
        (lambda mean, log_var, m, v: summed(kl)(mean - m, log_var - v), "distance of the means"),
        (
            lambda mean, log_var, m, v: summed(kl)((mean - m) / std_of(v / 2), log_var - v),
            "by the prior's standard deviation",
        ),
        (
            lambda mean, log_var, m, v: summed(kl)((mean - m) / np.exp(v), log_var - v),
            "by the square of the prior's variance",
        ),
        (
            lambda mean, log_var, m, v: summed(kl_between)(mean, log_var, m, 2 * v),
            "not of its standard",
        ),
        (
            lambda mean, log_var, m, v: (
                (kl_between(mean, log_var, m, v) + (log_var - v - log_var / v) / 2).sum() / 4
            ),
            "not their quotient",
        ),
        (
            lambda mean, log_var, m, v: (
                (kl_between(mean, log_var, m, v) - (log_var - v) / 2).sum() / 4
            ),
            "lacks its ½",
        ),
        (
            lambda mean, log_var, m, v: summed(kl)(mean, log_var) - summed(kl)(m, v),
            "a difference of two KLs",
        ),
        (
            lambda mean, log_var, m, v: (
                (kl_between(mean, log_var, m, v) + log_var - v).sum(axis=1).mean()
            ),
            "the sign of the difference",
        ),
        (
            lambda mean, log_var, m, v: (kl_between(mean, log_var, m, v) - v / 2).sum() / 4,
            "the prior's variance is missing",
        ),
        (
            lambda mean, log_var, m, v: summed(kl)((mean - m) * std_of(v), log_var - v),
            "is multiplied by",
        ),
        (lambda *arguments: summed(kl_between)(*arguments) + 1.5, "the -1"),
        (lambda *arguments: 2 * summed(kl_between)(*arguments), "twice"),
        (lambda *arguments: -summed(kl_between)(*arguments), "never negative"),
        (lambda *arguments: kl_between(*arguments).mean(), "mean over the latents"),
        (lambda *arguments: kl_between(*arguments).sum(), "sum over the batch"),
        (lambda *arguments: kl_between(*arguments).sum(axis=0).mean(), "summed over the batch"),
        (pytorch(lambda mean, *others: torch_kl(mean, others[0]).sum() / 4), "no part"),
        (keras(lambda mean, *others: ops.mean(keras_kl(mean, others[0]))), "expected"),
    ],
    "many_draws.bound": [
        (np.mean, "of the logarithms"),
        (lambda weights: lse(weights).mean(), "lacks log k"),
        (lambda weights: lse(weights).mean() + np.log(len(weights)), "wrong sign"),
        (lambda weights: lse(weights).mean() - len(weights), "k itself"),
        (lambda weights: lse(weights).mean() - np.log(weights.shape[1]), "of the batch"),
        (lambda weights: np.log(np.exp(weights).mean()), "the pictures are averaged"),
        (lambda weights: bound(weights.T), "the axes are exchanged: draws"),
        (lambda weights: lse(weights, axis=1).mean(), "and log k is missing"),
        (lambda weights: weights.max(axis=0).mean(), "the best draw"),
        (lambda weights: 3 * bound(weights), "the sum over the batch"),
        (lambda weights: -bound(weights), "minus the bound"),
        (lambda weights: np.exp(weights).mean(), "its logarithm is due"),
        (pytorch(lambda weights: weights.exp().mean(dim=0).log().mean()), "e^-1000 is 0"),
        (keras(lambda weights: ops.mean(ops.log(ops.mean(ops.exp(weights), axis=0)))), "e^-1000"),
        (
            pytorch(lambda weights: (weights.exp().mean(dim=0) + 1e-9).log().mean()),
            "e^-1000 is 0",
        ),
        (pytorch(one_greatest), "a greatest log-weight of its own"),
        (pytorch(least), "Take out the greatest"),
        (pytorch(lambda weights: weights.logsumexp(dim=0)), "shape (3,)"),
    ],
}
