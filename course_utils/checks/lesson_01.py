"""Checkers of lesson 01, a generative adversarial network."""

import numpy as np
from scipy.special import expit as sigmoid

from course_utils.checks.judging import Answer, Choice, Exercise, Unanswered, Wrong, compare, number

REAL = np.array([[-2.0], [0.5], [3.0]])  # logits
FAKE = np.array([[-1.0], [2.0], [0.3]])


def softplus(logits):
    return np.logaddexp(0, logits)


RIGHT_LOSS = softplus(-REAL).mean() + softplus(FAKE).mean()
SWAPPED_LOSS = softplus(REAL).mean() + softplus(-FAKE).mean()


def logits_of(answer: Answer) -> None:
    points, weights = np.array([[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0]]), np.array([[1.5], [-0.5]])
    right = points @ weights
    mistakes = [
        (sigmoid(right), "there is still a sigmoid. The loss takes logits."),
        (sigmoid(sigmoid(right)), "now there are two sigmoids. The loss takes logits."),
        (np.tanh(right), "a tanh squashes as well. The loss takes logits, of any size."),
        (-right, "the sign of the logits has changed: real points get low ones."),
        (np.log(sigmoid(right)), "this is a log-probability. The loss takes logits."),
    ]
    compare(answer.call(points, weights, shape=(3, 1)), right, mistakes)


def generator_loss(answer: Answer) -> None:
    mistakes = [
        (softplus(FAKE).mean(), "it still is low when the fakes are recognised as fake."),
        (-softplus(FAKE).mean(), "this is the minimax form; the non-saturating one is due."),
        (-softplus(-FAKE).mean(), "the sign is wrong: descent would lower the fakes' logits."),
        (softplus(-FAKE).sum(), "this is the sum over the batch; the mean is due."),
        (softplus(-sigmoid(FAKE)).mean(), "the logits go through a sigmoid twice."),
    ]
    compare(answer.call(FAKE, shape=()), softplus(-FAKE).mean(), mistakes)


def discriminator_loss(answer: Answer) -> None:
    mistakes = [
        (SWAPPED_LOSS, "it still rewards high logits for fakes, and low ones for real points."),
        (-RIGHT_LOSS, "its sign is wrong: descent would make the discriminator worse."),
        (softplus(-REAL).mean(), "the fakes have no part in it."),
        (softplus(FAKE).mean(), "the real points have no part in it."),
        (RIGHT_LOSS / 2, "this is the mean of both terms; their sum is due, as in the lesson."),
        (softplus(-REAL).sum() + softplus(FAKE).sum(), "these are sums over the batch, not means."),
        (softplus(-REAL).mean() + softplus(-FAKE).mean(), "it takes fakes for real points."),
    ]
    compare(answer.call(REAL, FAKE, shape=()), RIGHT_LOSS, mistakes)


def losses(answer: Answer) -> None:
    if not callable(answer.value):
        answer.call(shape=())  # says what is wrong with it
    batches = [REAL, FAKE, REAL + FAKE]
    one_by_one = Answer(lambda *logits: answer.value(list(logits)), answer.track)
    right = [softplus(-logits).mean() for logits in batches]
    given = one_by_one.call(*batches, shape=[()] * 3)
    mistakes = [
        ([softplus(logits).mean() for logits in batches], "the label is 0 here; 1 is due."),
        (right[:1] * 3, "each batch gets the first one's loss."),
        (right[::-1], "the losses are in reverse order."),
        (np.cumsum(right), "each loss has the earlier ones in it."),
        (
            [softplus(-sigmoid(logits)).mean() for logits in batches],
            "the logits go through a sigmoid first; this loss takes logits.",
        ),
        (
            [(softplus(1.0) - logits).mean() for logits in batches],
            "labels and logits have changed places.",
        ),
    ]
    compare(np.array(given), np.array(right), mistakes)


