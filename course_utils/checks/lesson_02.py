"""Checkers of lesson 02, DCGAN."""

import numpy as np
from scipy.special import expit as sigmoid

from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Unanswered,
    Wrong,
    compare,
    first_line,
    number,
)

RATE = 2e-3  # the lesson's, of Adam
EPSILON = 1e-5  # the lesson's, of batch norm
STD = 0.05  # the lesson's, of initial weights


class Adam:
    """The books that Adam keeps of one array."""

    def __init__(self, rate, beta_1):
        self.rate, self.beta_1, self.beta_2, self.count = rate, beta_1, 0.999, 0
        self.mean = self.square = 0.0

    def move(self, gradient, count=None):
        self.count = count or self.count + 1
        self.mean = self.beta_1 * self.mean + (1 - self.beta_1) * gradient
        self.square = self.beta_2 * self.square + (1 - self.beta_2) * gradient**2
        mean = self.mean / (1 - self.beta_1**self.count)
        square = self.square / (1 - self.beta_2**self.count)
        return -self.rate * mean / (np.sqrt(square) + 1e-8)


def after_turns(
    real, latent, W, v, rate=RATE, beta_1=0.5, shared=False, one_count=False, v_too=False
):
    """By how many learning rates W and v have moved; the last three arguments are mistakes."""
    of_v_too = Adam(rate, beta_1)
    of_W, of_v, new_W, new_v = Adam(rate, beta_1), Adam(rate, beta_1), W, v
    for turn, (x, z) in enumerate(zip(real, latent, strict=True)):
        counts = (2 * turn + 1, 2 * turn + 2) if one_count else (None, None)
        fake = z @ new_W
        pushed = x.T @ (sigmoid(x @ new_v) - 1) + fake.T @ sigmoid(fake @ new_v)
        new_v = new_v + of_v.move(pushed / len(x), counts[0])
        push = (sigmoid(fake @ new_v) - 1) / len(z)
        to_W, to_v = z.T @ push @ new_v.T, fake.T @ push
        new_W = new_W + of_W.move(to_W, counts[1])
        if shared:
            new_v = new_v + of_v.move(to_v)
        if v_too:
            new_v = new_v + of_v_too.move(to_v)
    return np.concatenate([new_W - W, new_v - v], axis=None) / RATE


def optimizers(answer: Answer) -> None:
    """Both matrices after four turns of each network, from gradients in closed form."""
    rng = np.random.default_rng(0)
    # The batches lie far apart, so the gradients change their signs from turn to turn.
    real = rng.normal(size=(4, 1, 2)) + 0.3 * rng.normal(size=(4, 6, 2))
    latent = rng.normal(size=(4, 1, 2)) + 0.3 * rng.normal(size=(4, 6, 2))
    W, v = rng.normal(size=(2, 2)), rng.normal(size=(2, 1))
    real, latent, W, v = (x.astype("float32").astype(float) for x in (real, latent, W, v))
    new_W, new_v = answer.call(real, latent, W, v, shape=[(2, 2), (2, 1)])
    given = np.concatenate([new_W - W, new_v - v], axis=None) / RATE
    still = np.abs(given) < 1e-3
    if still.all():
        raise Wrong("nothing moves. Has each optimiser a learning rate, and its network's weights?")
    if still[:4].all():
        raise Wrong("the generator does not move in its turns. Does its optimiser come first?")
    if still[4:].all():
        raise Wrong("the discriminator does not move in its turns.")
    setting = (real, latent, W, v)
    mistakes = [
        (after_turns(*setting, shared=True), "the discriminator still moves in both turns."),
        (
            after_turns(*setting, one_count=True),
            "there still is one count of steps for both networks: one optimiser serves them both.",
        ),
        (
            after_turns(*setting, v_too=True),
            "the discriminator still moves in the generator's turn: its weights are in that "
            "optimiser, too.",
        ),
        (after_turns(*setting, rate=1e-3), "the learning rate is 0.001; the lesson has 0.002."),
        (after_turns(*setting, beta_1=0.9), "β₁ is 0.9; the lesson has 0.5."),
        (
            after_turns(*setting, rate=1e-3, beta_1=0.9),
            "the learning rate and β₁ are Adam's usual ones; the lesson has its own.",
        ),
    ]
    otherwise = "the networks move, but not as two Adams with the lesson's values move them."
    compare(given, after_turns(*setting), mistakes, otherwise, tolerance=0.01)


