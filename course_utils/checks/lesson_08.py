"""Checkers of lesson 08, a variational autoencoder."""

import numpy as np

from course_utils.checks.judging import Answer, Choice, Exercise, Wrong, compare, number

# What an encoder might say about four pictures in three latents. No log-variance is 0 or 1.
MEAN = np.array([[1.5, -0.3, 0.6], [-2.0, 0.8, 0.1], [0.4, 1.2, -1.1], [0.9, -0.7, 2.2]])
LOG_VAR = np.array([[-2.0, 0.5, -0.7], [0.3, -1.5, -3.0], [-1.2, -0.4, 0.8], [-2.5, 1.3, -0.6]])
NOISE = np.array([[0.7, -1.4, 0.2], [1.9, 0.5, -0.8], [-0.6, 1.1, 1.6], [-2.1, 0.3, -0.9]])
HALF_LOG_2_PI = np.log(2 * np.pi) / 2


def softplus(logits):
    return np.logaddexp(0, logits)


def kl(mean, log_var):
    """KL(N(mean, e^log_var) || N(0, 1)) of each number."""
    return 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)


def kl_between(mean, log_var, prior_mean, prior_log_var):
    ratio = log_var - prior_log_var
    return 0.5 * ((mean - prior_mean) ** 2 / np.exp(prior_log_var) + np.exp(ratio) - ratio - 1)


def over_latents(values):
    """Sum over the latents, mean over the batch."""
    return values.sum(axis=1).mean()


def bound_of_points(answer: Answer) -> None:
    points = np.array([[2.0, 1.0], [-1.5, 0.5], [0.8, -2.2], [3.0, 0.4], [0.1, 1.7]])
    noise = np.array([[0.6, -1.2], [1.4, 0.9], [-0.3, 2.0], [0.5, -0.8], [-1.7, 0.2]])
    std = 0.7

    def encoder(points, *_, **__):  # on any framework's tensors
        return 0.5 * points - 0.4, 0.6 * points - 1.1

    def decoder(latent, *_, **__):
        return 1.6 * latent + 0.9

    mean, log_var = encoder(points)
    sigma = np.exp(log_var / 2)
    constant = np.log(2 * np.pi * std**2)

    def squared(latent):
        return ((points - decoder(latent)) ** 2).sum(axis=1)

    def rebuilt(latent):
        return squared(latent).mean() / (2 * std**2) + constant

    latent, price = mean + sigma * noise, over_latents(kl(mean, log_var))
    right = rebuilt(latent) + price
    mistakes = [
        (rebuilt(mean), "this still is the plain autoencoder: no noise, and no KL."),
        (
            rebuilt(mean) + price,
            "the KL is there, but the latent is still the mean: without noise this is no bound.",
        ),
        (
            rebuilt(latent),
            "the noise is there, but nothing asks the latents to lie where N(0, I) does.",
        ),
        (rebuilt(mean + noise) + price, "the noise has the size 1 whatever the encoder says."),
        (rebuilt(sigma * noise) + price, "the latent has the noise, but no longer the mean."),
        (
            rebuilt(mean + np.exp(log_var) * noise) + price,
            "the noise is scaled by the variance; its standard deviation is due.",
        ),
        (
            rebuilt(mean + log_var * noise) + price,
            "the noise is scaled by the log-variance; the standard deviation is due.",
        ),
        (
            rebuilt(mean + np.exp(log_var) / 2 * noise) + price,
            "the noise is scaled by half the variance: the ½ belongs into the exponent.",
        ),
        (rebuilt(latent) - price, "the KL is subtracted: it would be made large."),
        (rebuilt(latent) + price / 2, "the KL is a mean over the latents; their sum is due."),
        (rebuilt(latent) + price * len(points), "the KL is a sum over the batch; a mean is due."),
        (-right, "this is the bound itself; the loss is minus the bound."),
        (right - constant, "the constant of `gaussian_loss` is missing, so this is no bound."),
        (
            squared(latent).mean() + price,
            "the squared error lacks the noise of the decoder, `std`. Use `gaussian_loss`.",
        ),
    ]
    given = answer.call(points, noise, encoder, decoder, std, shape=())
    again = answer.call(points, noise, encoder, decoder, std, shape=())
    if not np.isclose(given, again):
        raise Wrong("twice the same `noise`, and two results: use the noise that it is given.")
    still = answer.call(points, 0 * noise, encoder, decoder, std, shape=())
    otherwise = "the noise has no effect on it." if np.isclose(given, still) else ""
    compare(given, right, mistakes, otherwise)


