import numpy as np
import torch
from keras import layers, ops
from scipy.linalg import cholesky as upper_cholesky
from scipy.linalg import sqrtm
from scipy.ndimage import shift
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.model_selection import train_test_split

from answers import keras, pytorch

# ------------------------------------------------------------------ 4: varied pictures


def offsets(n, rng):
    return rng.integers(-1, 2, size=(n, 2))


def rolled(images, moves):
    pairs = zip(images, moves, strict=True)
    return np.stack([np.roll(image, tuple(move), axis=(0, 1)) for image, move in pairs])


def vary(images, rng):
    return rolled(images, offsets(len(images), rng))


def vary_by_padding(images, rng, fill=0.0):
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=fill)
    found = np.empty_like(images)
    for n in range(len(images)):
        top, left = rng.choice(3, size=2)
        found[n] = padded[n, top : top + 12, left : left + 12]
    return found


def vary_by_index(images, rng):
    n = np.arange(len(images))[:, None, None]
    down, right = rng.choice([-1, 0, 1], size=(2, len(images)))
    rows = (np.arange(12) - down[:, None]) % 12
    columns = (np.arange(12) - right[:, None]) % 12
    return images[n, rows[:, :, None], columns[:, None, :]]


def vary_in_torch(images, rng):
    found = []
    for image in torch.as_tensor(images):
        down, right = rng.integers(-1, 2, size=2).tolist()
        found.append(torch.roll(image, (down, right), (0, 1)))
    return torch.stack(found)


def vary_in_place(images, rng):
    for n, move in enumerate(offsets(len(images), rng)):
        images[n] = np.roll(images[n], move, axis=(0, 1))
    return images


def vary_in_batch(images, rng):
    return np.roll(images, rng.integers(-1, 2, size=2), axis=(1, 2))


def vary_diagonally(images, rng):
    return rolled(images, np.repeat(rng.integers(-1, 2, size=(len(images), 1)), 2, axis=1))


def vary_one_axis(images, rng):
    return rolled(images, offsets(len(images), rng) * [1, 0])


def vary_a_few(images, rng):
    keep = rng.random(len(images)) < 0.7
    return rolled(images, np.where(keep[:, None], 0, offsets(len(images), rng)))


def vary_four_ways(images, rng):
    ways = np.array([(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)])
    return rolled(images, ways[rng.integers(5, size=len(images))])


def vary_by_spline(images, rng):
    found = [
        shift(image, (*move, 0), order=3)
        for image, move in zip(images, offsets(len(images), rng), strict=True)
    ]
    return np.stack(found)


def vary_with_seed(images, rng):
    return vary(images, np.random.default_rng(0))


def vary_in_turn(images, rng):
    ways = np.stack(np.divmod(np.arange(len(images)) % 9, 3), axis=1) - 1
    return rolled(images, ways)


def flip_half(images, rng):
    return np.where(rng.random((len(images), 1, 1, 1)) < 0.5, images[:, :, ::-1], images)


# ------------------------------------------------------------------ 5: the split


def split(n, n_test, rng):
    order = rng.permutation(n)
    return order[n_test:], order[:n_test]


def split_by_choice(n, n_test, rng):
    test = rng.choice(n, size=n_test, replace=False)
    return np.setdiff1d(np.arange(n), test), test


def split_by_mask(n, n_test, rng):
    mask = np.zeros(n, bool)
    mask[np.argsort(rng.random(n))[-n_test:]] = True
    return [np.flatnonzero(~mask), np.flatnonzero(mask)]


def split_by_sklearn(n, n_test, rng):
    seed = int(rng.integers(2**31))
    return train_test_split(np.arange(n), test_size=n_test, random_state=seed)


def split_lists(n, n_test, rng):
    order = list(range(n))
    rng.shuffle(order)
    return torch.tensor(order[:-n_test]), order[-n_test:]


def split_twice(n, n_test, rng):
    return rng.permutation(n)[n_test:], rng.permutation(n)[:n_test]


def split_with_replacement(n, n_test, rng):
    test = rng.integers(n, size=n_test)
    return np.setdiff1d(np.arange(n), test), test


def split_with_replacement_to_size(n, n_test, rng):
    training, test = split_with_replacement(n, n_test, rng)
    return training[: n - n_test], test


def split_without_rng(n, n_test, rng):
    return split(n, n_test, np.random.default_rng(7))