def step(answer: Answer) -> None:
    """Both matrices after a step, from gradients in closed form."""
    rng = np.random.default_rng(0)
    real, latent = 1 + 0.3 * rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    W, v = rng.normal(size=(2, 2)), rng.normal(size=(2, 1))

    def of_discriminator(W, v):
        """Gradients of its loss with respect to W and v."""
        fake, n = latent @ W, len(real)
        push = sigmoid(fake @ v)
        to_v = real.T @ (sigmoid(real @ v) - 1) / n + fake.T @ push / n
        return latent.T @ push @ v.T / n, to_v

    def of_generator(W, v):
        fake = latent @ W
        push = (sigmoid(fake @ v) - 1) / len(fake)
        return latent.T @ push @ v.T, fake.T @ push

    new_W, new_v = W - of_generator(W, v)[0], v - of_discriminator(W, v)[1]
    one_after_the_other = [(W - of_generator(W, new_v)[0], new_v)]
    one_after_the_other += [(new_W, v - of_discriminator(new_W, v)[1])]
    d_W, d_v = of_discriminator(W, v)
    g_W, g_v = of_generator(W, v)
    mistakes = [
        ((W - g_W - d_W, v - d_v - g_v), "each network still gets the gradients of both losses."),
        ((W - g_W - d_W, v - d_v), "the discriminator's loss still moves the generator."),
        ((W - g_W, v - d_v - g_v), "the generator's loss still moves the discriminator."),
        (
            (W, v - d_v),
            "the generator does not move: its gradient is cut off, or it takes no step.",
        ),
        ((W - g_W, v), "the discriminator does not move."),
        ((W - d_W, v - g_v), "each network gets the other one's loss."),
        ((W - d_W, v - d_v), "the generator gets the discriminator's loss in place of its own."),
        ((W + g_W, v + d_v), "both go up their losses, not down."),
        (
            (W, v - d_v - g_v),
            "the generator does not move: its own loss does not reach it. And the discriminator "
            "gets the gradients of both losses.",
        ),
        (
            (W - d_W, v - d_v - g_v),
            "the fakes are cut off in the wrong loss: the generator gets only the discriminator's.",
        ),
    ]
    given = answer.call(real, latent, W, v, shape=[(2, 2), (2, 1)])
    given = np.concatenate(given, axis=None)
    if np.allclose(given, np.concatenate([W, v], axis=None), atol=1e-6):
        raise Unanswered("nothing moves.")
    for right in one_after_the_other:
        if np.allclose(given, np.concatenate(right, axis=None), atol=1e-3):
            return
    mistakes = [(np.concatenate(wrong, axis=None), sentence) for wrong, sentence in mistakes]
    otherwise = (
        "after the step the matrices are not where the gradients of their own losses lead (at a "
        "rate of 1)."
    )
    compare(given, np.concatenate([new_W, new_v], axis=None), mistakes, otherwise)


def latents(answer: Answer) -> None:
    steps, batch_size, latent_dim = 50, 40, 3
    given = answer.call(steps, batch_size, latent_dim, shape=(steps, batch_size, latent_dim))
    if np.allclose(given[0], given[1]):
        raise Wrong("each step still gets the latents of the first one.")
    if np.allclose(given[:, 0], given[:, 1]):
        raise Wrong("within a step, all latents are the same.")
    if np.corrcoef(given[0].ravel(), given[1].ravel())[0, 1] > 0.6:
        raise Wrong("each step's latents are nearly those of the step before.")
    if len(np.unique(given.reshape(-1, latent_dim), axis=0)) < steps * batch_size:
        raise Wrong("some latents come again. Draw new ones for each step.")
    if np.ptp(given.std(axis=2)) < 1e-6 or np.allclose(given[..., 0], given[..., 1]):
        raise Wrong("the numbers of one latent are all the same; each is drawn by itself.")
    mean, std = given.mean(), given.std()  # of 6,000 numbers: off by 0.013 and 0.009, as a rule
    if given.min() >= 0 and given.max() <= 1:
        raise Wrong("these are uniform between 0 and 1; N(0, I) is due.")
    if abs(mean) > 0.1 or abs(std - 1) > 0.1:
        raise Wrong(f"mean {mean:.2f} and standard deviation {std:.2f}; N(0, I) has 0 and 1.")
    if abs(given).max() < 2.5:
        raise Wrong("no number is beyond 2.5: these are not normally distributed.")


