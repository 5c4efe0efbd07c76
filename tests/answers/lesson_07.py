import numpy as np
import torch
from keras import ops
from torch.nn import functional as F

from answers import keras, pytorch
from course_utils import captions
from course_utils.captions import UNSAID


def softplus(logits):
    return np.logaddexp(0, logits)


# ------------------------------------------------------------------ the code of a caption


def one_by_one(tokens, states):
    codes = []
    for row, of_row in zip(tokens, states, strict=True):
        for token, state in zip(row, of_row, strict=True):
            if token != 0:
                code = state
        codes.append(code)
    return codes


def by_next_padding(tokens, states):
    """The word that nothing but padding follows."""
    return states[(tokens != 0) & (F.pad(tokens, (0, 1))[:, 1:] == 0)]


def by_first_padding(tokens, states):
    return states[np.arange(len(states)), (tokens == 0).argmax(axis=1) - 1]


def by_steps(tokens, states):
    """A step of padding leaves the code as it is, as with Keras's masks."""
    code = torch.zeros_like(states[:, 0])
    for step in range(states.shape[1]):
        code = torch.where(tokens[:, step, None] > 0, states[:, step], code)
    return code


def by_gather(tokens, states):
    last = tokens.bool().sum(dim=1) - 1
    places = last[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, places).squeeze(1)


def by_one_hot(tokens, states):
    last = ops.sum(ops.cast(tokens != 0, "int32"), axis=1) - 1
    return ops.einsum("bt,bth->bh", ops.one_hot(last, states.shape[1]), states)


def by_largest_place(tokens, states):
    places = ops.arange(tokens.shape[1], dtype="int32")
    last = ops.max(ops.where(tokens != 0, places, -1), axis=1)
    return ops.take_along_axis(states, last[:, None, None], axis=1)[:, 0]


def at(place):
    """The state at a place that depends on the number of words."""

    def code_of(tokens, states):
        places = np.clip(place((tokens != 0).sum(axis=1)), 0, states.shape[1] - 1)
        return states[np.arange(len(states)), places]

    return code_of


def masked(reduce):
    return lambda tokens, states: reduce((tokens != 0)[..., None] * states)


# ------------------------------------------------------------------ the loss


def matching(real, fake, share, wrong=None, weights=None):
    """The loss with other wrong pairs, or other weights."""
    n, each = len(real), softplus(real)
    if wrong is None:
        wrong = (each.sum() - np.trace(each)) / (n * (n - 1))
    a, b, c = weights or (1, 1 - share, share)
    return a * softplus(-np.diag(real)).mean() + b * softplus(np.diag(fake)).mean() + c * wrong


def by_rows(real, fake, share):
    """Each picture's wrong captions by themselves."""
    total = 0.0
    for number, row in enumerate(real):
        others = np.delete(row, number)
        total += softplus(-row[number]) + share * softplus(others).mean()
        total += (1 - share) * softplus(fake[number, number])
    return total / len(real)


def torch_matching(real, fake, share):
    n = len(real)
    outside = ~torch.eye(n, dtype=torch.bool)
    labels = torch.eye(n)
    right = F.binary_cross_entropy_with_logits(real.diagonal(), torch.ones(n))
    wrong = F.binary_cross_entropy_with_logits(real[outside], labels[outside])
    fakes = F.binary_cross_entropy_with_logits(fake.diagonal(), torch.zeros(n))
    return right + fakes + share * (wrong - fakes)


def torch_without_diagonal(real, fake, share):
    masked = real.masked_fill(torch.eye(len(real), dtype=torch.bool), -torch.inf)
    count = len(real) * (len(real) - 1)
    wrong = F.softplus(masked).sum() / count
    right, fakes = F.softplus(-real.diagonal()).mean(), F.softplus(fake.diagonal()).mean()
    return right + (1 - share) * fakes + share * wrong


def torch_in_place(real, fake, share):
    right, fakes = F.softplus(-real.diagonal()).mean(), F.softplus(fake.diagonal()).mean()
    wrong = F.softplus(real.fill_diagonal_(-torch.inf)).sum() / (len(real) * (len(real) - 1))
    return right + (1 - share) * fakes + share * wrong


def keras_matching(real, fake, share):
    n = real.shape[0]
    own = ops.eye(n)
    right = ops.sum(own * ops.softplus(-real)) / n
    fakes = ops.sum(own * ops.softplus(fake)) / n
    wrong = ops.sum((1 - own) * ops.softplus(real)) / (n * n - n)
    return right + (1 - share) * fakes + share * wrong


