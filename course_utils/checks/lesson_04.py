"""Checkers of lesson 04, when training breaks."""

from itertools import combinations

import numpy as np
from scipy.special import expit as sigmoid

from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Unanswered,
    Wrong,
    brief,
    compare,
    kind,
    number,
    to_array,
)


def softplus(logits):
    return np.logaddexp(0, logits)


def joint_loss(answer: Answer) -> None:
    """Both numbers of the Dirac GAN after a step, from slopes in closed form."""
    g, d, rate = 1.5, 0.5, 1.0
    real, fake = sigmoid(d * g), sigmoid(-d * g)  # what the fakes are given
    d_to_g, d_to_d = d * real, g * real  # slopes of the discriminator's loss
    minimax_to_g, minimax_to_d = -d_to_g, -d_to_d  # and of the generator's
    g_to_g, g_to_d = -d * fake, -g * fake

    def after(slope_g, slope_d):
        return np.array([g - rate * slope_g, d - rate * slope_d])

    given = answer.call(g, d, rate, shape=(2, 2))[-1]
    right = [after(g_to_g, d_to_d), after(minimax_to_g, d_to_d)]
    if any(np.allclose(given, one, atol=1e-4) for one in right):
        return
    both = "both numbers still go down the sum of both losses: no opponent is left."
    keeps_d = "the generator's loss still moves d as well; d should get the slope of L_D alone."
    mistakes = [
        (after(d_to_g + g_to_g, d_to_d + g_to_d), both),
        (
            after(0, 0),
            "nothing moves: the two parts cancel, or no gradient is left. (With the minimax form, "
            "the sum of both losses does not depend on the fakes.)",
        ),
        (
            after(d_to_g + g_to_g, d_to_d),
            "the discriminator's loss still moves g as well; g should get the slope of L_G alone.",
        ),
        (after(g_to_g, d_to_d + g_to_d), keeps_d),
        (
            after(minimax_to_g, 0),
            "only g moves: no slope of the discriminator's loss reaches d, or the generator's "
            "loss cancels it.",
        ),
        (after(0, d_to_d), "only d moves: the generator gets no gradient."),
        (after(g_to_g, 0), "only g moves: the discriminator gets no gradient of its own loss."),
        (
            after(d_to_g, d_to_d),
            "both go down the discriminator's loss: the generator moves to where it is caught.",
        ),
        (after(g_to_g, g_to_d), "both go down the generator's loss: d learns to call fakes real."),
        (after(d_to_g, g_to_d), "each number gets the slope of the other one's loss."),
        (
            after(d_to_g, minimax_to_d),
            "both go up their own losses: it is the other player's gradient that should be turned.",
        ),
        (after(-g_to_g, d_to_d), "the sign of g's slope is wrong: it moves to where it is caught."),
        (after(-g_to_g, -d_to_d), "both go up their own losses; the optimiser goes down."),
    ]
    otherwise = f"g and d move to {brief(given)}; with the slopes of their own losses, to "
    otherwise += f"{brief(right[0])} (non-saturating) or {brief(right[1])} (minimax)."
    compare(given, right[0], mistakes, otherwise, 1e-4)


