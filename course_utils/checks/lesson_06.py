"""Checkers of lesson 06, conditional text."""

import numpy as np
from scipy.special import expit as sigmoid

from course_utils.checks.judging import Answer, Choice, Exercise, Wrong, compare, number

END = 0  # the token that ends a text, and pads it


def softmax(logits, axis=-1):
    weights = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def softplus(logits):
    return np.logaddexp(0, logits)


def texts(size):
    """Three texts of 2, 1 and 5 tokens in 7 places, and logits for them."""
    tokens = np.array([[1, 2, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0], [1, 1, 2, 3, 2, 0, 0]])
    return np.random.default_rng(4).normal(size=(*tokens.shape, size)), tokens


def losses_of(logits, tokens):
    """-log p of each token, in nats."""
    chosen = np.take_along_axis(logits, tokens[..., None], axis=2)[..., 0]
    return np.logaddexp.reduce(logits, axis=2) - chosen


def masked_mistakes(losses, tokens, unit):
    """What goes wrong with the mean over the places that count."""
    letters = tokens != END
    counts = np.cumsum(~letters, axis=1) - ~letters == 0
    one_more = np.cumsum(~letters, axis=1) <= 2
    of_texts = (losses * counts).sum(axis=1) / counts.sum(axis=1)
    return counts, [
        (losses.mean(), "all places count here; behind a text's end is only padding."),
        (
            losses[letters].mean(),
            "the ends are left out. A text must learn to end, so its first END counts.",
        ),
        (
            (losses * counts).mean(),
            "the padding is set to 0, but it still counts in the number that you divide by.",
        ),
        (
            (losses * letters).mean(),
            "you divide by the number of all places, and the ends are left out.",
        ),
        (losses[~counts].mean(), "this is the mean over the padding: the mask is upside down."),
        (losses[one_more].mean(), "one place behind the end counts too; the end is the last."),
        (of_texts.mean(), f"each text has the same weight here; {unit} do, not texts."),
        ((losses * counts).sum(), "this is a sum; the mean is due."),
        (
            (losses * counts).sum() / len(tokens),
            "this is the sum of each text, averaged over texts; the mean over tokens is due.",
        ),
        (-losses[counts].mean(), "the sign: the logarithm of a probability is negative."),
    ]


def text_loss(answer: Answer) -> None:
    logits, tokens = texts(4)
    right_losses = losses_of(logits, tokens)
    counts, mistakes = masked_mistakes(right_losses, tokens, "tokens")
    p, hot = softmax(logits), np.eye(4)[tokens]
    against_zeros, binary = -np.log(1 - p), -np.log(np.where(hot == 1, p, 1 - p))
    on_logits = softplus(logits) - hot * logits
    for wrong, sentence in (
        (against_zeros, "all targets still are 0: the tokens have no part in it."),
        (softplus(logits), "all targets still are 0: the tokens have no part in it."),
        (binary, "this is a yes or no for each token by itself; the categorical loss is due."),
        (on_logits, "this is a yes or no for each token by itself; the categorical loss is due."),
    ):
        for reduced in (wrong.mean(axis=2), wrong.sum(axis=2)):
            mistakes += [(reduced.mean(), sentence), (reduced[counts].mean(), sentence)]
    twice = losses_of(p, tokens)
    right_p = np.take_along_axis(p, tokens[..., None], axis=2)[..., 0][counts].mean()
    mistakes += [
        (
            twice[counts].mean(),
            "two softmaxes, one after the other: a loss on logits takes logits.",
        ),
        (twice.mean(), "two softmaxes, one after the other; and the padding counts."),
        (right_losses[counts].mean() / np.log(2), "this is in bits; the loss is in nats."),
        (right_p, "this is a probability; its logarithm is due."),
        (-right_p, "this is a probability; its logarithm is due."),
    ]
    compare(answer.call(logits, tokens, shape=()), right_losses[counts].mean(), mistakes)


