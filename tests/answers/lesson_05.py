import numpy as np
import torch
from keras import ops
from scipy import stats
from torch.nn import functional as F

from answers import keras, pytorch

EYE = np.eye(10)
rng = np.random.default_rng(0)


# ------------------------------------------------------------------ labels as maps


def maps_by_loops(labels, height, width):
    maps = np.zeros((len(labels), height, width, 10))
    for n, label in enumerate(labels):
        for row in range(height):
            for column in range(width):
                maps[n, row, column, int(label)] = 1
    return maps


def torch_maps(labels, height, width):
    repeated = F.one_hot(labels, 10).float().repeat_interleave(height * width)
    return repeated.reshape(-1, 10, height, width)


def torch_maps_with_repeat(labels, height, width):
    return F.one_hot(labels, 10)[:, :, None, None].repeat(1, 1, height, width)


def torch_maps_of_pixels(labels, height, width):
    plane = labels[:, None, None].expand(-1, height, width)
    return F.one_hot(plane, 10).permute(0, 3, 1, 2)


def keras_maps(labels, height, width):
    one_hot = ops.one_hot(labels, 10)
    return ops.broadcast_to(one_hot[:, None, None], (len(labels), height, width, 10))


def keras_maps_of_truth(labels, height, width):
    return ops.tile(ops.equal(labels[:, None, None, None], ops.arange(10)), (1, height, width, 1))


def keras_maps_with_tile(labels, height, width):
    tiled = ops.tile(ops.one_hot(labels, 10), (1, height * width))
    return ops.reshape(tiled, (-1, height, width, 10))


def torch_band(labels, height, width):
    repeated = F.one_hot(labels, 10).float().repeat_interleave(height * width)
    return repeated.reshape(-1, height, width, 10).permute(0, 3, 1, 2)


def keras_band(labels, height, width):
    return ops.reshape(ops.repeat(ops.one_hot(labels, 10), height * width), (-1, height, width, 10))


def torch_stripes(labels, height, width):
    repeated = F.one_hot(labels, 10).repeat_interleave(height * width, dim=0)
    return repeated.reshape(-1, 10, height, width)


def torch_batch_in_turns(labels, height, width):
    tiled = F.one_hot(labels, 10).repeat(height * width, 1)
    return tiled.reshape(-1, height, width, 10).permute(0, 3, 1, 2)


def maps_from(vectors):
    """Maps with the vectors (B, 10) of labels at each pixel."""
    return lambda labels, height, width: np.tile(
        vectors(labels)[:, None, None], (1, height, width, 1)
    )


def unfit_vectors(labels, height, width):
    raise ValueError("cannot fit (5, 10) into (5, 10, 4, 6)")


