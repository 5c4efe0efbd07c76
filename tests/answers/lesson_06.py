import keras as keras_
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from answers import keras, pytorch


def softmax(logits, axis=-1):
    weights = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def losses_of(logits, tokens):
    return -np.log(np.take_along_axis(softmax(logits), tokens[..., None], axis=2)[..., 0])


def counting(tokens):
    ends = np.cumsum(tokens == 0, axis=1)
    return (ends == 0) | (tokens == 0) & (ends == 1)


def slow_loss(logits, tokens):
    found = []
    for text, row in zip(softmax(logits), tokens.tolist(), strict=True):
        for p, token in zip(text, row[: row.index(0) + 1], strict=False):
            found.append(-np.log(p[token]))
    return float(np.mean(found))


def torch_loss(logits, tokens):
    ends = (tokens == 0).cumsum(dim=1)
    counts = F.pad(ends[:, :-1], (1, 0)) == 0
    losses = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")
    return (counts * losses).sum() / counts.sum()


def torch_ignoring(logits, tokens):
    ends = (tokens == 0).cumsum(dim=1)
    targets = torch.where(ends > 1, -100, tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def keras_loss(logits, tokens):
    ends = ops.cumsum(ops.cast(ops.equal(tokens, 0), "int32"), axis=1)
    counts = ops.cast(ops.equal(ops.pad(ends[:, :-1], [(0, 0), (1, 0)]), 0), "float32")
    losses = keras_.losses.sparse_categorical_crossentropy(tokens, logits, from_logits=True)
    return ops.sum(counts * losses) / ops.sum(counts)


def against(target):
    """Binary cross-entropy of the softmax with zeros, or with one-hot vectors."""
    return lambda logits, tokens: F.binary_cross_entropy(
        logits.softmax(dim=2), target * F.one_hot(tokens, logits.shape[2]).float()
    )


def reduced(reduce):
    """An answer from the losses, which places are letters, and which count."""
    return lambda logits, tokens: reduce(losses_of(logits, tokens), tokens != 0, counting(tokens))


def reduced_bits(reduce):
    return lambda logits, tokens: reduced(reduce)(logits, tokens) / np.log(2)


MASKED = [  # reductions that are wrong, for a loss as for bits
    (lambda losses, letters, counts: losses.mean(), "all places count"),
    (lambda losses, letters, counts: losses[letters].mean(), "the ends are left out"),
    (lambda losses, letters, counts: (losses * counts).mean(), "number that you divide by"),
    (lambda losses, letters, counts: losses[~counts].mean(), "upside down"),
    (
        lambda losses, letters, counts: np.mean(
            [one[own].mean() for one, own in zip(losses, counts, strict=True)]
        ),
        "same weight",
    ),
    (lambda losses, letters, counts: (losses * counts).sum(), "this is a sum"),
    (lambda losses, letters, counts: (losses * counts).sum() / 3, "averaged over texts"),
    (lambda losses, letters, counts: -losses[counts].mean(), "the sign"),
]


def gates(x, h, c, kernel, recurrent, bias):
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


def text_by_text(x, kernel, recurrent, bias):
    nothing = np.zeros(len(recurrent))
    return [gates(one, nothing, nothing, kernel, recurrent, bias)[0] for one in x]


def torch_lstm(read):
    """`read` with PyTorch's LSTM of these weights."""

    def outputs(x, kernel, recurrent, bias):
        lstm = nn.LSTM(len(kernel), len(recurrent), batch_first=True)
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(kernel.T)
            lstm.weight_hh_l0.copy_(recurrent.T)
            lstm.bias_ih_l0.copy_(bias)
            lstm.bias_hh_l0.zero_()
            return read(lstm, x)

    return pytorch(outputs)


def keras_lstm(read):
    def outputs(x, *weights):
        lstm = keras_.layers.LSTM(weights[1].shape[0], return_sequences=True)
        lstm.build((None, None, x.shape[1]))
        lstm.set_weights([ops.convert_to_numpy(weight) for weight in weights])
        return read(lstm, x)

    return keras(outputs)


def powers(p, temperature):
    weights = p ** (1 / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def draw(how, sign=1, times=1, temperature=1.0, axis=1, noisy=True):
    """One step of a table of logits by autograd; `how` makes letters of hard and soft."""

    def step(logits, noise, real, verdict, share):
        table = torch.as_tensor(logits).clone().requires_grad_()
        noise, verdict = torch.as_tensor(noise), torch.as_tensor(verdict)
        perturbed = table + noise
        soft = ((perturbed if noisy else table) / temperature).softmax(dim=axis)
        hard = F.one_hot(perturbed.argmax(dim=1), 4).to(table.dtype)
        fake = how(hard, soft)
        if sign != 1 or times != 1:
            fake = fake.detach() + sign * times * (soft - soft.detach())
        loss = F.cross_entropy(table, torch.as_tensor(real))
        loss = loss + share * F.softplus(-fake @ verdict).mean()
        loss.backward()
        return fake, table.detach() - table.grad

    return step


class Table(keras_.Model):
    def __init__(self, logits, noise, verdict, share):
        super().__init__()
        self.logits = self.add_weight(shape=logits.shape, initializer="zeros", name="logits")
        self.logits.assign(logits)
        self.noise, self.verdict, self.share = noise, verdict, share

    def draw(self):
        table = ops.convert_to_tensor(self.logits)
        soft = ops.softmax(table + self.noise)
        hard = ops.one_hot(ops.argmax(soft, axis=1), 4)
        return hard + soft - ops.stop_gradient(soft)

    def call(self, real):
        return self.draw()

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        table = ops.convert_to_tensor(self.logits)
        losses = keras_.losses.sparse_categorical_crossentropy(x, table, from_logits=True)
        fake_logits = self.draw() @ self.verdict
        return ops.mean(losses) + self.share * ops.mean(ops.softplus(-fake_logits))


def keras_draw(logits, noise, real, verdict, share):
    model = Table(logits, noise, verdict, share)
    model.compile(optimizer=keras_.optimizers.SGD(1.0), run_eagerly=True)
    drawn = model.draw()
    model.train_on_batch(real)
    return drawn, model.get_weights()[0]


def straight(hard, soft):
    return hard + soft - soft.detach()


def without_noise(logits, noise, real, verdict, share):
    return draw(straight)(logits, 0 * noise, real, verdict, share)


def identity(logits, noise, real, verdict, share):
    """The letter's gradient goes to the logits, as if these were the letter."""
    table = torch.as_tensor(logits).clone().requires_grad_()
    hard = F.one_hot((table + torch.as_tensor(noise)).argmax(dim=1), 4).to(table.dtype)
    fake = hard + table - table.detach()
    loss = F.cross_entropy(table, torch.as_tensor(real))
    (loss + share * F.softplus(-fake @ torch.as_tensor(verdict)).mean()).backward()
    return fake, table.detach() - table.grad


def masked(q, k, v, **settings):
    """Causal attention at once, with faults."""
    scale, strict = settings.get("scale", k.shape[-1] ** -0.5), settings.get("strict", False)
    scores = np.einsum("btd,bsd->bts", q, k) * scale
    seen = np.tri(scores.shape[1], k=-1 if strict else 0) + 0 * scores > 0
    seen[:, 0, 0] = True
    return softmax(np.where(seen, scores, -1e9)) @ v


def one_by_one(q, k, v):
    found = np.zeros_like(v)
    for text in range(len(q)):
        for t in range(q.shape[1]):
            weights = np.exp(k[text, : t + 1] @ q[text, t] / np.sqrt(q.shape[2]))
            found[text, t] = weights @ v[text, : t + 1] / weights.sum()
    return found


def torch_kept(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def keras_kept(q, k, v):
    outputs = []
    for t in range(q.shape[1]):
        scores = ops.sum(q[:, t : t + 1] * k[:, : t + 1], axis=2) / q.shape[2] ** 0.5
        weights = ops.exp(scores - ops.logsumexp(scores, axis=1, keepdims=True))
        outputs.append(ops.sum(weights[..., None] * v[:, : t + 1], axis=1))
    return ops.stack(outputs, axis=1)


def gradient(baseline=np.mean, slope=lambda p, hot: hot - p, reduce=np.mean, sign=1):
    def estimate(logits, drawn, rewards):
        slopes = slope(softmax(logits), np.eye(len(logits))[drawn])
        return sign * reduce((rewards - baseline(rewards))[:, None] * slopes, axis=0)

    return estimate


def by_autograd(logits, drawn, rewards):
    table = torch.tensor(logits, requires_grad=True)
    log_p = table.log_softmax(dim=0)[torch.as_tensor(drawn)]
    (torch.as_tensor(rewards - rewards.mean()) * log_p).mean().backward()
    return table.grad


def letter_by_letter(logits, drawn, rewards):
    found = np.zeros_like(logits)
    for letter, reward in zip(drawn, rewards, strict=True):
        found[letter] += (reward - rewards.mean()) / len(drawn)
    return found  # the part with -p adds up to 0


def one_left_out(logits, drawn, rewards):
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return ((rewards - others)[:, None] * (np.eye(4)[drawn] - softmax(logits))).mean(axis=0)


def spread(logits, drawn, rewards):
    return gradient()(logits, drawn, rewards) / (rewards.std() + 1e-6)


RIGHT = {
    "uniform.bits": [6, np.log2(64), "6.0", torch.tensor(6.0)],
    "uniform.loss": [np.log(64), 4.16, 6 * 0.693],
    "uniform.perplexity": [8, 2**3, ops.convert_to_tensor(8.0)],
    "warmth.cold": [1, 1.0, "1"],
    "warmth.hot": [2, np.log2(4), np.array([2.0])],
    "warmth.share": [16 / 17, 0.94, 0.8**2 / (0.8**2 + 0.2**2)],
    "zeros.mend": [
        slow_loss,
        reduced(lambda losses, letters, counts: losses[counts].mean()),
        pytorch(torch_loss),
        pytorch(torch_ignoring),
        keras(keras_loss),
    ],
    "same_letter.mend": [
        text_by_text,
        torch_lstm(lambda lstm, x: lstm(x[:, None])[0][:, 0]),
        torch_lstm(lambda lstm, x: lstm(x[:, None])[1][0][0]),
        torch_lstm(lambda lstm, x: torch.stack([lstm(one[None])[0][0] for one in x])),
        keras_lstm(lambda lstm, x: lstm(x[:, None])[:, 0]),
        keras_lstm(lambda lstm, x: lstm.cell(x, [ops.zeros((x.shape[0], lstm.units))] * 2)[0]),
    ],
    "padding.mend": [
        reduced_bits(lambda losses, letters, counts: losses[counts].mean()),
        lambda logits, tokens: slow_loss(logits, tokens) / np.log(2),
        lambda logits, tokens: np.average(
            losses_of(logits, tokens) * np.log2(np.e),
            weights=np.cumsum(np.pad(tokens, [(0, 0), (1, 0)], constant_values=9) == 0, axis=1)[
                :, :-1
            ]
            == 0,
        ),
    ],
    "flat.mend": [
        powers,
        lambda p, temperature: softmax(np.log(p + 1e-9) / temperature),
        lambda p, temperature: [
            one ** (1 / temperature) / sum(one ** (1 / temperature)) for one in p
        ],
        lambda p, temperature: softmax(np.log(p) / temperature),
    ],
    "choice.mend": [
        draw(straight),
        draw(lambda hard, soft: (hard - soft).detach() + soft),
        draw(straight, noisy=False),
        keras(keras_draw),
    ],
    "kept.look": [masked, one_by_one, pytorch(torch_kept), keras(keras_kept)],
    "reward.gradient": [gradient(), by_autograd, letter_by_letter, one_left_out],
}

WRONG = {
    "uniform.bits": [
        (64, "perplexity"),
        (4.159, "in nats"),
        (-6, "the sign"),
        (7, "128 tokens"),
        (1 / 64, "take -log2"),
        (11, "one token out of 64"),
    ],
    "uniform.loss": [
        (6, "in bits"),
        (8.656, "multiplies"),
        (64, "perplexity"),
        (-4.16, "the sign"),
        (3, "times ln 2"),
    ],
    "uniform.perplexity": [
        (32.5, "the mean of 1 and 64"),
        (3, "2 to this power"),
        (64, "where it is sure"),
        (20.09, "powers of e"),
        (5, "the mean of the bits first"),
    ],
    "warmth.cold": [(0, "one token alone"), (2, "hot end"), (0.693, "in nats"), (7, "what shares")],
    "warmth.hot": [(4, "base 2"), (1.386, "in nats"), (1, "cold end"), (np.inf, "infinity")],
    "warmth.share": [
        (0.667, "temperature 2"),
        (0.8, "nothing has changed"),
        (1.6, "no probability"),
        (0.64, "do not add up"),
        (0.0588, "second letter's"),
        (0.3, "squares it"),
    ],
    "zeros.mend": [
        (pytorch(against(0)), "all targets still are 0"),
        (pytorch(against(1)), "yes or no"),
        (
            keras(
                lambda logits, tokens: keras_.losses.BinaryCrossentropy()(
                    ops.zeros_like(logits), ops.softmax(logits)
                )
            ),
            "all targets still are 0",
        ),
        (
            pytorch(
                lambda logits, tokens: F.binary_cross_entropy_with_logits(
                    logits, F.one_hot(tokens, 4).float()
                )
            ),
            "yes or no",
        ),
        (
            pytorch(lambda logits, tokens: torch_loss(logits.softmax(dim=2), tokens)),
            "two softmaxes",
        ),
        (keras(lambda logits, tokens: keras_loss(logits, tokens) / np.log(2)), "in bits"),
        (
            pytorch(lambda logits, tokens: F.cross_entropy(logits.transpose(1, 2), tokens)),
            "all places count",
        ),
        (pytorch(lambda logits, tokens: F.cross_entropy(logits, tokens)), "raised"),
        (lambda logits, tokens: losses_of(logits, tokens), "shape (3, 7)"),
        (lambda logits, tokens: 3 * slow_loss(logits, tokens), "expected"),
        *((reduced(wrong), sentence) for wrong, sentence in MASKED),
    ],
    "same_letter.mend": [
        (torch_lstm(lambda lstm, x: lstm(x)[0]), "still is taken for time"),
        (keras_lstm(lambda lstm, x: lstm(x[None])[0]), "still is taken for time"),
        (torch_lstm(lambda lstm, x: lstm(x[:, None])[0].flip(0)[:, 0]), "reverse order"),
        (torch_lstm(lambda lstm, x: lstm(x[None].flip(1))[0].flip(1)[0]), "from its end"),
        (
            torch_lstm(lambda lstm, x: lstm(x[:, None])[0][:1, 0].expand(5, 4)),
            "the first one's output",
        ),
        (
            keras_lstm(lambda lstm, x: ops.repeat(lstm(x[None])[:, -1], 5, axis=0)),
            "one output",
        ),
        (keras_lstm(lambda lstm, x: lstm(ops.repeat(x[:, None], 2, axis=1))[:, -1]), "2 times"),
        (torch_lstm(lambda lstm, x: lstm(x[:, None])[1][1][0]), "not the outputs of the LSTM"),
        (torch_lstm(lambda lstm, x: lstm(x[:, None])[0]), "shape (5, 1, 4)"),
        (keras_lstm(lambda lstm, x: lstm(x)), "raised ValueError"),
    ],
    "padding.mend": [
        (reduced(lambda losses, letters, counts: losses[counts].mean()), "in nats"),
        (lambda *given: 2 ** (slow_loss(*given) / np.log(2)), "perplexity"),
        (
            lambda logits, tokens: (
                losses_of(logits, tokens)[:, :7][counting(tokens)[:, :7]].sum()
                / tokens.size
                * (21 / 11 / np.log(2))
            ),
            "wrong for another",
        ),
        *((reduced_bits(wrong), sentence) for wrong, sentence in MASKED),
    ],
    "flat.mend": [
        (lambda p, temperature: softmax(p / temperature), "where logits belong"),
        (lambda p, temperature: p / temperature, "is no temperature"),
        (
            lambda p, temperature: p / temperature / (p / temperature).sum(axis=1, keepdims=True),
            "no effect",
        ),
        (lambda p, temperature: powers(p, 1 / temperature), "the wrong way"),
        (lambda p, temperature: p ** (1 / temperature), "do not add up to 1 in each row"),
        (lambda p, temperature: powers(p.T, temperature).T, "over the batch"),
        (lambda p, temperature: np.eye(4)[p.argmax(axis=1)], "temperature of 0"),
        (lambda p, temperature: powers(p, 0.5), "does not change"),
        (lambda p, temperature: np.log(p) / temperature, "infinity"),
    ],
    "choice.mend": [
        (draw(lambda hard, soft: hard), "no gradient comes back"),
        (draw(lambda hard, soft: (hard + soft - soft).detach()), "no gradient comes back"),
        (draw(lambda hard, soft: soft), "soft vectors"),
        (draw(lambda hard, soft: hard + soft), "added up"),
        (draw(straight, sign=-1), "wrong sign"),
        (draw(straight, times=2), "comes back twice"),
        (draw(straight, temperature=0.5), "temperature 1"),
        (draw(straight, axis=0), "over the rows"),
        (without_noise, "the noise has no part"),
        (identity, "the logits themselves"),
        (lambda logits, *_: (logits, logits), "not the one-hot vectors"),
        (lambda logits, *_: logits, "expected 2 results"),
    ],
    "kept.look": [
        (lambda q, k, v: masked(q, k, v, scale=1), "divided by √d"),
        (lambda q, k, v: masked(q, k, v, scale=1 / 4), "by d;"),
        (lambda q, k, v: v, "sees only itself"),
        (lambda q, k, v: masked(0 * q, k, v), "the same weight"),
        (lambda q, k, v: masked(q, k, k), "the values are due"),
        (lambda q, k, v: masked(k, q, v), "exchanged"),
        (lambda q, k, v: masked(q, k, v, strict=True), "not itself"),
        (pytorch(lambda q, k, v: F.scaled_dot_product_attention(q, k, v)), "first place is wrong"),
        (pytorch(lambda q, k, v: torch_kept(q, k, v, scale=2)), "TypeError"),
        (lambda q, k, v: masked(q, k, v)[:, 0], "shape (2, 4)"),
        (lambda q, k, v: masked(1.5 * q, k, v), "a later one is not"),
    ],
    "reward.gradient": [
        (gradient(sign=-1), "downwards"),
        (gradient(baseline=lambda rewards: 0), "no baseline"),
        (gradient(baseline=lambda rewards: 0, sign=-1), "sign is that of a loss"),
        (gradient(reduce=np.sum), "a sum over the draws"),
        (spread, "divided by their spread"),
        (gradient(slope=lambda p, hot: (hot - p) * (hot @ p)[:, None]), "the gradient of p"),
        (gradient(baseline=np.median), "the median"),
        (gradient(baseline=np.min), "the least reward"),
        (gradient(baseline=lambda rewards: -rewards.mean()), "added"),
        (gradient(slope=lambda p, hot: -p + 0 * hot), "all is 0"),
        (lambda logits, drawn, rewards: rewards - rewards.mean(), "shape (6,)"),
        (lambda logits, drawn, rewards: logits, "expected"),
    ],
}