def named_loss(answer: Answer) -> None:
    real, fake = np.array([[2.0, 0.5], [1.0, -0.5]]), np.array([[0.2, -1.0], [0.4, 0.8]])

    def discriminator(points):  # on any framework's tensors
        return 2 * points[:, :1] + points[:, -1:]  # of labels, too

    def loss(real_part, fake_part):
        return real_part.mean() + fake_part.mean()

    l_real, l_fake = discriminator(real), discriminator(fake)
    right = loss(softplus(-l_real), softplus(l_fake))
    mistakes = [
        (loss(softplus(-l_real), softplus(0 * l_fake)), "it still judges labels, not the fakes."),
        (loss(softplus(-l_real), softplus(-l_fake)), "the fakes get the label 1."),
        (
            loss(softplus(l_real), softplus(-l_fake)),
            "the labels are exchanged, or real and fake points.",
        ),
        (softplus(-l_real).mean(), "the fakes have no part in it."),
        (softplus(l_fake).mean(), "the real points have no part in it."),
        (right / 2, "this is the mean of both terms; their sum is due."),
    ]
    compare(answer.call(discriminator, real, fake, shape=()), right, mistakes)


def smoothed_loss(answer: Answer) -> None:
    def cross_entropy(logits, label):
        return (label * softplus(-logits) + (1 - label) * softplus(logits)).mean()

    label = 0.6
    right = cross_entropy(REAL, label) + cross_entropy(FAKE, 0)
    mistakes = [
        (RIGHT_LOSS, "the label of the real points is 1 here; `real_label` has no effect."),
        (
            cross_entropy(REAL, label) + cross_entropy(FAKE, 1 - label),
            "the fakes' label is smoothed too.",
        ),
        (cross_entropy(REAL, label) + cross_entropy(FAKE, label), "the fakes get the real label."),
        (
            cross_entropy(REAL, 1) + cross_entropy(FAKE, 1 - label),
            "only the fakes' label is smoothed.",
        ),
        (
            cross_entropy(REAL, 1 - label) + cross_entropy(FAKE, 0),
            "the label's two terms are exchanged.",
        ),
        (
            label * softplus(-REAL).mean() + softplus(FAKE).mean(),
            "the term (1 - y) ζ(l) is missing.",
        ),
        (cross_entropy(REAL, label), "the fakes have no part in it."),
        (
            softplus(-label * REAL).mean() + softplus(FAKE).mean(),
            "the label is multiplied with the logit; it weighs the two terms.",
        ),
        (
            label * softplus(-REAL).mean() + (1 - label) * softplus(FAKE).mean(),
            "(1 - y) belongs to a second term of the real points, not to the fakes.",
        ),
        (right / 2, "this is the mean of both terms; their sum is due."),
        (right * len(REAL), "these are sums over the batch, not means."),
        (
            cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0),
            "the label is 0.9 whatever `real_label` says.",
        ),
        (
            cross_entropy(REAL, (1 + label) / 2) + cross_entropy(FAKE, 0),
            "Keras's `label_smoothing=s` asks for 1 - s/2, not for 1 - s.",
        ),
    ]
    compare(answer.call(REAL, FAKE, label, shape=()), right, mistakes)
    other = cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0)
    given = answer.call(REAL, FAKE, 0.9, shape=())
    compare(given, other, otherwise="right for one `real_label`, wrong for another.")