def bits(answer: Answer) -> None:
    logits, tokens = texts(5)
    right_bits = losses_of(logits, tokens) / np.log(2)
    counts, mistakes = masked_mistakes(right_bits, tokens, "characters")
    right = right_bits[counts].mean()
    mistakes += [
        (right * np.log(2), "this is in nats; bits have the logarithm to the base 2."),
        (2**right, "this is the perplexity; the bits are its logarithm."),
    ]
    compare(answer.in_numpy().call(logits, tokens, shape=()), right, mistakes)
    more = np.pad(logits, [(0, 0), (0, 9), (0, 0)]), np.pad(tokens, [(0, 0), (0, 9)])
    given = answer.in_numpy().call(*more, shape=())
    compare(given, right, otherwise="right for one `length`, wrong for another.")


def lstm(x, kernel, recurrent, bias):
    """Outputs (B, T, hidden) of x (B, T, features); the gates are i, f, g, o."""
    h = c = np.zeros((len(x), len(recurrent)))
    outputs = []
    for now in np.moveaxis(x, 1, 0):
        i, f, g, o = np.split(now @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def one_step(answer: Answer) -> None:
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(5, 3)), (rng.normal(size=(3, 16)), rng.normal(size=(4, 16)))
    weights = *weights, rng.normal(size=16)
    right = lstm(x[:, None], *weights)[:, 0]
    one_text = lstm(x[None], *weights)[0]
    mistakes = [
        (one_text, "the batch still is taken for time: a text's output depends on the others'."),
        (
            lstm(x[None, ::-1], *weights)[0, ::-1],
            "the batch still is taken for time, and read from its end.",
        ),
        (right[::-1], "the texts come out in reverse order."),
        (
            np.broadcast_to(right[:1], right.shape),
            "all texts get the first one's output.",
        ),
        (
            np.broadcast_to(one_text[-1:], right.shape),
            "all texts get one output, that of the batch read as one text.",
        ),
    ]
    for times in (2, 3, len(x)):
        long = lstm(np.repeat(x[:, None], times, axis=1), *weights)[:, -1]
        mistakes += [(long, f"each text's token is read {times} times here; once is due.")]
    given = answer.call(x, *weights, shape=right.shape)
    otherwise = "these are not the outputs of the LSTM after one token of each text."
    compare(given, right, mistakes, otherwise)


def tempered(answer: Answer) -> None:
    probabilities = np.array([[0.5, 0.3, 0.1, 0.1], [0.05, 0.15, 0.2, 0.6], [0.7, 0.2, 0.1, 0.0]])

    def normed(weights, axis=1):
        return weights / weights.sum(axis=axis, keepdims=True)

    for temperature in (0.5, 1.6):
        powers, p = probabilities ** (1 / temperature), probabilities
        right = normed(powers)
        mistakes = [
            (softmax(p / temperature), "it still puts probabilities where logits belong."),
            (p, "the temperature has no effect: it multiplies all, and the sum divides it out."),
            (p / temperature, "dividing probabilities is no temperature; they do not add up to 1."),
            (powers, "these do not add up to 1 in each row."),
            (
                normed(p**temperature),
                "the knob turns the wrong way: below 1 it makes the probabilities more even.",
            ),
            (normed(powers, axis=0), "they add up to 1 over the batch, not over the tokens."),
            (powers / powers.sum(), "they add up to 1 over all rows together, not in each row."),
            (
                np.eye(4)[p.argmax(axis=1)],
                "only the likeliest token is left; that is a temperature of 0.",
            ),
            (softmax(powers), "a softmax of powers of probabilities: is its input a logit?"),
        ]
        with np.errstate(divide="ignore"):  # log 0 is minus infinity, and may be
            given = answer.in_numpy().call(p, temperature, shape=p.shape)
        if temperature > 1 and np.allclose(given, normed(p**2), atol=1e-3):
            raise Wrong("right for one temperature; for another it does not change.")
        compare(given, right, mistakes)


