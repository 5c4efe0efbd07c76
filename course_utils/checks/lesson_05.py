"""Checkers of lesson 05, conditional images."""

import math
from collections.abc import Callable

import numpy as np

from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Wrong,
    compare,
    number,
    to_array,
    to_tensor,
)

CLASSES = 10


# ------------------------------------------------------------------ labels as maps


def label_maps(answer: Answer) -> None:
    labels, height, width = np.array([3, 0, 9, 3, 5]), 4, 6
    pixels, due = height * width, (len(labels), height, width, CLASSES)
    one_hot = np.eye(CLASSES)[labels]
    right = np.broadcast_to(one_hot[:, None, None], due)
    try:
        given = answer.call(labels, height, width, shape=due)
    except Wrong as wrong:
        told = str(wrong).partition(";")[0]
        if not told.startswith("returns"):  # an error's text may name shapes as well
            raise
        last, second = "(5, 4, 6, 10)", "(5, 10, 4, 6)"
        if answer.track == "pytorch" and last in told:
            raise Wrong("the channels come last; PyTorch's images have them second.") from None
        if answer.track != "pytorch" and second in told:
            raise Wrong("the channels come second; Keras's images have them last.") from None
        if "(5, 10, 6, 4)" in told or "(5, 6, 4, 10)" in told:
            raise Wrong("height and width are exchanged.") from None
        if "(5, 10)" in told:
            raise Wrong("these are the one-hot vectors; each pixel needs a copy.") from None
        raise
    by_channel = (len(labels), CLASSES, height, width)
    mistakes = [
        (np.repeat(one_hot, pixels).reshape(due), "there still is a band across all channels."),
        (
            np.tile(one_hot, (1, pixels)).reshape(by_channel).transpose(0, 2, 3, 1),
            "the vectors are written pixel by pixel now, and read channel by channel.",
        ),
        (
            np.tile(one_hot, (pixels, 1)).reshape(due),
            "the pixels of one picture carry the vectors of the whole batch, in turns.",
        ),
        (
            np.broadcast_to(labels[:, None, None, None], due),
            "each pixel holds the label as a number; its one-hot vector is due.",
        ),
        (
            np.broadcast_to(labels[:, None, None, None] / (CLASSES - 1), due),
            "each pixel holds the label as a shade of grey; its one-hot vector is due.",
        ),
        (np.roll(right, 1, axis=-1), "the map of ones is one channel too late."),
        (np.roll(right, -1, axis=-1), "the map of ones is one channel too early."),
        (right[..., ::-1], "the channels are in reverse order."),
        (right[::-1], "the labels of the batch are in reverse order."),
        (np.broadcast_to(right[:1], due), "all pictures get the first label's maps."),
        (1 - right, "ones and zeros are exchanged."),
    ]
    share = (np.abs(given - right) < 1e-3).all(axis=-1).mean()
    otherwise = f"{share:.0%} of the pixels carry the one-hot vector of their label; all should."
    compare(given, right, mistakes, otherwise)


# ------------------------------------------------------------------ who listens?

SIZE = 16  # as in the notebook
DOWN, ACROSS = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2


