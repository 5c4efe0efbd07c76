"""Checkers of the capstone "Bring your own pictures".

They judge what learners make of their own pictures. So every bar is set by those pictures, or
leaves room for any.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from course_utils.checks.judging import Answer, Exercise, Unanswered, Wrong, first_line, kind

FEWEST_TRAINING, FEWEST_TEST, FEWEST_OF_CLASS = 100, 20, 10
BLANK = 0.1  # brightest less darkest pixel of a picture that shows nothing
PALE = 0.3  # the same, of the picture in the middle of a pale set
ALIKE = 0.02  # of two pictures: root of the mean squared difference, some five grey levels
DRAWN = 100  # pictures that a sampler is asked for
MEASURED, SPLITS = 400, 4  # pictures for the two halves that a measure compares, and how often


# ------------------------------------------------------------------ the data


def data(answer: Answer) -> None:
    pictures = answer.value
    sides = {"training": "images", "test": "test_images"}
    if isinstance(pictures, np.ndarray):
        raise Wrong("is an array; give the whole set, training and test, as `data.load` does.")
    if not all(hasattr(pictures, name) for name in (*sides.values(), "labels", "test_labels")):
        raise Wrong(f"is {kind(pictures)}; expected a set of pictures, as `data.load` returns it.")
    training, test = (getattr(pictures, name) for name in sides.values())
    for side, images in (("training", training), ("test", test)):
        look_at_array(side, images)
    if training.shape[1:] != test.shape[1:]:
        raise Wrong(
            f"training pictures have the shape {training.shape[1:]}, test pictures "
            f"{test.shape[1:]}; both should have the same."
        )
    if len(training) < FEWEST_TRAINING:
        raise Wrong(
            f"there are {len(training)} training pictures; a generator needs some hundred, "
            f"{FEWEST_TRAINING} at the very least."
        )
    if len(test) < FEWEST_TEST:
        raise Wrong(
            f"there are {len(test)} test pictures; below {FEWEST_TEST}, measures say little but "
            "chance. Add pictures, or put more of them aside."
        )
    look_at_labels(pictures)
    for side, images in (("training", training), ("test", test)):
        look_at_contrast(side, images)
    if spread(training) < ALIKE:
        raise Wrong("all training pictures are nearly the same one: there is nothing to learn.")
    for side, images in (("training", training), ("test", test)):
        if copies := len(images) - different(images):
            repeat = "picture repeats another" if copies == 1 else "pictures repeat others"
            again, first = a_copy(images)
            raise Wrong(
                f"{copies} {side} {repeat} exactly: position {again}, for example, is position "
                f"{first} again. Copies count twice in training or in a measure; leave them out."
            )
    both = np.flatnonzero(two_nearest(test[:1000], training)[:, 0] < ALIKE)
    if len(both):
        twin = ((training - test[both[0]]) ** 2).sum(axis=(1, 2, 3)).argmin()
        raise Wrong(
            f"{len(both)} test {are(len(both))} among the training pictures too, or nearly the "
            f"same as one, for example test {both[0]} and training {twin}: whoever learns by heart "
            "would look good. Of such a pair keep one, and vary pictures after the split only."
        )


def look_at_array(side: str, images: Any) -> None:
    """Shape, type and range of one side of the split."""
    if not isinstance(images, np.ndarray):
        raise Wrong(f"the {side} pictures are {kind(images)}; expected a NumPy array.")
    shape = images.shape
    if len(shape) == 3:
        raise Wrong(f"{side}: the shape is {shape}; the last axis, for one grey value, is missing.")
    if len(shape) != 4:
        raise Wrong(f"{side}: the shape is {shape}; expected (n, height, width, 1).")
    if shape[3] != 1 and shape[1] == 1:
        raise Wrong(f"{side}: the shape is {shape}; the channel stands last in this course.")
    if shape[3] != 1:
        raise Wrong(f"{side}: {shape[3]} channels; the pictures should be grey, with one.")
    if not images.size:
        raise Wrong(f"there are no {side} pictures.")
    if images.dtype.kind in "iu":
        raise Wrong(f"{side}: {images.dtype}, whole numbers; expected float32 from 0 to 1.")
    if images.dtype != np.float32:
        raise Wrong(f"{side}: {images.dtype}; expected float32, which the networks compute in.")
    if not np.isfinite(images).all():
        raise Wrong(f"{side}: some pixels are NaN or infinite.")
    low, high = images.min(), images.max()
    if low < 0:
        known = ", the range of tanh" if low >= -1 and high <= 1 else ""
        raise Wrong(f"{side}: from {low:.3g} to {high:.3g}{known}; expected 0 to 1.")
    if high > 2:
        raise Wrong(f"{side}: up to {high:.3g}; expected 0 to 1. Were they divided by 255?")
    if high > 1:
        raise Wrong(f"{side}: up to {high:.6g}, a little above 1: clip them.")
    if high < 2 / 255:
        raise Wrong(f"{side}: the brightest pixel is {high:.2g}: divided by 255 twice?")


def look_at_labels(pictures: Any) -> None:
    if (pictures.labels is None) != (pictures.test_labels is None):
        raise Wrong("one side has labels and the other has none.")
    if pictures.labels is None:
        return
    names = tuple(pictures.class_names)
    for side, labels, images in (
        ("training", pictures.labels, pictures.images),
        ("test", pictures.test_labels, pictures.test_images),
    ):
        labels = np.asarray(labels)
        if labels.ndim != 1:
            raise Wrong(
                f"{side}: the labels have the shape {labels.shape}; expected {(len(images),)}, one "
                "whole number for each picture."
            )
        if len(labels) != len(images):
            raise Wrong(
                f"{len(labels)} labels for {len(images)} {side} pictures: "
                "whatever is left out must be left out of both, and each picture keep its own."
            )
        if labels.dtype.kind not in "iu" or not ((labels >= 0) & (labels < len(names))).all():
            raise Wrong(f"{side}: labels should be whole numbers, positions in `class_names`.")
    counts = np.bincount(pictures.labels, minlength=len(names))
    if counts.min() < FEWEST_OF_CLASS:
        raise Wrong(
            f'the class "{names[counts.argmin()]}" has {counts.min()} training pictures; add more, '
            f"or leave the class out: {FEWEST_OF_CLASS} are the very least."
        )


def look_at_contrast(side: str, images: np.ndarray) -> None:
    contrast = np.ptp(images.reshape(len(images), -1), axis=1)
    if np.median(contrast) < PALE:
        raise Wrong(
            f"{side}: pale. In half of the pictures, the brightest pixel is less than {PALE} above "
            "the darkest one: stretch them, or leave them out if they show nothing."
        )
    if blank := int((contrast < BLANK).sum()):
        raise Wrong(
            f"{blank} {side} {are(blank)} blank, or nearly; position {contrast.argmin()}, for "
            "example. Leave them out."
        )


def are(count: int) -> str:
    return "picture is" if count == 1 else "pictures are"


def spread(images: np.ndarray) -> float:
    """How far pictures lie from their mean: root of the mean square, over pictures and pixels."""
    return float(np.sqrt(images.astype(np.float64).var(axis=0).mean()))


def different(images: np.ndarray) -> int:
    """How many different pictures there are, to 256 grey levels."""
    return len(np.unique(levels(images), axis=0))


def a_copy(images: np.ndarray) -> tuple[int, int]:
    """Positions of the first picture that was there before, and of where it was first."""
    _, first, which = np.unique(levels(images), axis=0, return_index=True, return_inverse=True)
    earliest = first[np.ravel(which)]
    again = int((earliest != np.arange(len(images))).argmax())
    return again, int(earliest[again])


def levels(images: np.ndarray) -> np.ndarray:
    """Pictures in 256 grey levels, one in a row."""
    return np.rint(255 * images).astype(np.uint8).reshape(len(images), -1)


def two_nearest(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Root mean squared differences to the two nearest others: (n, 2), nearest first."""
    images, others = (x.reshape(len(x), -1).astype(np.float64) for x in (images, others))
    norms, found = (others**2).sum(axis=1), np.empty((len(images), 2))
    for start in range(0, len(images), 50):
        block = images[start : start + 50]
        squared = (block**2).sum(axis=1)[:, None] + norms - 2 * block @ others.T
        found[start : start + 50] = np.partition(squared, 1, axis=1)[:, :2]
    return np.sqrt(found.clip(0) / images.shape[1])