def drawn_letters(answer: Answer) -> None:
    rng = np.random.default_rng(8)
    logits, noise = rng.normal(size=(5, 4)), rng.gumbel(size=(5, 4))
    real, verdict, share = np.array([0, 3, 1, 1, 2]), rng.normal(size=(4, 1)), 2.5
    soft, hard = softmax(logits + noise), np.eye(4)[(logits + noise).argmax(axis=1)]
    given, new = answer.call(
        logits, noise, real, verdict, share, shape=[logits.shape, logits.shape]
    )
    if np.allclose(given, hard + soft, atol=1e-3):
        raise Wrong("hard and soft vector are added up; forwards, the soft one must drop out.")
    if not np.allclose(given, given.round(), atol=1e-3) and np.allclose(given.sum(axis=1), 1):
        raise Wrong("the discriminator is given soft vectors; on the way forward, letters are due.")
    otherwise = "these are not the one-hot vectors of the largest logit + noise of each row."
    noiseless = np.eye(4)[logits.argmax(axis=1)]
    compare(given, hard, [(noiseless, "the noise has no part in what is drawn.")], otherwise)

    # The slopes of the likelihood, and of the discriminator's loss by each entry of the letters.
    of_likelihood = (softmax(logits) - np.eye(4)[real]) / len(real)
    push = (sigmoid(hard @ verdict) - 1) / len(real) * verdict.T

    def after(slope, share=share):
        return logits - of_likelihood - share * slope

    def through(p, axis=1):
        return p * (push - (p * push).sum(axis=axis, keepdims=True))

    for p in (soft, softmax(logits)):  # with the noise or without: both are in use
        if np.allclose(new, after(through(p)), atol=1e-3):
            return
    mistakes = [
        (logits, "the letters are right, but no logit moves, not even by the likelihood."),
        (after(0), "the letters are right, but no gradient comes back through them."),
        (after(-through(soft)), "a gradient comes back with the wrong sign: which of the two "
         "soft vectors is stopped?"),
        (after(-through(softmax(logits))), "a gradient comes back with the wrong sign: which of "
         "the two soft vectors is stopped?"),
        (after(push), "backwards, this takes the logits themselves for the letter; their softmax "
         "is due."),
        (after(2 * through(soft)), "the soft vector's gradient comes back twice."),
        (after(through(softmax(logits + noise, axis=0), axis=0)), "the softmax runs over the rows, "
         "not over the letters."),
        (logits - share * through(soft), "the likelihood has lost its part."),
    ]  # fmt: skip
    otherwise = (
        "a gradient comes back, but another one than that of the softmax at temperature 1, for the "
        "letters that were drawn."
    )
    compare(new, after(through(soft)), mistakes, otherwise)


def kept_attention(answer: Answer) -> None:
    q, k, v = np.random.default_rng(2).normal(size=(3, 2, 5, 4)) * 1.5
    causal = np.tril(np.ones((5, 5), dtype=bool))

    def attention(q=q, k=k, v=v, scale=0.5, seen=causal):
        scores = np.where(seen, q @ k.swapaxes(1, 2) * scale, -np.inf)
        return softmax(scores) @ v

    scores = np.where(causal, q @ k.swapaxes(1, 2) / 2, -np.inf)
    mistakes = [
        (attention(scale=1), "the scores are not divided by √d."),
        (attention(scale=0.25), "the scores are divided by d; √d is due."),
        (v, "each place sees only itself: what came before is not kept, or not used."),
        (attention(scale=0), "all places get the same weight: the scores have no part in it."),
        (np.exp(scores) @ v, "the weights do not add up to 1."),
        (np.where(causal, scores, 0) @ v, "the weights are the bare scores: no softmax."),
        (attention(v=k), "the mean is one of keys; the values are due."),
        (attention(q=k, k=q), "keys and queries are exchanged."),
        (attention(seen=causal & ~np.tri(5, k=-2, dtype=bool)), "only the place before is kept."),
        (
            np.exp(scores) / (np.exp(scores).sum(axis=0) + ~causal) @ v,
            "the weights add up to 1 over the batch, not over the places.",
        ),
    ]
    given = answer.call(q, k, v, shape=v.shape)
    right = attention()
    if np.allclose(given[:, 0], v[:, 0], atol=1e-3):
        before = attention(seen=causal & ~np.eye(5, dtype=bool) | (np.arange(5) == 0))
        mistakes += [(before, "a place sees those before it, but not itself.")]
    otherwise = "these are not the values' means under causal attention; the first place of all "
    otherwise += "is right, a later one is not."
    if not np.allclose(given[:, 0], right[:, 0], atol=1e-3):
        otherwise = "the first place is wrong already: it can only see itself, so its mean is its "
        otherwise += "own value."
    compare(given, right, mistakes, otherwise)