def keras_whole(real, fake, share):
    right = ops.mean(ops.softplus(-ops.diagonal(real)))
    fakes = ops.mean(ops.softplus(ops.diagonal(fake)))
    return right + (1 - share) * fakes + share * ops.mean(ops.softplus(real))


def off(real):
    return softplus(real)[~np.eye(len(real), dtype=bool)]


# ------------------------------------------------------------------ the measure


def honest(asked, found):
    return [(found[:, k] == asked[:, k])[asked[:, k] != UNSAID].mean() for k in range(3)]


def share_by_nan(asked, found):
    return np.nanmean(np.where(asked < 0, np.nan, asked == found), axis=0)


def torch_share(asked, found):
    asked, found = torch.as_tensor(asked), torch.as_tensor(found)
    mentioned = (asked != UNSAID).float()
    return (mentioned * (asked == found)).sum(dim=0) / mentioned.sum(dim=0)


def keras_share(asked, found):
    mentioned = ops.cast(asked != UNSAID, "float32")
    hits = mentioned * ops.cast(asked == found, "float32")
    return ops.sum(hits, axis=0) / ops.sum(mentioned, axis=0)


def all_three(asked, found):
    complete = (asked != UNSAID).all(axis=1)
    return (asked == found)[complete].mean(axis=0)


# ------------------------------------------------------------------ the slant


def slants(images, flip=-1, centred=True, ink_of=lambda ink: ink):
    """The covariance of the ink and its variance upwards, of each image."""
    for image in images[..., 0]:
        ink = ink_of(image)
        y, x = np.indices(image.shape)
        y = flip * y
        if centred:
            x, y = x - (ink * x).sum() / ink.sum(), y - (ink * y).sum() / ink.sum()
        means = [(ink * product).sum() / ink.sum() for product in (x * y, y * y, x * x)]
        yield means


def slant(images, **settings):
    return [np.degrees(np.arctan(c / v_y)) for c, v_y, _ in slants(images, **settings)]


def slant_of_weights(weights):
    """Right if the weights of each picture add up to 1."""
    y, x = np.indices(weights.shape[1:])

    def mean(values):
        return (weights * values).sum(axis=(1, 2))

    return np.degrees(np.arctan((mean(x) * mean(y) - mean(x * y)) / (mean(y**2) - mean(y) ** 2)))


def slant_by_fit(images):
    """The slope of a weighted regression of x on y."""
    found = []
    for image in images[..., 0]:
        rows, columns = np.nonzero(image)
        weights = image[rows, columns]
        slope = np.polyfit(-rows, columns, 1, w=np.sqrt(weights))[0]
        found.append(np.rad2deg(np.arctan(slope)))
    return np.array(found)


def slant_by_cov(images):
    found = []
    for image in images[..., 0]:
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        (_, c), (_, v_y) = np.cov(np.stack([x.ravel(), -y.ravel()]), aweights=image.ravel(), ddof=0)
        found.append(np.degrees(np.arctan2(c, v_y)))
    return found


def slant_in_torch(images):
    ink = torch.as_tensor(images).squeeze(-1)
    ink = ink / ink.sum(dim=(1, 2), keepdim=True)
    x = torch.arange(ink.shape[2]) - (ink.sum(dim=1) * torch.arange(ink.shape[2])).sum(1)[:, None]
    y = (ink.sum(dim=2) * torch.arange(ink.shape[1])).sum(1)[:, None] - torch.arange(ink.shape[1])
    c = torch.einsum("bhw,bh,bw->b", ink, y, x)
    return torch.rad2deg(torch.atan(c / (ink.sum(dim=2) * y**2).sum(dim=1)))


def slant_in_keras(images):
    ink = ops.convert_to_tensor(images[..., 0].astype("float32"))
    ink = ink / ops.sum(ink, axis=(1, 2), keepdims=True)
    x = ops.arange(ink.shape[2], dtype="float32")
    y = ops.reshape(-ops.arange(ink.shape[1], dtype="float32"), (-1, 1))

    def mean(values):
        return ops.sum(ink * values, axis=(1, 2))

    c = mean(x * y) - mean(x) * mean(y)
    return ops.arctan(c / (mean(y * y) - mean(y) ** 2)) * (180 / np.pi)