# ------------------------------------------------------------------ 6: a Gaussian


def gaussian(matrix_of, columns=True):
    """Points m + z Aᵀ, or m + z A, with the matrix A that `matrix_of` makes of the covariance."""

    def draw(mean, covariance, n, rng):
        matrix = matrix_of(covariance)
        return mean + rng.normal(size=(n, len(mean))) @ (matrix.T if columns else matrix)

    return draw


def eigen_root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values)


def symmetric_root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values) @ vectors.T


def eigen_rows(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors.T * np.sqrt(values)


def point_by_point(mean, covariance, n, rng):
    root = np.linalg.cholesky(covariance)
    return np.array([mean + root @ rng.normal(size=len(mean)) for _ in range(n)])


def gaussian_in_torch(mean, covariance, n, rng):
    noise = torch.as_tensor(rng.normal(size=(n, 3)))
    root = torch.linalg.cholesky(torch.as_tensor(covariance, dtype=torch.float64))
    return torch.as_tensor(mean) + noise @ root.T


def gaussian_of_uniform(mean, covariance, n, rng):
    noise = rng.uniform(-np.sqrt(3), np.sqrt(3), size=(n, 3))
    return mean + noise @ np.linalg.cholesky(covariance).T


def gaussian_of_one_number(mean, covariance, n, rng):
    return mean + rng.normal(size=(n, 1)) * np.sqrt(np.diag(covariance))


def shifted(by):
    return lambda mean, *rest: gaussian(np.linalg.cholesky)(by * mean, *rest)


def gaussian_with_seed(mean, covariance, n, rng):
    return gaussian(np.linalg.cholesky)(mean, covariance, n, np.random.default_rng(3))


def gaussian_once(mean, covariance, n, rng):
    return np.broadcast_to(gaussian(np.linalg.cholesky)(mean, covariance, 1, rng), (n, 3))


def gaussian_of_half(mean, covariance, n, rng):
    return np.repeat(gaussian(np.linalg.cholesky)(mean, covariance, n // 2, rng), 2, axis=0)


# ------------------------------------------------------------------ 7: a mixture


def log_densities(codes, means, stds):
    squares = ((codes[:, None] - means) ** 2).sum(axis=2)
    return -squares / (2 * stds**2) - codes.shape[1] * np.log(stds * np.sqrt(2 * np.pi))


def mixture(codes, shares, means, stds):
    return logsumexp(log_densities(codes, means, stds), axis=1, b=shares).mean()


def mixture_by_scipy(codes, shares, means, stds):
    total = 0
    for code in codes:
        logs = [
            np.log(share) + multivariate_normal(mean, std**2).logpdf(code)
            for share, mean, std in zip(shares, means, stds, strict=True)
        ]
        total += max(logs) + np.log(sum(np.exp(np.array(logs) - max(logs))))
    return total / len(codes)


def mixture_in_torch(codes, shares, means, stds):
    codes, shares, means, stds = map(torch.as_tensor, (codes, shares, means, stds))
    parts = torch.distributions.Independent(torch.distributions.Normal(means, stds[:, None]), 1)
    groups = torch.distributions.Categorical(probs=shares)
    whole = torch.distributions.MixtureSameFamily(groups, parts)
    return whole.log_prob(codes).mean()


def mixture_in_keras(codes, shares, means, stds):
    logs = ops.convert_to_tensor(np.log(shares) + log_densities(codes, means, stds))
    return ops.mean(ops.logsumexp(logs, axis=1))


def naive_mixture(codes, shares, means, stds):
    return np.log((shares * np.exp(log_densities(codes, means, stds))).sum(axis=1)).mean()


def mixture_with_epsilon(codes, shares, means, stds):
    density = (shares * np.exp(log_densities(codes, means, stds).astype(float))).sum(axis=1)
    return np.log(density + 1e-300).mean()


def mixture_by_the_smallest(codes, shares, means, stds):
    a = np.log(shares) + log_densities(codes, means, stds)
    least = a.min(axis=1, keepdims=True)
    return (least[:, 0] + np.log(np.exp(a - least).sum(axis=1))).mean()


def mixture_by_one_maximum(codes, shares, means, stds):
    a = np.log(shares) + log_densities(codes, means, stds)
    return (a.max() + np.log(np.exp(a - a.max()).sum(axis=1))).mean()


def mixture_never_put_back(codes, shares, means, stds):
    a = np.log(shares) + log_densities(codes, means, stds)
    return np.log(np.exp(a - a.max(axis=1, keepdims=True)).sum(axis=1)).mean()


def of_logs(combine):
    """A mixture's value from log π (k,), log N (n, k)."""
    return lambda codes, shares, means, stds: combine(
        np.log(shares), log_densities(codes, means, stds)
    )


def changed_squares(change):
    def value(codes, shares, means, stds):
        squares = change(((codes[:, None] - means) ** 2).sum(axis=2))
        d = codes.shape[1]
        logs = -squares / (2 * stds**2) - d * np.log(stds) - d / 2 * np.log(2 * np.pi)
        return logsumexp(np.log(shares) + logs, axis=1).mean()

    return value


def terms(of_std, of_pi):
    """A mixture whose two terms with d are given."""

    def value(codes, shares, means, stds):
        d = codes.shape[1]
        logs = log_densities(codes, means, stds) + d * np.log(stds) + d / 2 * np.log(2 * np.pi)
        logs = logs - of_std(d, stds) - of_pi(d)
        return logsumexp(np.log(shares) + logs, axis=1).mean()

    return value


def terms_with_plain_stds(codes, shares, means, stds):
    squares, d = ((codes[:, None] - means) ** 2).sum(axis=2), codes.shape[1]
    logs = -squares / (2 * stds) - d * np.log(stds) - root_2pi(d)
    return logsumexp(np.log(shares) + logs, axis=1).mean()


def root_2pi(d):
    return d / 2 * np.log(2 * np.pi)


RIGHT = {
    "stroke.mean": [0.5, 1 / 2, torch.tensor(0.5), "0.5"],
    "stroke.share": [2 / 1024, 0.002, 0.5**9, np.array([0.00195])],
    "middle.std": [np.sqrt(10), 3.16, torch.tensor(3.162)],
    "fog.mend": [
        lambda images: images * 2 - 1,
        pytorch(lambda images: (images - 0.5) / 0.5),
        pytorch(lambda images: torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), images)),
        keras(lambda images: images / 0.5 - 1.0),
        keras(lambda images: layers.Rescaling(2.0, offset=-1.0)(images)),
        lambda images: np.interp(images, [0, 1], [-1, 1]),
        pytorch(lambda images: images.mul_(2).sub_(1)),
        lambda images: np.subtract(images, 1 - images, out=images),
    ],
    "twice.mend": [
        vary,
        vary_by_padding,
        vary_by_index,
        vary_by_spline,
        pytorch(vary),
        keras(vary),
        vary_in_torch,
    ],
    "too_good.mend": [
        split,
        split_by_choice,
        split_by_mask,
        split_by_sklearn,
        split_lists,
        pytorch(split),
    ],
    "gaussian.points": [
        gaussian(np.linalg.cholesky),
        gaussian(eigen_root),
        gaussian(symmetric_root),
        gaussian(lambda covariance: sqrtm(covariance).real),
        gaussian(upper_cholesky, columns=False),
        point_by_point,
        gaussian_in_torch,
        lambda mean, covariance, n, rng: rng.multivariate_normal(mean, covariance, size=n),
        keras(gaussian(symmetric_root, columns=False)),
    ],
    "mixture.value": [
        mixture,
        mixture_by_scipy,
        mixture_in_torch,
        mixture_in_keras,
        pytorch(mixture),
        of_logs(lambda pi, logs: np.logaddexp.reduce(pi + logs, axis=1).mean()),
    ],
}

WRONG = {
    "stroke.mean": [
        (0, "now and then"),
        (1, "only half"),
        (50, "percent"),
        (0.3, "lights a pixel"),
        ("half", "a str"),
    ],
    "stroke.share": [
        (1 / 1024, "one of the two ways"),
        (0.5, "one coin for all"),
        (1, "in the real pictures"),
        (0, "not impossible"),
        (0.1953, "between 0 and 1"),
        (0.2, "between 0 and 1"),
        (0.0977, "one of two ways"),
        (0.05, "multiplied"),
        (0.998, "all others"),
        (0.999, "not all ten"),
        (0.3, "come out alike"),
    ],
    "middle.std": [
        (10, "the variance"),
        (1.0, "hold both"),
        (3, "a width as well"),
        (4, "do not add up"),
        (6, "from each other"),
        (1.41, "far apart"),
        (6.08, "3, not 6"),
        (2.83, "not subtracted"),
        (3.32, "do not have 2"),
        (2.24, "no mean of the two"),
        (3.2, "two decimals"),
        (2.3, "mean squared distance"),
    ],
    "fog.mend": [
        (pytorch(lambda images: images), "black still is 0"),
        (keras(lambda images: images), "black still is 0"),
        (pytorch(lambda images: (images + 1) / 2), "way back"),
        (lambda images: 1 - 2 * images, "exchanged"),
        (lambda images: images - 0.5, "half of a tanh"),
        (lambda images: 2 * images, "from 0 to 2"),
        (lambda images: images - 1, "from -1 to 0"),
        (keras(lambda images: images / 127.5 - 1), "for bytes"),
        (pytorch(lambda images: images / 255), "no bytes"),
        (pytorch(torch.tanh), "a tanh of the pictures"),
        (keras(lambda images: ops.tanh(2 * images - 1)), "a tanh too many"),
        (pytorch(lambda images: (images - images.mean()) / images.std()), "no fixed ends"),
        (lambda images: images - images.mean(), "not at the ends"),
        (lambda images: 3 * images - 1, "white 2.00"),
        (lambda images: 2 * images**2 - 1, "greys between them"),
        (lambda images: 2 * (images - images.min()) / np.ptp(images) - 1, "pale ones"),
        (pytorch(lambda images: 2 * (images > 0.5) - 1), "greys between them"),
        (pytorch(lambda images: (2 * images - 1).flatten(1)), "shape (3, 144)"),
        (pytorch(lambda images: torch.atanh(2 * images - 1)), "infinity"),
    ],
    "twice.mend": [
        (lambda images, rng: images[:, :, ::-1], "mirrored"),
        (flip_half, "mirrored"),
        (lambda images, rng: vary(images, rng)[:, :, ::-1], "mirrored"),
        (lambda images, rng: images[:, ::-1], "stand on their heads"),
        (lambda images, rng: images[:, ::-1, ::-1], "180 degrees"),
        (lambda images, rng: images.transpose(0, 2, 1, 3), "changed places"),
        (lambda images, rng: images, "none is new"),
        (vary_in_batch, "move alike"),
        (vary_in_place, "changes the pictures"),
        (vary_one_axis, "no picture moves to the side"),
        (
            lambda images, rng: rolled(images, rng.integers(-1, 1, size=(len(images), 2))),
            "is never 1",
        ),
        (lambda images, rng: rolled(images, rng.integers(0, 2, (len(images), 2))), "is never -1"),
        (lambda images, rng: rolled(images, 2 * offsets(len(images), rng)), "one pixel is the"),
        (lambda images, rng: rolled(images, rng.integers(-2, 3, (len(images), 2))), "one pixel is"),
        (vary_diagonally, "two numbers, not one"),
        (vary_four_ways, "not independently"),
        (vary_a_few, "not equally probable"),
        (vary_with_seed, "whatever `rng` is"),
        (vary_in_turn, "whatever `rng` is"),
        (lambda images, rng: vary_by_padding(images, rng, 1.0), "no longer black"),
        (lambda images, rng: vary_by_padding(images, rng)[::-1], "another order"),
        (lambda images, rng: 0.5 * images, "not only moved"),
        (lambda images, rng: images + 0.1 * rng.normal(size=images.shape), "not only moved"),
        (lambda images, rng: np.concatenate([images, vary(images, rng)]), "shape (1200"),
    ],
    "too_good.mend": [
        (split_twice, "still are among"),
        (lambda n, n_test, rng: (rng.permutation(n), rng.permutation(n)[:n_test]), "all pictures"),
        (lambda n, n_test, rng: split(n, n_test, rng)[::-1], "come first here"),
        (lambda n, n_test, rng: (np.arange(n)[n_test:], np.arange(n)[:n_test]), "side by side"),
        (lambda n, n_test, rng: (np.arange(n)[:-n_test], np.arange(n)[-n_test:]), "side by side"),
        (split_with_replacement, "have come twice"),
        (split_with_replacement_to_size, "come twice"),
        (split_without_rng, "whatever `rng` is"),
        (lambda n, n_test, rng: (np.delete(np.arange(n), np.s_[::5]), np.arange(0, n, 5)), "rng"),
        (lambda n, n_test, rng: tuple(part + 1 for part in split(n, n_test, rng)), "1 to 1000"),
        (lambda n, n_test, rng: tuple(part / n for part in split(n, n_test, rng)), "whole number"),
        (lambda n, n_test, rng: rng.permutation(n)[n_test:], "expected 2 results"),
    ],
    "gaussian.points": [
        (gaussian(np.linalg.cholesky, columns=False), "the wrong way round"),
        (gaussian(upper_cholesky), "the wrong way round"),
        (gaussian(lambda covariance: covariance), "be a root of C"),
        (gaussian(lambda c: eigen_root(c) @ np.diag(np.sqrt(np.linalg.eigvalsh(c)))), "a root of"),
        (gaussian(eigen_root, columns=False), "or cancel"),
        (gaussian(np.sqrt), "a root of each number"),
        (gaussian(np.diag), "shape"),
        (gaussian(lambda c: np.diag(np.sqrt(np.diag(c)))), "are independent"),
        (gaussian(lambda c: np.diag(np.diag(c))), "multiplied by variances"),
        (gaussian(lambda c: np.eye(3)), "no effect"),
        (gaussian(eigen_rows), "are the columns"),
        (gaussian(lambda c: np.diag(np.sqrt(np.linalg.eigvalsh(c)))), "are left out"),
        (gaussian_of_one_number, "from one random number"),
        (gaussian(lambda c: 2 * np.linalg.cholesky(c)), "times the one due"),
        (gaussian(lambda c: np.tril(c)), "in the first row"),
        (shifted(0), "the mean is 0"),
        (shifted(-1), "wrong sign"),
        (shifted(2), "there twice"),
        (shifted(1.5), "expected (2.00"),
        (gaussian_of_uniform, "no normal numbers"),
        (gaussian_with_seed, "at each call"),
        (gaussian_once, "all points are the same"),
        (gaussian_of_half, "come again"),
        (lambda *given: gaussian(np.linalg.cholesky)(*given).T, "shape (3, 20000)"),
    ],
    "mixture.value": [
        (lambda codes, *rest: len(codes) * mixture(codes, *rest), "sum over the codes"),
        (lambda *given: -mixture(*given), "the sign"),
        (of_logs(lambda pi, logs: np.log(np.exp(pi + logs).sum(axis=1).mean())), "is due last"),
        (of_logs(lambda pi, logs: np.exp(pi + logs).sum(axis=1).mean()), "without the logarithm"),
        (of_logs(lambda pi, logs: logsumexp(logs, axis=1).mean()), "counts in full"),
        (of_logs(lambda pi, logs: logsumexp(logs - np.log(3), axis=1).mean()), "the same share"),
        (of_logs(lambda pi, logs: logsumexp(np.exp(pi) + logs, axis=1).mean()), "logarithms are"),
        (of_logs(lambda pi, logs: (logs * np.exp(pi)).sum(axis=1).mean()), "mean of the logarithm"),
        (of_logs(lambda pi, logs: (pi + logs).sum(axis=1).mean()), "multiplies"),
        (of_logs(lambda pi, logs: (pi + logs).max(axis=1).mean()), "largest term"),
        (terms(lambda d, s: np.log(s), lambda d: root_2pi(1)), "for one direction"),
        (terms(lambda d, s: np.log(s), root_2pi), "log s counts once"),
        (terms(lambda d, s: d * np.log(s), lambda d: root_2pi(1)), "2π counts once"),
        (terms(lambda d, s: d * np.log(s), lambda d: 0), "2π is missing"),
        (terms(lambda d, s: 0, root_2pi), "log s is missing"),
        (changed_squares(lambda squares: 2 * squares), "half"),
        (changed_squares(np.sqrt), "not squared"),
        (lambda c, p, m, stds: mixture(c, p, m, np.sqrt(stds)), "taken for variances"),
        (terms_with_plain_stds, "is not squared under"),
        (lambda *given: mixture(*given) / np.log(2), "in bits"),
        (lambda *given: mixture(*given) / np.log(10), "base 10"),
        (mixture_never_put_back, "never put back"),
        (naive_mixture, "codes far from them"),
        (mixture_with_epsilon, "for codes far from them it gives"),
        (mixture_by_one_maximum, "no number for codes far"),
        (mixture_by_the_smallest, "no number for codes far"),
        (lambda *given: 1.5 * mixture(*given), "expected"),
        (of_logs(lambda pi, logs: logsumexp(pi + logs, axis=1)), "shape (7,)"),
    ],
}