def step(answer: Answer) -> None:
    """The matrix after two steps of gradient descent with the rate 0.1."""
    rng = np.random.default_rng(1)
    inputs, W = 1.5 * rng.normal(size=(8, 2)), rng.normal(size=(2, 1))
    targets = inputs @ rng.normal(size=(2, 1)) + rng.normal(size=(8, 1))

    def slope(W):
        return 2 * inputs.T @ (inputs @ W - targets) / len(inputs)

    def two(factor):
        once = W - 0.1 * factor * slope(W)
        return once - 0.1 * factor * slope(once)

    once = W - 0.1 * slope(W)
    mistakes = [
        (once, "the first step is right, and the second does nothing."),
        (
            once - 0.1 * (slope(W) + slope(once)),
            "the second step has the first one's gradient too.",
        ),
        (two(-1), "it goes up the loss, not down."),
        (two(len(inputs)), "this is the loss's sum over the batch; the mean is due."),
        (two(0.5), "this is half of the mean squared error."),
        (two(2), "it goes twice as far as the gradient of the mean squared error says."),
    ]
    given = answer.call(inputs, targets, W, shape=(2, 1))
    if np.allclose(given, W, atol=1e-6):
        raise Unanswered("the weights do not move.")
    otherwise = "the weights move, but not by two such steps of the optimiser that is given."
    compare(given, two(1), mistakes, otherwise)


def look_and_work(answer: Answer) -> None:
    """What a batch norm gives after two steps, in the modes due."""
    rng = np.random.default_rng(2)
    fixed = rng.normal(size=(5, 3)) - 2
    batches = 3 * rng.normal(size=(2, 6, 3)) + np.array([2.0, -1.0, 4.0])

    def by(values, mean, variance):
        return (values - mean) / np.sqrt(variance + EPSILON)

    def by_itself(values):
        return by(values, values.mean(axis=0), values.var(axis=0))

    def running(unbiased, count):
        mean, variance = np.zeros(3), np.ones(3)
        for batch in batches[:count]:
            mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
            variance = 0.9 * variance + 0.1 * batch.var(axis=0, ddof=int(unbiased))
        return mean, variance

    def is_one_of(given, *others):
        return any(np.allclose(given, other, 1e-3, 1e-3) for other in others)

    look, work, mean = answer.call(fixed, batches, shape=[(5, 3), (6, 3), (3,)])
    states = [running(unbiased, count) for unbiased in (True, False) for count in (0, 1, 2)]
    if is_one_of(work, *(by(batches[1], *state) for state in states)):
        raise Wrong("the work is still normalised by the running statistics.")
    compare(
        work,
        by_itself(batches[1]),
        [(by_itself(batches[0]), "the work is of the first batch, in the second step too.")],
        "the work is not normalised by the mean and the variance of its own batch alone.",
    )
    if is_one_of(look, by_itself(fixed)):
        raise Wrong("the look is now normalised by its own batch, so each picture depends on all.")
    if is_one_of(look, by(fixed, 0, 1)):
        raise Wrong("the look is drawn by running statistics that have not learned.")
    if not is_one_of(mean, running(True, 2)[0]):
        raise Wrong("the running mean has not moved by each step's batch once, and by no more.")
    # Before the work or after it, with the variance that either framework keeps.
    rights = [state for state in states if not np.allclose(state[0], 0)]
    if not is_one_of(look, *(by(fixed, *state) for state in rights)):
        raise Wrong("the look is not what the running statistics make of the fixed latents.")