def half_right(labels, height, width):
    maps = maps_by_loops(labels, height, width)
    maps[:, : height // 2] = 0
    return maps


# ------------------------------------------------------------------ who listens?


def listens(bar=0.4, n=500, asked=lambda n: rng.integers(10, size=n)):
    def test(sample, predict):
        labels = asked(n)
        return (predict(sample(labels)) == labels).mean() > bar

    return test


def listens_class_by_class(sample, predict):
    met = [np.mean(predict(sample(np.full(100, hour))) == hour) for hour in range(10)]
    return min(met) > 0.3


def listens_by_counts(sample, predict):
    """Other labels, other shares of the hours."""
    shares = [np.bincount(predict(sample([hour] * 400)), minlength=10) / 400 for hour in (3, 7)]
    return bool(np.abs(shares[0] - shares[1]).sum() > 0.6)


def listens_by_pictures(sample, predict):
    """Without a judge: the mean pictures of two hours."""
    means = [sample(np.full(600, hour)).mean(axis=0) for hour in (1, 6)]
    return int(np.abs(means[0] - means[1]).max() > 0.3)


def listens_by_chances(sample, predict):
    """Better than any of its own answers shuffled."""
    labels = rng.permutation(np.repeat(np.arange(10), 50))
    drawn = predict(sample(labels))
    shuffled = [(rng.permutation(labels) == drawn).mean() for _ in range(100)]
    return (labels == drawn).mean() > max(shuffled) + 0.1


def torch_listens(sample, predict):
    labels = torch.randint(10, (300,))
    return (torch.as_tensor(predict(sample(labels))) == labels).float().mean() > 0.4


def keras_listens(sample, predict):
    labels = ops.convert_to_tensor(rng.integers(10, size=300))
    return ops.mean(ops.cast(ops.equal(predict(sample(labels)), labels), "float32")) > 0.4


def listens_by_change(sample, predict):
    return bool(np.abs(sample(np.full(50, 3)) - sample(np.full(50, 7))).mean() > 0.001)


def accuracy(sample, predict):
    labels = rng.integers(10, size=500)
    return (predict(sample(labels)) == labels).mean()


def listens_to_seven(sample, predict):
    return (predict(sample(np.full(300, 7))) == 7).mean() > 0.4


# ------------------------------------------------------------------ the label through the step


def given_both(batch):
    """Judge the fakes by the labels that they were asked for: "labels" or "asked"."""

    def judged(labels, asked, latent, generator, discriminator):
        both = labels if batch == "labels" else asked
        return discriminator(generator(latent, both), both)

    return judged


def judged_later(labels, asked, latent, generator, discriminator):
    labels = asked + 0
    fake = generator(latent, labels)
    judged = [discriminator(fake, labels) for _ in range(2)]
    return judged[-1]


def judged_one_by_one(labels, asked, latent, generator, discriminator):
    logits = []
    for n in range(len(asked)):
        some = slice(n, n + 1)
        logits.append(discriminator(generator(latent[some], asked[some]), asked[some])[0])
    return np.stack([np.asarray(logit) for logit in logits])


def judged_by_a_third(labels, asked, latent, generator, discriminator):
    """Labels drawn anew, and given to both."""
    labels = torch.randint(8, (len(asked),))
    return discriminator(generator(latent, labels), labels)


def judged_from_new_latents(labels, asked, latent, generator, discriminator):
    return discriminator(generator(rng.normal(size=latent.shape), labels), labels)


def judge_by(for_generator, for_discriminator):
    return lambda labels, asked, latent, generator, discriminator: discriminator(
        generator(latent, for_generator(labels, asked)), for_discriminator(labels, asked)
    )


def first(labels, asked):
    return labels


def second(labels, asked):
    return asked


# ------------------------------------------------------------------ the projection


def logit(phi, labels, weight, bias, embeddings):
    return phi @ weight + bias + (embeddings[labels] * phi).sum(axis=1, keepdims=True)


def logit_by_loops(phi, labels, weight, bias, embeddings):
    found = []
    for features, label in zip(phi, labels, strict=True):
        found.append([features @ weight[:, 0] + bias[0] + embeddings[label] @ features])
    return found


def logit_of_one_layer(phi, labels, weight, bias, embeddings):
    return np.einsum("bf,bf->b", phi, weight[:, 0] + embeddings[labels])[:, None] + bias


def torch_logit(phi, labels, weight, bias, embeddings):
    fit = F.embedding(labels, embeddings).unsqueeze(1) @ phi.unsqueeze(2)  # (B, 1, 1)
    return F.linear(phi, weight.T, bias) + fit.squeeze(2)


def torch_logit_of_all(phi, labels, weight, bias, embeddings):
    return phi @ weight + bias + (phi @ embeddings.T).gather(1, labels[:, None])


def keras_logit(phi, labels, weight, bias, embeddings):
    fit = ops.sum((ops.one_hot(labels, len(embeddings)) @ embeddings) * phi, axis=-1)
    return ops.matmul(phi, weight) + bias + fit[:, None]


def parts(combine):
    """A logit from ψ (B, 1), the rows of the labels and φ."""
    return lambda phi, labels, weight, bias, embeddings: combine(
        phi @ weight + bias, embeddings[labels], phi
    )


def dot(rows, phi):
    return (rows * phi).sum(axis=1, keepdims=True)


# ------------------------------------------------------------------ truncated latents


def cut(n, latent_dim, limit, draw=rng.normal):
    latent = draw(size=(n, latent_dim))
    while (beyond := np.abs(latent) > limit).any():
        latent[beyond] = draw(size=beyond.sum())
    return latent


def cut_by_choice(n, latent_dim, limit):
    drawn = rng.normal(size=8 * n * latent_dim)
    return drawn[np.abs(drawn) <= limit][: n * latent_dim].reshape(n, latent_dim)


def cut_one_by_one(n, latent_dim, limit):
    found = []
    while len(found) < n * latent_dim:
        if abs(number := rng.normal()) < limit:
            found.append(number)
    return [found[row * latent_dim : (row + 1) * latent_dim] for row in range(n)]


def cut_whole_latents(n, latent_dim, limit):
    drawn = rng.normal(size=(60 * n, latent_dim))
    return drawn[(np.abs(drawn) <= limit).all(axis=1)][:n]


def cut_by_scipy(n, latent_dim, limit):
    return stats.truncnorm.rvs(-limit, limit, size=(n, latent_dim), random_state=rng)


def torch_cut(n, latent_dim, limit):
    return torch.nn.init.trunc_normal_(torch.empty(n, latent_dim), a=-limit, b=limit)


def keras_cut(n, latent_dim, limit):
    return ops.convert_to_tensor(cut_by_choice(n, latent_dim, limit))


def cut_once(n, latent_dim, limit):
    latent = rng.normal(size=(n, latent_dim))
    again = np.abs(latent) > limit
    latent[again] = rng.normal(size=again.sum())
    return latent


def cut_on_the_right(n, latent_dim, limit):
    latent = rng.normal(size=(n, latent_dim))
    while (beyond := latent > limit).any():
        latent[beyond] = rng.normal(size=beyond.sum())
    return latent


def cut_by_length(n, latent_dim, limit):
    drawn = rng.normal(size=(10 * n, latent_dim))
    return drawn[np.linalg.norm(drawn, axis=1) <= limit][:n]


def cut_to_zero(n, latent_dim, limit):
    latent = rng.normal(size=(n, latent_dim))
    return np.where(np.abs(latent) > limit, 0, latent)


def cut_the_same(n, latent_dim, limit):
    return cut(n, latent_dim, limit, np.random.default_rng(0).normal)


def uniform(n, latent_dim, limit):
    return rng.uniform(-limit, limit, (n, latent_dim))


def two_humps(n, latent_dim, limit):
    """As wide as a normal distribution cut at 1.2."""
    sign = rng.choice([-1, 1], size=(n, latent_dim))
    return sign * rng.uniform(0.333 * limit, 0.692 * limit, (n, latent_dim))


def folded(n, latent_dim, limit):
    return np.abs(cut(n, latent_dim, limit))


RIGHT = {
    "chance.deaf": [0.1, 1 / 10, "0.10", torch.tensor(0.1)],
    "chance.only_ones": [0.1, np.array([0.1]), ops.convert_to_tensor(0.1)],
    "chance.half": [0.55, 1 / 2 + 1 / 20, torch.tensor(0.55)],
    "lengths.length": [4, np.sqrt(16), 3.94, 3.9, torch.tensor(4.0)],
    "lengths.shrunk": [1.6, 0.4 * np.sqrt(16), 1.58],
    "maps.mend": [
        maps_by_loops,
        maps_from(lambda labels: EYE[labels]),
        pytorch(torch_maps),
        pytorch(torch_maps_with_repeat),
        pytorch(torch_maps_of_pixels),
        keras(keras_maps),
        keras(keras_maps_with_tile),
        keras(keras_maps_of_truth),
    ],
    "to_order.test": [
        listens(),
        listens(bar=0.3, n=2_000),
        listens_class_by_class,
        listens_by_counts,
        listens_by_pictures,
        listens_by_chances,
        pytorch(torch_listens),
        keras(keras_listens),
    ],
    "middle.mend": [
        given_both("labels"),
        given_both("asked"),
        pytorch(given_both("labels")),
        pytorch(judged_later),
        keras(given_both("asked")),
        keras(judged_later),
        pytorch(judged_by_a_third),
        judged_one_by_one,
        pytorch(judged_one_by_one),
        keras(judged_one_by_one),
    ],
    "projection.logit": [
        logit,
        logit_by_loops,
        logit_of_one_layer,
        pytorch(torch_logit),
        pytorch(torch_logit_of_all),
        keras(keras_logit),
    ],
    "tails.latents": [
        cut,
        cut_by_choice,
        cut_one_by_one,
        cut_whole_latents,
        cut_by_scipy,
        pytorch(torch_cut),
        keras(keras_cut),
    ],
}

WRONG = {
    "chance.deaf": [
        (0, "met all the same"),
        (0.111, "ten digits"),
        (0.5, "not one of two"),
        (10, "not a percentage"),
        (0.9, "*not* met"),
        (0.3, "at random"),
        ("a tenth", "a str"),
    ],
    "chance.only_ones": [
        (0.0, "gets one"),
        (1, "other digits"),
        (0.01, "all of these are met"),
        (0.9, "*not* met"),
        (10.0, "not a percentage"),
        (0.25, "which share"),
    ],
    "chance.half": [
        (0.5, "by chance"),
        (0.6, "*other half*"),
        (0.45, "takes nothing away"),
        (0.05, "what chance adds"),
        (0.1, "for sure"),
        (55, "not a percentage"),
        (0.75, "the other half"),
    ],
    "lengths.length": [
        (16, "*squared*"),
        (1, "one number"),
        (0, "mean of the latents"),
        (256, "then comes the root"),
        (8, "16 squares"),
    ],
    "lengths.shrunk": [
        (0.4, "one number"),
        (6.4, "the root of 16"),
        (2.56, "*squared*"),
        (0.64, "by 0.16"),
        (10, "not divided"),
        (4, "before it is shrunk"),
        (3, "every number"),
    ],
    "maps.mend": [
        (pytorch(torch_band), "still is a band"),
        (keras(keras_band), "still is a band"),
        (pytorch(torch_stripes), "read channel by channel"),
        (pytorch(torch_batch_in_turns), "whole batch"),
        (maps_from(lambda labels: np.repeat(labels[:, None], 10, 1)), "as a number"),
        (maps_from(lambda labels: np.repeat(labels[:, None] / 9, 10, 1)), "shade of grey"),
        (maps_from(lambda labels: EYE[(labels + 1) % 10]), "too late"),
        (maps_from(lambda labels: EYE[labels - 1]), "too early"),
        (maps_from(lambda labels: EYE[labels, ::-1]), "channels are in reverse"),
        (maps_from(lambda labels: EYE[labels[::-1]]), "batch are in reverse"),
        (maps_from(lambda labels: EYE[0 * labels + labels[0]]), "first label's maps"),
        (maps_from(lambda labels: 1 - EYE[labels]), "exchanged"),
        (half_right, "50% of the pixels"),
        (maps_from(lambda labels: 5 * EYE[labels]), "0% of the pixels"),
        (pytorch(lambda *given: torch_maps(*given).permute(0, 2, 3, 1)), "come last"),
        (keras(lambda *given: ops.transpose(keras_maps(*given), (0, 3, 1, 2))), "come second"),
        (pytorch(lambda labels, height, width: torch_maps(labels, width, height)), "height and"),
        (lambda labels, height, width: EYE[labels], "needs a copy"),
        (unfit_vectors, "raised ValueError: cannot fit"),
        (pytorch(lambda *given: torch_maps(*given)[:, :9]), "expected the shape (5, 10, 4, 6)"),
        (lambda labels, height, width: maps_by_loops(labels, 28, 28), "(5, 28, 28, 10)"),
    ],
    "to_order.test": [
        (listens_by_change, "New latents, too"),
        (lambda sample, predict: True, "hours at random"),
        (lambda sample, predict: False, "meets every request"),
        (listens(bar=0.02), "hours at random"),
        (listens(bar=0.095, n=100), "of 16 runs"),
        (listens(bar=0.8), "two of three"),
        (listens(bar=1.5), "meets every request"),
        (listens(asked=lambda n: np.arange(n) % 10), "in turns"),
        (listens(asked=lambda n: np.arange(n) * 10 // n), "first the 0s"),
        (listens_to_seven, "nothing but 7s"),
        (lambda *given: not listens()(*given), "not of a deaf one"),
        (accuracy, "expected True or False"),
        (lambda sample, predict: predict(sample(np.arange(10))), "expected True or False"),
        (lambda sample, predict: "yes", "expected True or False"),
        (lambda sample, predict: sample(3).no, "AttributeError"),
    ],
    "middle.mend": [
        (judge_by(second, first), "judged by another"),
        (pytorch(judge_by(second, first)), "judged by another"),
        (keras(judge_by(second, first)), "judged by another"),
        (judge_by(first, second), "changed places"),
        (judge_by(first, lambda labels, asked: 0 * labels), "label 0 only"),
        (judge_by(lambda labels, asked: 0 * labels, first), "generator hears the label 0"),
        (judge_by(lambda labels, asked: 0 * labels, second), "generator hears the label 0"),
        (judge_by(*2 * [lambda labels, asked: 0 * labels]), "the same label"),
        (judge_by(*2 * [lambda labels, asked: 0 * labels + 2]), "the same label"),
        (judged_from_new_latents, "from its `latent`"),
        (lambda *given: 1 / (1 + np.exp(-given_both("labels")(*given))), "labels agree"),
        (judge_by(first, lambda labels, asked: labels[::-1]), "reverse"),
        (judge_by(lambda labels, asked: np.arange(len(labels)) % 8, first), "0, 1, 2"),
        (lambda *given: -given_both("labels")(*given), "sign of the logits"),
        (lambda *given: np.logaddexp(0, -given_both("asked")(*given)), "these are losses"),
        (lambda *given: np.logaddexp(0, -given_both("asked")(*given)).mean(), "expected the shape"),
        (lambda labels, asked, latent, generator, discriminator: latent[:, :1], "is not called"),
        (
            lambda labels, asked, latent, generator, discriminator: discriminator(latent, labels),
            "judges the latents",
        ),
        (
            lambda labels, asked, latent, generator, discriminator: discriminator(
                generator(labels, latent), labels
            ),
            "a network's labels have the shape (6, 2)",
        ),
        (judge_by(lambda labels, asked: (labels + asked) // 2, first), "were asked for"),
    ],
    "projection.logit": [
        (parts(lambda psi, rows, phi: psi), "labels have no part"),
        (parts(lambda psi, rows, phi: dot(rows, phi)), "ψ is missing"),
        (parts(lambda psi, rows, phi: psi - 0.7 + dot(rows, phi)), "bias of ψ"),
        (parts(lambda psi, rows, phi: 0.7 + dot(rows, phi)), "weights of ψ"),
        (parts(lambda psi, rows, phi: psi - dot(rows, phi)), "subtracted"),
        (parts(lambda psi, rows, phi: psi * dot(rows, phi)), "multiplied"),
        (parts(lambda psi, rows, phi: psi + dot(rows, phi) / 3), "mean of the products"),
        (parts(lambda psi, rows, phi: psi + dot(rows, phi) / 3**0.5), "attention"),
        (parts(lambda psi, rows, phi: psi + dot(rows[::-1], phi)), "other pictures"),
        (parts(lambda psi, rows, phi: psi + dot(rows, phi).sum()), "whole batch"),
        (parts(lambda psi, rows, phi: psi + dot(rows, phi).mean()), "mean over the batch"),
        (parts(lambda psi, rows, phi: psi + dot(rows, 1 + 0 * phi)), "φ has no part"),
        (parts(lambda psi, rows, phi: psi + (rows * phi).sum(axis=1)), "(B, B)"),
        (pytorch(parts(lambda psi, rows, phi: psi + (rows * phi).sum(1))), "(B, B)"),
        (parts(lambda psi, rows, phi: psi + rows @ phi.T), "(B, B)"),
        (pytorch(parts(lambda psi, rows, phi: psi + rows * phi)), "adds up"),
        (parts(lambda psi, rows, phi: rows), "this is (B, features)"),
        (lambda phi, labels, w, b, table: phi @ w + b + phi @ table.T, "*every* class"),
        (
            keras(lambda phi, labels, w, b, table: phi @ w + b + phi @ ops.transpose(table)),
            "*every* class",
        ),
        (
            lambda phi, labels, w, b, table: phi @ w + b + (phi @ table.T).sum(1, keepdims=True),
            "all classes are added",
        ),
        (
            lambda phi, labels, w, b, table: phi @ w + b + (phi @ table.T).max(1, keepdims=True),
            "fits best",
        ),
        (
            lambda phi, labels, w, b, table: phi @ w + b + dot(table[: len(phi)], phi),
            "in their order",
        ),
        (lambda *given: 1 / (1 + np.exp(-logit(*given))), "a probability"),
        (lambda *given: 2 * logit(*given), "expected"),
    ],
    "tails.latents": [
        (lambda n, d, limit: rng.normal(size=(n, d)).clip(-limit, limit), "on the limits"),
        (pytorch(lambda n, d, limit: torch.randn(n, d).clamp(-limit, limit)), "on the limits"),
        (keras(lambda n, d, limit: ops.clip(rng.normal(size=(n, d)), -limit, limit)), "on the"),
        (lambda n, d, limit: limit * rng.normal(size=(n, d)), "cuts nothing"),
        (lambda n, d, limit: rng.normal(size=(n, d)), "as many as uncut"),
        (cut_once, "beyond it again"),
        (cut_on_the_right, "only one tail"),
        (lambda n, d, limit: -cut_on_the_right(n, d, limit), "only one tail"),
        (uniform, "equally frequent"),
        (cut_to_zero, "exactly 0"),
        (cut_by_length, "too small"),
        (cut_the_same, "a second call"),
        (folded, "no number is below 0"),
        (lambda n, d, limit: cut(n, d, 1.2), "always the same"),
        (lambda n, d, limit: cut(n, d, limit / 2), "too small"),
        (lambda n, d, limit: np.repeat(cut(n, 1, limit), d, axis=1), "depend on each other"),
        (lambda n, d, limit: np.tile(cut(1, d, limit), (n, 1)), "draw each anew"),
        (lambda n, d, limit: (rng.normal(size=(n, d)) + limit) % (2 * limit) - limit, "equally"),
        (lambda n, d, limit: limit * np.tanh(rng.normal(size=(n, d))), "too large"),
        (lambda n, d, limit: np.fmod(rng.normal(size=(n, d)), limit), "stay as they are"),
        (two_humps, "half the limit"),
        (lambda n, d, limit: np.sort(cut(n, d, limit), axis=1), "depend on each other"),
        (lambda n, d, limit: np.minimum(rng.normal(size=(n, d)), limit), "on the limits"),
        (lambda n, d, limit: cut(d, n, limit), "shape (4, 10000)"),
    ],
}
