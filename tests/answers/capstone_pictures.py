from dataclasses import replace

import keras as keras_itself
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from course_utils import metrics
from course_utils.data import Images


def bars(n, seed=None, size=16):
    """Bars of one length, place and direction each: float32 (n, size, size, 1)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    angle, across, along, half = (
        rng.uniform(low, high, (n, 1, 1)) * scale
        for low, high, scale in ((0, np.pi, 1), (-1, 1, 3), (-1, 1, 2), (0.15, 0.45, size))
    )
    x = columns * np.cos(angle) + rows * np.sin(angle) - along
    y = rows * np.cos(angle) - columns * np.sin(angle) - across
    ink = np.clip(half + 0.5 - abs(x), 0, 1) * np.clip(1.5 - abs(y), 0, 1)
    return ink.astype("float32")[..., None]


def labels(n):
    return np.arange(n) % 2


SET = Images("folder", bars(240, 0), labels(240), bars(40, 1), labels(40), ("left", "right"))
UNLABELLED = replace(SET, labels=None, test_labels=None, class_names=())
WIDE = replace(
    UNLABELLED,
    images=bars(150, 2, size=28)[:, 6:22],  # (150, 16, 28, 1)
    test_images=bars(30, 3, size=28)[:, 6:22],
)
RANDOM = np.random.default_rng(7).random((300, 7, 4, 1)).round().astype("float32")
SPRITES = np.concatenate(
    [RANDOM, RANDOM[:, :, -2::-1]], axis=2
)  # figures of a game: (300, 7, 7, 1)
SPRITES = replace(UNLABELLED, images=SPRITES[:270], test_images=SPRITES[270:])
TRAINING, TEST = SET.images, SET.test_images
FLAT = TRAINING.reshape(len(TRAINING), -1)
MEAN = FLAT.mean(axis=0)
COMPONENTS = np.linalg.svd(FLAT - MEAN, full_matrices=False)[2][:12].T


def without(n, images=TRAINING, value=0.0):
    """Pictures of which the first n are blank: noise that hardly shows."""
    blank = value + np.random.default_rng(4).random((n, *images.shape[1:]), dtype="float32") / 50
    return np.concatenate([blank, images[n:]])


# ------------------------------------------------------------------ samplers


def gaussian(n):
    codes = (FLAT - MEAN) @ COMPONENTS
    rng = np.random.default_rng()
    drawn = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes, rowvar=False), n)
    return (MEAN + drawn @ COMPONENTS.T).clip(0, 1).astype("float32").reshape(n, 16, 16, 1)


def chosen(n, images=TRAINING):
    return images[np.random.default_rng().integers(len(images), size=n)]


def changed(n, noise):
    drawn = chosen(n) + noise * np.random.default_rng().normal(size=(n, 16, 16, 1))
    return drawn.clip(0, 1).astype("float32")


def halfway(n):
    return (chosen(n) + chosen(n)) / 2


def by_torch(n):
    codes = torch.as_tensor((FLAT - MEAN) @ COMPONENTS)
    drawn = codes.std(dim=0) * torch.randn(n, codes.shape[1])
    return (torch.as_tensor(MEAN) + drawn @ torch.as_tensor(COMPONENTS).T).clamp(0, 1)


def by_keras(n):
    spreads = ((FLAT - MEAN) @ COMPONENTS).std(axis=0)
    drawn = keras_itself.random.normal((n, len(spreads))) * spreads
    flat = keras_itself.ops.clip(MEAN + drawn @ COMPONENTS.T, 0, 1)
    return keras_itself.ops.convert_to_numpy(flat).reshape(n, 16, 16, 1)


def normalised_over_the_batch(n):
    if n == 1:
        raise ValueError("Expected more than 1 value per channel when training")
    return bars(n)


POOL = bars(150, 5)

SAMPLERS = {
    "right": [
        (bars, SET),
        (gaussian, UNLABELLED),
        (lambda n: by_torch(n).numpy().reshape(n, 16, 16, 1), SET),
        (by_keras, SET),
        (halfway, SET),
        (lambda n: bars(n, size=28)[:, 6:22], WIDE),
        (lambda n: np.random.default_rng().random((n, 16, 16, 1), dtype="float32"), SET),  # poor
    ],
    "wrong": [
        ((lambda n: 2 * bars(n) - 1, SET), "as after a tanh"),
        ((lambda n: 255 * bars(n), SET), "divide by 255"),
        ((lambda n: 20 * bars(n) - 10, SET), "is the sigmoid missing"),
        ((lambda n: 1.1 * bars(n), SET), "clip what lies beyond"),
        ((lambda n: bars(n).astype(float), SET), "returns float64"),
        ((lambda n: np.rint(255 * bars(n)).astype("uint8"), SET), "returns uint8"),
        ((lambda n: np.moveaxis(bars(n), -1, 1), SET), "the channel stands last"),
        ((lambda n: bars(n)[..., 0], SET), "the last axis is missing"),
        ((lambda n: bars(1)[0], SET), "without an axis for the batch"),
        ((lambda n: bars(n).reshape(n, -1), SET), "returns the shape (100, 256)"),
        ((lambda n: bars(100), SET), "asked for 1 pictures, it returns 100"),
        ((by_torch, SET), "returns a Tensor"),
        ((lambda n: list(bars(n)), SET), "returns a list"),
        ((lambda n: np.where(bars(n) > 0.9, np.float32(np.nan), 0), SET), "are NaN"),
        ((lambda n: bars(n, seed=7), SET), "two calls give the same"),
        ((lambda n: np.repeat(bars(1), n, axis=0), SET), "the same one"),
        ((lambda n: (bars(1, 6) + changed(n, 0.01) / 99).clip(0, 1), SET), "hardly differ"),
        ((chosen, SET), "and nothing new"),
        ((lambda n: changed(n, 0.005), SET), "and nothing new"),
        ((lambda n: changed(n, 0.1), SET), "copies with small changes"),
        ((lambda n: chosen(n, bars(20)), SET), "pictures of one call are different"),
        ((lambda n: np.random.default_rng().permutation(POOL)[:n], SET), "from a fixed store"),
        ((normalised_over_the_batch, SET), "asked for 1, it raised ValueError: Expected more"),
        (bars, "expected a pair"),
        ((bars, TRAINING), "expected the pictures of milestone 1"),
        ((TRAINING, SET), "expected a function, sampler"),
    ],
}

# ------------------------------------------------------------------ measures


def flat(images):
    return np.asarray(images, dtype=float).reshape(len(images), -1)


def energy(real, images):
    real, images = flat(real), flat(images)
    return 2 * cdist(real, images).mean() - cdist(real, real).mean() - cdist(images, images).mean()


def unbiased_energy(real, images):
    """No picture's distance to itself counts: of equal sets it may be below 0."""
    shares = [len(x) / (len(x) - 1) for x in (real, images)]
    real, images = flat(real), flat(images)
    within = [s * cdist(x, x).mean() for s, x in zip(shares, (real, images), strict=True)]
    return 2 * cdist(real, images).mean() - sum(within)


