"""Measures of generated images, on NumPy arrays: how good, how varied, how original.

Every number here is read beside the same number for real images (the real-against-real floor):
`evaluate` computes both and prints them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from course_utils.judge import Judge, as_images

if TYPE_CHECKING:
    from course_utils.data import Images

# How many samples each measure uses; `evaluate` gives the measured reasons.
FRECHET_SAMPLES = 5000
MANIFOLD_SAMPLES = 1000  # precision and recall, as many real ones
MEMORISED_SAMPLES = 1000
MEMORISED_FLOOR = 0.01


def frechet_distance(features_a, features_b) -> float:
    """Squared 2-Wasserstein distance between two Gaussians fitted to two sets of features.

    .. math:: |m_a - m_b|^2 + \\operatorname{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})

    It is biased upwards at small samples: compare only values of the same sample sizes.

    Parameters
    ----------
    features_a, features_b : (n, d), each with n > d

    Returns
    -------
    float
        At least 0; 0 for equal mean and covariance. In squared units of the features.

    Raises
    ------
    ValueError
        With n <= d samples, whose covariance is singular, or NaN among the features.

    References
    ----------
    Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions.
    Heusel et al. (2017), GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(1000, 2))
    >>> round(frechet_distance(points, points + [3.0, 4.0]), 6)
    25.0
    """
    moments = []
    for name, features in (("features_a", features_a), ("features_b", features_b)):
        d = np.shape(features)[-1] if np.ndim(features) == 2 else 1
        features = _as_features(
            name, features, d + 1, f"the covariance of {d} features is singular below"
        )
        moments.append((features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))))
    (mean_a, cov_a), (mean_b, cov_b) = moments
    _check_columns(len(mean_a), len(mean_b))
    # C_a C_b has the eigenvalues of the symmetric S C_b S with S = C_a^(1/2): no complex sqrtm.
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap
    return max(0.0, float(distance))


def kernel_distance(features_a, features_b, blocks: int = 10) -> tuple[float, float]:
    """Kernel distance (KID): squared maximum mean discrepancy with a cubic kernel, unbiased.

    .. math:: \\operatorname{mean} k(a, a') + \\operatorname{mean} k(b, b')
        - 2 \\operatorname{mean} k(a, b), \\quad k(x, y) = (x \\cdot y / d + 1)^3

    over all pairs of different points a, a' and b, b' of one set, and all pairs a, b. It compares
    the moments of the two sets up to the third. Both sets are dealt into blocks at random, and the
    distances of the pairs of blocks averaged: these are independent, so their spread gives a
    standard error. No sample size makes it larger or smaller on average, a small one only less
    certain; around 0 it is as often negative as positive.

    Parameters
    ----------
    features_a, features_b : (n, d) and (m, d), each with at least two points for each block
    blocks : at least 1; with 1, every pair counts, and the standard error is NaN

    Returns
    -------
    distance, standard_error : float

    References
    ----------
    Bińkowski et al. (2018), Demystifying MMD GANs.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).normal(size=(2, 1000, 2))
    >>> distance, error = kernel_distance(a, b)
    >>> abs(distance) < 3 * error
    True
    >>> kernel_distance(a, b + [3.0, 4.0])[0] > 1000 * error
    True
    """
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}, expected at least 1: 10 is usual")
    why = f"each of {blocks} blocks needs two"
    a = _as_features("features_a", features_a, 2 * blocks, why)
    b = _as_features("features_b", features_b, 2 * blocks, why)
    _check_columns(a.shape[1], b.shape[1])
    rng = np.random.default_rng(0)
    pairs = zip(*(np.array_split(rng.permutation(x), blocks) for x in (a, b)), strict=True)
    distances = np.array(
        [_mean_kernel(a) + _mean_kernel(b) - 2 * _mean_kernel(a, b) for a, b in pairs]
    )
    error = distances.std(ddof=1) / np.sqrt(blocks) if blocks > 1 else np.nan
    return float(distances.mean()), float(error)


def _mean_kernel(a: np.ndarray, b: np.ndarray | None = None) -> float:
    """Mean of the cubic kernel over all pairs, or over the pairs of different points of a."""
    others = a if b is None else b
    step = max(1, 6_000_000 // len(others))
    total = sum(
        _cubed(a[start : start + step] @ others.T, a.shape[1]) for start in range(0, len(a), step)
    )
    if b is not None:
        return total / (len(a) * len(b))
    return (total - _cubed((a * a).sum(axis=1), a.shape[1])) / (len(a) * (len(a) - 1))


def _cubed(products: np.ndarray, d: int) -> float:
    """Sum of the kernel, for scalar products of points in d dimensions."""
    kernel = products / d + 1
    return float((kernel * kernel * kernel).sum())  # faster than **


def precision_recall(real_features, fake_features, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall: are the samples realistic, and do they cover the real ones?

    Around each real point lies a ball that reaches to its k-th nearest real neighbour. Precision is
    the share of fake points inside at least one such ball. Recall is the same with the roles
    exchanged. Both fall as the sample grows: use the same number of points each time.

    Parameters
    ----------
    real_features, fake_features : (n, d) and (m, d), each with more than k points
    k : neighbours, at least 1

    Returns
    -------
    precision, recall : float, each in [0, 1]

    References
    ----------
    Kynkäänniemi et al. (2019), Improved precision and recall metric for assessing generative
    models.

    Examples
    --------
    >>> line = np.arange(10.0)[:, None]
    >>> precision_recall(line, line[:5], k=1)  # all five are real, and they reach up to 5
    (1.0, 0.6)
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1 neighbour: the paper uses 3")
    why = f"a point needs {k} neighbours besides itself"
    real = _as_features("real_features", real_features, k + 1, why)
    fake = _as_features("fake_features", fake_features, k + 1, why)
    return _share_inside(fake, real, k), _share_inside(real, fake, k)


def _share_inside(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """Share of points within the k-nearest-neighbour ball of at least one centre."""
    radii = np.concatenate(
        [np.partition(block, k, axis=1)[:, k] for _, block in _distance_blocks(centres, centres)]
    )
    inside = [(block <= radii).any(axis=1) for _, block in _distance_blocks(points, centres)]
    return float(np.concatenate(inside).mean())


def _distance_blocks(a: np.ndarray, b: np.ndarray, cells: int = 2_000_000):
    """Yield (rows, squared distances of these rows of a to all of b), at most `cells` at a time."""
    step = max(1, cells // len(b))
    norms = np.einsum("ij,ij->i", b, b)
    for start in range(0, len(a), step):
        block = a[start : start + step]
        squared = block @ b.T
        squared *= -2
        squared += np.einsum("ij,ij->i", block, block)[:, None]
        squared += norms
        yield slice(start, start + len(block)), np.maximum(squared, 0, out=squared)


def class_coverage(labels, reference, fraction: float = 0.2) -> float:
    """Share of the classes that the samples reach.

    A class counts as reached when its share among the samples is at least `fraction` of its share
    in the real data: with ten equal classes and one fifth, 2 % of the samples. A class seen once by
    accident does not count. From 500 samples on, chance alone loses no class.

    Parameters
    ----------
    labels : int (n,), the classes that a judge sees in the samples
    reference : int (m,) labels of real images, or the number of equally likely classes
    fraction : in (0, 1]

    Returns
    -------
    float in [0, 1]

    Examples
    --------
    >>> class_coverage(np.array([0, 0, 1, 1]), reference=4)
    0.5
    >>> class_coverage(np.array([0] * 99 + [1]), reference=np.array([0, 1]))
    0.5
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected above 0 and at most 1: 0.2 is usual")
    labels = _as_labels("labels", labels)
    if np.ndim(reference) == 0:
        reference = np.arange(reference)
    classes, counts = np.unique(_as_labels("reference", reference), return_counts=True)
    shares = (labels[:, None] == classes).mean(axis=0)
    return float((shares >= fraction * counts / counts.sum()).mean())