# ------------------------------------------------------------------ the samplers


def missing(value: Any) -> bool:
    return value is None or value is Ellipsis


def function_and_pictures(answer: Answer, what: str) -> tuple[Callable, Any]:
    """Take the pair (function, pictures) apart."""
    if not isinstance(answer.value, tuple) or len(answer.value) != 2:
        raise Wrong(f"is {kind(answer.value)}; expected a pair, ({what}, pictures).")
    function, pictures = answer.value
    if missing(function):
        raise Unanswered(f"there is no {what}.")
    if missing(pictures):
        raise Unanswered("the pictures of milestone 1 come first.")
    if not callable(function):
        raise Wrong(f"is {kind(function)}; expected a function, {what}.")
    if np.ndim(getattr(pictures, "images", None)) != 4:
        raise Wrong(f"beside it stands {kind(pictures)}; expected the pictures of milestone 1.")
    return function, pictures


def draw(sample: Callable, n: int, pictures: Any) -> np.ndarray:
    """Ask a sampler for n pictures, and see that they keep the contract."""
    try:
        given = sample(n)
    except NotImplementedError:
        raise Unanswered("there is nothing to run yet.") from None
    except Exception as error:
        raise Wrong(
            f"asked for {n}, it raised {type(error).__name__}: {first_line(error)}"
        ) from None
    if missing(given):
        raise Unanswered("it returns nothing yet. If you have written it: is there a `return`?")
    if not isinstance(given, np.ndarray):
        raise Wrong(f"returns {kind(given)}; expected a NumPy array.")
    shape, due = given.shape, (n, *pictures.images.shape[1:])
    if shape != due:
        if len(shape) == 4 and shape[1:] == due[1:]:
            raise Wrong(f"asked for {n} pictures, it returns {shape[0]}.")
        hint = "."
        if shape == (n, 1, *due[1:3]):
            hint = ": the channel stands last here."
        elif shape == due[:3]:
            hint = ": the last axis is missing."
        elif shape == due[1:]:
            hint = ": that is one picture without an axis for the batch."
        raise Wrong(f"asked for {n}, it returns the shape {shape}; expected {due}{hint}")
    if given.dtype != np.float32:
        raise Wrong(f"returns {given.dtype}; expected float32.")
    if not np.isfinite(given).all():
        raise Wrong("some pixels are NaN or infinite.")
    low, high = given.min(), given.max()
    if low < 0 or high > 1:
        why = "."
        if -1 <= low < -0.3 and high <= 1:
            why = ", as after a tanh: bring it from [-1, 1] to [0, 1]."
        elif high > 100 and low >= 0:
            why = ", as in bytes: divide by 255."
        elif low < -2 and high > 2:
            why = ", as in logits: is the sigmoid missing?"
        elif low > -0.5 and high < 1.5:
            why = ": clip what lies beyond."
        raise Wrong(f"pixels from {low:.3g} to {high:.3g}; expected 0 to 1{why}")
    return given