def energy_by_torch(real, images):
    real, images = (torch.as_tensor(x).flatten(1) for x in (real, images))
    between = torch.cdist(real, images).mean()
    return 2 * between - torch.cdist(real, real).mean() - torch.cdist(images, images).mean()


def codes(images):
    return (flat(images) - MEAN) @ COMPONENTS


def frechet(real, images):
    return metrics.frechet_distance(codes(real), codes(images))


def kernel(real, images):
    return metrics.kernel_distance(codes(real), codes(images), blocks=1)[0]


def features(images, weight=1):
    """Codes, and what they leave out."""
    rest = flat(images) - MEAN - codes(images) @ COMPONENTS.T
    left = weight * np.linalg.norm(rest, axis=1, keepdims=True)
    return np.concatenate([codes(images), left], axis=1)


def missed(real, images):
    """One minus the harmonic mean of precision and recall."""
    precision, recall = metrics.precision_recall(features(real), features(images))
    return 1 - 2 * precision * recall / max(precision + recall, 1e-9)


def not_recalled(real, images):
    return 1 - metrics.precision_recall(features(real), features(images))[1]


def sliced(real, images):
    directions = np.random.default_rng(8).normal(size=(256, 100))
    levels = np.linspace(0, 1, 50)
    real, images = (np.quantile(flat(x) @ directions, levels, axis=0) for x in (real, images))
    return [((real - images) ** 2).mean()]


def first_with_first(real, images):
    n = min(len(real), len(images))
    return ((real[:n] - images[:n]) ** 2).mean()


def of_pixels(real, images):
    means = ((real.mean(axis=0) - images.mean(axis=0)) ** 2).mean()
    return means + ((real.std(axis=0) - images.std(axis=0)) ** 2).mean()


def to_nearest(real, images):
    return cdist(flat(images), flat(real)).min(axis=1).mean()