def label_entropy(labels) -> float:
    """Entropy of the labels that a judge reads: how evenly the classes are drawn.

    .. math:: -\\sum_y p_y \\ln p_y

    with :math:`p_y` the share of class y. It is highest, ln 10 = 2.303 for ten classes, when all
    are drawn equally often, and 0 when all samples show one class. Its exponential can be read as
    a number of classes. Set it beside the entropy of real images' labels: these need not be even.

    Parameters
    ----------
    labels : int (n,), the classes that a judge sees in the samples

    Returns
    -------
    float
        In nats, at least 0.

    Examples
    --------
    >>> round(label_entropy(np.arange(10)), 3)
    2.303
    >>> round(float(np.exp(label_entropy(np.array([3, 3, 8, 8])))), 3)
    2.0
    """
    _, counts = np.unique(_as_labels("labels", labels), return_counts=True)
    shares = counts / counts.sum()
    return float(max(0.0, -(shares * np.log(shares)).sum()))  # one class would give -0.0


def label_accuracy(asked, drawn) -> float:
    """Share of samples that show the class that was asked for.

    Parameters
    ----------
    asked, drawn : int (n,), the labels given to the generator and those that a judge reads

    Examples
    --------
    >>> label_accuracy(asked=np.array([3, 1, 4, 1]), drawn=np.array([3, 1, 4, 7]))
    0.75
    """
    asked, drawn = _as_labels("asked", asked), _as_labels("drawn", drawn)
    if asked.shape != drawn.shape:
        raise ValueError(
            f"asked has {len(asked)} labels and drawn {len(drawn)}, expected one of each for every "
            "image: pass the labels that these very images were drawn with"
        )
    return float((asked == drawn).mean())