def stacked(answer: Answer) -> None:
    """The matrices after steps of the discriminator, the generator, the discriminator."""
    rng = np.random.default_rng(0)
    real, latent = 2 + rng.normal(size=(6, 2)), 2 + rng.normal(size=(6, 2))
    start_W, start_v, rate = -np.eye(2) + 0.3 * rng.normal(size=(2, 2)), np.full((2, 1), 0.3), 0.1

    def own_step(W, v):
        fake, n = latent @ W, 2 * len(real)
        return v - rate * (real.T @ (sigmoid(real @ v) - 1) + fake.T @ sigmoid(fake @ v)) / n

    def generator_step(W, v, moves_W=1.0, moves_v=0.0, label=1):
        push = (sigmoid(latent @ W @ v) - label) / len(latent)
        new_v = v - rate * moves_v * (latent @ W).T @ push
        return W - rate * moves_W * latent.T @ push @ v.T, new_v

    first = own_step(start_W, start_v)

    def after(frozen=False, **faults):
        W, v = generator_step(start_W, first, **faults)
        last = v if frozen else own_step(W, v)
        return np.concatenate([W, v, last], axis=None)

    Ws, vs = answer.call(real, latent, start_W, start_v, 3, shape=[(3, 2, 2), (3, 2, 1)])
    given = np.concatenate([Ws[1], *vs[1:]], axis=None)
    if not np.allclose(vs[0], first, atol=1e-4):
        raise Wrong("the discriminator's own first step is another than given: run its cell again.")
    if np.allclose(Ws[1], start_W, atol=1e-6) and np.allclose(vs[1], first, atol=1e-6):
        if np.allclose(vs[2], vs[1], atol=1e-6):
            raise Wrong("nothing moves, not even the discriminator afterwards: all is frozen.")
        raise Unanswered(
            "nothing moves in the generator's step. If you have written it: is its gradient 0 or "
            "cut off, or does no optimiser take a step?"
        )
    still = "the generator's step still moves the discriminator."
    mistakes = [
        (after(moves_v=1.0), still),
        (
            after(moves_W=0.0, moves_v=1.0),
            "this step moves the discriminator, and not the generator.",
        ),
        (
            after(frozen=True),
            "the generator's step is right; but the discriminator learns no more in its own step "
            "afterwards: it is still frozen.",
        ),
        (after(frozen=True, moves_v=1.0), still),
        (after(label=0), "the generator learns to be caught: its label is 0."),
        (after(moves_W=-1.0), "the generator goes up its loss, not down."),
        (after(label=0, frozen=True), "the generator learns to be caught: its label is 0."),
    ]
    otherwise = "the generator moves, but not by the gradient of its loss at a rate of 0.1."
    if not np.allclose(vs[1], vs[0], atol=1e-5):
        otherwise = "the discriminator's weights change in the generator's step."
    elif np.allclose(Ws[1], after()[:4].reshape(2, 2), atol=1e-4):
        otherwise = "after this step, the discriminator's own step is no longer what it was."
    compare(given, after(), mistakes, otherwise, 1e-4)


def loss_of_batch(answer: Answer) -> None:
    """Each kind has half of the weight, whatever its number; a common factor is free."""
    rng = np.random.default_rng(1)
    for m, n in ((3, 5), (2, 6), (4, 4)):
        pairs = [(rng.normal(1, 2, size=(m, 1)), rng.normal(0, 2, size=(n, 1))) for _ in range(2)]
        given = [answer.call(real, fake, shape=()) for real, fake in pairs]
        right = [softplus(-real).mean() + softplus(fake).mean() for real, fake in pairs]
        factors = np.divide(given, right)
        if factors[0] > 0 and np.isclose(*factors, rtol=1e-3):
            continue
        for one, pair in zip(given, pairs, strict=True):
            judge_loss(one, *pair)


