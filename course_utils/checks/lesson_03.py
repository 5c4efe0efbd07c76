"""Checkers of lesson 03, measuring."""

from functools import cache
from typing import Any

import numpy as np

from course_utils import metrics
from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Wrong,
    compare,
    kind,
    number,
    to_tensor,
)

# What a generator gets wrong, if a measure takes it for as good as a good one
BLIND = {
    "a clump where no real point is": "fakes in one clump at the middle of the ring, where no real "
    "point is, score no less than good ones. Does your measure compare more than means?",
    "one point": "fakes that all are one and the same real point score no less than good ones. "
    "Does your measure see what is missing?",
    "everywhere": "fakes of which half are strewn over the plane score no less than good ones. "
    "Does your measure see what should not be there?",
    "all far to the right": "a ring of fakes far to the right of the real one scores no less than "
    "good fakes.",
}


def one_number(answer: Answer, *inputs: Any) -> float:
    return float(answer.in_numpy().call(*inputs, shape=()))


def two_numbers(answer: Answer, *inputs: Any) -> np.ndarray:
    """Call an answer that returns two numbers: a pair, a list or an array of them."""
    return np.array(answer.in_numpy().call(*inputs, shape=[(), ()]))


# ------------------------------------------------------------------ mend


def ring(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi, size=300)
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.normal(size=(300, 2))


def score(answer: Answer) -> None:
    """A good generator has the best score, and no discriminator has a say in it."""
    rng = np.random.default_rng(0)
    real, good = ring(rng), ring(rng)
    radii = np.linalg.norm(real, axis=1)
    middle = abs(radii - radii.mean()).argmin()
    clump = 0.1 * rng.normal(size=(300, 2))
    bad = {
        "a clump where no real point is": real.mean(axis=0) + clump - clump.mean(axis=0),
        "one point": real[middle] + 1e-3 * rng.normal(size=(300, 2)),
        "everywhere": np.concatenate([real[:150], rng.uniform(-4, 4, size=(150, 2))]),
        "all far to the right": ring(rng) + [6, 0],
    }

    def judge(level, slope):
        """A discriminator, a plane, in the track's framework."""

        def discriminator(points):
            logits = level + slope * np.asarray(points, dtype="float32")[:, :1]
            return to_tensor(logits.astype("float32"), answer.track)

        return discriminator

    def of_fakes(name, discriminator):
        try:
            return one_number(answer, real, bad[name], discriminator)
        except Wrong as wrong:
            raise Wrong(f"{wrong} (With bad fakes: {name}.)") from None

    generous, strict = judge(4.0, 1.0), judge(-4.0, -1.0)
    calls = [
        [one_number(answer, real, good, strict) for _ in range(4)],
        [of_fakes("all far to the right", strict) for _ in range(4)],
    ]
    blamed, far = np.median(calls, axis=1)
    by_chance = 8 * np.ptp(calls, axis=1) + 1e-3 * abs(blamed - far) + 1e-6  # it may draw lots
    for fakes, here, most in zip(
        (good, bad["all far to the right"]), (blamed, far), by_chance, strict=True
    ):
        praised = one_number(answer, real, fakes, generous)
        if abs(praised - here) > most:
            raise Wrong(
                f"the same fakes score {here:.3g} with one discriminator and {praised:.3g} with "
                "another: a game's own discriminator still has a say in it."
            )
    if np.isclose(blamed, far):
        raise Wrong("fakes near the real points and far from them get the same score.")
    scores = {name: of_fakes(name, generous) for name in bad}
    if min(scores.values()) > blamed:
        raise Wrong("the best fakes get the lowest score; the higher the better is due.")
    for name, value in scores.items():
        if value >= blamed:
            raise Wrong(BLIND[name])


REAL_COUNTS = [120, 130, 200, 100, 90, 100, 100, 40, 50, 70]  # 1,000 points of ten kinds
FAKE_COUNTS = [22, 60, 15, 0, 50, 5, 23, 5, 200, 120]  # 500