def nearest_training_image(images, training_images) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest training image of each image, in pixel space.

    Parameters
    ----------
    images, training_images : (n, 28, 28, 1) and (m, 28, 28, 1), in [0, 1]

    Returns
    -------
    distances : float32 (n,), Euclidean, from 0 (a copy) to 28
    indices : int64 (n,), positions in training_images

    Examples
    --------
    >>> training_images = np.random.default_rng(0).random((5, 28, 28, 1))
    >>> distances, indices = nearest_training_image(training_images[[3, 1]], training_images)
    >>> distances.tolist(), indices.tolist()
    ([0.0, 0.0], [3, 1])
    """
    distances, indices = _two_nearest(images, training_images)
    return distances[:, 0], indices[:, 0]


def memorised(images, training_images, held_out_images) -> float:
    """Share of images that copy a training image.

    A copy, even a noisy or blurred one, lies much nearer to one training image than to the second
    nearest. So an image counts as memorised when the ratio of these two distances (in pixel space)
    is below that of all but 1 % of real images that the model has not seen. Those score 0.01,
    training images 1. The distance alone would miss copies with a little noise, and would blame
    every plain stroke of a one, because ones lie near each other. Averages of several training
    images go unseen.

    Parameters
    ----------
    images, training_images, held_out_images : (n, 28, 28, 1) each, in [0, 1]
        About 1,000 images and as many held-out ones: the 1 % is then ten images.

    Returns
    -------
    float in [0, 1]

    References
    ----------
    Yoon et al. (2023), Diffusion probabilistic models generalize when they fail to memorize; Gu et
    al. (2023), On memorization in diffusion models. Their threshold on this ratio is 1/3; ours
    comes from held-out images.
    """
    return _share_copied(
        _nearest_ratio(images, training_images), _nearest_ratio(held_out_images, training_images)
    )


def _nearest_ratio(images, training_images) -> np.ndarray:
    """Distance to the nearest training image over that to the second nearest: (n,) in [0, 1]."""
    nearest, second = _two_nearest(images, training_images)[0].T
    return nearest / np.maximum(second, 1e-6)


def _share_copied(ratios: np.ndarray, held_out_ratios: np.ndarray) -> float:
    return float((ratios < np.quantile(held_out_ratios, MEMORISED_FLOOR)).mean())


def _two_nearest(images, training_images) -> tuple[np.ndarray, np.ndarray]:
    """Distances and positions of the two nearest training images: (n, 2) each, nearest first."""
    images = as_images(images).reshape(-1, 784)
    training = as_images(training_images, "training_images").reshape(-1, 784)
    indices = np.empty((len(images), 2), np.int64)
    for rows, squared in _distance_blocks(images, training):
        for rank in range(2):
            indices[rows, rank] = squared.argmin(axis=1)
            squared[np.arange(len(squared)), indices[rows, rank]] = np.inf
    # The blocks' formula rounds. Computed again for the two found, the distance of a copy is 0.
    return np.linalg.norm(images[:, None] - training[indices], axis=2), indices


# ------------------------------------------------------------------------------- all of it at once

_ROWS = (  # field, title, what is better, field of the sample size
    ("frechet", "Fréchet distance", "lower", "n"),
    ("precision", "precision", "higher", "n_manifold"),
    ("recall", "recall", "higher", "n_manifold"),
    ("coverage", "class coverage", "higher", "n"),
    ("memorised", "memorised", "lower", "n_memorised"),
    ("label_accuracy", "label accuracy", "higher", "n"),
)


@dataclass(frozen=True)
class Scores:
    """What `evaluate` found. `print(scores)` shows it beside the same for real images.

    Attributes
    ----------
    frechet, precision, recall, memorised : float
        As the functions of this module define them.
    coverage, label_accuracy : float or None
        None where the judge does not know the classes, or no labels were asked for.
    n, n_manifold, n_memorised : int
        Samples used: for `frechet`, `coverage` and `label_accuracy`; for precision and recall; for
        `memorised`.
    floor : Scores or None
        The scores of real images; None in the floor itself.
    """

    frechet: float
    precision: float
    recall: float
    coverage: float | None
    memorised: float
    label_accuracy: float | None
    n: int
    n_manifold: int
    n_memorised: int
    floor: Scores | None = None

    def table(self) -> str:
        """The scores as plain text: measure, samples, real images, what is better, sample size."""
        lines = ["measure             samples     real  better  sample size"]
        for field, title, better, size in _ROWS:
            value, real = getattr(self, field), getattr(self.floor or self, field)
            if value is not None:
                used = getattr(self, size)
                lines.append(f"{title:<18}{value:>9.3f}{real:>9.3f}  {better:<6}{used:>13,}")
        return "\n".join(lines)

    __str__ = table


def evaluate(images, dataset: Images, labels=None, n: int = FRECHET_SAMPLES) -> Scores:
    """Score generated images against a data set's test images, beside the floor of real images.

    The floor is what the data set's own training images score in the generator's place (held-out
    test images for `memorised` and `label_accuracy`, because the training images are copies of
    themselves and the judge has learnt them). It is computed once per data set and
    kept: change its arrays before, not after.

    Parameters
    ----------
    images : (m, 28, 28, 1) in [0, 1], with m >= n; n of them are chosen at random
    dataset : what `course_utils.data.load` returns
    labels : int (m,), optional
        The classes that the images were asked to show, in the same order.
    n : samples for the Fréchet distance, class coverage and label accuracy
        They are compared with all test images. Values compare only at the same n.

    Raises
    ------
    ValueError
        If there are fewer than n images or training images, or labels that the judge cannot read.

    Notes
    -----
    Why these sample sizes: real training images against the test images, as n grows.

    ====================== ===== ===== ===== ===== =====
    n                        500 1,000 2,000 4,000 5,000
    ====================== ===== ===== ===== ===== =====
    Fréchet, mnist          1.56  0.96  0.70  0.44  0.41
    Fréchet, digits         1.77  1.30  1.03  0.93  0.94
    precision, mnist        0.87  0.86  0.85  0.86
    recall, mnist           0.87  0.89  0.88  0.87
    precision, digits       0.80  0.70  0.54  0.38
    recall, digits          0.87  0.84  0.81  0.76
    ====================== ===== ===== ===== ===== =====

    The Fréchet distance falls by what chance adds, about 1/n, and has settled to 0.1 at 5,000.
    Precision and recall are steady on MNIST, to 0.01 at 1,000. On ``digits`` they fall, because its
    test images vary only 297 originals, and these become each other's nearest neighbours.
    """
    images = as_images(images)
    if len(images) < n:
        raise ValueError(
            f"{len(images)} images were given, expected at least {n}: draw more, or pass "
            f"n={len(images)} and compare with scores of the same n only"
        )
    if labels is not None:
        labels = _as_labels("labels", labels)
        if len(labels) != len(images):
            raise ValueError(
                f"{len(labels)} labels for {len(images)} images, expected one for each"
            )
        if not _judge_knows(dataset):
            raise ValueError(
                f"the judge reads digits and cannot tell the classes of {dataset.name!r}: "
                "leave labels out"
            )
    # At random, because images drawn class by class would fill the small samples with few classes.
    chosen = np.random.default_rng(0).permutation(len(images))[:n]
    images, labels = images[chosen], None if labels is None else labels[chosen]
    real = _real_side(dataset, n)
    ratios = _nearest_ratio(images[:MEMORISED_SAMPLES], dataset.images)
    floor = real.floor if labels is not None else replace(real.floor, label_accuracy=None)
    return replace(_score(Judge.load().features(images), ratios, real, labels), floor=floor)


@dataclass(frozen=True)
class _RealSide:
    """What the measures need of the real images, computed once."""

    features: np.ndarray  # of all test images
    labels: np.ndarray | None  # None where the judge does not know the classes
    manifold: np.ndarray  # some of the features, for precision and recall
    ratios: np.ndarray  # of held-out images, for `memorised`
    floor: Scores | None = None


def _judge_knows(dataset: Images) -> bool:
    return dataset.class_names == tuple("0123456789")


@lru_cache(maxsize=2)
def _real_side(dataset: Images, n: int) -> _RealSide:
    if len(dataset.images) < n:
        raise ValueError(
            f"{dataset.name!r} has {len(dataset.images)} training images, expected at least {n} to "
            f"score as the real ones: pass n={len(dataset.images)} or less"
        )
    rng, judge = np.random.default_rng(1), Judge.load()
    test = rng.permutation(len(dataset.test_images))[:n]
    training = rng.permutation(len(dataset.images))[:n]
    features = judge.features(dataset.test_images)
    labels = dataset.test_labels if _judge_knows(dataset) else None
    ratios = _nearest_ratio(dataset.test_images[test[:MEMORISED_SAMPLES]], dataset.images)
    real = _RealSide(features, labels, features[test[:MANIFOLD_SAMPLES]], ratios)
    floor = _score(judge.features(dataset.images[training]), ratios, real)
    if labels is not None:
        floor = replace(floor, label_accuracy=label_accuracy(labels, judge.read(features)))
    return replace(real, floor=floor)


def _score(features, ratios, real: _RealSide, labels=None) -> Scores:
    read = Judge.load().read(features)
    precision, recall = precision_recall(real.manifold, features[: len(real.manifold)])
    return Scores(
        frechet=frechet_distance(features, real.features),
        precision=precision,
        recall=recall,
        coverage=None if real.labels is None else class_coverage(read, real.labels),
        memorised=_share_copied(ratios, real.ratios),
        label_accuracy=None if labels is None else label_accuracy(labels, read),
        n=len(features),
        n_manifold=len(real.manifold),
        n_memorised=len(ratios),
    )


# ---------------------------------------------------------------------------------------- checks


def _as_features(name: str, features, at_least: int, why: str) -> np.ndarray:
    """Check a feature matrix and return it as float64 (n, d)."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2:
        raise ValueError(
            f"{name} has shape {features.shape}, expected (n, d): use Judge.load().features(images)"
        )
    if len(features) < at_least:
        raise ValueError(
            f"{name} has {len(features)} samples, expected at least {at_least}, because {why}: "
            "draw more"
        )
    if not np.isfinite(features).all():
        raise ValueError(f"{name} holds NaN or infinity, expected finite values: check the images")
    return features


def _check_columns(a: int, b: int) -> None:
    if a != b:
        raise ValueError(
            f"features_a has {a} columns and features_b {b}, expected the same number: use one "
            "judge for both"
        )


def _as_labels(name: str, labels) -> np.ndarray:
    """Check labels and return them as a non-empty integer vector."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} has shape {labels.shape} and type {labels.dtype}, expected whole numbers of "
            "shape (n,): one class number for each image (not one-hot vectors)"
        )
    return labels