def policy_gradient(answer: Answer) -> None:
    logits = np.array([0.5, -0.3, 1.2, 0.0])
    drawn, rewards = np.array([2, 0, 2, 1, 3, 2]), np.array([1.0, 3.0, 0.5, 2.5, -2.0, 1.5])
    p, n = softmax(logits), len(drawn)
    to_log = np.eye(4)[drawn] - p  # of log p of what was drawn

    def estimate(weights, slopes=to_log):
        return (weights[:, None] * slopes).mean(axis=0)

    advantages = rewards - rewards.mean()
    right = estimate(advantages)
    slopes_of_p = to_log * p[drawn][:, None]
    mistakes = [
        (-right, "this leads downwards: the gradient of the expected reward is due."),
        (estimate(rewards), "there is no baseline."),
        (-estimate(rewards), "there is no baseline, and the sign is that of a loss."),
        (right * n, "this is a sum over the draws; the mean is due."),
        (
            right / rewards.std(),
            "the advantages are divided by their spread; here only the baseline is due.",
        ),
        (
            right / rewards.std(ddof=1),
            "the advantages are divided by their spread; here only the baseline is due.",
        ),
        (
            estimate(advantages, slopes_of_p),
            "this is the gradient of p; that of log p is due, since likely tokens come more often.",
        ),
        (estimate(rewards, slopes_of_p), "this is the gradient of p, and there is no baseline."),
        (estimate(rewards + rewards.mean()), "the baseline is added; it is to be taken away."),
        (estimate(rewards - np.median(rewards)), "this baseline is the median; the mean is due."),
        (
            estimate(rewards - rewards.min()),
            "this baseline is the least reward; the mean is due.",
        ),
        (0 * right, "all is 0: the advantages add up to 0, unless each meets its own letter."),
    ]
    given = answer.in_numpy().call(logits, drawn, rewards, shape=(4,))
    one_left_out = right * n / (n - 1)  # the mean of the other rewards: unbiased
    if np.allclose(given, one_left_out, atol=1e-3):
        return
    compare(given, right, mistakes)