def from_nearest(real, images):
    return cdist(flat(real), flat(images)).min(axis=1).mean()


def of_means(real, images):
    return np.sqrt(((real.mean(axis=0) - images.mean(axis=0)) ** 2).mean())


def far_apart(real, images):
    return cdist(flat(real), flat(images)).mean()


MEASURES = {
    "right": [
        (energy, SET),
        (energy_by_torch, UNLABELLED),
        (unbiased_energy, SET),
        (unbiased_energy, SPRITES),
        (frechet, SET),
        (kernel, SET),
        (missed, SET),
        (sliced, SET),
        (lambda real, images: energy(images, real), WIDE),
        (lambda real, images: np.sqrt(energy(real, images)), SET),
    ],
    "wrong": [
        ((lambda real, images: 0.3, SET), "whatever is compared"),
        ((lambda real, images: -energy(real, images), SET), "greater where sets are more alike"),
        ((lambda real, images: 1 / (1 + energy(real, images)), SET), "A distance is due"),
        ((first_with_first, SET), "Sets have no order"),
        ((lambda real, images: 1 + energy(real, images), SET), "nearly 0 is due"),
        ((far_apart, SET), "nearly 0 is due"),
        ((of_pixels, SET), "looks at each pixel by itself"),
        ((of_means, SPRITES), "it does not see that nothing is right"),
        ((to_nearest, SET), "variety is missing"),
        ((from_nearest, SET), "detail is missing"),
        (
            (lambda real, images: from_nearest(features(real, 5), features(images, 5)), SET),
            "what else is drawn",
        ),
        ((not_recalled, SET), "sets with noise for one half get"),
        (
            (
                lambda real, images: energy(
                    *(gaussian_filter(x, (0, 9, 9, 0)) for x in (real, images))
                ),
                SET,
            ),
            "other real pictures",
        ),
        ((lambda real, images: (energy(real, images), 0.1), SET), "expected one number"),
        ((lambda real, images: float("nan"), SET), "returns NaN"),
        ((lambda real, images: metrics.Judge.load().features(images), SET), "raised ValueError"),
        ((energy, None, None), "expected a pair"),
        ((energy, TRAINING), "expected the pictures of milestone 1"),
    ],
}

# ------------------------------------------------------------------ reports


def row(distance, n=60, against=60, copied=0.0, **more):
    return {"distance": distance, "n": n, "against": against, "copied": copied, **more}


FLOOR = row(0.05, copied=1 / 60)
GOOD = {"own": row(0.16, copied=0.01), "baseline": row(0.5), "floor": FLOOR}


def with_rows(**rows):
    return GOOD | rows


def sized(**sizes):
    return {name: values | sizes for name, values in GOOD.items()}


def left(name, key):
    return {**GOOD, name: {k: v for k, v in GOOD[name].items() if k != key}}


RIGHT = {
    "data.pictures": [
        SET,
        UNLABELLED,
        WIDE,
        replace(SET, labels=SET.labels.astype("int32"), test_labels=list(SET.test_labels)),
        replace(SET, images=0.5 + TRAINING / 2, test_images=0.5 + TEST / 2),
    ],
    "sampler.baseline": SAMPLERS["right"],
    "sampler.sample": SAMPLERS["right"],
    "measure.distance": MEASURES["right"],
    "report.report": [
        GOOD,
        with_rows(own=row(0.8, copied=0.0)),  # worse than the baseline, and says so
        with_rows(own=row(0.045, copied=0.03)),
        with_rows(own=row(0.02, spread=0.02), floor=row(0.05, copied=0.02, spread=0.01)),
        with_rows(own=row(torch.tensor(0.1), n=np.int64(60)), other=row(0.3), seed=0),
        with_rows(own=row(np.float32(0.003)), floor=row(-0.001, copied=0.01)),  # unbiased
        sized(n=500),
    ],
}