def kl_of_each(answer: Answer) -> None:
    variance, right = np.exp(LOG_VAR), kl(MEAN, LOG_VAR)
    table, other = np.clip(variance, 1e-7, 1), np.clip(MEAN, 1e-7, 1)
    mistakes = [
        (variance * (LOG_VAR - MEAN), "this still takes mean and variance for probabilities."),
        (table * np.log(table / other), "this still takes mean and variance for probabilities."),
        (2 * right, "this is twice the KL."),
        (-right, "the sign: a KL is never negative."),
        (right + 0.5, "it lacks the -1: q = N(0, 1) must cost nothing."),
        (0.5 * (MEAN + variance - LOG_VAR - 1), "the mean counts by its square."),
        (0.5 * (variance - LOG_VAR - 1), "the mean has no part in it."),
        (
            kl(MEAN, LOG_VAR / 2),
            "the variance is e^log_var; this is the KL of a Gaussian with its root.",
        ),
        (
            0.5 * (MEAN**2 + variance**0.5 - LOG_VAR - 1),
            "one term has the standard deviation where the variance is due.",
        ),
        (
            kl(MEAN, 2 * LOG_VAR),
            "this takes `log_var` for the logarithm of the standard deviation.",
        ),
        (0.5 * (MEAN**2 + LOG_VAR - 1), "the log-variance stands there as if it were a variance."),
        (
            kl_between(0, 0, MEAN, LOG_VAR),
            "this is the KL the other way round, of N(0, 1) from q.",
        ),
        (0.5 * (MEAN**2 + variance + LOG_VAR - 1), "the sign of `log_var` by itself is wrong."),
    ]
    compare(answer.call(MEAN, LOG_VAR, shape=MEAN.shape), right, mistakes)