def sampler(answer: Answer) -> None:
    sample, pictures = function_and_pictures(answer, "sampler")
    training = pictures.images
    images, again = draw(sample, DRAWN, pictures), draw(sample, DRAWN, pictures)
    for n in (1, 7):
        draw(sample, n, pictures)
    if np.array_equal(images, again):
        raise Wrong("two calls give the same pictures: is a seed set, or a latent fixed, inside?")
    kinds = different(images)
    if kinds == 1:
        raise Wrong("all pictures of one call are the same one.")
    shares = spread(images) / max(spread(training), 1e-9)
    if shares < 0.3:
        raise Wrong(
            f"the pictures hardly differ: they spread {shares:.0%} as far from their mean as the "
            "training pictures do."
        )
    nearest, second = two_nearest(images, training).T
    copies = int((nearest < ALIKE).sum())
    if copies > DRAWN // 50:
        raise Wrong(f"{copies} of {DRAWN} are training pictures, and nothing new.")
    if kinds < 0.9 * DRAWN:
        raise Wrong(f"only {kinds} of {DRAWN} pictures of one call are different ones.")
    again_kinds = different(again)
    if different(np.concatenate([images, again])) < kinds + again_kinds - 0.1 * DRAWN:
        raise Wrong("some pictures come again in the next call: do they come from a fixed store?")
    real_nearest, real_second = two_nearest(pictures.test_images[:1000], training).T
    usual = np.quantile(real_nearest / np.maximum(real_second, 1e-9), 0.01)
    close = int((nearest < usual * second).sum())
    if close > DRAWN / 5:
        raise Wrong(
            f"{close} of {DRAWN} lie much nearer to one training picture than to any other, as "
            "hardly a test picture does: copies with small changes."
        )