def judge_loss(given, real, fake) -> None:
    m, n = len(real), len(fake)
    l_real, l_fake = softplus(-real), softplus(fake)
    right, total = l_real.mean() + l_fake.mean(), l_real.sum() + l_fake.sum()
    # As many fakes as real points are a mend too, whichever they are.
    for chosen in combinations(range(n), m):
        some = l_real.mean() + l_fake[list(chosen)].mean()
        if np.allclose(given, some, 1e-4) or np.allclose(given, some / 2, 1e-4):
            return
    exchanged = softplus(real).mean() + softplus(-fake).mean()
    mistakes = [
        (total / (m + n), "every point still counts the same, so the few real ones hardly count."),
        (total, "sums over the points weigh the two kinds by their numbers, as before."),
        (total / n, "both sums are divided by the number of fakes; the real points are fewer."),
        (total / m, "both sums are divided by the number of real points; the fakes are more."),
        (exchanged, "the weights are right, but the labels of real and fake are exchanged."),
        (exchanged / 2, "the weights are right, but the labels of real and fake are exchanged."),
        (l_real.mean(), "the fakes have no part in it."),
        (l_fake.mean(), "the real points have no part in it."),
        (-right, "the sign is wrong."),
        (l_real.mean() - l_fake.mean(), "the two means are to be added, not subtracted."),
    ]
    told = f"gives {brief(given)} for {m} real points and {n} fakes; the mean over the real points "
    told += f"and that over the fakes are {brief(l_real.mean())} and {brief(l_fake.mean())}."
    compare(given, right, mistakes, told, 1e-4)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def verdict(answer: Answer) -> None:
    rng = np.random.default_rng(1)
    real, fake = 1 + rng.normal(size=(5, 2)), -2 + 2 * rng.normal(size=(7, 2))
    W, v, epsilon = np.array([[1.0, -0.5], [0.3, 1.2]]), np.array([[1.0], [0.6]]), 1e-5

    def logits(points, of):
        """The logits of points, with the mean and variance of others."""
        hidden, others = points @ W, of @ W
        return leaky((hidden - others.mean(axis=0)) / np.sqrt(others.var(axis=0) + epsilon)) @ v

    def standing(points, mean=0.0, variance=1.0):
        return leaky((points @ W - mean) / np.sqrt(variance + epsilon)) @ v

    def running(points):
        """With the running statistics after two calls in training, for either framework."""
        mean, variances = 0.0, [1.0, 1.0]
        for batch in (real, fake):
            hidden = batch @ W
            mean = 0.9 * mean + 0.1 * hidden.mean(axis=0)
            variances = [
                0.9 * old + 0.1 * hidden.var(axis=0, ddof=ddof)
                for ddof, old in enumerate(variances)
            ]
        return [standing(points, mean, variance) for variance in variances]

    def pair(one, other):
        return np.concatenate([one, other], axis=None)

    both = np.concatenate([real, fake])
    right = pair(logits(real, real), logits(fake, fake))
    not_training = (
        "these are the logits with running statistics, as for a trained network in use. In a step "
        "of training, the norm takes the batch's."
    )
    mistakes = [
        (
            pair(logits(real, both), logits(fake, both)),
            "real and fake points still share a mean and a variance.",
        ),
        (
            pair(standing(real), standing(fake)),
            "the norm does not take the batch's mean and variance. Either it is left out, or it "
            "uses its running statistics, as for a trained network in use.",
        ),
        *((pair(*two), not_training) for two in zip(running(real), running(fake), strict=True)),
        (
            pair(logits(real, real), logits(fake, real)),
            "the fakes are normalised with the mean and variance of the real points.",
        ),
        (
            pair(logits(real, fake), logits(fake, fake)),
            "the real points are normalised with the mean and variance of the fakes.",
        ),
        (
            pair(logits(real, real), logits(fake, both)),
            "the real points are judged alone, but the fakes still in company.",
        ),
        (
            pair(logits(real, both), logits(fake, fake)),
            "the fakes are judged alone, but the real points still in company.",
        ),
    ]
    result = answer.call(real, fake, W, v, shape=[(len(real), 1), (len(fake), 1)])
    given, count = np.concatenate(result, axis=None), len(real)
    otherwise = "the logits are neither those of two batches nor those of one."
    for name, part in (("real points", slice(count)), ("fakes", slice(count, None))):
        if np.allclose(given[part], right[part], 1e-3, 1e-3):
            otherwise = f"only the {name} get the original's logits."
    compare(given, right, mistakes, otherwise)


def album(answer: Answer) -> None:
    """Two runs with other starts and lengths; each has an album of its own."""
    if not callable(answer.value):
        answer.call(shape=())  # says what is wrong with it

    def step(places):  # on any framework's tensors
        return places + 0.25 * (4 - places)

    earlier = None
    for start, steps in (([0.0, 8.0, -4.0], 4), ([1.0, -2.0, 16.0], 3)):
        places = [np.array(start)]
        for _ in range(steps + 3):
            places.append(step(places[-1]))
        end, looks = run_of(answer, step, places[0], steps)
        judge_end(end, places, steps)
        judge_looks(looks, np.array(places), steps, earlier)
        earlier = looks