def both_terms(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((4, 28, 28, 1))
    logits = 3 * rng.normal(size=images.shape) - 1
    pixels, latents = softplus(logits) - images * logits, kl(MEAN, LOG_VAR)
    loss, price = pixels.sum() / 4, latents.sum() / 4
    given = np.array(answer.call(images, logits, MEAN, LOG_VAR, shape=[(), ()]))
    if np.allclose(given, [price, loss], 1e-3, 1e-3):
        raise Wrong("the reconstruction loss comes first, then the KL.")
    compare(
        given[0],
        loss,
        [
            (pixels.mean(), "the reconstruction loss is a mean over the pixels; a sum is due."),
            (pixels.sum(), "the reconstruction loss is summed over the batch; a mean is due."),
            (-loss, "the sign of the reconstruction loss is wrong."),
            (
                (softplus(-logits) - images * logits).sum() / 4,
                "the softplus has the wrong sign inside: it is ζ(l) - x l.",
            ),
            (softplus(logits).sum() / 4, "the images have no part in the reconstruction loss."),
            (
                (softplus(images) - images * logits).sum() / 4,
                "images and logits have changed places in the reconstruction loss.",
            ),
        ],
        f"the reconstruction loss is {given[0]:.4g} here; summed over pixels, {loss:.4g} is due.",
    )
    compare(
        given[1],
        price,
        [
            (latents.mean(), "the KL still is a mean over the latents."),
            (latents.sum(), "the KL is summed over the batch as well; that one is a mean."),
            (latents.mean(axis=1).sum(), "the KL is summed over the batch, not over the latents."),
            (2 * price, "this is twice the KL."),
            (-price, "the sign of the KL is wrong."),
            (
                latents.mean() * images[0].size,
                "the KL is multiplied by the number of pixels. What is it summed over?",
            ),
            (
                latents.mean() * 16,
                "the number of latents is not always 16: let the tensors say it.",
            ),
        ],
        f"the KL is {given[1]:.4g} here; summed over the latents, {price:.4g} is due.",
    )


def draw(answer: Answer) -> None:
    std = np.exp(LOG_VAR / 2)
    mistakes = [
        (MEAN + LOG_VAR * NOISE, "the noise is still multiplied by the log-variance."),
        (MEAN + std**2 * NOISE, "the noise is multiplied by the variance."),
        (MEAN + std**2 / 2 * NOISE, "that is half the variance: the ½ belongs into the exponent."),
        (MEAN + LOG_VAR / 2 * NOISE, "half a log-variance is the *logarithm* of what is due."),
        (MEAN + NOISE / std, "the noise is divided by the standard deviation."),
        (MEAN + np.sqrt(np.abs(LOG_VAR)) * NOISE, "a root undoes a square, not a logarithm."),
        (MEAN + std**4 * NOISE, "the noise is multiplied by the square of the variance."),
        (MEAN + NOISE, "the noise is not scaled: the log-variance has no part in it."),
        (MEAN - std * NOISE, "the noise has the wrong sign; add it."),
        (std * NOISE, "the mean is missing."),
        (MEAN, "the noise is missing."),
    ]
    given, again = (answer.call(MEAN, LOG_VAR, NOISE, shape=MEAN.shape) for _ in range(2))
    if not np.allclose(given, again):
        raise Wrong("twice the same `noise`, and two results: use the noise that it is given.")
    compare(given, MEAN + std * NOISE, mistakes)


def log_density(answer: Answer) -> None:
    latent = MEAN + NOISE  # the same distance everywhere, whatever q is

    def of(std, constant=HALF_LOG_2_PI, log_std=None):
        log_std = np.log(std) if log_std is None else log_std
        return -0.5 * (NOISE / std) ** 2 - log_std - constant

    std, variance = np.exp(LOG_VAR / 2), np.exp(LOG_VAR)
    right = of(std).sum(axis=1)
    mistakes = [
        (of(variance).sum(axis=1), "the variance is still used as a standard deviation."),
        (
            of(std, log_std=LOG_VAR).sum(axis=1),
            "the square is right; the logarithm beside it is that of σ, so half of `log_var`.",
        ),
        (
            of(variance, log_std=LOG_VAR / 2).sum(axis=1),
            "the logarithm is right; the square is still divided by the variance's square.",
        ),
        (
            of(variance**0.25).sum(axis=1),
            "the root is taken twice: e^(log_var / 2) is the standard deviation already.",
        ),
        (
            of(std**0.5, log_std=LOG_VAR / 2).sum(axis=1),
            "the square is divided by σ; it is divided by the variance.",
        ),
        (of(std, constant=0).sum(axis=1), "the constant log(2π) / 2 of each latent is missing."),
        (
            of(std, constant=2 * HALF_LOG_2_PI).sum(axis=1),
            "the constant is log(2π) / 2, not log(2π).",
        ),
        (
            of(std).sum(axis=1) + 2 * HALF_LOG_2_PI,
            "the constant log(2π) / 2 stands there once; each latent has one.",
        ),
        (
            of(std, log_std=0, constant=0).sum(axis=1),
            "this is the square alone; without the logarithm of σ the area is not 1.",
        ),
        (of(std, log_std=0).sum(axis=1), "the logarithm of σ is missing: the area is not 1."),
        (of(std, log_std=-LOG_VAR / 2).sum(axis=1), "the sign of the logarithm of σ is wrong."),
        (
            (2 * of(std) + LOG_VAR / 2 + HALF_LOG_2_PI).sum(axis=1),
            "the square lacks its ½.",
        ),
        (of(std).mean(axis=1), "this is the mean over the latents; their sum is due."),
        (np.exp(right), "this is the density; its logarithm is due."),
        (-right, "this is minus the logarithm."),
        (of(np.ones_like(std)).sum(axis=1), "the log-variance has no part in it."),
    ]
    compare(answer.call(latent, MEAN, LOG_VAR, shape=(4,)), right, mistakes)


def kl_to_prior(answer: Answer) -> None:
    prior_mean, prior_log_var = NOISE / 2, 0.5 * LOG_VAR[::-1] + 0.4
    given = answer.call(MEAN, LOG_VAR, prior_mean, prior_log_var, shape=())
    each = kl_between(MEAN, LOG_VAR, prior_mean, prior_log_var)
    squared, variance = (MEAN - prior_mean) ** 2, np.exp(prior_log_var)
    ratio = LOG_VAR - prior_log_var
    mistakes = [
        (over_latents(kl(MEAN, LOG_VAR)), "the prior has no part in it: this is KL(q || N(0, I))."),
        (
            over_latents(kl_between(prior_mean, prior_log_var, MEAN, LOG_VAR)),
            "this is the KL the other way round, of the prior from q.",
        ),
        (
            over_latents(kl(MEAN - prior_mean, LOG_VAR)),
            "the prior's mean is there; its variance has no part in it.",
        ),
        (
            over_latents(kl_between(MEAN, LOG_VAR, 0, prior_log_var)),
            "the prior's variance is there; its mean has no part in it.",
        ),
        (
            over_latents(kl(MEAN - prior_mean, ratio)),
            "the variances are compared as they should be; the distance of the means is to be "
            "measured in the prior's standard deviations, too.",
        ),
        (
            over_latents(0.5 * (squared / variance**0.5 + np.exp(ratio) - ratio - 1)),
            "the square of the means' distance is divided by the prior's standard deviation; "
            "by its variance it is.",
        ),
        (
            over_latents(0.5 * (squared / variance**2 + np.exp(ratio) - ratio - 1)),
            "the square of the means' distance is divided by the square of the prior's variance; "
            "by its variance it is.",
        ),
        (
            over_latents(kl_between(MEAN, LOG_VAR, prior_mean, 2 * prior_log_var)),
            "`prior_log_var` is the logarithm of the prior's variance, not of its standard "
            "deviation.",
        ),
        (
            over_latents(0.5 * (squared / variance + np.exp(ratio) - LOG_VAR / prior_log_var - 1)),
            "the logarithm of a quotient is the difference of the logarithms, not their quotient.",
        ),
        (
            over_latents(0.5 * (squared / variance + np.exp(ratio) - 1) - ratio),
            "the difference of the log-variances lacks its ½.",
        ),
        (
            over_latents(kl(MEAN, LOG_VAR) - kl(prior_mean, prior_log_var)),
            "this is a difference of two KLs, which is another thing: it may be negative.",
        ),
        (
            over_latents(0.5 * (squared / variance + np.exp(ratio) + ratio - 1)),
            "the sign of the difference of the log-variances is wrong.",
        ),
        (
            over_latents(0.5 * (squared / variance + np.exp(ratio) - LOG_VAR - 1)),
            "the logarithm of the prior's variance is missing.",
        ),
        (
            over_latents(0.5 * (squared * variance + np.exp(ratio) - ratio - 1)),
            "the square of the means' distance is multiplied by the prior's variance.",
        ),
        (over_latents(each) + 1.5, "the -1 is missing: equal Gaussians must cost nothing."),
        (2 * over_latents(each), "this is twice the KL."),
        (-over_latents(each), "the sign: a KL is never negative."),
        (each.mean(), "this is the mean over the latents; their sum is due."),
        (each.sum(), "this is the sum over the batch; the mean is due."),
        (each.mean(axis=1).sum(), "this is summed over the batch, and a mean over the latents."),
    ]
    compare(given, over_latents(each), mistakes)


def importance_bound(answer: Answer) -> None:
    weights = np.array([[-1.0, 0.5, -3.0], [0.8, -2.0, -0.2], [-0.4, 1.5, -1.1], [3.0, -0.7, 1.3]])
    draws, batch = weights.shape
    summed = np.logaddexp.reduce(weights, axis=0)
    right = (summed - np.log(draws)).mean()
    mistakes = [
        (weights.mean(), "the mean is taken of the logarithms: this is the bound of one draw."),
        (summed.mean(), "this is a sum over the draws where a mean is due: it lacks log k."),
        ((summed + np.log(draws)).mean(), "log k has the wrong sign."),
        ((summed - draws).mean(), "k itself is subtracted; its logarithm is due."),
        ((summed - np.log(batch)).mean(), "the logarithm is that of the batch, not of the draws."),
        (
            np.log(np.exp(weights).mean()),
            "the pictures are averaged before the logarithm as well; only the draws are.",
        ),
        (
            (np.logaddexp.reduce(weights, axis=1) - np.log(batch)).mean(),
            "the axes are exchanged: draws come first, then pictures.",
        ),
        (
            np.logaddexp.reduce(weights, axis=1).mean(),
            "the axes are exchanged, and log k is missing.",
        ),
        (weights.max(axis=0).mean(), "this is the best draw of each picture, not their mean."),
        (batch * right, "this is the sum over the batch; the mean is due."),
        (-right, "this is minus the bound."),
        (np.exp(weights).mean(), "this is a mean of the weights; its logarithm is due."),
    ]
    compare(answer.call(weights, shape=()), right, mistakes)
    near_0 = "right for log-weights near 0; "
    computer = " In a computer, {} is {}: subtract something first, or let the framework do it."
    each = (
        "right for pictures that are alike; for one far below the others it goes wrong. Each has "
    )
    cases = [
        (-1_000, f"{near_0}for some near -1,000 it goes wrong.{computer.format('e^-1000', 0)}"),
        (
            1_000,
            f"{near_0}for some near 1,000 it goes wrong.{computer.format('e^1000', 'infinity')}",
        ),
        (np.array([-1_000.0, -300.0, -700.0]), f"{each}a greatest log-weight of its own."),
        (
            np.array([[0.0], [2_000.0], [-500.0], [100.0]]),
            "right for draws that are alike; where one log-weight is far above the picture's "
            "others it goes wrong. Take out the greatest, no other.",
        ),
    ]
    for far, sentence in cases:
        try:
            given = answer.call(weights + far, shape=())
        except Wrong:
            given = np.array(np.inf)
        due = (np.logaddexp.reduce(weights + far, axis=0) - np.log(draws)).mean()
        compare(given, due, otherwise=sentence, tolerance=1e-5)


EXERCISES = [
    Exercise(
        "price",
        "predict",
        "Three encoders and their price",
        {
            "nothing": number(
                0,
                0.01,
                [
                    (8, "is the -1 forgotten? Half of e^0 - 0 - 1, for each latent."),
                    (16, "are ½ and -1 forgotten? Half of e^0 - 0 - 1, for each latent."),
                    (-8, "e^0 is 1. And a KL is never negative."),
                    (0.5, "is the -1 forgotten? Half of e^0 - 0 - 1, for each latent."),
                    (-0.5, "e^0 is 1. And a KL is never negative."),
                ],
                "here q(z|x) and p(z) are the same Gaussian.",
            ),
            "far": number(
                2,
                0.01,
                [
                    (4, "the ½ is missing."),
                    (1, "the mean counts by its square."),
                    (2.5, "the -1 is missing."),
                    (1.5, "e^0 is 1, not 0."),
                    (0, "two different Gaussians have a KL above 0."),
                    (-2, "a KL is never negative."),
                ],
                "put mean 2 and log-variance 0 into the formula of the lesson.",
            ),
            "sure": number(
                0.5 * (0.01 - np.log(0.01) - 1),
                0.005,
                [
                    (
                        0.5 * (0.1 - np.log(0.1) - 1),
                        "0.1 is the standard deviation, not the variance.",
                    ),
                    (
                        0.5 * (0.1 - np.log(0.01) - 1),
                        "e^log_var is the variance, 0.01; there seems to be 0.1.",
                    ),
                    (
                        0.5 * (0.01 - np.log(0.1) - 1),
                        "log_var is the logarithm of 0.01; there seems to be that of 0.1.",
                    ),
                    (0.5 * (0.01 - np.log(0.01)), "the -1 is missing."),
                    (0.01 - np.log(0.01) - 1, "the ½ is missing."),
                    (0.5 * (0.01 + np.log(0.01) - 1), "log 0.01 is negative, and is subtracted."),
                    (0, "a log-variance other than 0 costs something. It is not 0.1, nor near 0."),
                ],
                "put mean 0 and log-variance log 0.01 = -4.61 into the formula.",
            ),
        },
    ),
    Exercise(
        "awake",
        "predict",
        "Who stays awake?",
        {
            "one": number(
                4,
                0.01,
                [
                    (
                        6,
                        "two of them spread less than the decoder's own noise. Are they worth it?",
                    ),
                    (5, "the fifth coordinate has a variance of 0.16, the noise one of 0.25."),
                    (3, "the fourth coordinate has a variance of 1, the noise one of 0.25."),
                ],
                "which coordinates are worth what a latent costs? The last hint says how to tell.",
            ),
            "twenty": number(
                2,
                0.01,
                [
                    (0, "β s² = 5 is to be compared with variances, not standard deviations."),
                    (1, "the second coordinate has a variance of 9. What is β s²?"),
                    (3, "the third coordinate has a variance of 4. What is β s²?"),
                    (4, "so many stay awake at β = 1. A latent costs twenty times that now."),
                    (6, "so many would stay awake if latents cost almost nothing."),
                ],
                "which coordinates are worth what a latent costs? The last hint says how to tell.",
            ),
            "tenth": number(
                6,
                0.01,
                [
                    (4, "so many stay awake at β = 1. A latent costs a tenth of that now."),
                    (5, "the sixth coordinate has a variance of 0.04. What is β s²?"),
                    (0, "a small β makes latents cheap. Why should any sleep?"),
                    (2, "a small β makes latents cheap: more are awake, not fewer."),
                ],
                "which coordinates are worth what a latent costs? The last hint says how to tell.",
            ),
        },
    ),
    Exercise(
        "too_good",
        "mend",
        "Better than the truth",
        {
            "cause": Choice(
                "b",
                a="look at the last number printed: the points are rebuilt almost exactly. What "
                "is left for more steps to do?",
                c="what in this loss would a larger `std` make more important?",
            ),
            "mend": bound_of_points,
        },
    ),
    Exercise(
        "negative",
        "mend",
        "A negative distance",
        {
            "cause": Choice(
                "c",
                a="the KL of two distributions is never negative, in either order.",
                b="a mean and a sum differ by a positive factor: that turns no sign round.",
            ),
            "mend": kl_of_each,
        },
    ),
    Exercise(
        "one_price",
        "mend",
        "Sixteen for the price of one",
        {
            "cause": Choice(
                "a",
                b="log p(x|z) of a whole picture is a sum over its pixels, as it is here. The "
                "printed numbers of this term are as they should be.",
                c="both terms are means over the batch, so this changes no weight between them.",
            ),
            "beta": number(
                1 / 16,
                3e-3,  # 0.06 is right, too
                [
                    (16, "the KL counts too little here, not too much."),
                    (1, "β = 1 would be the sum. This is a mean."),
                    (1 / 784, "the pixels are summed, as they should be; the latents are not."),
                    (784, "the pixels are summed, as they should be; the latents are not."),
                    (16 / 784, "the pixels are summed, as they should be; the latents are not."),
                    (49, "the pixels are summed, as they should be; the latents are not."),
                ],
                "which factor stands between a mean of 16 numbers and their sum?",
            ),
            "means": number(
                784 / 16,
                1e-3,
                [
                    (16 / 784, "it is the other way round: the reconstruction loses more."),
                    (784, "that would be for a KL that is summed over the latents."),
                    (1 / 16, "that was for pixels that are summed."),
                    (1, "the two means are over different numbers of things."),
                    (784 * 16, "both means make their term smaller; the two factors are divided."),
                ],
                "multiply both means by 784: then the first is the lesson's. And the second?",
            ),
            "mend": both_terms,
        },
    ),
    Exercise(
        "spread",
        "mend",
        "What did the encoder say?",
        {
            "drawn": Choice(
                "b",
                a="the variance is e^-2 = 0.14. How widely do the draws spread?",
                c="half of it is -1. How widely do the draws spread?",
            ),
            "curve": Choice(
                "d",
                e="with a standard deviation of -2 or 2 the curve would be wide and low.",
                f="the root of the variance is e^-1 = 0.37. The curve's spread is printed.",
            ),
            "draw": draw,
            "density": log_density,
        },
    ),
    Exercise("prior", "build", "A prior that moves", {"kl": kl_to_prior}),
    Exercise("many_draws", "build", "Many draws for one picture", {"bound": importance_bound}),
]