def paint(hours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint the notebook's hands (n, 16, 16, 1), showing the hours (n,)."""
    angle = 2 * np.pi * hours / CLASSES + 0.1 * rng.normal(size=len(hours))
    right, up = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    length, width = 6 + 0.5 * rng.normal(size=len(hours)), 1.2 * np.exp(0.2 * rng.normal(size=1))
    along, beside = ACROSS * right - DOWN * up, ACROSS * up + DOWN * right
    inside = (along > -0.5) & (along < length[:, None, None])
    return (inside * np.exp(-((beside / width) ** 2)))[..., None]


def predict(images: np.ndarray) -> np.ndarray:
    """Read the hours (n,) from pictures."""
    images = np.asarray(images, dtype=float).reshape(-1, SIZE, SIZE)
    right, up = (images * ACROSS).sum((1, 2)), -(images * DOWN).sum((1, 2))
    return np.round(CLASSES * np.arctan2(right, up) / (2 * np.pi)).astype(int) % CLASSES


def sampler(hours_for: Callable, rng: np.random.Generator) -> Callable:
    """Make a `sample` that paints the hours `hours_for(labels)`."""
    kinds = np.repeat(np.arange(CLASSES), 40)
    hands = paint(kinds, rng)
    hands = [hands[(kinds == hour) & (predict(hands) == hour)] for hour in range(CLASSES)]
    fewest = min(map(len, hands))
    hands = np.stack([some[:fewest] for some in hands])  # (10, fewest, 16, 16, 1)

    def sample(labels):
        if hasattr(labels, "detach"):  # PyTorch's tensors
            labels = labels.detach().cpu()
        hours = hours_for(np.asarray(labels).astype(int).reshape(-1))
        return hands[hours, rng.integers(fewest, size=len(hours))].astype("float32")

    return sample


def listening_test(answer: Answer) -> None:
    rng = np.random.default_rng()

    def slip(labels):
        others = (labels + rng.integers(1, CLASSES, size=len(labels))) % CLASSES
        return np.where(rng.random(len(labels)) < 2 / 3, labels, others)

    def says(hours_for: Callable, times: int) -> list[bool]:
        sample, said = sampler(hours_for, rng), []
        for _ in range(times):
            try:
                value = float(answer.call(sample, predict, shape=()))
            except Wrong as wrong:
                raise Wrong(str(wrong).replace("one number", "True or False")) from None
            if value not in (0, 1):
                raise Wrong(f"returns {value:.3g}; expected True or False.")
            said.append(value == 1)
        return said

    attentive = says(lambda labels: labels, 2)
    deaf = says(lambda labels: rng.integers(CLASSES, size=len(labels)), 16)
    if all(attentive) and all(deaf):
        raise Wrong(
            "it says True of a `sample` that draws hours at random. New latents, too, give other "
            "pictures; or the bar is no higher than chance."
        )
    if not any(attentive) and not any(deaf):
        raise Wrong("it says False even of a `sample` that meets every request.")
    if not any(attentive):
        raise Wrong("it says False of a `sample` that meets every request, and not of a deaf one.")
    if not all(attentive):
        raise Wrong("it does not always say True of a `sample` that meets every request.")
    if any(deaf):
        raise Wrong(
            f"it says True of a deaf `sample` in {sum(deaf)} of {len(deaf)} runs, by chance: are "
            "there too few pictures, or is the bar too low?"
        )
    for hours_for, sentence in (
        (
            lambda labels: np.arange(len(labels)) % CLASSES,
            "it says True of a `sample` that draws 0, 1, 2, … in turns, whatever it is asked for.",
        ),
        (
            lambda labels: np.arange(len(labels)) * CLASSES // max(len(labels), 1),
            "it says True of a `sample` that draws first the 0s, then the 1s and so on, whatever "
            "it is asked for.",
        ),
    ):
        if any(says(hours_for, 2)):
            raise Wrong(sentence)
    for hour in range(CLASSES):
        if any(says(lambda labels, hour=hour: np.full(len(labels), hour), 1)):
            raise Wrong(f"it says True of a `sample` that draws nothing but {hour}s.")
    slips = says(slip, 8)
    if not all(slips):
        raise Wrong(
            f"it says False in {len(slips) - sum(slips)} of {len(slips)} runs of a `sample` that "
            "meets two of three requests: is the bar too high, or are there too few pictures?"
        )


# ------------------------------------------------------------------ the label through the step


def judged_fakes(answer: Answer) -> None:
    labels, asked = np.array([0, 1, 2, 3, 1, 0]), np.array([2, 1, 0, 3, 3, 1])
    rng = np.random.default_rng(5)
    latent, embedding = rng.normal(size=(6, 2)), rng.normal(size=(8, 2))
    heard, complaints = {"generator": [], "discriminator": []}, []

    def arrays(network, batch, labels):
        try:
            n = len(labels)
            labels = to_array(labels, (n,), answer.track, "a network's labels ", "have")
            batch = to_array(batch, (n, 2), answer.track, "a network's latents or points ", "have")
        except Wrong as wrong:
            complaints.append(wrong)
            raise
        heard[network].append(np.clip(labels, 0, 7).astype(int))
        return batch, heard[network][-1]

    def make(latent, labels):
        return latent + 3 * embedding[labels]

    def score(points, labels):
        logit = 0.1 * points.sum(axis=1) + (embedding[labels] * points).sum(axis=1)
        return logit[:, None]

    def generator(latent, labels):
        return to_tensor(make(*arrays("generator", latent, labels)), answer.track)

    def discriminator(points, labels):
        return to_tensor(score(*arrays("discriminator", points, labels)), answer.track)

    try:
        given = answer.call(labels, asked, latent, generator, discriminator, shape=(6, 1))
    except Wrong as wrong:
        raise (complaints or [wrong])[0] from None
    for both in (labels, asked):
        if np.allclose(given, score(make(latent, both), both), 1e-3, 1e-3):
            return
    wanted, judged_by = (np.concatenate([*calls, []]).astype(int) for calls in heard.values())
    same = len(wanted) == 6 and np.array_equal(wanted, judged_by)
    if same and len(set(wanted)) == 1:
        raise Wrong("all fakes are asked for the same label.")
    if same and np.allclose(given, score(make(latent, wanted), wanted), 1e-3, 1e-3):
        return  # labels of its own, which both networks hear
    ordered = np.arange(6)
    mistakes = [
        (
            score(make(latent, asked), labels),
            "still asked for one label and judged by another.",
        ),
        (
            score(make(latent, labels), asked),
            "the labels have changed places. The fakes still are asked for one and judged by "
            "another.",
        ),
        (score(latent, labels), "the discriminator judges the latents, not the fakes."),
        (score(latent, asked), "the discriminator judges the latents, not the fakes."),
    ]
    for both in (labels, asked):
        mistakes += [
            (-score(make(latent, both), both), "the sign of the logits has changed."),
            (
                np.logaddexp(0, -score(make(latent, both), both)),
                "these are losses, one for each fake; the logits are due.",
            ),
            (score(make(latent, both), 0 * both), "the discriminator hears the label 0 only."),
            (score(make(latent, 0 * both), both), "the generator hears the label 0 only."),
            (
                score(make(latent, both), both[::-1]),
                "the discriminator hears the labels in reverse order.",
            ),
            (
                score(make(latent, ordered), both),
                "the generator is asked for 0, 1, 2, …, and judged by other labels.",
            ),
        ]
    otherwise = "these logits are not those of fakes judged by the labels they were asked for."
    if same:
        otherwise = "the labels agree now, but this is not the logit of a fake from its `latent`."
    if not all(heard.values()):
        missing = next(name for name, calls in heard.items() if not calls)
        otherwise = f"the {missing} is not called."
    compare(given, np.full((6, 1), np.inf), mistakes, otherwise)


# ------------------------------------------------------------------ the projection


def projection(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    phi, labels = rng.normal(size=(5, 3)), np.array([2, 0, 3, 3, 1])
    weight, bias = rng.normal(size=(3, 1)), np.array([0.7])
    embeddings = rng.normal(size=(6, 3))
    rows = embeddings[labels]
    psi, fit = phi @ weight + bias, (rows * phi).sum(axis=1, keepdims=True)
    all_fits = phi @ embeddings.T
    try:
        given = answer.call(phi, labels, weight, bias, embeddings, shape=(5, 1))
    except Wrong as wrong:
        sentence = {
            (5, 5): "each picture meets the label of every other: (B, B). Is an axis lost in a "
            "sum, or is a product of rows a matrix product?",
            (5, 3): "this is (B, features); one logit for each picture is due. A scalar product "
            "adds up the products of two rows.",
            (5, 6): "each picture has a number for *every* class: (B, classes). Only that of its "
            "label is due.",
        }
        for shape, told in sentence.items():
            if f"the shape {shape};" in str(wrong):
                raise Wrong(told) from None
        raise
    mistakes = [
        (psi, "the projection is missing: the labels have no part in it."),
        (fit, "ψ is missing."),
        (phi @ weight + fit, "the bias of ψ is missing."),
        (bias + fit, "the weights of ψ have no part in it."),
        (psi - fit, "the projection is subtracted."),
        (psi * fit, "the two parts are multiplied; they are to be added."),
        (psi + fit / 3, "this is the mean of the products; a scalar product is their sum."),
        (psi + fit / np.sqrt(3), "the scalar product is divided by a root, as in attention."),
        (
            psi + fit / (np.linalg.norm(rows, axis=1) * np.linalg.norm(phi, axis=1))[:, None],
            "this is the cosine of the angle; the scalar product is due.",
        ),
        (
            psi + (embeddings[:5] * phi).sum(axis=1, keepdims=True),
            "the table's rows are taken in their order; those of the labels are due.",
        ),
        (
            psi + (rows[::-1] * phi).sum(axis=1, keepdims=True),
            "the features meet the labels of other pictures.",
        ),
        (psi + all_fits.sum(axis=1, keepdims=True), "the rows of all classes are added up."),
        (
            psi + all_fits.max(axis=1, keepdims=True),
            "this takes the class that fits best; that of the label is due.",
        ),
        (psi + fit.sum(), "the scalar products of the whole batch are added up."),
        (psi + fit.mean(), "this is the mean over the batch; each picture has its own."),
        (psi + rows.sum(axis=1, keepdims=True), "φ has no part in the projection."),
        (1 / (1 + np.exp(-psi - fit)), "this is a probability; the logit is due."),
    ]
    compare(given, psi + fit, mistakes)


# ------------------------------------------------------------------ truncated latents


def density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def truncated_std(limit: float) -> float:
    """Return the standard deviation of N(0, 1) within ±limit."""
    inside = math.erf(limit / math.sqrt(2))
    return math.sqrt(1 - 2 * limit * density(limit) / inside)


def latents(answer: Answer) -> None:
    n, latent_dim = 10_000, 4
    for limit in (1.2, 0.6):
        draws = [answer.call(n, latent_dim, limit, shape=(n, latent_dim)) for _ in range(2)]
        given, other = draws
        if np.allclose(given, 0):
            raise Wrong("all numbers are 0.")
        values, counts = np.unique(given, return_counts=True)
        commonest = values[counts.argmax()]
        for place, what in ((limit, "on the limits: they were moved there"), (0, "exactly 0")):
            share = (np.abs(np.abs(given) - place) < 1e-6).mean()
            if share > 0.01:
                raise Wrong(f"{share:.0%} of the numbers are {what}. Draw them again instead.")
        if counts.max() > 5:
            raise Wrong(f"the number {commonest:.3g} comes {counts.max():,} times; draw each anew.")
        beyond = (np.abs(given) > limit + 1e-6).mean()
        plain = 1 - math.erf(limit / math.sqrt(2))
        if beyond and limit == 0.6 and np.abs(given).max() <= 1.2 + 1e-6:
            raise Wrong("right for one `limit`, wrong for another: the limit is always the same.")
        if abs(given.std() - limit) < 0.04 and np.abs(given).max() > 2 * limit:
            raise Wrong("the numbers are multiplied by `limit`: this shrinks, and cuts nothing.")
        if abs(beyond - plain) < 0.02:
            raise Wrong(f"{beyond:.0%} of the numbers are beyond the limit, as many as uncut.")
        if abs(beyond - plain**2) < 0.015:
            raise Wrong(
                f"{beyond:.1%} of the numbers are beyond the limit. One that is drawn again may be "
                "beyond it again."
            )
        if beyond and (given.max() <= limit + 1e-6 or given.min() >= -limit - 1e-6):
            raise Wrong(
                "only one tail is cut; there are numbers beyond the limit on the other side."
            )
        if beyond:
            raise Wrong(f"{beyond:.1%} of the numbers are beyond the limit; none should be.")
        if np.allclose(given, other):
            raise Wrong("a second call gives the same latents; draw new ones.")
        judge_spread(given, limit)


def judge_spread(given: np.ndarray, limit: float) -> None:
    """Compare the numbers, all within the limit, with a truncated normal distribution."""
    between = np.corrcoef(given.T)[np.triu_indices(given.shape[1], 1)]
    if np.abs(between).max() > 6 / math.sqrt(len(given)):
        raise Wrong("the numbers of one latent depend on each other; each is drawn by itself.")
    std, size = truncated_std(limit), given.size
    mean = given.mean()
    if given.min() >= 0:
        raise Wrong("no number is below 0: the tails on both sides are cut, not the sign.")
    if abs(mean) > 6 * std / math.sqrt(size):
        raise Wrong(f"the mean is {mean:.2f}; cut on both sides alike, it stays 0.")
    margin = 6 * std / math.sqrt(2 * size)  # of a normal distribution; a truncated one has less
    shares = np.histogram(given, bins=8, range=(-limit, limit))[0] / size
    if limit > 1 and np.abs(shares - 1 / 8).max() < 0.018:  # at a limit of 1.2 it is 0.035
        raise Wrong("all between the limits is (almost) equally frequent; a hump at 0 is due.")
    if given.std() < std - margin:
        raise Wrong(
            f"the standard deviation is {given.std():.3f}, too small: cutting at {limit} leaves "
            f"{std:.3f}. Numbers within the limit stay as they are, and each is judged by itself."
        )
    if given.std() > std + margin:
        raise Wrong(
            f"the standard deviation is {given.std():.3f}, too large: cutting at {limit} leaves "
            f"{std:.3f}. Those cut off are drawn again from N(0, 1)."
        )
    inner = (np.abs(given) < limit / 2).mean()
    due = math.erf(limit / 2 / math.sqrt(2)) / math.erf(limit / math.sqrt(2))
    if abs(inner - due) > 6 * math.sqrt(due * (1 - due) / size):
        raise Wrong(
            f"{inner:.1%} of the numbers are nearer to 0 than half the limit; {due:.1%} due."
        )


# ------------------------------------------------------------------ the exercises

PERCENT = "a share between 0 and 1 is due, not a percentage."

EXERCISES = [
    Exercise(
        "chance",
        "predict",
        "What chance gives",
        {
            "deaf": number(
                0.1,
                0.005,
                [
                    (0, "it does not listen, and some requests are met all the same."),
                    (1 / 9, "there are ten digits to draw, the one asked for among them."),
                    (0.5, "it draws one of ten digits, not one of two."),
                    (0.01, "the request is given; only the drawing is left to chance."),
                    (0.9, "that is the share of the requests that are *not* met."),
                    (10, PERCENT),
                ],
                "how likely is it that a digit drawn at random is the one asked for?",
            ),
            "only_ones": number(
                0.1,
                0.005,
                [
                    (0, "whoever asks for a 1 gets one."),
                    (1, "the ones are good, but most requests are for other digits."),
                    (0.01, "one request in ten is for a 1, and all of these are met."),
                    (0.9, "that is the share of the requests that are *not* met."),
                    (10, PERCENT),
                ],
                "which share of the requests is for a 1?",
            ),
            "half": number(
                0.55,
                0.005,
                [
                    (0.5, "some of the other requests are met by chance."),
                    (0.6, "a tenth of the *other half* is met by chance, not a tenth of all."),
                    (0.1, "it meets every second request for sure."),
                    (0.45, "chance adds to the half that is met; it takes nothing away."),
                    (0.05, "that is what chance adds. Add it to the half that is met."),
                    (55, PERCENT),
                ],
                "take the half that is met for sure, and what chance adds in the other half.",
            ),
        },
    ),
    Exercise(
        "lengths",
        "predict",
        "How short is a shrunk latent?",
        {
            "length": number(
                4,
                0.11,  # the mean length is 3.94; rounded, it is right as well
                [
                    (16, "that is the mean *squared* length."),
                    (1, "that is the size of one number; a latent has 16."),
                    (0, "0 is the mean of the latents, not of their lengths."),
                    (256, "the squares are added up, and then comes the root."),
                ],
                "add up 16 squares that are 1 on average, and take the root.",
            ),
            "shrunk": number(
                1.6,
                0.05,
                [
                    (0.4, "that is the size of one number; a latent has 16."),
                    (6.4, "take the root of 16 first."),
                    (2.56, "that is the mean *squared* length."),
                    (0.64, "the length is multiplied by 0.4, its square by 0.16."),
                    (4, "that is the length before it is shrunk."),
                    (10, "it is multiplied by 0.4, not divided."),
                ],
                "every number is multiplied by 0.4. What happens to the length?",
            ),
            "shorter": Choice(
                "b",
                a="the density is highest at 0, but there is little room near it. In one "
                "dimension there is; think of the sum of sixteen squares.",
                c="this holds for one number. In a short latent all sixteen are small at once.",
            ),
        },
    ),
    Exercise(
        "maps",
        "mend",
        "A band in each channel",
        {
            "cause": Choice(
                "a",
                b="then the map of ones would be one channel off, and it would be a whole map.",
                c="look at a pixel outside of the band: nothing there tells the label. And inside "
                "it all ten channels say the same.",
            ),
            "fits": Choice(
                "e",
                d="it writes each number some times in a row, one number after the other. Nothing "
                "is lost; it only matters how it is read.",
                f="the copies of the batch's first number come first in memory. This would put "
                "them into the first pixels of all pictures.",
            ),
            "mend": label_maps,
        },
    ),
    Exercise(
        "to_order",
        "mend",
        "Hands to order",
        {
            "cause": Choice(
                "c",
                a="the latent decides how a hand is drawn. Many pictures may meet one request.",
                b="look at the rows: you can tell the hours apart yourself, and they are mixed.",
            ),
            "test": listening_test,
        },
    ),
    Exercise(
        "middle",
        "mend",
        "All roads lead to the middle",
        {
            "cause": Choice(
                "b",
                a="then the ways would leap across the ring. They go straight to the middle, and "
                "stay near it.",
                c="on the island of its label the logit is 1, in the middle it is -3.",
            ),
            "mend": judged_fakes,
        },
    ),
    Exercise("projection", "build", "The projection", {"logit": projection}),
    Exercise("tails", "build", "Cut the tails off", {"latents": latents}),
]
