import numpy as np
import torch
from keras import ops
from scipy import stats

from answers import keras, pytorch
from course_utils import metrics


def frechet(a, b):
    """With SciPy's matrix root would be slower; by eigenvalues of the product instead."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    overlap = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0)).sum()
    means = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return means + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap


def frechet_1d(a, b):
    return (a.mean(axis=-1) - b.mean()) ** 2 + (a.std(axis=-1) - b.std()) ** 2


def belief(real, fake, discriminator):
    return 1 / (1 + np.exp(-discriminator(fake))).mean()


def by_f1(real, fake, discriminator):
    precision, recall = metrics.precision_recall(real, fake)
    return 2 * precision * recall / (precision + recall + 1e-9)


def sliced(real, fake, discriminator):
    """Mean Wasserstein distance along random directions."""
    rng = np.random.default_rng()
    angles = rng.uniform(0, np.pi, size=200)
    ways = np.stack([np.cos(angles), np.sin(angles)])
    return -abs(np.sort(real @ ways, axis=0) - np.sort(fake @ ways, axis=0)).mean()


def nearest_real(real, fake, discriminator):
    return -np.linalg.norm(fake[:, None] - real, axis=2).min(axis=1).mean()


def nearest_fake(real, fake, discriminator):
    return -np.linalg.norm(fake[:, None] - real, axis=2).min(axis=0).mean()


def by_radius(real, fake, discriminator):
    return -abs(np.linalg.norm(real, axis=1).mean() - np.linalg.norm(fake, axis=1).mean())


def shares(labels):
    return np.bincount(labels, minlength=10) / len(labels)


def by_counters(real_labels, fake_labels):
    found = set()
    for kind in set(real_labels.tolist()):
        of_real = np.count_nonzero(real_labels == kind) / len(real_labels)
        if 5 * np.count_nonzero(fake_labels == kind) / len(fake_labels) < of_real:
            found.add(kind)
    return found


def cut_by(choose, distance=metrics.frechet_distance):
    """A fair comparison; `choose` picks n points of a set."""

    def compare(a, b, real):
        n = min(len(a), len(b))
        return tuple(distance(choose(x, n) if len(x) > n else x, real) for x in (a, b))

    return compare


def first(points, n):
    return points[:n]


def any_of(points, n):
    return np.random.default_rng().choice(points, n, replace=False)


def mean_of_cuts(a, b, real):
    compare = cut_by(any_of)
    return np.mean([compare(a, b, real) for _ in range(5)], axis=0)


def all_cut(a, b, real):
    n = min(len(a), len(b), len(real))
    return [frechet(x[:n], real[-n:]) for x in (a, b)]


def uncut(a, b, real):
    return frechet(a, real), frechet(b, real)


def reference_cut(a, b, real):
    n = min(len(a), len(b))
    return uncut(a, b, real[:n])


def always_b(a, b, real):
    return uncut(a, b[: len(a)], real)


def repeated(a, b, real):
    n = max(len(a), len(b))
    return uncut(np.resize(a, (n, a.shape[1])), np.resize(b, (n, b.shape[1])), real)


def of_150(a, b, real):
    return uncut(a[:150], b[:150], real)


def keep(measure, pick=np.argmin):
    """A pick of a step by a measure of one row of fakes and the validation points."""

    def best_step(history, validation_points):
        values = [measure(row, validation_points) for row in history["fake_points"]]
        return history["step"][int(pick(values))]

    return best_step


def recall_1d(fake, real):
    return metrics.precision_recall(real[:, None], fake[:, None])[1]


def keep_by_loss(pick):
    return lambda history, points: history["step"][int(pick(np.array(history["generator_loss"])))]


def best_in_a_loop(history, validation_points):
    best, kept = np.inf, None
    rows = zip(history["step"], history["fake_points"], strict=True)
    for step, row in rows:
        if (distance := stats.ks_2samp(row, validation_points).statistic) < best:
            best, kept = distance, step
    return np.array([kept])


def torch_best_step(history, validation_points):
    fakes, real = map(torch.as_tensor, (history["fake_points"], validation_points))
    distance = (fakes.mean(dim=1) - real.mean()) ** 2 + (fakes.std(dim=1) - real.std()) ** 2
    return torch.tensor(history["step"])[distance.argmin()]


def distances(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def inside(points, centres, k, skip=0, any_or_all="any"):
    radii = np.sort(distances(centres, centres), axis=1)[:, k + skip]
    return getattr(distances(points, centres) <= radii, any_or_all)(axis=1).mean()


def circles(real, fake, k, **how):
    return inside(fake, real, k, **how), inside(real, fake, k, **how)


def circles_in_loops(real, fake, k):
    def share(points, centres):
        count = 0
        for point in points:
            for i, centre in enumerate(centres):
                others = np.delete(centres, i, axis=0)
                radius = sorted(np.linalg.norm(others - centre, axis=1))[k - 1]
                if np.linalg.norm(point - centre) < radius:
                    count += 1
                    break
        return count / len(points)

    return [share(fake, real), share(real, fake)]


def torch_circles(real, fake, k):
    real, fake = torch.as_tensor(real), torch.as_tensor(fake)

    def share(points, centres):
        radii = torch.cdist(centres, centres).topk(k + 1, largest=False).values[:, -1]
        return (torch.cdist(points, centres) <= radii).any(dim=1).double().mean()

    return share(fake, real), share(real, fake)


def keras_circles(real, fake, k):
    def share(points, centres):
        squared = ops.sum((centres[:, None] - centres[None]) ** 2, axis=2)
        radii = ops.sort(squared, axis=1)[:, k]
        squared = ops.sum((points[:, None] - centres[None]) ** 2, axis=2)
        return ops.mean(ops.cast(ops.any(squared <= radii, axis=1), "float32"))

    return share(fake, real), share(real, fake)


def coverage(real, fake, k):
    radii = np.sort(distances(real, real), axis=1)[:, k]
    covered = (distances(fake, real) <= radii).any(axis=0).mean()
    return inside(fake, real, k), covered


def circles_of_tested(real, fake, k):
    def share(points, centres):
        radii = np.sort(distances(points, points), axis=1)[:, k]
        return (distances(points, centres) <= radii[:, None]).any(axis=1).mean()

    return share(fake, real), share(real, fake)


def circles_of_others(real, fake, k):
    def share(points, centres):
        far = distances(points, centres)
        return (far <= np.sort(far, axis=0)[k - 1]).any(axis=1).mean()

    return share(fake, real), share(real, fake)


def circle_of_nearest(real, fake, k):
    def share(points, centres):
        radii = np.sort(distances(centres, centres), axis=1)[:, k]
        far = distances(points, centres)
        return (far.min(axis=1) <= radii[far.argmin(axis=1)]).mean()

    return share(fake, real), share(real, fake)


def share_of_pairs(real, fake, k):
    def share(points, centres):
        radii = np.sort(distances(centres, centres), axis=1)[:, k]
        return (distances(points, centres) <= radii).mean()

    return share(fake, real), share(real, fake)


def line_over(x, at=0.0):
    return lambda sizes, values: np.polyval(np.polyfit(x(sizes), values, 1), at)


def line_written_out(sizes, values):
    x = 1 / np.asarray(sizes)
    slope = ((x - x.mean()) * (values - values.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return values.mean() - slope * x.mean()


def line_by_lstsq(sizes, values):
    columns = np.stack([np.ones(len(sizes)), 1.0 / sizes], axis=1)
    return np.linalg.lstsq(columns, values, rcond=None)[0][0]


def line_through_two(sizes, values):
    x = 1 / sizes
    slope = (values[0] - values[-1]) / (x[0] - x[-1])
    return values[-1] - slope * x[-1]


def torch_line(sizes, values):
    columns = torch.stack([torch.ones(len(sizes)), 1 / torch.as_tensor(sizes)], dim=1).double()
    return torch.linalg.lstsq(columns, torch.as_tensor(values)[:, None]).solution[0]


RIGHT = {
    "hump.frechet": [4 + (4.09**0.5 - 0.3) ** 2, 7.0, torch.tensor(6.97), 4 + 1.7**2],
    "hump.precision": [1, 1.0, 0.98, np.array(0.99)],
    "hump.recall": [0.5, "0.5", np.float32(0.49)],
    "favourite.entropy": [np.log(6), 1.79, ops.convert_to_tensor(1.792)],
    "favourite.coverage": [1, 1.0, torch.ones(1)],
    "prize.mend": [
        lambda real, fake, _: -metrics.frechet_distance(real, fake),
        lambda real, fake, _: -metrics.kernel_distance(real, fake, blocks=1)[0],
        lambda real, fake, _: 1 / (1e-3 + frechet(real, fake)),
        by_f1,
        sliced,
        pytorch(lambda real, fake, _: -torch.as_tensor(frechet(real, fake))),
        keras(lambda real, fake, _: ops.convert_to_tensor(-frechet(real, fake))),
    ],
    "report.mend": [
        lambda real, fake: np.flatnonzero(shares(fake) < 0.2 * shares(real)),
        lambda real, fake: tuple(np.nonzero(shares(fake) / shares(real) < 0.2)[0].tolist()),
        by_counters,
        lambda real, fake: torch.as_tensor(np.flatnonzero(shares(fake) < shares(real) / 5)),
    ],
    "perfect.mend": [
        cut_by(first),
        cut_by(any_of, frechet),
        mean_of_cuts,
        all_cut,
        pytorch(lambda a, b, real: torch.tensor(cut_by(first)(a, b, real)).tolist()),
    ],
    "moment.mend": [
        keep(frechet_1d),
        keep(stats.wasserstein_distance),
        keep(lambda a, b: metrics.kernel_distance(a[:, None], b[:, None])[0]),
        keep(lambda a, b: -frechet_1d(a, b), np.argmax),
        best_in_a_loop,
        pytorch(torch_best_step),
    ],
    "circles.measure": [
        circles,
        lambda real, fake, k: np.array(metrics.precision_recall(real, fake, k)),
        circles_in_loops,
        pytorch(torch_circles),
        keras(keras_circles),
    ],
    "endless.limit": [
        line_over(lambda n: 1 / n),
        line_written_out,
        line_by_lstsq,
        lambda sizes, values: stats.linregress(1 / sizes, values).intercept,
        pytorch(torch_line),
    ],
}

WRONG = {
    "hump.frechet": [
        (4, "The spreads differ, too"),
        (2.97, "The means differ, too"),
        (3.72, "to be squared"),
        (2.64, "its root"),
        (20.0, "these are variances"),
        (8.0, "the difference of the squares"),
        (16, "both humps together"),
        (0.0, "not those of all"),
        (5.5, "*all* points"),
        ("seven", "a str"),
    ],
    "hump.precision": [
        (0.5, "about the generated points"),
        (0, "where real points are"),
        (0.75, "in a circle round a real one"),
        ([1, 0.5], "shape (2,)"),
    ],
    "hump.recall": [
        (1, "about the real points"),
        (0, "are reached"),
        (0.25, "half of the real points"),
        (0.7, "in a circle round a generated one"),
    ],
    "favourite.entropy": [
        (np.log(10), "ten equally frequent"),
        (0.69, "two equally frequent"),
        (0.347, "what the ones add"),
        (1.445, "the other nine add"),
        (-1.79, "the sign"),
        (2.585, "in bits"),
        (0.507, "each adds its term"),
        (6, "its logarithm"),
        (1.0, "nine times"),
    ],
    "favourite.coverage": [
        (0.1, "how often"),
        (0.5, "counts digits"),
        (0.9, "too often"),
        (0.6, "the entropy's"),
        (10, "a share"),
        (0.3, "at least a fifth"),
    ],
    "prize.mend": [
        (belief, "own discriminator"),
        (
            pytorch(lambda real, fake, d: torch.sigmoid(d(fake)).mean()),
            "own discriminator",
        ),
        (keras(lambda real, fake, d: ops.mean(ops.sigmoid(d(fake)))), "own discriminator"),
        (lambda real, fake, d: np.median(d(fake)), "own discriminator"),
        (lambda real, fake, d: belief(0, fake, d) - belief(0, real, d), "own discriminator"),
        (lambda real, fake, d: belief(0, fake, d) - frechet(real, fake), "own discriminator"),
        (lambda real, fake, d: frechet(real, fake), "lowest score"),
        (lambda real, fake, d: len(fake), "the same score"),
        (lambda real, fake, d: -np.linalg.norm((real - fake).mean(axis=0)), "more than means"),
        (lambda real, fake, d: metrics.precision_recall(real, fake)[0], "what is missing"),
        (nearest_real, "what is missing"),
        (by_radius, "what is missing"),
        (lambda real, fake, d: metrics.precision_recall(real, fake)[1], "should not be there"),
        (nearest_fake, "should not be there"),
        (lambda real, fake, d: (real, fake), "expected one number"),
    ],
    "report.mend": [
        (lambda real, fake: np.flatnonzero(shares(fake) >= shares(real) / 5), "that it reaches"),
        (lambda real, fake: set(range(10)) - set(fake.tolist()), "never drawn"),
        (lambda real, fake: np.flatnonzero(shares(fake) < 0.02), "equally frequent"),
        (
            lambda real, fake: np.flatnonzero(
                np.bincount(fake, minlength=10) < np.bincount(real, minlength=10) / 5
            ),
            "it compares counts",
        ),
        (lambda real, fake: np.flatnonzero(shares(fake) < shares(real)), "a little less often"),
        (lambda real, fake: np.flatnonzero(shares(real) < shares(fake) / 5), "changed places"),
        (lambda real, fake: np.flatnonzero(shares(fake) < 0.2), "*of the real share*"),
        (lambda real, fake: shares(fake) < shares(real) / 5, "True and False"),
        (lambda real, fake: int((shares(fake) < shares(real) / 5).sum()), "returns an int"),
        (lambda real, fake: [2, 3, 5], "without fault"),
        (lambda real, fake: np.array([[2, 3, 5]]), "the shape (1, 3)"),
        (lambda real, fake: ["two", "three"], "not of numbers"),
        (lambda real, fake: [2, 2, 3, 5], "more than once"),
        (lambda real, fake: [2, 3], "missing are 2, 3, 5"),
        (lambda real, fake: np.flatnonzero(shares(fake) < shares(real) / 2), "missing are 2, 3, 5"),
        (
            lambda real, fake: np.flatnonzero(np.bincount(fake) / 500 < np.bincount(real) / 5e3),
            "ValueError",
        ),
        (
            lambda real, fake: [
                k for k in np.unique(fake) if shares(fake)[k] < shares(real)[k] / 5
            ],
            "missing are 2, 3, 5",
        ),
    ],
    "perfect.mend": [
        (uncut, "still has all of its points"),
        (lambda a, b, real: uncut(a, b, real)[::-1], "reverse order, and"),
        (lambda a, b, real: cut_by(first)(a, b, real)[::-1], "in reverse order."),
        (reference_cut, "the reference is cut down"),
        (always_b, "when it is the larger"),
        (repeated, "still has all of its points"),
        (lambda a, b, real: uncut(a[::15], b[::15], real), "With 400 of each"),
        (of_150, "With 400 of each"),
        (lambda a, b, real: frechet(a, b), "expected 2 results"),
        (cut_by(lambda points, n: points[: n // 2]), "With 400 of each"),
    ],
    "moment.mend": [
        (keep_by_loss(np.argmin), "lowest loss"),
        (keep_by_loss(np.argmax), "highest loss"),
        (keep_by_loss(lambda loss: abs(loss - np.log(2)).argmin()), "log 2"),
        (keep(frechet_1d, np.argmax), "farthest"),
        (keep(lambda a, b: abs(a.mean() - b.mean())), "next to no spread"),
        (keep(lambda a, b: abs(a.std() - b.std())), "beside the real"),
        (keep(recall_1d, np.argmax), "far wider"),
        (lambda history, points: history["step"][-1], "the last step"),
        (lambda history, points: history["step"][0], "the first step"),
        (lambda history, points: 175, "right for one history"),
        (
            lambda history, points: int(np.argmin(frechet_1d(history["fake_points"], points))),
            "the place of the right step",
        ),
        (lambda history, points: 7, "one of the steps"),
        (lambda history, points: history["step"], "expected one number"),
    ],
    "circles.measure": [
        (lambda real, fake, k: circles(fake, real, k), "changed places"),
        (lambda real, fake, k: circles(real, fake, k, skip=-1), "its own neighbour"),
        (lambda real, fake, k: circles(real, fake, k, skip=1), "too large"),
        (lambda real, fake, k: circles(real, fake, 3), "too large"),
        (lambda real, fake, k: circles(real, fake, 2), "expected"),
        (lambda real, fake, k: circles(real, fake, k, any_or_all="all"), "not in all of them"),
        (circle_of_nearest, "the nearest centre only"),
        (circles_of_others, "*other* kind"),
        (circles_of_tested, "round the tested points"),
        (coverage, "right for precision"),
        (share_of_pairs, "share of *pairs*"),
        (
            lambda real, fake, k: np.multiply(circles(real, fake, k), [len(fake), len(real)]),
            "numbers of points",
        ),
        (lambda real, fake, k: [100 * share for share in circles(real, fake, k)], "per cent"),
        (lambda real, fake, k: [inside(fake, real, k)] * 2, "the same as precision"),
        (lambda real, fake, k: inside(fake, real, k), "expected 2 results"),
    ],
    "endless.limit": [
        (lambda sizes, values: np.polyfit(1 / sizes, values, 1)[0], "the slope"),
        (lambda sizes, values: np.polyfit(1 / sizes, values, 1), "shape (2,)"),
        (line_over(lambda n: 1 / n, at=1.0), "a sample of one"),
        (lambda sizes, values: values[-1], "largest sample"),
        (lambda sizes, values: values.mean(), "the mean of the distances"),
        (line_over(lambda n: n), "a line over n"),
        (line_over(np.log), "log n"),
        (line_over(lambda n: n**-0.5), "1/√n"),
        (lambda sizes, values: 0.0, "through 0"),
        (line_through_two, "through all of them"),
        (
            lambda sizes, values: np.polyfit(1 / sizes, values, 1, w=np.sqrt(sizes))[1],
            "through all of them",
        ),
        (lambda sizes, values: 3.3, "expected 2"),
    ],
}