EXERCISES = [
    Exercise(
        "uniform",
        "predict",
        "What not knowing costs",
        {
            "bits": number(
                6,
                0.01,
                [
                    (64, "that is the perplexity, the number of sides of the die."),
                    (np.log(64), "that is in nats; bits have the logarithm to the base 2."),
                    (1 / 64, "that is the probability of each token; take -log2 of it."),
                    (-6, "the sign: the logarithm of a probability is negative."),
                    (7, "that would be 128 tokens, as in the lesson; here there are 64."),
                    (32, "halving 64 again and again, how often until one is left?"),
                ],
                "it is -log2 of the probability of one token out of 64.",
            ),
            "loss": number(
                np.log(64),
                0.01,
                [
                    (6, "that is in bits; the loss has the natural logarithm."),
                    (6 / np.log(2), "from bits to nats one multiplies by ln 2 = 0.693."),
                    (64, "that is the perplexity; the loss is its natural logarithm."),
                    (-np.log(64), "the sign: the logarithm of a probability is negative."),
                    (0, "a loss of 0 would be a network that is sure of every token."),
                ],
                "it is the bits times ln 2 = 0.693.",
            ),
            "perplexity": number(
                8,
                0.05,
                [
                    (32.5, "that is the mean of 1 and 64. The mean is taken of the bits."),
                    (32, "half of 64; but the mean is taken of the bits."),
                    (3, "that is the bits; the perplexity is 2 to this power."),
                    (np.exp(3), "bits belong to powers of 2, nats to powers of e."),
                    (64, "that is without the places where it is sure."),
                    (6, "that is the bits of the other places alone."),
                ],
                "take the mean of the bits first, then 2 to this power.",
            ),
        },
    ),
    Exercise(
        "warmth",
        "predict",
        "Cold and hot",
        {
            "cold": number(
                1,
                0.01,
                [
                    (0, "0 bits would be one token alone. How many are the likeliest here?"),
                    (2, "that is the entropy of four equal tokens, the hot end."),
                    (np.log(2), "that is in nats; bits are asked for."),
                    (0.5, "one half is the probability of each; what is its -log2?"),
                ],
                "only the likeliest tokens are left. Which are these, and with what shares?",
            ),
            "hot": number(
                2,
                0.01,
                [
                    (4, "there are four equal tokens; the bits are the logarithm to the base 2."),
                    (np.log(4), "that is in nats; bits are asked for."),
                    (1, "that is two equal tokens, the cold end."),
                    (0, "0 bits would be certainty; heat does the reverse."),
                    (0.25, "that is the probability of each; what is its -log2?"),
                ],
                "logits divided by a very large number are all near 0.",
            ),
            "share": number(
                16 / 17,
                0.005,
                [
                    (2 / 3, "that is temperature 2: the root of the ratio. Half is the square."),
                    (0.8, "nothing has changed here; half the temperature doubles the logits."),
                    (1.6, "no probability is above 1: logits are divided, not probabilities."),
                    (0.4, "logits are divided by the temperature, not probabilities."),
                    (0.64, "the square is right; but the two do not add up to 1 now."),
                    (1, "that is temperature 0; here the second letter keeps a little."),
                    (1 / 17, "that is the second letter's."),
                    (0.9, "close; the ratio of 4 is squared: 16 to 1."),
                ],
                "the ratio is 4 to 1; twice the difference of logits squares it.",
            ),
        },
    ),
    Exercise(
        "zeros",
        "mend",
        "Best when undecided",
        {
            "cause": Choice(
                "c",
                a="over the tokens is right: at each place their probabilities add up to 1.",
                b="this loss takes probabilities, and gets them. Look for what it compares with.",
            ),
            "mend": text_loss,
        },
    ),
    Exercise(
        "same_letter",
        "mend",
        "Six times the same letter",
        {
            "cause": Choice(
                "b",
                a="random or not, all six texts meet the same weights. Equal in, equal out.",
                c="then a change of text 6 would move the output of text 1. See the last row.",
            ),
            "mend": one_step,
        },
    ),
    Exercise(
        "padding",
        "mend",
        "Better by the yard",
        {
            "cause": Choice(
                "a",
                b="nats instead of bits would be one factor for all four lines, of 0.69.",
                c="the same names: not one character has been added to them.",
            ),
            "mend": bits,
        },
    ),
    Exercise(
        "flat",
        "mend",
        "Never cold enough",
        {
            "cause": Choice(
                "c",
                a="the largest exponent is 0.40 / 0.3 = 1.3, and nothing overflows there.",
                b="0.3 is cold: it should turn a ratio of 20 to 1 into more than 20,000 to 1.",
            ),
            "mend": tempered,
        },
    ),
    Exercise(
        "choice",
        "mend",
        "An opinion that nobody hears",
        {
            "cause": Choice(
                "a",
                b="then a share of 100 would change something, if only the last digit.",
                c="the noise is the same so that the lines compare. Try another: they agree again.",
            ),
            "mend": drawn_letters,
        },
    ),
    Exercise("kept", "build", "Attention that keeps what it read", {"look": kept_attention}),
    Exercise("reward", "build", "A gradient from rewards", {"gradient": policy_gradient}),
]