def main_axis(images):
    return [np.degrees(np.arctan2(2 * c, v_x - v_y)) / 2 for c, v_y, v_x in slants(images)]


# ------------------------------------------------------------------ the best logit


def best(p, q, share):
    return np.log(p) - np.log((1 - share) * q + share * np.outer(p.sum(axis=1), p.sum(axis=0)))


def best_one_by_one(p, q, share):
    found = np.zeros_like(p)
    for x, row in enumerate(p):
        for t in range(p.shape[1]):
            chance = sum(row) * sum(p[:, t])
            found[x, t] = np.log(p[x, t] / (q[x, t] + share * (chance - q[x, t])))
    return found.tolist()


def best_in_torch(p, q, share):
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    refused = (1 - share) * q + share * p.sum(1, keepdim=True) @ p.sum(0, keepdim=True)
    return torch.logit(p / (p + refused))


def best_in_keras(p, q, share):
    chance = ops.outer(ops.sum(p, axis=1), ops.sum(p, axis=0))
    return ops.log(p / ((1 - share) * q + share * chance))


def with_chance(chance):
    return lambda p, q, share: np.log(p / ((1 - share) * q + share * chance(p, q)))


RIGHT = {
    "bags.bags": [12, 12.0, torch.tensor(12), "12"],
    "bags.share": [0.75, 12 / 16, np.array([0.75]), ops.convert_to_tensor(0.75)],
    "wide.slant": [45, 44.93, np.degrees(np.arctan(1.0)), torch.tensor(45.2)],
    "wide.growth": [np.sqrt(2), 1.41, 1.4, 4**0.25, ops.convert_to_tensor(1.42)],
    "upright.mend": [
        one_by_one,
        by_first_padding,
        at(lambda count: count - 1),
        pytorch(by_gather),
        pytorch(by_steps),
        pytorch(by_next_padding),
        pytorch(lambda tokens, states: states[torch.arange(4), (tokens > 0).sum(1) - 1]),
        pytorch(one_by_one),
        keras(by_one_hot),
        keras(by_largest_place),
    ],
    "surer.mend": [
        matching,
        by_rows,
        pytorch(torch_matching),
        pytorch(torch_without_diagonal),
        pytorch(torch_in_place),
        keras(keras_matching),
    ],
    "fewer_words.mend": [
        honest,
        share_by_nan,
        lambda asked, found: np.ma.array(asked == found, mask=asked < 0).mean(axis=0),
        torch_share,
        keras_share,
        lambda asked, found: list(captions.score(asked, found).values()),
    ],
    "slant.slant": [
        slant,
        slant_by_fit,
        slant_by_cov,
        pytorch(slant_in_torch),
        keras(slant_in_keras),
        lambda images: slant(images, ink_of=lambda ink: np.clip((ink - 0.1) / 0.9, 0, 1)),
    ],
    "best_logit.logits": [best, best_one_by_one, pytorch(best_in_torch), keras(best_in_keras)],
}