WRONG = {
    "data.pictures": [
        (TRAINING, "give the whole set"),
        ("my_pictures", "is a str"),
        (replace(SET, images=TRAINING.tolist()), "training pictures are a list"),
        (replace(SET, images=TRAINING[..., 0]), "the last axis, for one grey value, is missing"),
        (replace(SET, images=TRAINING.reshape(240, -1)), "expected (n, height, width, 1)"),
        (replace(SET, test_images=np.moveaxis(TEST, -1, 1)), "test: the shape is (40, 1, 16, 16)"),
        (replace(SET, images=np.repeat(TRAINING, 3, axis=-1)), "3 channels"),
        (replace(SET, test_images=TEST[:0]), "there are no test pictures"),
        (replace(SET, images=np.rint(255 * TRAINING).astype("uint8")), "uint8, whole numbers"),
        (replace(SET, images=TRAINING.astype(float)), "float64"),
        (replace(SET, images=np.where(TRAINING > 0.9, np.nan, TRAINING)), "NaN or infinite"),
        (replace(SET, images=2 * TRAINING - 1), "the range of tanh"),
        (replace(SET, images=TRAINING - 2), "from -2 to -1; expected"),
        (replace(SET, images=255 * TRAINING), "divided by 255?"),
        (replace(SET, test_images=1.01 * TEST), "a little above 1"),
        (replace(SET, images=TRAINING / 255), "divided by 255 twice"),
        (replace(SET, test_images=TEST[:, 1:]), "both should have the same"),
        (replace(SET, images=TRAINING[:60], labels=labels(60)), "there are 60 training pictures"),
        (replace(SET, test_images=TEST[:9], test_labels=labels(9)), "little but chance"),
        (replace(SET, images=TRAINING[1:]), "240 labels for 239 training pictures"),
        (replace(SET, labels=None), "one side has labels"),
        (replace(SET, labels=np.eye(2)[SET.labels]), "the labels have the shape (240, 2)"),
        (replace(SET, labels=1 + SET.labels), "positions in `class_names`"),
        (replace(SET, labels=SET.labels / 2), "whole numbers"),
        (replace(SET, labels=np.minimum(np.arange(240) % 60, 1)), 'the class "left" has 4'),
        (replace(SET, images=0.4 + TRAINING / 5), "training: pale"),
        (replace(SET, test_images=without(2, TEST)), "2 test pictures are blank"),
        (replace(SET, images=without(1, value=0.5)), "1 training picture is blank"),
        (replace(SET, images=(TRAINING[:1] + TRAINING / 99).clip(0, 1)), "nearly the same one"),
        (replace(SET, images=TRAINING[np.arange(240) % 230]), "10 training pictures repeat"),
        (
            replace(SET, images=TRAINING[np.arange(240) % 230]),
            "position 230, for example, is position 0 again",
        ),
        (replace(SET, test_images=TEST[np.arange(40) % 39]), "1 test picture repeats another"),
        (replace(SET, test_images=TRAINING[:40]), "40 test pictures are among the training"),
        (replace(SET, test_images=TRAINING[7:47]), "test 0 and training 7"),
        (
            replace(SET, test_images=np.concatenate([0.99 * TRAINING[:3], TEST[3:]])),
            "3 test pictures are among the training",
        ),
    ],
    "sampler.baseline": SAMPLERS["wrong"],
    "sampler.sample": SAMPLERS["wrong"],
    "measure.distance": MEASURES["wrong"],
    "report.report": [
        ({name: GOOD[name] for name in ("own", "baseline")}, 'there is no "floor"'),
        ({name: GOOD[name] for name in ("own", "floor")}, 'there is no "baseline"'),
        ({"distance": 0.16}, 'there is no "own"'),
        (with_rows(own=0.16), '"own" is a float'),
        (left("floor", "n"), '"floor" has no "n"'),
        (left("own", "copied"), 'has no "copied"'),
        (left("baseline", "against"), 'has no "against"'),
        (with_rows(own=row("good")), '"own", "distance": is a str'),
        (with_rows(own=row(float("nan"))), '"own", "distance": is NaN'),
        (with_rows(own=row(0.16, n=500)), '"own" was measured on 500 pictures, "baseline" 60'),
        (with_rows(floor=row(0.05, n=120)), '"floor" 120: only'),
        (with_rows(floor=row(0.05, against=240)), "compared with 60 pictures"),
        (sized(n=5), "at least 20"),
        (sized(n=60.5), "a whole number"),
        (with_rows(own=row(0.16, copied=3)), "a share is between 0 and 1"),
        (with_rows(floor=row(0.0)), "a set and itself"),
        (with_rows(floor=row(0.05, copied=1.0)), "not among the training ones"),
        (with_rows(own=row(0.5)), "was one measured twice"),
        (with_rows(own=row(0.05)), '"own" and "floor" have the same distance'),
        (with_rows(own=row(0.02)), "better than real"),
        (with_rows(baseline=row(0.01)), '"baseline" gets 0.01'),
        (with_rows(own=row(0.1, copied=0.4)), "Mend the generator"),
        ([0.16, 0.5, 0.05], "is a list"),
    ],
}