def run_of(answer: Answer, step, start: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The last places (n,) and the album (looks, n), however many looks there are."""
    found = []

    def run(*inputs):
        result = answer.value(*inputs)
        if result is None or result is Ellipsis:
            return None
        pair = isinstance(result, tuple | list) and len(result) == 2
        found.append(result[1] if pair else None)
        return result[0] if pair else start

    end = Answer(run, answer.track).call(step, start, steps, shape=start.shape)
    if found[0] is None:
        raise Wrong("expected two results, the last places and the album.")
    try:
        looks = list(found[0])
    except TypeError:
        raise Wrong(f"the album is {kind(found[0])}; expected a list.") from None
    if not looks:
        raise Wrong("the album is empty.")
    looks = [to_array(look, start.shape, answer.track, "a look ", "is") for look in looks]
    return end, np.array(looks)


def judge_end(end, places, steps) -> None:
    mistakes = [(places[0], "the last places are where the run began.")]
    notebook = 2 + 0.5**steps * (places[0] - 2)  # its own step moves half of the way to 2
    told = "these are the notebook's steps. Take them with the `step` that `mended_run` is given."
    mistakes.append((notebook, told))
    for taken, reached in enumerate(places):
        if taken not in (0, steps):
            told = f"the last places are those after {taken} step{'s' * (taken > 1)}, not {steps}."
            mistakes.append((reached, told))
    otherwise = "the last places are not those after the last step."
    compare(end, places[steps], mistakes, otherwise)


def judge_looks(looks, places, steps, earlier) -> None:
    right, count = places[1 : steps + 1], len(looks)
    if earlier is not None:
        if count == len(earlier) + steps:
            raise Wrong("the second run's album still has the looks of the first run in it.")
        if count <= len(earlier) and np.allclose(looks, earlier[:count], atol=1e-3):
            raise Wrong("the second run gives the first one's album.")
    if count == steps + 1 and np.allclose(looks[0], places[0], atol=1e-3):
        raise Wrong("there is a look before the first step as well; one after each step is due.")
    if count != steps:
        raise Wrong(f"looks in the album: {count} after {steps} steps; one after each is due.")
    mistakes = [
        (np.repeat(right[-1:], steps, axis=0), "all looks show the last places."),
        (places[:steps], "each look is taken before its step, not after."),
        (right[::-1], "the looks are in reverse order."),
    ]
    compare(looks, right, mistakes, "the looks are not the places after each step.")


def look_ahead(answer: Answer) -> None:
    def step(*inputs):
        result = answer.value(*inputs)
        return tuple(result) if getattr(result, "shape", None) == (2,) else result  # one array

    stepping = Answer(step, answer.track) if callable(answer.value) else answer
    for g, d, rate in ((1.5, -0.4, 0.5), (-0.3, 0.8, 0.2)):

        def plain(g, d, rate=rate):
            return g + rate * d, d - rate * g

        ahead = plain(g, d)
        right = g + rate * ahead[1], d - rate * ahead[0]
        d_first = d - rate * g
        g_first = g + rate * d
        mistakes = [
            (plain(g, d), "this is the plain step of both at once; there is no look ahead in it."),
            (
                plain(*ahead),
                "these are two plain steps, one after the other: the second one should start from "
                "the old g and d.",
            ),
            (
                (g + rate * d_first, d_first),
                "this moves in turn, d first. Both should look ahead.",
            ),
            ((g_first, d - rate * g_first), "this moves in turn, g first. Both should look ahead."),
            (
                (g - rate * ahead[1], d + rate * ahead[0]),
                "the second half goes up the losses, not down.",
            ),
            (
                (g + rate * (d + rate * g), d - rate * (g - rate * d)),
                "the look ahead goes the wrong way: up the losses, not down.",
            ),
            (
                (g - rate * (d + rate * g), d + rate * (g - rate * d)),
                "both halves go up the losses, not down.",
            ),
            (
                (g + rate * (d + ahead[1]) / 2, d - rate * (g + ahead[0]) / 2),
                "the slopes are averaged over here and ahead; only those ahead are due.",
            ),
            (right[::-1], "g and d have changed places in what is returned."),
            (
                (right[0], d - rate * right[0]),
                "one of the halves moves in turn. In each of them, both move at once.",
            ),
            (
                (g + rate * right[1], right[1]),
                "one of the halves moves in turn. In each of them, both move at once.",
            ),
            ((g, d), "nothing moves."),
        ]
        given = np.array(stepping.call(g, d, rate, shape=[(), ()]))
        told = f"from ({g:g}, {d:g}), with a rate of {rate:g}, it goes to ({brief(given)[1:-1]}); "
        told += f"expected ({brief(np.array(right))[1:-1]})."
        compare(given, np.array(right), mistakes, told, 1e-4)


def r1_penalty(answer: Answer) -> None:
    rng = np.random.default_rng(14)
    points, W, v = (rng.normal(size=size) for size in ((5, 2), (2, 3), (3, 1)))
    b = np.array([1.0, -0.8, 0.5])

    def gradients(points, b=b, below=0.2):
        slopes = np.where(points @ W + b > 0, 1.0, below)
        return (slopes * v[:, 0]) @ W.T  # (B, 2)

    def squares(gradients):
        return (gradients**2).sum(axis=-1)

    here = gradients(points)
    right = squares(here).mean() / 2
    steepness = np.sqrt(squares(here))
    no_bias = squares(gradients(points, b=0)).mean()
    mistakes = [
        (2 * right, "the factor 1/2 is missing."),
        (squares(here).sum() / 2, "this is a sum over the points; the mean is due."),
        (squares(here).sum(), "this is a sum over the points, without the factor 1/2."),
        (right / 2, "this is half of it: a mean is taken over the two axes, or 1/2 comes twice."),
        (
            squares(here.mean(axis=0)) / 2,
            "this is the square of the mean gradient. Square at each point, then take the mean.",
        ),
        (squares(here.mean(axis=0)), "this is the square of the mean gradient, without the 1/2."),
        (squares(here.sum(axis=0)) / 2, "the gradients of all points are added up, then squared."),
        (steepness.mean() / 2, "the steepness is not squared."),
        (steepness.mean(), "the steepness is not squared, and the factor 1/2 is missing."),
        (((steepness - 1) ** 2).mean(), "this penalty asks for a steepness of 1; R1 asks for 0."),
        (((steepness - 1) ** 2).mean() / 2, "this asks for a steepness of 1; R1 asks for 0."),
        (squares(W @ v[:, 0]) / 2, "the activation's slopes have no part in it."),
        (squares(0.2 * W @ v[:, 0]) / 2, "the slope is 0.2 for all; above 0 it is 1."),
        (
            squares(gradients(points, below=0.0)).mean() / 2,
            "the slope below 0 is 0.2 here, not 0: this is a leaky ReLU.",
        ),
        (no_bias / 2, "the bias has no part in it; it moves the border between the slopes."),
        (
            squares((np.where(points @ W + b > 0, 0.2, 1.0) * v[:, 0]) @ W.T).mean() / 2,
            "the two slopes of the activation are exchanged.",
        ),
        (
            squares((leaky(points @ W + b) * v[:, 0]) @ W.T).mean() / 2,
            "this multiplies by the activation itself; its slope is due.",
        ),
        (
            squares(np.where(points @ W + b > 0, 1.0, 0.2) @ W.T).mean() / 2,
            "the last layer's v has no part in it.",
        ),
    ]
    if answer.track == "pytorch" and callable(answer.value):
        trains = []

        def with_gradient(points, W, b, v):
            result = answer.value(points, W.requires_grad_(), b, v.requires_grad_())
            trains.append(getattr(result, "requires_grad", False))
            return result

        given = Answer(with_gradient, "pytorch").call(points, W, b, v, shape=())
        compare(given, right, mistakes)
        if not trains[0]:
            raise Wrong(
                "the number is right, but no gradient leads back from it to W and v: as a part of "
                "a loss, it would move nothing."
            )
        return
    compare(answer.call(points, W, b, v, shape=()), right, mistakes)


def ratio(right, mistakes, otherwise):
    """Check a number to one part in a hundred; the mistakes are of other orders of magnitude."""

    def check(answer: Answer) -> None:
        compare(answer.array(()), right, mistakes, otherwise, 0.01)

    return check


STEEPER = 0.5 * (1 + np.exp(7))  # at the logit 0 than at -7: the slope of the minimax loss

EXERCISES = [
    Exercise(
        "round",
        "predict",
        "Round and round",
        {
            "factor": number(
                np.sqrt(1.25),
                0.006,
                [
                    (1.1, "two decimals, please: 1.1 may be right or wrong."),
                    (1.25, "that is the factor of the *squared* distance."),
                    (1, "each step goes along the tangent of the circle. Does it stay on it?"),
                    (1.5, "the two slopes stand at a right angle to each other."),
                    (1 / np.sqrt(1.25), "that would wind inwards. Take one step from (1, 0)."),
                    (np.sqrt(0.75), "the sign: is the new point nearer, or farther away?"),
                    (0.75, "the sign: is the new point nearer, or farther away?"),
                    (0.5, "that is the rate. Take one step from (1, 0), and measure."),
                    (np.sqrt(1.25) - 1, "that is how much is added; the factor is 1 more."),
                ],
                "take one step from (1, 0), and measure the distance from (0, 0).",
            ),
            "in_turn": Choice(
                "c",
                a="take twelve steps from (1, 0): after about one round it is back near its start.",
                b="take twelve steps from (1, 0), and compare the first round with the second.",
            ),
        },
    ),
    Exercise(
        "push",
        "predict",
        "Hardly a push",
        {
            "plain": ratio(
                STEEPER,
                [
                    (2 * STEEPER, "that is 1/D at -7. But at the logit 0, D is not 1."),
                    (sigmoid(7) / 0.5, "that is the non-saturating form; here it is the minimax."),
                    (
                        0.5 / sigmoid(7),
                        "that is the slope at 0, or the ratio of the non-saturating form. Divide "
                        "the minimax form's slope at 0 by that at -7.",
                    ),
                    (1 / STEEPER, "upside down, or rounded to 0: how many times *shorter* is it?"),
                    (-STEEPER, "a length has no sign."),
                    (
                        np.log(2) / softplus(-7),
                        "that is the ratio of the losses; a step follows the slope.",
                    ),
                ],
                "divide the slope at the logit 0 by that at the logit -7.",
            ),
            "adam": ratio(
                1,
                [
                    (STEEPER, "that is plain descent. What does Adam divide by?"),
                    (
                        np.sqrt(STEEPER),
                        "the root is taken of the *squares* of the gradients. What is left?",
                    ),
                    (0, "a ratio is asked for: the step at 0 divided by the step at -7."),
                ],
                "write Adam's first step for one gradient: what becomes of its size?",
            ),
        },
    ),
    Exercise(
        "peace",
        "mend",
        "Peace at last",
        {
            "cause": Choice(
                "c",
                a="look at the curve: it is flat from step 30 on. More steps change nothing.",
                b="the fakes are at 0.86 and the real point at 0: they are easy to tell apart.",
            ),
            "mend": joint_loss,
        },
    ),
    Exercise(
        "stacked",
        "mend",
        "One step forward, one step back",
        {
            "cause": Choice(
                "a",
                b="the picture shows the *first* fakes at every step; these do not move.",
                c="then the discriminator would swing in its own steps. Each of them goes down.",
            ),
            "mend": stacked,
        },
    ),
    Exercise(
        "dip",
        "mend",
        "A dip in every epoch",
        {
            "cause": Choice(
                "b",
                a="then it would swing in all steps. It stands still for eight, and dips in one.",
                c="this discriminator sees nothing of its points, so it does not matter which.",
            ),
            "share": number(
                8 / 136,
                9e-4,
                [
                    (0.06, "three decimals, please: 0.06 may be right or wrong."),
                    (8 / 128, "that is 8 of the 128 fakes; the mean is over real and fake points."),
                    (128 / 136, "that is the fakes' share."),
                    (0.5, "so it is in a full batch. How many real points has the ninth one?"),
                    (1 / 9, "one batch of nine; but which share of *this* batch are real points?"),
                    (5.88, "as a share, not in per cent."),
                    (5.9, "as a share, not in per cent."),
                    (6, "as a share, not in per cent."),
                    (8, "so many real points there are; a share of the batch is asked for."),
                    (800 / 136, "as a share, not in per cent."),
                ],
                "how many real points has the ninth batch, and how many points in all?",
            ),
            "mend": loss_of_batch,
        },
    ),
    Exercise(
        "verdict",
        "mend",
        "The same points, another verdict",
        {
            "cause": Choice(
                "c",
                a="each call here has a new discriminator, which has met no other points.",
                b="it looks at points one by one, until the norm. And its weights do not change.",
            ),
            "mend": verdict,
        },
    ),
    Exercise(
        "album",
        "mend",
        "The empty album",
        {
            "cause": Choice(
                "b",
                a="it is the album outside that has the five looks. What do they consist of?",
                c="three starts give three paths. And what are the five looks that were taken?",
            ),
            "mend": album,
        },
    ),
    Exercise("look_ahead", "build", "A step with a look ahead", {"step": look_ahead}),
    Exercise("r1", "build", "How steep where it is real", {"penalty": r1_penalty}),
]