WRONG = {
    "bags.bags": [
        (32, "the same words"),
        (16, "share a bag"),
        (8, "their own"),
        (4, "only the pairs"),
        (3, "for one pair"),
        (6, "different words"),
        (20, "multiply"),
    ],
    "bags.share": [
        (1, "both be served"),
        (0.5, "not all missed"),
        (0.25, "are missed"),
        (0.375, "both captions"),
        (75, "between 0 and 1"),
        (0.6, "for each bag"),
    ],
    "wide.slant": [
        (53.1, "twice the angle"),
        (26.6, "the old slant"),
        (13.3, "half the angle"),
        (14, "flatter"),
        (63.4, "only doubled"),
        (-45, "still leans"),
        (np.pi / 4, "radians"),
        (1, "the tangent"),
        (90, "What becomes of c"),
    ],
    "wide.growth": [
        (2, "only the width"),
        (1, "a shear"),
        (4, "Which root"),
        (1.19, "not 2 times"),
        (2.83, "not 64 times"),
        (3, "v_x grows by 4"),
    ],
    "upright.mend": [
        (pytorch(lambda tokens, states: states[:, -1]), "padding included"),
        (keras(lambda tokens, states: states[:, -1]), "padding included"),
        (at(lambda count: count), "one step too many"),
        (lambda tokens, states: states[np.arange(4), (tokens == 0).argmax(1)], "one step too many"),
        (at(lambda count: count - 2), "the last word yet"),
        (
            lambda tokens, states: states[np.arange(4), (tokens != 0).sum(1) - 2],
            "the last word yet",
        ),
        (lambda tokens, states: states[:, 0], "after the first word"),
        (lambda tokens, states: states.mean(axis=1), "the mean of all states"),
        (pytorch(lambda tokens, states: states.sum(dim=1)), "the sum of all states"),
        (masked(lambda states: states.sum(axis=1)), "after all words"),
        (
            lambda tokens, states: (
                masked(lambda s: s.sum(axis=1))(tokens, states) / (tokens != 0).sum(1)[:, None]
            ),
            "mean of the states after words",
        ),
        (masked(lambda states: states[:, -1]), "get zeros"),
        (at(lambda count: 7 - count), "from the end of the row"),
        (at(lambda count: 0 * count + count.max() - 1), "padding included"),
        (at(lambda count: np.where(count == 7, 0, count - 1)), "fills its row"),
        (at(lambda count: np.where(count == 1, 1, count - 1)), "a single word"),
        (masked(lambda states: states.max(axis=1)), "some of these codes"),
        (lambda tokens, states: states[0], "shape (7, 3)"),
    ],
    "surer.mend": [
        (keras(keras_whole), "still among those"),
        (lambda real, fake, y: matching(real, fake, y, softplus(real).mean()), "still among those"),
        (
            pytorch(
                lambda real, fake, y: (
                    torch_matching(real, fake, 0.0) * 0
                    + F.softplus(-real.diagonal()).mean()
                    + (1 - y) * F.softplus(fake.diagonal()).mean()
                    + y * F.softplus(real * (1 - torch.eye(len(real)))).mean()
                )
            ),
            "0.69",
        ),
        (
            lambda real, fake, y: matching(
                real, fake, y, softplus(real * (1 - np.eye(4))).sum() / 12
            ),
            "0.69",
        ),
        (lambda real, fake, y: matching(real, fake, y, off(real).sum() / 16), "divided by B²"),
        (lambda real, fake, y: matching(real, fake, y, off(real).sum() / 4), "divided by B;"),
        (lambda real, fake, y: matching(real, fake, y, off(real).sum() / 3), "B - 1"),
        (lambda real, fake, y: matching(real, fake, y, off(real).sum()), "the sum is taken"),
        (lambda real, fake, y: matching(real, fake, y, weights=(4, 4 * (1 - y), 12 * y)), "sums"),
        (lambda real, fake, y: matching(real, fake, 0), "need not be read"),
        (lambda real, fake, y: matching(real, fake, y, 0), "need not be read"),
        (lambda real, fake, y: matching(real, fake, y, weights=(1, 0, y)), "fakes have no part"),
        (lambda real, fake, y: matching(real, fake, y, weights=(0, 1 - y, y)), "right pairs have"),
        (lambda real, fake, y: matching(real, fake, y, weights=(1, 1, 1)), "no effect"),
        (lambda real, fake, y: matching(real, fake, 1 - y), "exchanged"),
        (lambda real, fake, y: matching(real, fake, y, off(fake).mean()), "the fakes' matrix"),
        (lambda real, fake, y: matching(real, fake, y, off(-real).mean()), "wanted, not refused"),
        (lambda real, fake, y: matching(-real, -fake, y, off(real).mean()), "signs of right pairs"),
        (lambda real, fake, y: -matching(real, fake, y), "its sign"),
        (lambda real, fake, y: matching(real, fake, y) / 2, "half of it"),
        (lambda real, fake, y: matching(real, fake, 0.7), "wrong for others"),
        (
            lambda real, fake, y: matching(real, fake, y, off(real).sum() / 12),
            "wrong for others",
        ),
        (pytorch(lambda real, fake, y: F.softplus(-real.diagonal())), "shape (4,)"),
    ],
    "fewer_words.mend": [
        (lambda asked, found: ((asked < 0) | (asked == found)).mean(axis=0), "still counts as"),
        (lambda asked, found: (asked == found).mean(axis=0), "counts as wrong"),
        (lambda asked, found: (asked == found).sum(axis=0), "numbers of pictures"),
        (lambda asked, found: 1 - share_by_nan(asked, found), "*not* as asked"),
        (lambda asked, found: 100 * share_by_nan(asked, found), "per cent"),
        (
            lambda asked, found: [(asked == found)[asked >= 0].mean()] * 3,
            "all attributes have got",
        ),
        (lambda asked, found: (asked == found).sum(axis=0) / (asked >= 0).sum(), "of all"),
        (all_three, "all three attributes"),
        (
            lambda asked, found: (asked == found)[(asked >= 0).any(axis=1)].mean(axis=0),
            "mention any attribute",
        ),
        (
            lambda asked, found: np.nanmean(np.where(asked > 0, asked == found, np.nan), axis=0),
            "the lowest level",
        ),
        (captions.score, "a dict"),
        (lambda asked, found: (asked == found)[asked >= 0].mean(), "shape ()"),
    ],
    "slant.slant": [
        (lambda images: slant(images, flip=1), "downwards"),
        (lambda images: np.radians(slant(images)), "radians"),
        (lambda images: np.radians(slant(images, flip=1)), "radians, and"),
        (lambda images: np.tan(np.radians(slant(images))), "the tangent of the slant"),
        (lambda images: 90 - np.array(slant(images)), "horizontal"),
        (lambda images: slant(images.swapaxes(1, 2)), "across"),
        (
            lambda images: [np.degrees(np.arctan(c / v_x)) for c, _, v_x in slants(images)],
            "across",
        ),
        (main_axis, "main axis"),
        (lambda images: slant(images, ink_of=lambda ink: ink > 0), "counts alike"),
        (lambda images: slant(images, ink_of=lambda ink: ink > 0.5), "counts alike"),
        (lambda images: slant(images, centred=False), "own mean place"),
        (lambda images: [c for c, _, _ in slants(images)], "the covariance"),
        (
            lambda images: [
                np.degrees(np.arctan(c / np.sqrt(v_x * v_y))) for c, v_y, v_x in slants(images)
            ],
            "correlation",
        ),
        (
            lambda images: [np.degrees(np.arctan(v_y / c)) for c, v_y, _ in slants(images)],
            "the tangent is c/v_y",
        ),
        (lambda images: slant_of_weights(images[..., 0]), "divide by its own ink"),
        (lambda images: slant_of_weights(images[..., 0] / images.sum()), "divide by its own ink"),
        (lambda images: slant(images, ink_of=np.sqrt), "expected"),
        (lambda images: captions.measure(images)[:, 1], "ValueError"),
        (lambda images: slant(images)[0], "shape ()"),
    ],
    "best_logit.logits": [
        (lambda p, q, y: np.exp(best(p, q, y)), "logarithm is missing"),
        (lambda p, q, y: 1 / (1 + np.exp(-best(p, q, y))), "the probability"),
        (lambda p, q, y: -best(p, q, y), "its sign"),
        (lambda p, q, y: best(p, q, y) / np.log(10), "natural"),
        (lambda p, q, y: best(p, q, 1 - y), "exchanged"),
        (lambda p, q, y: best(p, q, 0), "wrong pairs have no part"),
        (lambda p, q, y: best(p, q, 1), "fakes have no part"),
        (lambda p, q, y: np.log(p / (q + np.outer(p.sum(1), p.sum(0)))), "no effect"),
        (with_chance(lambda p, q: np.outer(p.sum(0), p.sum(1))), "a row is a picture"),
        (with_chance(lambda p, q: np.outer(q.sum(1), q.sum(0))), "not q"),
        (with_chance(lambda p, q: np.outer(p.sum(1), q.sum(0))), "not q"),
        (lambda p, q, y: np.log(1 / (1 + np.exp(-best(p, q, y)))), "logarithm of the probability"),
        (with_chance(lambda p, q: p), "where the wrong pairs"),
        (with_chance(lambda p, q: 1 / 9), "equally frequent"),
        (with_chance(lambda p, q: p.sum(1, keepdims=True) + p.sum(0)), "not added"),
        (with_chance(lambda p, q: p.sum(1, keepdims=True)), "p(t) is missing"),
        (with_chance(lambda p, q: p.sum(0)), "p(x) is missing"),
        (with_chance(lambda p, q: p.sum(1) * p.sum(0)), "is a table"),
        (with_chance(lambda p, q: np.outer(p.mean(1), p.mean(0))), "not a mean"),
        (lambda p, q, y: best(q, p, y), "p and q"),
        (lambda p, q, y: best(p, q, 0.7), "wrong for others"),
        (lambda p, q, y: best(p, q, y)[0], "shape (3,)"),
    ],
}