# ------------------------------------------------------------------ the measure


def measure(answer: Answer) -> None:
    distance, pictures = function_and_pictures(answer, "measure")
    rng = np.random.default_rng(0)

    def of(real: np.ndarray, images: np.ndarray) -> float:
        return float(Answer(distance).call(real.copy(), images.copy(), shape=()))

    def halves() -> tuple[np.ndarray, np.ndarray]:
        images = rng.permutation(pictures.images)[:MEASURED].astype(np.float32)
        half = len(images) // 2
        return images[:half], images[half : 2 * half]

    pairs = [halves() for _ in range(SPLITS)]
    a, b = pairs[0]
    same, shuffled = of(a, a), of(a, rng.permutation(a))
    floors = np.array([of(*pair) for pair in pairs])
    floor = floors.mean()
    noise = of(a, noisy(b, rng))
    if np.ptp([same, *floors, noise]) < 1e-9:
        raise Wrong(f"gives {same:.3g}, whatever is compared.")
    if noise < min(same, floors.min()):
        raise Wrong(
            f"noise gets {noise:.3g}, other real pictures {floor:.3g}: this is greater where "
            "sets are more alike. A distance is due."
        )
    if abs(same) < 0.1 * floor and shuffled > 0.5 * floor:
        raise Wrong(
            f"a set and itself in another order get {shuffled:.3g}: it compares the first picture "
            "with the first, the second with the second. Sets have no order."
        )
    if same > 0.1 * noise or same > floors.max():
        raise Wrong(f"a set and itself get {same:.3g}, noise {noise:.3g}; nearly 0 is due.")
    for what, (spoil, why) in FAULTS.items():
        values = np.array([of(real, spoil(images, rng)) for real, images in pairs])
        more = values - floors
        told = f"{what} get {values.mean():.3g}, other real pictures {floor:.3g}"
        if more.mean() <= 0.05 * abs(floor):
            raise Wrong(f"{told}: {why}.")
        if more.mean() <= 2 * more.std(ddof=1) / SPLITS**0.5:
            raise Wrong(f"{told}, and that may be chance: it varies too much from set to set.")
    beside = [of(real, np.concatenate([images, noisy(images, rng)])) for real, images in pairs]
    if (beside <= floors).all():
        raise Wrong(
            "noise *beside* the real pictures never makes it greater: it sees whether the real "
            "ones are reached, not what else is drawn."
        )
    of(a, b[: len(b) // 2])  # sets of different sizes


def noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(images.shape, dtype=np.float32)


def repeated(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    few = max(2, len(images) // 50)
    return images[np.arange(len(images)) % few]


def blurred(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur until half of what tells the pictures from each other is gone."""
    from scipy.ndimage import gaussian_filter

    for width in (1, 1.5, 2, 3, 4, 6, 8, 12, 16):  # at the latest: all grey
        soft = gaussian_filter(images, (0, width, width, 0))
        if np.sqrt(((soft - images) ** 2).mean()) > spread(images) / 2:
            return soft
    return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)


def half_noise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    half = len(images) // 2
    return np.concatenate([images[:half], noisy(images[half:], rng)])


def pixel_by_pixel(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permuted(images, axis=0)


FAULTS = {
    "sets of noise": (noisy, "it does not see that nothing is right"),
    "a few real pictures, each many times,": (repeated, "it does not see that variety is missing"),
    "blurred pictures": (blurred, "it does not see that detail is missing"),
    "sets with noise for one half": (half_noise, "it does not see that half of them is wrong"),
    "pictures with each pixel from another real one": (
        pixel_by_pixel,
        "it looks at each pixel by itself",
    ),
}


# ------------------------------------------------------------------ the report

ROWS = {
    "own": "your generator",
    "baseline": "the baseline",
    "floor": "what real pictures get; without it no number says how good it is",
}
KEYS = {
    "distance": "what your measure says",
    "n": "how many pictures were measured",
    "against": "how many real pictures they were compared with",
    "copied": "the share of them that copy a training picture",
}


def report(answer: Answer) -> None:
    rows = answer.value
    if not isinstance(rows, dict):
        raise Wrong(f"is {kind(rows)}; expected a dictionary with the rows {', '.join(ROWS)}.")
    for name, what in ROWS.items():
        if name not in rows:
            raise Wrong(f'there is no "{name}": {what}.')
        if missing(rows[name]):
            raise Unanswered(f'"{name}" is empty.')
        if not isinstance(rows[name], dict):
            raise Wrong(
                f'"{name}" is {kind(rows[name])}; expected a dictionary with {", ".join(KEYS)}.'
            )
        for key, what in KEYS.items():
            if key not in rows[name]:
                raise Wrong(f'"{name}" has no "{key}": {what}.')
    own, baseline, floor = ({key: entry(rows, name, key) for key in KEYS} for name in ROWS)
    sizes(own, baseline, floor)
    for name, row in zip(ROWS, (own, baseline, floor), strict=True):
        if not 0 <= row["copied"] <= 1:
            raise Wrong(f'"{name}", "copied": {row["copied"]:.3g}; a share is between 0 and 1.')
    if floor["distance"] == 0:
        raise Wrong("a floor of exactly 0 is a set and itself: take two sets of real pictures.")
    if floor["copied"] > 0.5:
        raise Wrong(
            f"of the floor's pictures, {floor['copied']:.0%} copy a training picture: count that "
            "for real pictures that are not among the training ones."
        )
    for name, row in (("own", own), ("baseline", baseline)):
        if row["distance"] == floor["distance"]:
            raise Wrong(f'"{name}" and "floor" have the same distance to the last digit.')
    if own["distance"] == baseline["distance"]:
        raise Wrong('"own" and "baseline" have the same distance: was one measured twice?')
    for name, row in (("own", own), ("baseline", baseline)):
        allowed = max(0.3 * floor["distance"], 2 * luck(rows, name), 2 * luck(rows, "floor"))
        if floor["distance"] > 0 and row["distance"] < floor["distance"] - allowed:
            raise Wrong(
                f'"{name}" gets {row["distance"]:.3g}, real pictures {floor["distance"]:.3g}: '
                "better than real. Copies, or a floor of other sets or sizes? If it is chance, "
                "measure more often, and take means."
            )
    usual = max(floor["copied"], 0.02)
    most = floor["copied"] + 3 * np.sqrt(usual * (1 - usual) / own["n"]) + 1 / own["n"]
    if own["copied"] > most:
        raise Wrong(
            f"{own['copied']:.1%} of your pictures copy a training picture, of real ones "
            f"{floor['copied']:.1%}: more than chance. Mend the generator, not the number."
        )


def entry(rows: dict, name: str, key: str) -> float:
    value = rows[name][key]
    if missing(value):
        raise Unanswered(f'"{name}", "{key}" is empty.')
    try:
        return float(Answer(value).array(()))
    except Wrong as wrong:
        raise Wrong(f'"{name}", "{key}": {wrong}') from None


def luck(rows: dict, name: str) -> float:
    """The standard deviation over several measurements, for reports that tell it."""
    return entry(rows, name, "spread") if "spread" in rows[name] else 0.0


def sizes(own: dict, baseline: dict, floor: dict) -> None:
    """Only distances of equally many pictures compare."""
    for key, where in (("n", "measured on"), ("against", "compared with")):
        for name, row in (("own", own), ("baseline", baseline), ("floor", floor)):
            if row[key] != round(row[key]) or row[key] < FEWEST_TEST:
                raise Wrong(
                    f'"{name}", "{key}": {row[key]:.4g}; expected a whole number, of at least '
                    f"{FEWEST_TEST} pictures."
                )
        for name, row in (("baseline", baseline), ("floor", floor)):
            if row[key] != own[key]:
                raise Wrong(
                    f'"own" was {where} {own[key]:.0f} pictures, "{name}" {row[key]:.0f}: only '
                    "distances of equally many pictures compare."
                )


EXERCISES = [
    Exercise("data", "build", "The data", {"pictures": data}),
    Exercise("sampler", "build", "Two samplers", {"baseline": sampler, "sample": sampler}),
    Exercise("measure", "build", "A measure", {"distance": measure}),
    Exercise("report", "build", "An honest report", {"report": report}),
]