def labels_of(counts: list[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def kinds(answer: Answer, *labels: np.ndarray) -> list[float]:
    """Call an answer that returns kinds, in any container."""
    result = answer.in_numpy().result(*labels)
    due = "a list of the kinds that are missing is due."
    if np.iterable(result) and len(getattr(result, "shape", ())) > 1:
        raise Wrong(f"returns the shape {tuple(result.shape)}; {due}")
    if not np.iterable(result):
        raise Wrong(f"returns {kind(result)}; {due}")
    try:
        found = np.asarray([float(one) for one in result])
    except (TypeError, ValueError):
        raise Wrong(f"returns {kind(result)}, but not of numbers; {due}") from None
    if any(isinstance(one, bool | np.bool_) for one in result):
        raise Wrong(f"returns True and False; {due}")
    if len(set(found)) < len(found):
        raise Wrong(f"names a kind more than once; {due}")
    return sorted(found.tolist())


def missing(answer: Answer) -> None:
    real_labels, fake_labels = labels_of(REAL_COUNTS, 0), labels_of(FAKE_COUNTS, 1)
    real_counts, fake_counts = np.array(REAL_COUNTS), np.array(FAKE_COUNTS)
    real, fake = real_counts / real_counts.sum(), fake_counts / fake_counts.sum()
    given = kinds(answer, real_labels, fake_labels)
    mistakes = [
        (fake >= real / 5, "these are the kinds that it reaches; the others are due."),
        (
            fake == 0,
            "these are the kinds that are never drawn; a kind drawn by accident is missing, "
            "too: below a fifth of its share among the real ones.",
        ),
        (fake < 0.02, "it takes all kinds for equally frequent among the real points. Are they?"),
        (
            fake_counts < real_counts / 5,
            "it compares counts. There are more real points than generated ones: compare shares.",
        ),
        (
            fake < real,
            "each kind drawn a little less often than it should be counts; below a fifth "
            "of the real share is due.",
        ),
        (real < fake / 5, "real and generated points have changed places."),
        (fake < 0.2, "a fifth *of the real share* is meant, not a share of one fifth."),
    ]
    right = np.flatnonzero(fake < real / 5).tolist()
    if given != right:
        for wrong, sentence in mistakes:
            if given == np.flatnonzero(wrong).tolist():
                raise Wrong(sentence)
        both = (", ".join(f"{k:g}" for k in those) or "none" for those in (given, right))
        raise Wrong("finds the kinds {}; missing are {}.".format(*both))
    if given := kinds(answer, real_labels, real_labels):
        raise Wrong(f"right for one generator; for one without fault it finds {given[0]:g}.")
    fewer = fake_labels[fake_labels < 8]
    shares = np.array([(fewer == k).mean() for k in range(10)])
    if kinds(answer, real_labels, fewer) != np.flatnonzero(shares < real / 5).tolist():
        raise Wrong("right for one generator, wrong for one that never draws the last two kinds.")


FEW, MANY = 400, 3_000  # points of two generators


@cache
def two_generators() -> dict[str, Any]:
    """Two sets of unequal size, a reference, and their distances: (mean, std) where drawn."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(MANY, 64))
    small, large = rng.normal(size=(FEW, 64)), 1.2 * rng.normal(size=(MANY, 64))
    frechet = metrics.frechet_distance

    def cut(points):
        return points[rng.choice(MANY, FEW, replace=False)]

    def by_chance(draw):
        values = np.array([draw() for _ in range(25)])
        return values.mean(), values.std(ddof=1)

    return {
        "points": (small, large, reference),
        "whole": (frechet(small, reference), frechet(large, reference)),
        "large cut": by_chance(lambda: frechet(cut(large), reference)),
        "reference cut": by_chance(lambda: frechet(large, cut(reference))),
        "all cut": (
            by_chance(lambda: frechet(small, cut(reference))),
            by_chance(lambda: frechet(cut(large), cut(reference))),
        ),
    }


def fair(answer: Answer) -> None:
    """Both sets have as many points as the smaller one; the reference may be cut, too."""
    known = two_generators()
    small, large, reference = known["points"]
    whole, cut_large, all_cut = known["whole"], known["large cut"], known["all cut"]

    def near(value, mean_and_std):
        return abs(value - mean_and_std[0]) < 6 * mean_and_std[1]

    for swapped in (False, True):
        sets = (large, small) if swapped else (small, large)
        given = two_numbers(answer, *(points.copy() for points in sets), reference.copy())
        of_small, of_large = given[::-1] if swapped else given
        if np.isclose(of_small, whole[0], rtol=1e-3) and near(of_large, cut_large):
            continue
        if near(of_small, all_cut[0]) and near(of_large, all_cut[1]):
            continue  # fair as well, if less exact
        again = "right when the first set is the smaller one; when it is the larger, " * swapped
        if np.isclose(of_large, whole[1], rtol=1e-2):
            raise Wrong(f"{again}the larger set still has all of its points.")
        if np.isclose(of_small, whole[1], rtol=1e-2):
            raise Wrong(
                f"{again}the two distances are in reverse order, and the larger set "
                "still has all of its points."
            )
        if np.isclose(of_large, whole[0], rtol=1e-3) and near(of_small, cut_large):
            raise Wrong(f"{again}the two distances are in reverse order.")
        if near(of_small, all_cut[0]) and near(of_large, known["reference cut"]):
            raise Wrong(
                f"{again}the reference is cut down, but not the larger set: there are "
                "still more points of one generator than of the other."
            )
        raise Wrong(
            f"{again}gives {of_small:.2f} for {FEW} points and {of_large:.2f} for {MANY:,}. With "
            f"{FEW} of each, the Fréchet distances are {whole[0]:.2f} and about {cut_large[0]:.2f}."
        )


def moment(answer: Answer) -> None:
    """The step whose fakes are nearest to the validation points; its loss means nothing."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=400)
    noise = (noise - noise.mean()) / noise.std()
    real = 2 + 0.5 * rng.permutation(noise)
    of_steps = {  # the fakes' mean and spread, the loss, and what to say if this one is kept
        "start": (-6, 0.6, 1.4, "it keeps the first step, whose fakes are far from the real ones."),
        "far": (-9, 0.4, 2.1, "it keeps the step whose fakes are *farthest* from the real points."),
        "high": (-3, 0.7, 3.3, "it keeps the step of the highest loss. The loss does not tell."),
        "narrow": (
            2,
            0.01,
            1.2,
            "the fakes that it keeps have the right mean, and next to no spread. "
            "Would your measure see that?",
        ),
        "aside": (
            4,
            0.5,
            0.9,
            "the fakes that it keeps have the right spread, but stand beside the real points. "
            "Would your measure see that?",
        ),
        "wide": (
            2.3,
            1.5,
            1.7,
            "the fakes that it keeps are strewn far wider than the real points. Would your measure "
            "see that?",
        ),
        "good": (2.05, 0.53, 1.1, ""),
        "low": (
            9,
            0.35,
            0.02,
            "it still keeps the step of the lowest loss, whose fakes are far beyond the real "
            "points.",
        ),
        "even": (
            -2,
            0.45,
            np.log(2),
            "it keeps the step whose loss is log 2, that of an undecided discriminator. This says "
            "nothing about the fakes.",
        ),
        "end": (6, 0.6, 0.5, "it keeps the last step, whose fakes are beyond the real points."),
    }
    second = ["high", "good", "end", "narrow", "far", "wide", "low", "aside", "start", "even"]
    for order in (list(of_steps), second):
        steps = [25 * n for n in range(1, len(order) + 1)]
        history = {
            "step": list(steps),
            "generator_loss": [of_steps[name][2] for name in order],
            "fake_points": np.array(
                [of_steps[n][0] + of_steps[n][1] * rng.permutation(noise) for n in order]
            ),
        }
        given, right = one_number(answer, history, real.copy()), order.index("good")
        if given == steps[right]:
            continue
        if given == right:
            raise Wrong("this is the place of the right step in the list; the step itself is due.")
        if given not in steps:
            raise Wrong(f"gives {given:g}; expected one of the steps in the history.")
        mean, spread, loss, sentence = of_steps[order[steps.index(int(given))]]
        if order is second:
            sentence = (
                f"right for one history. In another it keeps fakes with mean {mean} and spread "
                f"{spread} (loss {loss:.2f}); the real points have 2 and 0.5."
            )
        raise Wrong(sentence)


# ------------------------------------------------------------------ build


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def circles(answer: Answer) -> None:
    rng = np.random.default_rng(4)
    real, fake = rng.normal(size=(40, 2)), 0.5 + 0.9 * rng.normal(size=(25, 2))

    def radii(points, k):
        return np.sort(distances(points, points), axis=1)[:, k]  # [:, 0] is itself

    def shares(k, inside=lambda far, own, k: (far <= own).any(axis=1)):
        """Precision and recall, with another rule of what is inside."""
        return np.array(
            [
                inside(distances(tested, centres), radii(centres, k), k).mean()
                for tested, centres in ((fake, real), (real, fake))
            ]
        )

    def in_nearest(far, own, k):
        nearest = far.argmin(axis=1)
        return far[np.arange(len(far)), nearest] <= own[nearest]

    def in_pairs(far, own, k):
        return far <= own

    def in_all(far, own, k):
        return (far <= own).all(axis=1)

    def of_others(far, own, k):  # circles that reach to the k-th nearest of the tested points
        return (far <= np.sort(far, axis=0)[k - 1]).any(axis=1)

    def mistakes(k):
        right = shares(k)
        far, own, others = distances(fake, real), radii(real, k), radii(fake, k)
        by_tested = [(far <= others[:, None]).any(axis=1), (far <= own).any(axis=0)]
        by_tested = np.array([inside.mean() for inside in by_tested])
        coverage = np.array([right[0], (far <= own).any(axis=0).mean()])
        counts = right * [len(fake), len(real)]
        return [
            (right[::-1], "precision and recall have changed places."),
            (shares(k - 1), "the circles are too small: is a point counted as its own neighbour?"),
            (
                shares(k + 1),
                f"the circles are too large: they reach to neighbour {k + 1}, and k is {k}.",
            ),
            (shares(k, in_all), "a point must be in *one* of the circles, not in all of them."),
            (
                shares(k, in_pairs),
                "this is the share of *pairs* of a point and a circle. One circle is enough for a "
                "point.",
            ),
            (
                shares(k, in_nearest),
                "it looks at the circle of the nearest centre only; a larger "
                "one may reach a point from farther away.",
            ),
            (
                shares(k, of_others),
                "the circles reach to the k-th neighbour of the *other* kind; "
                "neighbours of the same kind are meant.",
            ),
            (
                by_tested,
                "the circles are drawn round the tested points. For precision they are "
                "round the real ones, for recall round the generated ones.",
            ),
            (
                coverage,
                "right for precision. The second number is the share of real circles that "
                "hold a generated point; for recall the circles are round generated points.",
            ),
            (counts, "these are numbers of points; shares are due."),
            (100 * right, "these are per cent; shares between 0 and 1 are due."),
            (right[[0, 0]], "recall is the same as precision here."),
        ]

    for k in (2, 5):
        compare(two_numbers(answer, real.copy(), fake.copy(), k), shares(k), mistakes(k))


def endless(answer: Answer) -> None:
    sizes = np.array([100, 200, 500, 1_000, 4_000])
    exact = 2 + 150 / sizes
    inverse = 1 / sizes

    def value_at_zero(x, values):
        return np.polyfit(x, values, 1)[1]

    mistakes = [
        (150.0, "this is the slope of the line; its height at 1/n = 0 is due."),
        (152.0, "this is the line's height at 1/n = 1, a sample of one."),
        (exact[-1], "this is the value of the largest sample. It still is too high."),
        (exact.mean(), "this is the mean of the distances: the small samples pull it up."),
        (
            value_at_zero(sizes, exact),
            "this is a line over n, at n = 0. It is in 1/n that the distances lie on a line.",
        ),
        (value_at_zero(sizes**-0.5, exact), "this is a line over 1/√n; 1/n is due."),
        (value_at_zero(np.log(sizes), exact), "this is a line over log n; 1/n is due."),
        (0.0, "a line that is forced through 0 has the height 0 there; leave its height free."),
    ]
    compare(np.array(one_number(answer, sizes, exact)), 2.0, mistakes)
    beside = exact + np.array([0.3, -0.5, 0.2, -0.1, 0.15])
    given, right = one_number(answer, sizes, beside), value_at_zero(inverse, beside)
    otherwise = (
        f"right for distances that lie on a line. For others it gives {given:.3f}; the line of "
        f"least squares through all of them ends at {right:.3f}."
    )
    compare(np.array(given), right, otherwise=otherwise)


HALF_ONES = np.array([1 / 2] + [1 / 18] * 9)
ENTROPY = float(-(HALF_ONES * np.log(HALF_ONES)).sum())  # log 6
SPREAD = float(np.sqrt(4 + 0.3**2))  # of both humps together

EXERCISES = [
    Exercise(
        "hump",
        "predict",
        "One of two humps",
        {
            "frechet": number(
                4 + (SPREAD - 0.3) ** 2,
                0.12,
                [
                    (4, "that is what the means add. The spreads differ, too."),
                    ((SPREAD - 0.3) ** 2, "that is what the spreads add. The means differ, too."),
                    (2 + SPREAD - 0.3, "both differences are to be squared."),
                    (np.sqrt(4 + (SPREAD - 0.3) ** 2), "that is its root; the formula has none."),
                    (4 + (SPREAD**2 - 0.09) ** 2, "these are variances; compare the spreads."),
                    (
                        4 + (SPREAD**2 - 0.09),
                        "the difference of the spreads is squared, and that "
                        "is less than the difference of the squares.",
                    ),
                    (16, "the real points' mean is that of both humps together."),
                    (0, "all its points are real, but mean and spread are not those of all."),
                ],
                "square the difference of the means, and that of the spreads of *all* points.",
            ),
            "precision": number(
                1,
                0.03,
                [
                    (
                        0.5,
                        "precision is about the generated points. How many of them are realistic?",
                    ),
                    (0, "its points are where real points are."),
                ],
                "how many of the generated points are in a circle round a real one?",
            ),
            "recall": number(
                0.5,
                0.03,
                [
                    (1, "recall is about the real points. Which circles are round those at -2?"),
                    (0, "the real points at +2 are reached."),
                    (0.25, "half of the real points are at +2, and these are reached."),
                ],
                "how many of the real points are in a circle round a generated one?",
            ),
        },
    ),
    Exercise(
        "favourite",
        "predict",
        "Every second one a one",
        {
            "entropy": number(
                ENTROPY,
                0.01,
                [
                    (np.log(10), "that is the entropy of ten equally frequent digits."),
                    (
                        np.log(2),
                        "that is the entropy of two equally frequent kinds; the other half "
                        "is nine kinds.",
                    ),
                    (0.5 * np.log(2), "that is what the ones add. What do the other nine add?"),
                    (0.5 * np.log(18), "that is what the other nine add. What do the ones add?"),
                    (-ENTROPY, "the sign: the logarithm of a share is negative."),
                    (ENTROPY / np.log(2), "this is in bits; the natural logarithm is due."),
                    (
                        0.5 * np.log(2) + np.log(18) / 18,
                        "there are nine other digits, and each adds its term.",
                    ),
                    (6, "this is the number of digits that it is worth; its logarithm is due."),
                ],
                "the shares are 1/2 once and 1/18 nine times.",
            ),
            "coverage": number(
                1,
                0.01,
                [
                    (0.1, "only one digit is frequent, but how often must a digit come to count?"),
                    (0.5, "coverage counts digits, not pictures."),
                    (0.9, "a digit that comes too often is reached."),
                    (
                        0.6,
                        "that would be the entropy's number of digits; coverage counts those "
                        "that come at least a fifth as often as among real ones.",
                    ),
                    (10, "it is a share of the ten digits."),
                ],
                "which digits come at least a fifth as often as among the real ones?",
            ),
        },
    ),
    Exercise(
        "prize",
        "mend",
        "Three games and a prize",
        {
            "cause": Choice(
                "c",
                a="the logits tell the same: those of C are about 4, those of A 0, and most of "
                "those of B below 0.",
                b="draw 30,000: C's discriminator still is where it is, and so are its fakes.",
            ),
            "mend": score,
        },
    ),
    Exercise(
        "report",
        "mend",
        "All ten, says the report",
        {
            "cause": Choice(
                "a",
                b="larger circles take in more points, and none fewer: the precision could only "
                "rise, gaps or no gaps.",
                c="look at the second line: real points, of all ten kinds, score below 1 as well.",
            ),
            "mend": missing,
        },
    ),
    Exercise(
        "perfect",
        "mend",
        "The perfect one loses",
        {
            "cause": Choice(
                "b",
                a="see how it was made. 100 of the real features themselves would score as high.",
                c="the shift is in B's means, and adds 32 × 0.25² = 2. So it is seen: it is nearly "
                "all of B's distance.",
            ),
            "mend": fair,
        },
    ),
    Exercise(
        "moment",
        "mend",
        "Which moment to keep?",
        {
            "cause": Choice(
                "b",
                a="run B's highest loss is its first, and there the fakes are around -3.",
                c="with more steps, run B's loss would fall further, and its fakes go further.",
            ),
            "mend": moment,
        },
    ),
    Exercise("circles", "build", "Two questions in circles", {"measure": circles}),
    Exercise("endless", "build", "A sample without end", {"limit": endless}),
]
