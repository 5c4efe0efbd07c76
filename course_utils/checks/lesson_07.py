"""Checkers of lesson 07, text to image."""

import numpy as np

from course_utils.captions import UNSAID
from course_utils.checks.judging import Answer, Choice, Exercise, Wrong, compare, number


def softplus(logits):
    return np.logaddexp(0, logits)


def last_word(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    counts, length = np.array([3, 7, 1, 5]), 7  # the second caption fills its row
    tokens = np.where(np.arange(length) < counts[:, None], rng.integers(1, 9, (4, length)), 0)
    states = rng.normal(size=(4, length, 3))
    words = (tokens != 0)[..., None]

    def state_at(places):
        return states[np.arange(4), np.clip(places, 0, length - 1)]

    right = state_at(counts - 1)
    sums = (words * states).sum(axis=1)
    one_too_many = "this state has read one step too many: places are counted from 0."
    one_too_few = "this state has not read the last word yet."
    mistakes = [
        (states[:, -1], "this is the state after the whole row still, padding included."),
        (state_at(counts), one_too_many),
        (state_at(counts % length), one_too_many),
        (state_at(counts - 2), one_too_few),
        (state_at((counts - 2) % length), one_too_few),
        (states[:, 0], "this is the state after the first word."),
        (words[:, -1] * states[:, -1], "captions with padding get zeros, not a state."),
        (states.mean(axis=1), "this is the mean of all states; one of them is due."),
        (states.sum(axis=1), "this is the sum of all states; one of them is due."),
        (sums, "this is the sum of the states after all words; the last word's is due."),
        (sums / counts[:, None], "this is the mean of the states after words; one of them is due."),
        (
            states[np.arange(4), -counts],
            "counted from the end of the row; the words stand at its beginning.",
        ),
    ]
    given = answer.call(tokens.astype("int32"), states, shape=(4, 3))
    is_right = np.isclose(given, right, 1e-3, 1e-3).all(axis=1)
    otherwise = "some of these codes are not the state after the caption's last word."
    if is_right[[0, 2, 3]].all():
        otherwise = "right where there is padding, wrong for a caption that fills its row."
    elif is_right[[0, 1, 3]].all():
        otherwise = "right for longer captions, wrong for one of a single word."
    compare(given, right, mistakes, otherwise)


def matching_loss(answer: Answer) -> None:
    rng = np.random.default_rng(1)

    def parts(real, fake):
        """The means of right, fake and wrong pairs, and others that may be taken for the last."""
        n, each = len(real), softplus(real)
        off = each.sum() - np.trace(each)
        right, fakes = softplus(-np.diag(real)).mean(), softplus(np.diag(fake)).mean()
        return right, fakes, off / (n * (n - 1)), each.mean(), off, n

    real, fake, share = 2 * rng.normal(size=(4, 4)), 2 * rng.normal(size=(4, 4)), 0.7
    right, fakes, wrong, whole, off, n = parts(real, fake)

    def total(right=right, fakes=fakes, wrong=wrong, share=share):
        return right + (1 - share) * fakes + share * wrong

    outside = ~np.eye(n, dtype=bool)
    wrong_fakes = softplus(fake[outside]).mean()
    sums = total(n * right, n * fakes, off)
    mistakes = [
        (total(wrong=whole), "the right pairs are still among those that are refused."),
        (
            total(wrong=softplus(real * outside).mean()),
            "the diagonal is 0 before the softplus, which makes 0.69 of it. It should not count.",
        ),
        (
            total(wrong=softplus(real * outside).sum() / (n * (n - 1))),
            "the diagonal is 0 before the softplus, which makes 0.69 of it. It should not count.",
        ),
        (total(wrong=off / n**2), "the wrong pairs are divided by B²; there are fewer of them."),
        (total(wrong=off / n), "the wrong pairs are divided by B; there are more of them."),
        (total(wrong=off / (n - 1)), "the wrong pairs are divided by B - 1; there are more."),
        (total(wrong=off), "of the wrong pairs the sum is taken; the mean is due."),
        (sums, "these are sums over the pairs; means are due."),
        (total(wrong=0), "the wrong pairs have no part in it: captions need not be read."),
        (right + fakes, "the wrong pairs have no part in it: captions need not be read."),
        (total(fakes=0), "the fakes have no part in it."),
        (total(right=0), "the right pairs have no part in it."),
        (right + fakes + wrong, "`wrong_share` has no effect."),
        (total(share=1 - share), "the weights of fakes and wrong pairs are exchanged."),
        (total(wrong=wrong_fakes), "the wrong pairs are taken from the fakes' matrix."),
        (
            total(wrong=softplus(-real[outside]).mean()),
            "the wrong pairs are wanted, not refused: look at the sign of their logits.",
        ),
        (total(fakes=softplus(fake).mean()), "the fakes' whole matrix counts, not its diagonal."),
        (
            total(right=softplus(-real).mean()),
            "the whole matrix counts as right pairs, not its diagonal.",
        ),
        (
            total(right=softplus(np.diag(real)).mean(), fakes=softplus(-np.diag(fake)).mean()),
            "the signs of right pairs and fakes are exchanged.",
        ),
        (total(right=softplus(np.diag(real)).mean()), "the right pairs are refused only."),
        (-total(), "its sign is wrong: descent would make the discriminator worse."),
        (total() / 2, "this is half of it: the weights are 1, 1 - λ and λ."),
    ]
    compare(answer.call(real, fake, share, shape=()), total(), mistakes)
    real, fake = 2 * rng.normal(size=(3, 3)), 2 * rng.normal(size=(3, 3))
    right, fakes, wrong, *_ = parts(real, fake)
    due = right + 0.8 * fakes + 0.2 * wrong
    otherwise = "right for one size of the batch and one `wrong_share`, wrong for others."
    compare(answer.call(real, fake, 0.2, shape=()), due, otherwise=otherwise)


def share_as_asked(answer: Answer) -> None:
    rng = np.random.default_rng(2)
    n = 60
    asked = np.where(rng.random((n, 3)) < [0.8, 0.5, 0.3], rng.integers(3, size=(n, 3)), UNSAID)
    found = np.where(rng.random((n, 3)) < [0.6, 0.2, 0.4], asked, rng.integers(3, size=(n, 3)))
    found = np.where(found == UNSAID, rng.integers(3, size=(n, 3)), found)
    mentioned = asked != UNSAID
    hits = mentioned & (asked == found)
    right = hits.sum(axis=0) / mentioned.sum(axis=0)
    complete = mentioned.all(axis=1)
    mistakes = [
        (1 - (mentioned & ~hits).mean(axis=0), "what is not asked for still counts as right."),
        (hits.mean(axis=0), "what is not asked for counts as wrong; it should not count at all."),
        (hits.sum(axis=0), "these are numbers of pictures; shares are due."),
        (1 - right, "these are the shares that are *not* as asked."),
        (100 * right, "these are per cent; shares between 0 and 1 are due."),
        (np.full(3, hits.sum() / mentioned.sum()), "all attributes have got the same share."),
        (hits.sum(axis=0) / mentioned.sum(), "each is divided by what is asked of all attributes."),
        (hits[complete].mean(axis=0), "only captions that mention all three attributes count."),
        (
            hits.sum(axis=0) / mentioned.any(axis=1).sum(),
            "each is divided by the captions that mention any attribute, not by those that "
            "mention this one.",
        ),
    ]
    # Level 0 is a level like any other.
    above = asked > 0
    without_low = (above & (asked == found)).sum(axis=0) / above.sum(axis=0)
    mistakes.append((without_low, "the lowest level, 0, does not count as asked for."))
    given = answer.in_numpy().call(asked.copy(), found.copy(), shape=(3,))
    compare(given, right, mistakes)


def moments(ink, x, y):
    """Covariance and variances of the ink's places, one for each picture."""

    def mean(values):
        return (ink * values).sum(axis=(1, 2)) / ink.sum(axis=(1, 2))

    c = mean(x * y) - mean(x) * mean(y)
    return c, mean(x**2) - mean(x) ** 2, mean(y**2) - mean(y) ** 2


def slant(answer: Answer) -> None:
    height, width = 20, 26
    x, y = np.arange(width) * np.ones((height, 1)), -np.arange(height)[:, None] * np.ones(width)

    def blob(at_x, at_y, tangent, wide, high):
        across, up = x - at_x, y + at_y
        return np.exp(-(((across - tangent * up) / wide) ** 2) - (up / high) ** 2)

    ink = np.stack(
        [
            np.maximum(0.95 * blob(9, 8, 0.7, 2, 5), 0.3 * blob(17, 9, 0, 3, 2)),
            np.maximum(0.9 * blob(15, 11, -0.6, 2, 4), 0.4 * blob(18, 5, 0, 2, 2)),
            0.7 * blob(8, 9, 0.2, 1.5, 4) + 0.3 * blob(14, 4, 0, 2, 2),
        ]
    )
    ink = np.where(ink > 0.03, ink, 0)
    images = ink[..., None]

    def angle(c, v):
        return np.degrees(np.arctan2(c, v))

    c, v_x, v_y = moments(ink, x, y)
    right = angle(c, v_y)
    faint_left_out = moments(np.clip((ink - 0.1) / 0.9, 0, 1), x, y)  # as course_utils does
    mistakes = [
        (-right, "left and right are exchanged. Rows are counted downwards."),
        (np.radians(right), "these are radians; degrees are due."),
        (np.radians(-right), "these are radians, and left and right are exchanged."),
        (c / v_y, "this is the tangent of the slant; the angle is due, in degrees."),
        (-c / v_y, "this is the tangent; and left and right are exchanged."),
        (90 - right, "this is the angle to the horizontal; upright is 0."),
        (np.degrees(np.arctan(v_y / c)), "this has v_y/c; the tangent is c/v_y."),
        (c, "this is the covariance; c/v_y is the tangent."),
        (angle(c, np.sqrt(v_y)), "this divides by a standard deviation; v_y is a variance."),
        (
            angle(c, np.sqrt(v_x * v_y)),
            "the tangent here is the correlation; it should be c/v_y.",
        ),
    ]
    for sign in (1, -1):
        mistakes += [
            (
                sign * angle(c, v_x),
                "it divides by the variance across, or rows and columns are exchanged.",
            ),
            (
                sign * np.degrees(np.arctan2(2 * c, v_x - v_y)) / 2,
                "this is the direction of the main axis; the slant is c/v_y.",
            ),
        ]
        for level in (0, 0.1, 0.5):
            counted, _, up = moments((ink > level).astype(float), x, y)
            mistakes.append(
                (
                    sign * angle(counted, up),
                    "each pixel counts alike; its brightness is its weight.",
                )
            )
        whole = ink.sum(axis=(1, 2))
        for weights in (ink, ink / ink.sum()):
            mean_x, mean_y = (weights * x).sum(axis=(1, 2)), (weights * y).sum(axis=(1, 2))
            raw = (weights * x * y).sum(axis=(1, 2)) - mean_x * mean_y
            up = (weights * y**2).sum(axis=(1, 2)) - mean_y**2
            mistakes.append(
                (
                    sign * np.degrees(np.arctan(raw / up)),
                    "the weights of each picture are to add up to 1: divide by its own ink.",
                )
            )
        for middle_x, middle_y in ((0, 0), (0, 1 - height), ((width - 1) / 2, (1 - height) / 2)):
            raw = (ink * (x - middle_x) * (y - middle_y)).sum(axis=(1, 2)) / whole
            up = (ink * (y - middle_y) ** 2).sum(axis=(1, 2)) / whole
            mistakes.append(
                (
                    sign * angle(raw, up),
                    "the places are not measured from the ink's own mean place.",
                )
            )
    given = answer.in_numpy().call(images.copy(), shape=(3,))
    if np.allclose(given, angle(faint_left_out[0], faint_left_out[2]), 1e-3, 1e-3):
        return
    compare(given, right, mistakes)


def best_logits(answer: Answer) -> None:
    rng = np.random.default_rng(3)
    p, q = rng.random((3, 3)) + 0.1, rng.random((3, 3)) + 0.1
    p, q, share = p / p.sum(), q / q.sum(), 0.7

    def logits(p, q, share, by_chance=None):
        if by_chance is None:
            by_chance = np.outer(p.sum(axis=1), p.sum(axis=0))
        return np.log(p) - np.log((1 - share) * q + share * by_chance)

    right = logits(p, q, share)
    marginals = p.sum(axis=1), p.sum(axis=0)
    mistakes = [
        (np.exp(right), "the logarithm is missing."),
        (1 / (1 + np.exp(-right)), "this is the probability; its logit is due."),
        (
            -np.log1p(np.exp(-right)),
            "this is the logarithm of the probability; its logit is due.",
        ),
        (-right, "its sign is wrong: numerator and denominator are exchanged."),
        (right / np.log(10), "the logarithm is the natural one."),
        (right / np.log(2), "the logarithm is the natural one."),
        (logits(p, q, 1 - share), "the weights λ and 1 - λ are exchanged."),
        (logits(p, q, 0), "the wrong pairs have no part in it."),
        (logits(p, (1 - share) * q, 0), "the wrong pairs have no part in it."),
        (logits(p, q, 1), "the fakes have no part in it."),
        (np.log(p) - np.log(q + np.outer(*marginals)), "`wrong_share` has no effect."),
        (
            logits(p, q, share, np.outer(*marginals[::-1])),
            "p(x) and p(t) are exchanged: a row is a picture, a column is a caption.",
        ),
        (
            logits(p, q, share, np.outer(q.sum(axis=1), q.sum(axis=0))),
            "the wrong pairs are pairs of real pictures and real captions: p(x) p(t), not q.",
        ),
        *(
            (
                logits(p, q, share, np.outer(x, t)),
                "the wrong pairs are pairs of real pictures and real captions: p(x) p(t), not q.",
            )
            for x, t in ((marginals[0], q.sum(axis=0)), (q.sum(axis=1), marginals[1]))
        ),
        (
            logits(p, q, share, p),
            "this has p(x, t) where the wrong pairs should be: those are put together by chance.",
        ),
        (
            logits(p, q, share, 1 / p.size),
            "here all wrong pairs are equally frequent; a common picture meets a common caption "
            "more often.",
        ),
        (
            logits(p, q, share, marginals[0][:, None] + marginals[1]),
            "p(x) and p(t) are to be multiplied, not added.",
        ),
        (logits(p, q, share, marginals[0][:, None]), "p(t) is missing in the denominator."),
        (logits(p, q, share, marginals[1][None]), "p(x) is missing in the denominator."),
        (
            logits(p, q, share, np.outer(p.mean(axis=1), p.mean(axis=0))),
            "p(x) is a sum over the captions, not a mean.",
        ),
        (
            logits(p, q, share, marginals[0] * marginals[1]),
            "the product of p(x) and p(t) is a table: each picture with each caption.",
        ),
        (logits(q, p, share), "p and q are exchanged."),
    ]
    compare(answer.in_numpy().call(p.copy(), q.copy(), share, shape=(3, 3)), right, mistakes)
    p, q = rng.random((2, 4)) + 0.1, rng.random((2, 4)) + 0.1
    p, q = p / p.sum(), q / q.sum()
    given = answer.in_numpy().call(p.copy(), q.copy(), 0.4, shape=(2, 4))
    otherwise = "right for one table and one `wrong_share`, wrong for others."
    compare(given, logits(p, q, 0.4), otherwise=otherwise)


def share_of_bags(answer: Answer) -> None:
    given = answer.array(())
    if 1 < given <= 100:
        raise Wrong("a share is a number between 0 and 1.")
    mistakes = [
        (1, "two places that share a bag cannot both be served."),
        (0.5, "half of the places have a bag of their own. The others are not all missed."),
        (0.25, "that is how many are missed."),
        (12 / 32, "both captions of a place lead to the place."),
        (1 / 16, "that is a generator that knows nothing at all."),
    ]
    otherwise = "for each bag, the generator can be right about one of its places."
    compare(given, 0.75, mistakes, otherwise, tolerance=0.005)


EXERCISES = [
    Exercise(
        "bags",
        "predict",
        "A bag of words",
        {
            "bags": number(
                12,
                0.01,
                [
                    (32, "the two captions of one place hold the same words."),
                    (16, "some places share a bag: look for another one with one, two."),
                    (8, "that counts the places whose bag is their own. The others have bags too."),
                    (4, "that is only the pairs of directions, or only the bags that are shared."),
                    (3, "that is for one pair of directions."),
                    (6, "that is the number of different words."),
                ],
                "multiply: pairs of directions, and bags for each of them.",
            ),
            "share": share_of_bags,
        },
    ),
    Exercise(
        "wide",
        "predict",
        "A wide bar",
        {
            "slant": number(
                45,
                0.21,
                [
                    (53.1, "that is twice the angle. What is doubled is its tangent."),
                    (26.6, "that is the old slant. But c is doubled, and v_y stays."),
                    (13.3, "that is half the angle; the wide bar lies flatter."),
                    (14, "a wide bar lies flatter: its angle to the upright grows."),
                    (63.4, "here the tangent is multiplied by 4; c is only doubled."),
                    (-45, "it still leans to the right, and right is positive."),
                    (0.785, "these are radians; degrees are due."),
                    (1, "that is the tangent. Which angle has it?"),
                ],
                "the tangent is c/v_y. What becomes of c, what of v_y?",
            ),
            "growth": number(
                2**0.5,
                0.015,  # 1.4 will do
                [
                    (2, "only the width is doubled; the size is the root of width × height."),
                    (1, "a shear leaves the size as it is; stretching is no shear."),
                    (4, "that is what stands under the root. Which root is it?"),
                    (2**0.25, "under the fourth root stands 4 times as much, not 2 times."),
                    (8**0.5, "under the fourth root stands 4 times as much, not 64 times."),
                ],
                "v_x grows by 4, c by 2: what stands under the fourth root?",
            ),
        },
    ),
    Exercise(
        "upright",
        "mend",
        "All ones stand upright",
        {
            "cause": Choice(
                "c",
                a="where a caption fills its row, left and right are far apart: look at the "
                "first column.",
                b="the padding's vector is zero, the first row of the table: it pulls nowhere.",
            ),
            "mend": last_word,
        },
    ),
    Exercise(
        "surer",
        "mend",
        "The surer, the worse",
        {
            "cause": Choice(
                "a",
                b="a term that is near 0 stays near 0, whatever its weight. Which one is not?",
                c="then a large batch would suffer most. In the picture it is the smallest.",
            ),
            "mend": matching_loss,
        },
    ),
    Exercise(
        "fewer_words",
        "mend",
        "The fewer words, the better",
        {
            "cause": Choice(
                "b",
                a="the pictures are the same in all three lines, so chance hits as often in each. "
                "What differs between the lines?",
                c="luck would make the numbers go up and down. These go up, for all attributes.",
            ),
            "last_line": Choice(
                "e",
                d="a ruler full of errors makes the same errors twice, and agrees with itself too.",
                f="it would be 100 % for any pictures and any ruler, so it cannot tell what a "
                "generator could reach.",
            ),
            "mend": share_as_asked,
        },
    ),
    Exercise("slant", "build", "The slant", {"slant": slant}),
    Exercise("best_logit", "build", "The best logit", {"logits": best_logits}),
]