EXERCISES = [
    Exercise(
        "undecided",
        "predict",
        "An undecided discriminator",
        {
            "discriminator": number(
                2 * np.log(2),
                0.01,
                [
                    (np.log(2), "that is one term; this loss has two."),
                    (0, "a loss of 0 would be a discriminator that is sure of everything."),
                    (
                        1,
                        "two probabilities added, or a term in bits? These are natural logarithms.",
                    ),
                    (2, "the logarithm is the natural one: -log(1/2) = 0.693."),
                    (
                        -2 * np.log(2),
                        "the sign: a probability's logarithm is negative, the loss is minus that.",
                    ),
                ],
                "put the logit 0 into each term of the loss.",
            ),
            "generator": number(
                np.log(2),
                0.01,
                [
                    (2 * np.log(2), "this loss has one term only, that of the fakes."),
                    (-np.log(2), "negative: the minimax form, or a lost minus sign."),
                    (0.5, "that is the probability; the loss is minus its logarithm."),
                    (0, "a loss of 0 would be fakes that are taken for real with certainty."),
                    (1, "the logarithm is the natural one: -log(1/2) = 0.693."),
                ],
                "put the logit 0 into the loss.",
            ),
        },
    ),
    Exercise(
        "two_forms",
        "predict",
        "The text says one thing",
        {
            "push": Choice(
                "c",
                a="the text has the logarithm of 1 - D, the code minus that of D.",
                b="both push upwards, but look how hard, at a logit of -6.",
            ),
            "text": number(
                -sigmoid(-6),
                1e-3,
                [
                    (-sigmoid(6), "that is the slope of the other form."),
                    (sigmoid(-6), "the sign: the loss falls when the logit rises."),
                    (-0.5, "that is the slope at the logit 0."),
                    (0, "three decimals: it is not quite that."),
                ],
                "the slope of log(1 - D) with respect to the logit is -D.",
            ),
            "code": number(
                -sigmoid(6),
                1e-3,
                [
                    (-sigmoid(-6), "that is the slope of the other form."),
                    (sigmoid(6), "the sign: the loss falls when the logit rises."),
                    (-0.5, "that is the slope at the logit 0."),
                    (-1, "three decimals: it is not quite that."),
                ],
                "the slope of -log D with respect to the logit is -(1 - D).",
            ),
        },
    ),
    Exercise(
        "squashed",
        "mend",
        "Never below one",
        {
            "cause": Choice(
                "b",
                a="a factor moves the bound and keeps it. What keeps the terms from 0?",
                c="look at the line of weight 1: nothing overflows, and the loss is above 1.",
            ),
            "mend": logits_of,
        },
    ),
    Exercise(
        "caught",
        "mend",
        "Caught in the act",
        {
            "cause": Choice(
                "b",
                a="they never come near the real points: they move away from the first step.",
                c="it stands still, but it is right: it sends to the right. They go left.",
            ),
            "mend": generator_loss,
        },
    ),
    Exercise(
        "swapped",
        "mend",
        "The wrong way round",
        {
            "cause": Choice(
                "a",
                b="a sum would be larger for both signs, and prefer the same one.",
                c="the softplus holds the sigmoid's work; that is why it takes logits.",
            ),
            "mend": discriminator_loss,
        },
    ),
    Exercise(
        "crashes",
        "mend",
        "Two that crash",
        {
            "first": Choice(
                "b",
                a="a loss object may be used as often as you like, if its name still is its own.",
                c="a list keeps what it is given and changes nothing about it.",
            ),
            "second": Choice(
                "d",
                e="this loss is made for logits; that is not what it asks for.",
                f="`backward` comes after a loss is computed. This one could not be.",
            ),
            "mend": losses,
        },
    ),
    Exercise(
        "detach",
        "mend",
        "Who moves the generator?",
        {
            "cause": Choice(
                "a",
                b="a rate of 1 is large here; a larger one would multiply the same zero.",
                c="the latents are not at the origin, so W alone can move the fakes.",
            ),
            "mend": step,
        },
    ),
    Exercise(
        "same_latents",
        "mend",
        "Always the same hundred",
        {
            "cause": Choice(
                "c",
                a="pictures come from all latents, and only these hundred have been trained.",
                b="the latents have gradients like any other; these pictures do get better.",
            ),
            "mend": latents,
        },
    ),
    Exercise(
        "names",
        "mend",
        "What is fake?",
        {
            "cause": Choice(
                "b",
                a="0 for fakes and 1 for real points is right. But what gets the label 0?",
                c="it may judge as many batches as you like.",
            ),
            "mend": named_loss,
        },
    ),
    Exercise(
        "smoothing", "build", "A discriminator that is never quite sure", {"loss": smoothed_loss}
    ),
]