def units(answer: Answer) -> None:
    for size, maps, doublings in [(28, 64, 2), (32, 128, 3), (48, 5, 1), (7, 3, 0)]:
        side = size // 2**doublings
        mistakes = [
            (side**2, "these are the places of one map; there are several."),
            (maps * side, "a map has two sides: its places are their product."),
            (maps * size**2, "that is the size at the end; the dense layer stands before."),
            (size**2, "that is the picture; the dense layer makes smaller maps, and several."),
            (maps * (size / max(2 * doublings, 1)) ** 2, "each doubling is a factor of 2."),
            (maps * (size // max(2 * doublings, 1)) ** 2, "each doubling is a factor of 2."),
            (maps * size**2 / 2**doublings, "each doubling doubles both sides of a map."),
            (maps * (size * 2**doublings) ** 2, "backwards from the picture, the maps shrink."),
            (side, "that is one side of a map."),
        ]
        given = answer.call(size, maps, doublings, shape=())
        otherwise = (
            f"gives {given:g} for a picture {size} wide, {maps} maps and {doublings} doublings; "
            f"the maps should have {side} × {side} places."
        )
        compare(given, maps * side**2, mistakes, otherwise, tolerance=1e-6)
    for size, doublings in ((28, 3), (30, 2)):
        halves = ", ".join(f"{size / 2**n:g}" for n in range(doublings + 1))
        try:
            answer.value(size, 64, doublings)
        except ValueError:
            continue
        except Exception as error:
            raise Wrong(
                f"for {halves} it raises {type(error).__name__} ({first_line(error)}); "
                "a ValueError is due."
            ) from None
        raise Wrong(f"right for sizes that fit. But {halves}: here a ValueError is due.")


def linear(answer: Answer) -> None:
    rng = np.random.default_rng(3)
    images, weights = rng.normal(size=(3, 4, 5, 1)), rng.normal(size=(20, 2))
    exchanged = images.transpose(0, 2, 1, 3).reshape(3, 20) @ weights
    right = images.reshape(3, 20) @ weights
    mistakes = [
        (exchanged, "rows and columns of the images are exchanged."),
        (right / 20, "this is the mean of the products; their sum is due."),
        (images.reshape(3, 20)[:, ::-1] @ weights, "the pixels come in reverse order."),
        (images.reshape(20, 3).T @ weights, "pixels of different images are mixed."),
        (images.reshape(3, 20, order="F") @ weights, "rows and columns are exchanged."),
    ]
    compare(answer.call(images, weights, shape=(3, 2)), right, mistakes)
    latent, weights = rng.normal(size=(5, 1, 1, 6)), rng.normal(size=(6, 3))
    right = latent[:, 0, 0] @ weights
    otherwise = "right for images, wrong for latents with four axes."
    compare(answer.call(latent, weights, shape=(5, 3)), right, otherwise=otherwise)
    otherwise = "right for four axes, wrong for plain rows of numbers."
    compare(answer.call(latent[:, 0, 0], weights, shape=(5, 3)), right, otherwise=otherwise)
    otherwise = "right for several examples, wrong for a batch of one."
    compare(answer.call(latent[:1], weights, shape=(1, 3)), right[:1], otherwise=otherwise)


def norm(answer: Answer) -> None:
    rng = np.random.default_rng(4)
    batches = 0.1 * rng.normal(size=(2, 50, 2)) + np.array([1.0, -2.0])
    means = batches.mean(axis=1)
    last = batches[1] - means[1]

    def by(epsilon):
        return last / np.sqrt(batches[1].var(axis=0) + epsilon)

    def kept(share):
        return share * (1 - share) * means[0] + (1 - share) * means[1]

    output, mean = answer.call(batches, shape=[(50, 2), (2,)])
    if np.allclose(output, batches[1], atol=0.02):
        raise Wrong("its output is what went in: it does not normalise.")
    mistakes = [
        (by(0.8), "the 0.8 is still added to the variance."),
        (by(1e-3), "epsilon is 0.001, Keras's usual value; the lesson has 0.00001."),
        (by(0.2), "the 0.2 is added to the variance."),
        (by(0.1), "the 0.1 is added to the variance."),
        (0 * last, "its scale is 0, so nothing comes out."),
    ]
    otherwise = "the output has not the mean 0 and the variance 1 that a norm should give."
    compare(output, by(EPSILON), mistakes, otherwise)
    mistakes = [
        (kept(0.2), "a share of 0.2 of the old running mean is kept, not 0.8."),
        (kept(0.9), "a share of 0.9 of the old running mean is kept, not 0.8."),
        (kept(0.99), "a share of 0.99 of the old running mean is kept, not 0.8."),
        (kept(0.1), "a share of 0.1 of the old running mean is kept, not 0.8."),
        (kept(0), "nothing of the old running mean is kept; a share of 0.8 is due."),
        (kept(1), "the running mean does not move at all."),
        (means.mean(axis=0), "this is a plain mean over all batches; a share of 0.8 is due."),
    ]
    otherwise = "the output is right. The running mean is not as with a share of 0.8 kept."
    compare(mean, kept(0.8), mistakes, otherwise)


def initial_values(answer: Answer) -> None:
    counts = [50_176, 32_768, 512, 3_168, 3_169, 3_168, 3_168]
    *weights, scales, added, means, variances = answer.call(shape=[(n,) for n in counts])
    if abs(scales).max() < 1e-6:
        raise Wrong("the norms' scales are 0: they let nothing through. Where do they start?")
    if abs(scales.mean()) < 0.2 and scales.std() > 1e-3:
        raise Wrong("the norms' scales are still drawn around 0.")
    if abs(scales - 1).max() > 0.4:  # drawn around 1 with a small deviation is as good
        low, high = scales.min(), scales.max()
        raise Wrong(f"the norms' scales lie between {low:.2f} and {high:.2f}; they should be 1.")
    if abs(added[:-1]).max() > 1e-6:
        raise Wrong("the norms' shifts are not 0.")
    if abs(added[-1]) > 1e-6:
        raise Wrong("the last layer's bias is not 0. Left alone, PyTorch draws one.")
    if abs(means).max() > 1e-6 or abs(variances - 1).max() > 1e-6:
        raise Wrong("the norms' running statistics have changed; they begin at 0 and 1.")
    for place, values in zip(("first", "second", "third"), weights, strict=True):
        n, mean, std = len(values), values.mean(), values.std()
        where = f"the {place} layer's weights have"
        if std < 1e-6:
            raise Wrong(f"{where} all the same value. They are to be drawn.")
        if abs(std - STD) > 6 * STD / np.sqrt(2 * n):
            squared = any(abs(std / other - 1) < 0.2 for other in (STD**2, STD**0.5))
            hint = " 0.05 is the standard deviation, not the variance." if squared else ""
            raise Wrong(f"{where} the standard deviation {std:.4f}; expected {STD}.{hint}")
        if abs(mean) > 6 * STD / np.sqrt(n):
            raise Wrong(f"{where} the mean {mean:.4f}; expected 0.")
        if n > 10_000 and abs(values).max() < 2.5 * STD:
            raise Wrong(f"{where} nothing beyond 2.5 standard deviations: this is not normal.")


def transposed(answer: Answer) -> None:
    answer = answer.in_numpy()
    rng = np.random.default_rng(5)

    def lay(values, window, stride, add=True):
        k = len(window)
        size = [(n - 1) * stride + k for n in values.shape]
        result = np.zeros(size)
        for row, column in np.ndindex(values.shape):
            there = result[row * stride :, column * stride :][:k, :k]
            there[:] = add * there + values[row, column] * window
        return result

    for rows, columns, k, stride, cut in [
        (3, 4, 4, 2, 1),
        (2, 3, 3, 2, 0),
        (4, 3, 3, 1, 1),
        (3, 2, 2, 3, 0),
        (5, 4, 5, 2, 2),
    ]:
        values, window = rng.normal(size=(rows, columns)), rng.normal(size=(k, k))
        whole = lay(values, window, stride)
        height, width = (n - 2 * cut for n in whole.shape)

        def inner(result, cut=cut, height=height, width=width):
            return result[cut:, cut:][:height, :width]

        mistakes = [
            (inner(lay(values, window, stride, add=False)), "later windows cover earlier ones."),
            (inner(lay(values, window[::-1, ::-1], stride)), "the window lies upside down."),
            (inner(lay(values, window.T, stride)), "the window's rows and columns are exchanged."),
            (whole[:height, :width], "the border is cut off at the end only, not on all sides."),
            (whole[2 * cut :, 2 * cut :], "the border is cut off at the start only."),
            (
                inner(lay(np.ones_like(values), window, stride)),
                "the windows are not multiplied by the values.",
            ),
            (
                inner(lay(values, np.ones_like(window), stride)),
                "each window holds one value throughout; its weights are missing.",
            ),
        ]
        where = f"stride {stride}, cut {cut}, window {k} × {k}, map {rows} × {columns}"
        otherwise = f"the result is wrong for {where}."
        try:
            given = answer.call(values, window, stride, cut, shape=(height, width))
        except Wrong as wrong:
            raise Wrong(f"{str(wrong).rstrip('.')} ({where}).") from None
        compare(given, inner(whole), mistakes, otherwise)


EXERCISES = [
    Exercise(
        "sizes_of_maps",
        "predict",
        "Down, and up again",
        {
            "down": number(
                4,
                1e-6,
                [
                    (7, "that is with windows of 4 and a border; here there is none."),
                    (12, "that is after the first one."),
                    (14, "that is after one, with a border; here there is none."),
                    (5, "the last window would stick out beyond the map."),
                    (3, "the first window counts too."),
                    (16, "its width, please, not the number of its values."),
                ],
                "count the windows that fit in, first for 28, then for what came out.",
            ),
            "up": number(
                25,
                1e-6,
                [
                    (28, "is the way up as wide as the way down? Lay the windows and count."),
                    (11, "that is after the first one."),
                    (16, "that is twice the width each time, as with windows of 4 and a cut."),
                    (31, "between n windows there are n - 1 steps."),
                    (625, "its width, please, not the number of its pixels."),
                    (29, "that would be from a map of 5. The map is smaller."),
                ],
                "the first window begins at 0. Where does the last one begin, and end?",
            ),
            "even": Choice(
                "c",
                a="along a row, two windows lie on the pixels 3 and 4, and one on pixel 5.",
                b="along a row, two windows lie on the pixels 4 and 5, and one on 6 and 7.",
            ),
        },
    ),
    Exercise(
        "turns",
        "mend",
        "Taking turns",
        {
            "cause": Choice(
                "b",
                a="the lesson's networks both have it. What is odd here is who moves, or how far.",
                c="either may begin. The odd thing happens within a turn.",
            ),
            "mend": optimizers,
        },
    ),
    Exercise(
        "words",
        "mend",
        "Two more that crash",
        {
            "first": Choice(
                "c",
                a="a new object of the same kind would know the same words.",
                b="no release knows it. Look into the other track: there it is at home.",
            ),
            "second": Choice(
                "e",
                d="no mode makes a difference to this message. Read what kind of object it names.",
                f="a mean squared error is as smooth as a loss can be.",
            ),
            "mend": step,
        },
    ),
    Exercise(
        "mode",
        "mend",
        "As it came in",
        {
            "cause": Choice(
                "a",
                b="after 100 steps the old share would be 0.9 to the 100th, which is 0.00003. "
                "But look at the running mean: it has not moved at all.",
                c="its scale is 1 and its shift 0 from the start; it normalises untrained.",
            ),
            "mend": look_and_work,
        },
    ),
    Exercise(
        "folding",
        "mend",
        "It does not fold",
        {
            "cause": Choice(
                "b",
                a="a dense layer makes as many values as it is told, from any number of inputs.",
                c="7 · 7 · 1 is 49 in any order. How many values come?",
            ),
            "units": units,
        },
    ),
    Exercise(
        "axes",
        "mend",
        "Rows out of order",
        {
            "cause": Choice(
                "c",
                a="run the cell again: with other weights the two losses are other numbers, "
                "and equal again.",
                b="with more such layers it would be the same. Look at the shape of the logits.",
            ),
            "mend": linear,
        },
    ),
    Exercise(
        "faint",
        "mend",
        "Too faint",
        {
            "cause": Choice(
                "a",
                b="in training the norm does not use its running statistics.",
                c="dividing 0.01 by 0.01 gives 1. Here it is divided by something larger.",
            ),
            "mend": norm,
        },
    ),
    Exercise(
        "grey",
        "mend",
        "Grey on grey",
        {
            "cause": Choice(
                "c",
                a="the lesson's weights have the same size, and a norm follows to bring it up.",
                b="near 0 the tanh changes nothing: that of 0.01 is 0.01.",
            ),
            "mend": initial_values,
        },
    ),
    Exercise("windows", "build", "Windows laid down", {"layer": transposed}),
]
