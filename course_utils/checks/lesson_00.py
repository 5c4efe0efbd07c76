"""Checkers of lesson 00, three models without a network."""

from contextlib import suppress

import numpy as np

from course_utils.checks.judging import Answer, Choice, Exercise, Wrong, compare, number


def to_training(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    images = rng.beta(0.4, 0.8, size=(3, 12, 12, 1))
    images[:, 0, :6], images[:, 1, :6] = 0.0, 1.0  # both ends are there
    right = 2 * images - 1
    pale = 0.2 + 0.6 * images  # neither black nor white is there
    right_for_pale = 2 * pale - 1
    centred = images - images.mean()
    mistakes = [
        (images, "black still is 0 and white 1, and a tanh goes from -1 to 1."),
        (
            (images + 1) / 2,
            "this is the way back, from [-1, 1] to [0, 1]. The real pictures go the other way.",
        ),
        (-right, "black and white are exchanged."),
        (images - 0.5, "this goes from -0.5 to 0.5, half of a tanh's range."),
        (2 * images, "this goes from 0 to 2."),
        (images - 1, "this goes from -1 to 0."),
        (images / 127.5 - 1, "that is for bytes, from 0 to 255. These pictures are in [0, 1]."),
        (images / 255, "these pictures are in [0, 1] already, they are no bytes."),
        (np.tanh(images), "a tanh of the pictures: black stays 0, white is 0.76."),
        (np.tanh(right), "the right scale, and then a tanh too many: white is 0.76."),
        (
            centred / images.std(),
            "mean 0 and standard deviation 1: that has no fixed ends, and a tanh does.",
        ),
        (centred, "the mean is 0 now, but black and white are not at the ends of a tanh."),
    ]
    given = answer.call(images, shape=images.shape)
    black, white = given[:, 0, :6].mean(), given[:, 1, :6].mean()
    otherwise = (
        f"black becomes {black:.2f} and white {white:.2f}. Which numbers make `to_pictures` "
        "black and white?"
    )
    if abs(black + 1) < 1e-3 and abs(white - 1) < 1e-3:
        otherwise = "black and white are right, the greys between them are not."
    compare(given, right, mistakes, otherwise)
    compare(
        answer.call(pale, shape=pale.shape),
        right_for_pale,
        otherwise="right for pictures that have black and white, wrong for pale ones: the scale "
        "follows the pictures. Black is 0 and white is 1, whatever is in them.",
    )


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    return np.roll(image, (down, right), axis=(0, 1))


def moves_of(given: np.ndarray, image: np.ndarray, most: int) -> tuple[int, int] | None:
    """Find by how much an image was moved, if that is all."""
    steps = sorted(range(-most, most + 1), key=abs)
    for down in steps:
        for right in steps:
            if np.allclose(given, moved(image, down, right), atol=1e-5):
                return down, right
    return None


def vary(answer: Answer) -> None:
    answer, n = answer.in_numpy(), 600
    rng = np.random.default_rng(0)
    images = np.zeros((n, 12, 12, 1), "float32")  # no two alike, with a margin of two black pixels
    images[:, 2:-2, 2:-2] = 0.1 + 0.9 * rng.random((n, 8, 8, 1), dtype="float32")
    before = images.copy()
    given = answer.call(images, np.random.default_rng(14), shape=images.shape)
    if not np.array_equal(images, before):
        raise Wrong("changes the pictures that it was given. Return new ones.")
    found = [moves_of(*pair, most=1) for pair in zip(given, images, strict=True)]
    if None in found:
        at = found.index(None)
        raise Wrong(what_else(given[at], images, at))
    moves = np.array(found)  # (n, 2)
    if not moves.any():
        raise Wrong("each picture is returned as it was: none is mirrored, but none is new either.")
    if (moves == moves[0]).all():
        raise Wrong("all pictures move alike. Each is to move by itself.")
    for axis, name in enumerate(("up or down", "to the side")):
        values = set(moves[:, axis].tolist())
        if values == {0}:
            raise Wrong(f"no picture moves {name}.")
        if missing := {-1, 0, 1} - values:
            raise Wrong(
                f"the move {name} is never {sorted(missing)[0]}. Which numbers does `rng` draw?"
            )
    if (moves[:, 0] == moves[:, 1]).all():
        raise Wrong("each picture moves to the side as far as down: draw two numbers, not one.")
    counts = np.zeros((3, 3))
    np.add.at(counts, tuple(moves.T + 1), 1)
    if (counts == 0).any():  # by chance: once in 10^30
        raise Wrong("some moves never come: both numbers are drawn, but not independently.")
    if abs(counts - n / 9).max() > 6 * np.sqrt(n * 8 / 81):
        down, right = np.unravel_index(counts.argmax(), counts.shape)
        raise Wrong(
            f"the moves are not equally probable: {counts.max() / n:.0%} of the pictures move by "
            f"({down - 1}, {right - 1}), where one in nine is due."
        )
    again = answer.call(images, np.random.default_rng(15), shape=images.shape)
    if np.array_equal(again, given):
        raise Wrong("the moves are the same whatever `rng` is: use it to draw them.")


def what_else(given: np.ndarray, images: np.ndarray, at: int) -> str:
    """Say what became of an image that was not moved by up to a pixel."""
    image = images[at]
    known = [
        (image[:, ::-1], "some pictures still are mirrored."),
        (image[::-1], "some pictures stand on their heads."),
        (image[::-1, ::-1], "some pictures are turned by 180 degrees."),
        (image.transpose(1, 0, 2), "rows and columns have changed places in some pictures."),
    ]
    for changed, sentence in known:
        if moves_of(given, changed, most=1):
            return sentence
    if found := moves_of(given, image, most=5):
        return f"a picture moves by {found}; one pixel is the most."
    for other in range(len(images)):
        if other != at and moves_of(given, images[other], most=1):
            return "the pictures come in another order; their labels would not fit."
    if moves_of(given[1:-1, 1:-1], image[1:-1, 1:-1], most=1):
        return "the frame of the pictures is no longer black."
    return "a picture is not only moved: no move by -1, 0 or 1 pixels makes the returned one of it."


def split(answer: Answer) -> None:
    answer, n, n_test = answer.in_numpy(), 1_000, 200
    sizes = []
    with suppress(Exception):  # `call` says what is wrong
        sizes = [np.shape(part) for part in answer.value(n, n_test, np.random.default_rng(0))]
    if sizes == [(n_test,), (n - n_test,)]:
        raise Wrong("the test pictures come first here; the training pictures are due first.")
    if len(sizes) == 2 and sizes[1] == (n_test,) and len(sizes[0]) == 1:
        if sizes[0][0] == n:
            raise Wrong("all pictures are for training, the test pictures among them.")
        if sizes[0][0] > n - n_test:
            raise Wrong(
                f"{sizes[0][0]} for training and {n_test} for the test are more than {n}: "
                "some have come twice."
            )
    shape = [(n - n_test,), (n_test,)]
    training, test = answer.call(n, n_test, np.random.default_rng(0), shape=shape)
    both = np.concatenate([training, test])
    if (both != np.round(both)).any():
        raise Wrong("an index is a whole number; some of these are not.")
    if both.min() < 0 or both.max() >= n:
        raise Wrong(
            f"the indices go from {both.min():g} to {both.max():g}; {n} pictures have 0 to {n - 1}."
        )
    if shared := len(np.intersect1d(training, test)):
        raise Wrong(f"{shared} of {n_test} test pictures still are among the training pictures.")
    for name, part in (("training", training), ("test", test)):
        if len(np.unique(part)) < len(part):
            raise Wrong(f"some {name} pictures come twice, and others not at all.")
    if np.ptp(test) == n_test - 1:
        raise Wrong("the test pictures stand side by side in the data. Shuffle before you cut.")
    again = answer.call(n, n_test, np.random.default_rng(1), shape=shape)[1]
    if np.array_equal(np.sort(again), np.sort(test)):
        raise Wrong("the test pictures are the same whatever `rng` is: use it to draw them.")


def gaussian(answer: Answer) -> None:
    answer, n = answer.in_numpy(), 20_000
    mean = np.array([2.0, -1.0, 0.5])
    covariance = np.array([[4.0, 1.2, 0.6], [1.2, 1.0, 0.5], [0.6, 0.5, 2.25]])
    rng = np.random.default_rng(0)
    given = answer.call(mean, covariance, n, rng, shape=(n, 3))
    if len(np.unique(given.round(9), axis=0)) == 1:
        raise Wrong("all points are the same. Each needs random numbers of its own.")
    if len(np.unique(given, axis=0)) < n:
        raise Wrong("some points come again. Each needs random numbers of its own.")
    found, spread = given.mean(axis=0), np.cov(given, rowvar=False)
    judge_spread(spread, covariance, n)
    off = 6 * np.sqrt(np.diag(covariance) / n)
    for wrong, sentence in (
        (np.zeros(3), "the covariance is right, and the mean is 0: add the mean."),
        (-mean, "the covariance is right, the mean has the wrong sign."),
        (2 * mean, "the covariance is right, the mean is there twice."),
    ):
        if (abs(found - wrong) < off).all():
            raise Wrong(sentence)
    if (abs(found - mean) > off).any():
        raise Wrong(f"the covariance is right, the mean is {row(found)}; expected {row(mean)}.")
    white = np.linalg.solve(np.linalg.cholesky(covariance), (given - mean).T)
    if abs((white**4).mean() - 3) > 6 * np.sqrt(96 / white.size):
        raise Wrong("mean and covariance are right, but these are no normal numbers.")
    if np.allclose(answer.call(mean, covariance, n, rng, shape=(n, 3)), given):
        raise Wrong("the same points at each call: draw with the `rng` that is given.")


def judge_spread(spread: np.ndarray, covariance: np.ndarray, n: int) -> None:
    """Compare a covariance of n points with the one due, and with those of known mistakes."""

    def agrees(due: np.ndarray) -> bool:
        variances = np.diag(due)
        return bool(
            (abs(spread - due) < 6 * np.sqrt((np.outer(variances, variances) + due**2) / n)).all()
        )

    if agrees(covariance):
        return
    lower = np.linalg.cholesky(covariance)
    values, vectors = np.linalg.eigh(covariance)
    stds = np.sqrt(np.diag(covariance))
    for due, sentence in (
        (np.eye(3), "the covariance is the unit matrix; `covariance` has no effect."),
        (np.diag(stds**2), "the variances are right, but the numbers of a point are independent."),
        (np.diag(stds**4), "the numbers are independent, and multiplied by variances."),
        (
            lower.T @ lower,
            "the points are rows, and the matrix stands the wrong way round: with L from Cholesky, "
            "C is LLᵀ, and these have LᵀL.",
        ),
        (covariance @ covariance, "AAᵀ is C² here. A should be a root of C."),
        (np.sqrt(covariance) @ np.sqrt(covariance).T, "a root of each number is no root of C."),
        ((vectors.T * values) @ vectors, "the eigenvectors are the columns, not the rows."),
        (np.outer(stds, stds), "the numbers of a point come from one random number, not three."),
        (
            np.diag(values),
            "the numbers of a point are independent, with the eigenvalues as variances: the "
            "eigenvectors are left out, or cancel (the points are rows).",
        ),
    ):
        if agrees(due):
            raise Wrong(sentence)
    ratio = spread[0, 0] / covariance[0, 0]
    if agrees(covariance * ratio):
        raise Wrong(f"the whole covariance is {ratio:.3g} times the one due.")
    raise Wrong(
        f"the points have the covariance {row(spread[0])}, … in the first row; "
        f"expected {row(covariance[0])}."
    )


def row(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in numbers) + ")"


def mixture(answer: Answer) -> None:
    with np.errstate(all="ignore"):  # what overflows is judged, not warned about
        judge_mixture(answer.in_numpy())


def judge_mixture(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(7, 2))
    shares, stds = np.array([0.6, 0.3, 0.1]), np.array([0.7, 1.3, 2.0])
    means = np.array([[0.5, 0.0], [-1.0, 1.0], [0.0, -1.5]])
    squares = ((codes[:, None] - means) ** 2).sum(axis=2)
    d, log_root = 2, np.log(2 * np.pi) / 2

    def value(weights=shares, halves=squares / 2, widths=stds, d=d, constant=d * log_root):
        logs = np.log(weights) - halves / widths**2 - d * np.log(widths) - constant
        return np.logaddexp.reduce(logs, axis=1)

    right = value()
    logs = -squares / 2 / stds**2 - d * np.log(stds) - d * log_root
    mistakes = [
        (right.sum(), "this is the sum over the codes; their mean is due."),
        (-right.mean(), "the sign: this is the *negative* log-likelihood."),
        (np.log(np.exp(right).mean()), "the mean comes before the logarithm here; it is due last."),
        (np.exp(right).mean(), "this is the mean density, without the logarithm."),
        (value(np.ones(3)).mean(), "the shares have no effect: each Gaussian counts in full."),
        (value(np.ones(3) / 3).mean(), "each Gaussian has the same share; `shares` has no effect."),
        (value(np.exp(shares)).mean(), "the shares stand where their logarithms are due."),
        ((logs @ shares).mean(), "this is the mean of the logarithms; the sum comes before log."),
        (
            (logs + np.log(shares)).sum(axis=1).mean(),
            "this adds logarithms; it multiplies the Gaussians.",
        ),
        (
            (logs + np.log(shares)).max(axis=1).mean(),
            "only the largest term of each code counts: the logarithm of the sum is missing.",
        ),
        (value(d=1, constant=log_root).mean(), "both terms with d are as for one direction."),
        (value(d=1).mean(), "the term log s counts once; there are d directions."),
        (value(constant=log_root).mean(), "the term of 2π counts once; there are d directions."),
        (value(constant=0).mean(), "the term of 2π is missing."),
        (value(d=0).mean(), "the term log s is missing."),
        (value(halves=squares).mean(), "the half before the squared distance is missing."),
        (value(widths=np.sqrt(stds)).mean(), "the standard deviations are taken for variances."),
        (
            value(halves=squares / 2 * stds).mean(),
            "the standard deviation is not squared under the squared distance.",
        ),
        (
            value(halves=np.sqrt(squares) / 2).mean(),
            "the distance is not squared.",
        ),
        (right.mean() / np.log(2), "this is in bits; the natural logarithm gives nats."),
        (right.mean() / np.log(10), "the natural logarithm is due, not that to the base 10."),
    ]
    a = logs + np.log(shares)
    log_sum = np.logaddexp.reduce(a - a.max(axis=1, keepdims=True), axis=1)
    mistakes.append((log_sum.mean(), "the largest number is taken out, and never put back."))
    compare(answer.call(codes, shares, means, stds, shape=()), right.mean(), mistakes)
    check_extremes(answer, shares, means, stds)


def check_extremes(answer: Answer, shares: np.ndarray, means: np.ndarray, stds: np.ndarray) -> None:
    """Judge codes that are far away, and codes whose density is huge."""
    far = np.array([[90.0, 40.0], [-60.0, 80.0], [0.0, 0.2]])
    many = np.full((4, 300), 0.01)
    sharp = (many, np.array([1.0]), np.zeros((1, 300)), np.array([0.02]))
    for name, inputs in (
        ("codes far from them", (far, shares, means, stds)),
        ("a density of e^860, in 300 directions", sharp),
    ):
        codes, weights, centres, widths = inputs
        squares = ((codes[:, None] - centres) ** 2).sum(axis=2)
        logs = np.log(weights) - squares / 2 / widths**2
        logs = logs - codes.shape[1] * (np.log(widths) + np.log(2 * np.pi) / 2)
        right = np.logaddexp.reduce(logs, axis=1).mean()
        try:
            given = answer.call(*inputs, shape=())
        except Wrong as wrong:
            if "infinity" not in str(wrong) and "NaN" not in str(wrong):
                raise
            raise Wrong(
                f"right for codes near the means, but no number for {name}: some exp(…) "
                "becomes 0 or infinite there."
            ) from None
        compare(
            given,
            right,
            otherwise=f"right for codes near the means; for {name} it gives {given:.4g}, "
            f"expected {right:.4g}.",
        )


EXERCISES = [
    Exercise(
        "stroke",
        "predict",
        "A stroke of ten pixels",
        {
            "mean": number(
                0.5,
                0.01,
                [
                    (0, "half of the pictures have the stroke, so the pixel is lit now and then."),
                    (1, "the stroke is white, but only half of the pictures have it."),
                    (50, "that looks like percent; black is 0 and white 1."),
                ],
                "the mean of model 1's pictures is the probability with which it lights a pixel.",
            ),
            "share": number(
                2 * 0.5**10,
                1e-4,
                [
                    (0.5**10, "that is one of the two ways: ten white pixels, or ten black ones."),
                    (0.5, "that would be one coin for all ten; model 1 tosses one for each."),
                    (1, "that is so in the real pictures. Model 1 draws each pixel by itself."),
                    (0, "it is rare, not impossible: ten coins can fall alike."),
                    (1 - 0.5**9, "that is the share of all others, with a part of the stroke."),
                    (1 - 0.5**10, "that is the share in which not all ten are white."),
                    (100 * 0.5**10, "that looks like percent, and like one of two ways."),
                    (0.2, "that looks like percent; a share is between 0 and 1."),
                    (100 * 0.5**9, "that looks like percent; a share is between 0 and 1."),
                    (0.05, "ten chances of one half are multiplied, not added or divided."),
                ],
                "how probable is it that ten independent pixels come out alike?",
            ),
        },
    ),
    Exercise(
        "middle",
        "predict",
        "The middle between two sevens",
        {
            "std": number(
                np.sqrt(10),
                0.006,
                [
                    (3.2, "two decimals, please: 3.2 may be right or wrong."),
                    (10, "that is the variance; the standard deviation is its root."),
                    (1, "that is one group's; this Gaussian has to hold both."),
                    (3, "that is the groups' distance from the middle; each has a width as well."),
                    (4, "standard deviations do not add up; variances do."),
                    (6, "that is how far the groups are from each other."),
                    (np.sqrt(2), "those are the groups' own variances; they are also far apart."),
                    (np.sqrt(37), "the distance from the *mean* counts: 3, not 6."),
                    (np.sqrt(8), "the two variances are added, not subtracted."),
                    (np.sqrt(5), "both terms count in full: no mean of the two is taken."),
                    (np.sqrt(11), "a group has the variance 1 once; two groups do not have 2."),
                ],
                "the variance is the mean squared distance from the common mean.",
            ),
            "densest": Choice(
                "c",
                a="that is where they are. But one Gaussian has one top: at its mean.",
                b="a Gaussian is not flat: it falls from its mean to both sides.",
            ),
        },
    ),
    Exercise(
        "fog",
        "mend",
        "Fog",
        {
            "cause": Choice(
                "c",
                a="the error is almost 0: it has learned what it was given. Was that black?",
                b="at 4 a tanh is within 0.001 of its end; this ground is half-way to white.",
            ),
            "mend": to_training,
        },
    ),
    Exercise(
        "twice",
        "mend",
        "Twice as many pictures",
        {
            "cause": Choice(
                "a",
                b="most pictures are one whole digit, seen by itself. But which way round?",
                c="axis 1 holds the rows, axis 2 the columns. Where is the top of the sevens?",
            ),
            "mend": vary,
        },
    ),
    Exercise(
        "too_good",
        "mend",
        "Too good",
        {
            "cause": Choice(
                "b",
                a="look at the third line: they are true as often as chance makes them.",
                c="by heart, yes. But a new picture's lot was drawn apart from all others.",
            ),
            "mend": split,
        },
    ),
    Exercise("gaussian", "build", "Points from a Gaussian", {"points": gaussian}),
    Exercise("mixture", "build", "The log-likelihood of a mixture", {"value": mixture}),
]
