"""Checkers of the capstone "Synthetic training data".

Acceptance tests: they hold for any pictures, classifier and generator. What depends on pictures is
judged on toys made here, or on the few real ones that a learner hands in with a generator.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Unanswered,
    Wrong,
    compare,
    kind,
)

BASELINES = ("real", "repeated", "augmented")
ROWS = (*BASELINES, "synthetic")
FEWEST_SEEDS = 5


# ------------------------------------------------------------------ 1: the split


def split(answer: Answer) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([2, 3, 7], [40, 25, 60]))
    given = labels.copy()
    first = one_split(answer, given, labels, 5, seed=0)
    if not np.array_equal(given, labels):
        raise Wrong("changes the labels that it was given.")
    other = one_split(answer, given, labels, 5, seed=1)
    if np.array_equal(first, other):
        raise Wrong("another seed gives the same few: `seed` has no effect.")
    if not np.array_equal(one_split(answer, given, labels, 5, seed=0), first):
        raise Wrong(
            "the same seed gives other few at the second call: methods would compete on different "
            "splits. Make the generator of random numbers anew, from `seed` alone."
        )
    one_split(answer, given, labels, 3, seed=0)
    if all(side_by_side(few, labels) for few in (first, other)):
        raise Wrong(
            "the few of a class stand side by side in the data, where neighbours may be alike "
            "(one hand, one day). Draw each by chance."
        )
    drawn = {place for seed in range(200) for place in one_split(answer, given, labels, 5, seed)}
    if len(drawn) < len(labels):  # by chance: once in half a million
        raise Wrong(
            f"{len(labels) - len(drawn)} of {len(labels)} pictures are never among the few, "
            "whatever the seed: draw from all of a class."
        )


def side_by_side(few: np.ndarray, labels: np.ndarray) -> bool:
    ranks = [np.flatnonzero(np.isin(np.flatnonzero(labels == y), few)) for y in np.unique(labels)]
    return all(np.ptp(rank) == len(rank) - 1 for rank in ranks)


def one_split(
    answer: Answer, given: np.ndarray, labels: np.ndarray, per_class: int, seed: int
) -> np.ndarray:
    """Check one split, and return the positions of the few in their order in the data."""
    result = answer.in_numpy().result(given, per_class, seed)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(f"returns {kind(result)}; expected 2 results, as in `few, test`.")
    few, test = (positions(side, name, labels) for side, name in zip(result, NAMES, strict=True))
    kinds, n = np.unique(labels), len(labels)
    due = per_class * len(kinds)
    if len(test) == due and len(few) == n - due:
        raise Wrong("the test pictures come first here; the few are due first.")
    for name, side in (("few", few), ("test pictures", test)):
        if len(np.unique(side)) < len(side):
            raise Wrong(f"some of the {name} come twice: draw without putting back.")
    if shared := len(np.intersect1d(few, test)):
        raise Wrong(
            f"{shared} of the {len(few)} few are among the test pictures too: what is measured "
            "there is memory."
        )
    counts = [int((labels[few] == label).sum()) for label in kinds]
    if set(counts) != {per_class}:
        raise Wrong(unbalanced(counts, per_class))
    if lost := n - len(few) - len(test):
        raise Wrong(f"{lost} of {n} pictures are on neither side; all others are for the test.")
    return np.sort(few)


NAMES = "the few", "the test side"


def positions(side: Any, name: str, labels: np.ndarray) -> np.ndarray:
    n = len(labels)
    what = kind(side)
    try:
        side = np.asarray(side)
        numbers = side.astype(float)
    except (TypeError, ValueError):
        raise Wrong(f"{name}: {what}; expected positions, whole numbers in a row.") from None
    if side.shape == (n,) and set(np.unique(numbers)) <= {0.0, 1.0}:
        raise Wrong(f"{name}: this is a mask. `np.flatnonzero` makes positions of it.")
    if side.ndim != 1 or not side.size:
        raise Wrong(f"{name}: the shape is {side.shape}; expected positions in one row.")
    if not (np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()):
        raise Wrong(f"{name}: a position is a whole number; some of these are not.")
    if set(np.unique(numbers)) <= set(np.unique(labels)):
        raise Wrong(f"{name}: these are labels; positions are due.")
    if numbers.min() < 0 or numbers.max() >= n:
        raise Wrong(
            f"{name}: the positions go from {numbers.min():g} to {numbers.max():g}; "
            f"{n} pictures have 0 to {n - 1}."
        )
    return numbers.astype(int)


def unbalanced(counts: list[int], per_class: int) -> str:
    listed = ", ".join(map(str, counts))
    if sum(counts) == per_class:
        return f"{per_class} in all are drawn; `per_class` of each class are due, not {listed}."
    if len(set(counts)) == 1:
        return f"{counts[0]} of each class are drawn where `per_class` is {per_class}."
    if 0 in counts:
        return f"not every class is among the few: they hold {listed} of the classes."
    return f"the few are not balanced: {listed} of the classes, where {per_class} of each are due."


# ------------------------------------------------------------------ 2: the baseline

TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda image: image,
    "mirrored left to right": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "turned by half": lambda image: image[::-1, ::-1],
    "turned by a quarter": np.rot90,
    "turned by a quarter ": lambda image: np.rot90(image, -1),
    "with rows and columns exchanged": lambda image: image.T,
    "with rows and columns exchanged ": lambda image: image[::-1, ::-1].T,
}


STROKES = (  # row and column of the corners of eight figures, each in one stroke or two
    [[(4, 12), (13, 12), (13, 6), (10, 6)]],
    [[(7, 5), (4, 9), (13, 9)]],
    [[(4, 5), (13, 5)], [(9, 5), (8, 10), (13, 11)]],
    [[(4, 10), (8, 5), (13, 6), (12, 11), (9, 10), (9, 6)]],
    [[(13, 5), (4, 5), (4, 11), (8, 11), (8, 5), (13, 12)]],
    [[(4, 10), (10, 4), (10, 12)], [(6, 11), (13, 11)]],
    [[(13, 5), (4, 5), (4, 12)], [(8, 5), (8, 10)]],
    [[(5, 12), (4, 6), (12, 5), (13, 12), (9, 12), (9, 9)]],
)


@cache
def toys() -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Eight pictures (8, 18, 18), none like any of its own turns, and the `variants` of each."""
    from scipy import ndimage

    found = np.zeros((len(STROKES), 18, 18))
    for image, strokes in zip(found, STROKES, strict=True):
        for stroke in map(np.array, strokes):
            for start, end in zip(stroke[:-1], stroke[1:], strict=True):
                for share in np.linspace(0, 1, 20):
                    image[tuple(np.round(start + share * (end - start)).astype(int))] = 1
        image[:] = ndimage.gaussian_filter(image, 0.6)
        image /= image.max()
    return found, [variants(image) for image in found]


def unit(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(*images.shape[:-2], -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def variants(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All turns of a picture, moved and tilted a little: unit vectors, and the turns' names."""
    from scipy import ndimage

    found, names = [], []
    for name, turn in TURNS.items():
        for angle in (-18, -9, 0, 9, 18):
            tilted = ndimage.rotate(turn(image), angle, reshape=False, order=1)
            for down in range(-2, 3):
                for right in range(-2, 3):
                    found.append(np.roll(tilted, (down, right), axis=(0, 1)))
                    names.append(name.strip())
    return unit(np.array(found)), np.array(names)


def augment(answer: Answer) -> None:
    answer, (bases, banks), times = answer.in_numpy(), toys(), 15
    which = np.random.default_rng(1).permutation(np.repeat(np.arange(len(bases)), times))
    images = bases[which][..., None].astype("float32")  # (120, 18, 18, 1)
    before = images.copy()
    result = answer.in_numpy().result(images, np.random.default_rng(3))
    if isinstance(result, np.ndarray) and result.shape[:1] == (2 * len(images),):
        raise Wrong("returns twice as many pictures; one varied copy of each is due, without it.")
    given = answer.call(images, np.random.default_rng(3), shape=images.shape)
    if not np.array_equal(images, before):
        raise Wrong("changes the pictures that it was given. Return new ones.")
    if given.min() < -1e-4 or given.max() > 1 + 1e-4:
        why = "Clip them, or blend pixels in a way that does not overshoot."
        if given.max() > 2:
            why = "Are these bytes? Then divide by 255."
        raise Wrong(
            f"the values go from {given.min():.2f} to {given.max():.2f}; pictures are in [0, 1]. "
            f"{why}"
        )
    if np.allclose(given, images, atol=1e-3):
        raise Wrong("each picture comes back as it was: nothing is varied.")
    if (given.reshape(len(given), -1).max(axis=1) < 0.1).any():
        raise Wrong("some pictures come back black.")
    look_at_moves(given[..., 0], bases, banks, which)
    if all(np.ptp(given[which == base], axis=0).max() < 1e-3 for base in range(len(bases))):
        raise Wrong("all pictures are varied alike. Draw anew for each.")
    again = answer.call(images, np.random.default_rng(3), shape=images.shape)
    if not np.allclose(again, given):
        raise Wrong("the same `rng` gives other pictures: draw from it, and from nothing else.")
    if np.allclose(answer.call(images, np.random.default_rng(1), shape=images.shape), given):
        raise Wrong("`rng` has no effect: the same variations, whatever it is.")


def look_at_moves(given: np.ndarray, bases: np.ndarray, banks: list, which: np.ndarray) -> None:
    """Find what became of each picture: a mirrored one, another one, one far away."""
    if given.mean() > 0.5:
        raise Wrong("black and white are exchanged.")
    likeness = np.array([[(bank @ unit(image)).max() for bank, _ in banks] for image in given])
    if ((likeness.argmax(axis=1) != which) & (likeness.max(axis=1) > 0.85)).mean() > 0.3:
        raise Wrong("the pictures come in another order; their labels would not fit.")
    turned, still, upright = [], [], []
    for image, base in zip(given, which, strict=True):
        bank, names = banks[base]
        scores = bank @ unit(image)
        best = names[scores.argmax()]
        upright.append(scores[names == ""].max())
        if best and scores.max() > max(0.92, upright[-1] + 0.05):
            turned.append(best)
        still.append(scores.argmax() == STILL)
    if len(turned) > 0.02 * len(given):
        most = max(set(turned), key=turned.count)
        raise Wrong(f"some pictures are {most}. Would anybody write them like that?")
    pairs = zip(given, bases[which], strict=True)
    steps = np.abs([centre(image) - centre(base) for image, base in pairs]).max(axis=1)
    own = likeness[np.arange(len(which)), which]
    if (own < 0.6).mean() > 0.05 or (steps > 4.5).mean() > 0.05:
        raise Wrong(
            f"some pictures are changed beyond recognition; the ink moves by up to "
            f"{steps.max():.0f} pixels. Small moves are due, and small angles."
        )
    if ((np.array(upright) < 0.8) & (steps < 2)).mean() > 0.05:
        raise Wrong("some pictures are changed too much: by a large angle, or by more than a move.")
    if all(still):
        raise Wrong(
            "no picture moves by half a pixel or turns by five degrees; what changes is too small, "
            "or is no move."
        )


STILL = 2 * 25 + 2 * 5 + 2  # the place of the picture itself in `variants`


def centre(image: np.ndarray) -> np.ndarray:
    """Where the ink is, on average: row and column."""
    rows, columns = np.indices(image.shape)
    return np.array([(image * rows).sum(), (image * columns).sum()]) / max(image.sum(), 1e-9)


def spots(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bright spot for each label, in a place of its own: any classifier tells them apart."""
    images = 0.1 * rng.random((len(labels), 9, 9, 1))
    for place, label in ((1, 1), (4, 4), (7, 7)):
        images[labels == label, place - 1 : place + 2, place - 1 : place + 2] += 0.9
    return images.clip(0, 1).astype("float32")


def accuracy(answer: Answer) -> None:
    answer, rng = answer.in_numpy(), np.random.default_rng(0)
    kinds = np.array([1, 4, 7])
    train, test = rng.permutation(np.repeat(kinds, 15)), rng.permutation(np.repeat(kinds, 28))
    said = test.copy()
    said[:21] = kinds[(np.searchsorted(kinds, test[:21]) + 1) % 3]  # a quarter is wrong on purpose
    inputs = spots(train, rng), train, spots(test, rng), said
    given = answer.call(*inputs, shape=())
    mistakes = [
        (75, "this is in percent; a share between 0 and 1 is due."),
        (0.25, "this is the share of *errors*."),
        (63, "this is the number of right answers; their share is due."),
        (
            1,
            "gives 1, and a quarter of these test labels is wrong on purpose: either it is "
            "measured on the training pictures, or the test pictures were trained on.",
        ),
        (
            100,
            "gives 100, in percent and of pictures that were trained on.",
        ),
    ]
    otherwise = f"gives {given:.3g}; three kinds of spots, a quarter labelled wrongly: 0.75 is due."
    if 0.76 < given < 1:
        otherwise = (
            f"gives {given:.3g}, more than these labels allow. Is it rounded? Else it has learned "
            "test labels."
        )
    if abs(given - 1 / 3) < 0.15:
        otherwise = (
            f"gives {given:.3g}, no better than chance: is it trained, and is each label beside "
            "its picture?"
        )
    compare(given, 0.75, mistakes, otherwise, tolerance=0.013)
    moved = kinds[(np.searchsorted(kinds, train) + 1) % 3]  # the same pictures, other labels
    given = answer.call(inputs[0], moved, *inputs[2:], shape=())
    if given > 0.5:
        raise Wrong(
            "at the second call, with other training labels, it still gives the first answers. "
            "Make a new classifier at each call."
        )
    compare(
        given,
        0.25,
        otherwise=f"at a second call it gives {given:.3g}; 0.25 is due, the plain share.",
    )


def scores(answer: Answer) -> None:
    look_at_scores(answer.value, BASELINES)


def look_at_scores(given: Any, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Check accuracies, by row, and return them as arrays of equal length."""
    if not isinstance(given, dict):
        raise Wrong(f"is {kind(given)}; expected a dictionary with {', '.join(names)}.")
    for name in names:
        if name not in given:
            raise Wrong(MISSING.get(name, f'there is no row "{name}".'))
    found = {}
    for name in names:
        try:
            row = np.asarray(given[name], dtype=float)
        except (TypeError, ValueError):
            raise Wrong(f'"{name}" holds no list of numbers.') from None
        if row.shape == () or row.size == 1:
            raise Wrong(
                f'"{name}" holds one number: with one seed nobody can tell a gain from luck. '
                f"One for each seed is due, of {FEWEST_SEEDS} at least."
            )
        if row.ndim != 1 or row.size == 0 or not np.isfinite(row).all():
            raise Wrong(f'"{name}": one number for each seed is due, and no NaN.')
        if row.max() > 1 and row.max() <= 100 and row.min() >= 0:
            raise Wrong(f'"{name}" looks like percent; accuracies are between 0 and 1.')
        if row.min() < 0 or row.max() > 1:
            raise Wrong(f'"{name}" has numbers outside of 0 and 1.')
        if len(row) < FEWEST_SEEDS:
            raise Wrong(
                f'"{name}" has {len(row)} seeds; {FEWEST_SEEDS} at least are due. With fewer, the '
                "error itself is a guess."
            )
        found[name] = row
    lengths = {name: len(row) for name, row in found.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise Wrong(f"the rows differ in length ({listed}): each seed belongs in all of them.")
    for name, row in found.items():
        if np.ptp(row) == 0 and row[0] < 1:
            raise Wrong(
                f'"{name}" is the same number for each seed: does the seed reach the split?'
            )
    for name in ("augmented", "synthetic"):
        if name in found and same_numbers(found[name], found["real"]):
            raise Wrong(
                f'"{name}" has the very numbers of "real": did the further pictures reach the '
                "classifier?"
            )
    if "augmented" in found and same_numbers(found["augmented"], found["repeated"]):
        raise Wrong('"augmented" has the very numbers of "repeated": are those copies varied?')
    steps = [np.diff(row) for row in found.values()]
    if all(one.any() and ((one >= 0).all() or (one <= 0).all()) for one in steps):
        raise Wrong("all rows are sorted. Keep the order of the seeds: the differences need pairs.")
    return found


def same_numbers(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two rows agree; on pictures that are always read rightly, they may."""
    return np.array_equal(one, other) and one.min() < 1


MISSING = {
    "augmented": 'there is no row "augmented". A gain over nothing is easily had: moved pictures '
    "cost nothing, and the generator must compete with them.",
    "repeated": 'there is no row "repeated". Without it nobody can tell new pictures from merely '
    "more of them.",
    "synthetic": 'there is no row "synthetic", and that is what the report is about.',
    "real": 'there is no row "real": the few alone, from which all starts.',
}


# ------------------------------------------------------------------ 3: the generator


def generator(answer: Answer) -> None:
    given = answer.value
    if callable(given):
        raise Wrong("is a function alone; give three things, (sample, few_images, few_labels).")
    if not isinstance(given, tuple | list) or len(given) != 3:
        raise Wrong(f"is {kind(given)}; expected (sample, few_images, few_labels).")
    if any(one is None or one is Ellipsis for one in given):
        raise Unanswered("it takes (sample, few_images, few_labels).")
    sample = Answer(given[0])
    images, labels = the_few(*given[1:])
    kinds, m = np.unique(labels), max(20, -(-200 // len(np.unique(labels))))
    asked = np.random.default_rng(0).permutation(np.repeat(kinds, m))
    handed = asked.copy()
    drawn = pictures_of(sample, handed, images.shape[1:])
    if not np.array_equal(handed, asked):
        raise Wrong("changes the labels that it was asked for.")
    look_at_variety(drawn, asked, images)
    if np.allclose(pictures_of(sample, asked.copy(), images.shape[1:]), drawn, atol=1e-6):
        raise Wrong(
            "the second call gives the same pictures. Draw new ones: make no new `rng` in it."
        )
    look_for_copies(drawn, asked, images, labels)
    look_at_labels(drawn, asked, images, labels)
    pictures_of(sample, asked[:1], images.shape[1:])


def the_few(images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.shape[-1] != 1:
        shown = images.shape if isinstance(images, np.ndarray) else kind(images)
        raise Wrong(f"the few: {shown}; expected an array (n, h, w, 1).")
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise Wrong(f"the labels of the few: expected {len(images)} whole numbers.")
    images = images.astype(float)
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise Wrong("the few: pictures are in [0, 1].")
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 4:
        raise Wrong("the few: two classes at least, and four pictures of each, are needed here.")
    return images, labels


def pictures_of(sample: Answer, labels: np.ndarray, size: tuple) -> np.ndarray:
    drawn = sample.in_numpy().result(labels)
    due = (len(labels), *size)
    if not isinstance(drawn, np.ndarray):
        raise Wrong(f"returns {kind(drawn)}; the contract is a NumPy array.")
    if drawn.shape != due:
        raise Wrong(f"returns the shape {drawn.shape} for {len(labels)} labels; {hint(drawn, due)}")
    if not np.issubdtype(drawn.dtype, np.number):
        raise Wrong(f"returns {drawn.dtype}; the contract is float32.")
    numbers = drawn.astype(float)
    if not np.isfinite(numbers).all():
        raise Wrong("some pixels are NaN or infinite.")
    low, high = numbers.min(), numbers.max()
    if low < 0 or high > 1:
        why = "clip them, for a Gaussian knows no bounds."
        if high > 2:
            why = "are these bytes? Then divide by 255."
        elif low < -0.9 and high <= 1:
            why = "is this a tanh's range? Then (images + 1) / 2."
        raise Wrong(f"the pixels go from {low:.2f} to {high:.2f}; [0, 1] is due: {why}")
    if drawn.dtype != np.float32:
        raise Wrong(f'returns {drawn.dtype}; the contract is float32: `.astype("float32")`.')
    return numbers


def hint(drawn: np.ndarray, due: tuple) -> str:
    n, h, w, _ = due
    if drawn.shape == (n, 1, h, w):
        return "the channel comes last: transpose(0, 2, 3, 1)."
    if drawn.shape == (n, h, w):
        return "the channel is missing: [..., None]."
    if drawn.shape == (n, h * w):
        return f"the pixels lie in one row: reshape to (n, {h}, {w}, 1)."
    if drawn.shape[1:] == due[1:]:
        return "one picture for each label is due, in their order."
    return f"expected {due}."


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), int(np.prod(images.shape[1:])))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of each picture of `a` from each of `b`: (n, m)."""
    a, b = flat(a), flat(b)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def look_at_variety(drawn: np.ndarray, asked: np.ndarray, images: np.ndarray) -> None:
    if np.ptp(drawn, axis=0).max() < 1e-4:
        raise Wrong("all pictures are the same one, whatever is asked for.")
    alike = [y for y in np.unique(asked) if np.ptp(drawn[asked == y], axis=0).max() < 1e-4]
    if alike:
        raise Wrong(f"all pictures of label {alike[0]} are the same one; expected new ones.")


def look_for_copies(
    drawn: np.ndarray, asked: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> None:
    """Compare distances with those between two of the few."""
    among = distances(images, images)
    np.fill_diagonal(among, np.inf)
    among[labels[:, None] != labels] = np.inf
    usual = np.median(among.min(axis=1))
    if usual == 0:
        raise Wrong("the few: most of them are there twice.")
    nearest = distances(drawn, images).min(axis=1) / usual
    moved = [
        np.roll(images, (down, right), axis=(1, 2))
        for down in range(-2, 3)
        for right in range(-2, 3)
        if down or right
    ]
    moved_nearest = np.min([distances(drawn, copy).min(axis=1) for copy in moved], axis=0) / usual
    if (share := (moved_nearest < 0.02).mean()) > 0.2:
        raise Wrong(
            f"{share:.0%} of the pictures are pictures of the few, moved. That is augmentation; "
            "you have it as a baseline."
        )
    if (exact := (nearest < 1e-3).mean()) > 0.05:
        raise Wrong(f"{exact:.0%} of the pictures are pictures of the few, pixel by pixel.")
    if (near := (nearest < 0.15).mean()) > 0.1:
        raise Wrong(
            f"{near:.0%} of the pictures are pictures of the few, changed so little that nobody "
            "would see it. A wider step gives new ones."
        )
    among = distances(drawn, drawn)
    np.fill_diagonal(among, np.inf)
    if (again := ((among.min(axis=1) / usual) < 0.1).mean()) > 0.3:
        raise Wrong(
            f"{again:.0%} of the pictures have a twin among the others: a few pictures come again "
            "and again."
        )
    far = np.median(nearest)
    if far > 2.5:
        raise Wrong(
            f"the pictures lie {far:.1f} times as far from the few as these from each other. Look "
            "at some with `plots.grid`: are they more than noise?"
        )


def look_at_labels(
    drawn: np.ndarray, asked: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> None:
    """Read the pictures with a judge that knows the few, and knows how well it reads."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import SVC

    kinds, judge = np.unique(labels), SVC(C=10)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    known = (cross_val_predict(judge, flat(images), labels, cv=folds) == labels).mean()
    chance = 1 / len(kinds)
    if known < chance + 3 * np.sqrt(chance * (1 - chance) / len(labels)):
        raise Wrong(
            f"the few cannot be judged: even of real pictures, the check reads {known:.0%} rightly "
            f"({chance:.0%} is chance). More pictures of each class are needed."
        )
    read = judge.fit(flat(images), labels).predict(flat(drawn))
    right = (read == asked).mean()
    if right >= chance + 0.6 * (known - chance):
        for label in kinds:
            share = (read[asked == label] == label).mean()
            if share < max(2 * chance, 0.3) and share < 0.5:
                other = kinds[np.argmax([(read[asked == label] == y).sum() for y in kinds])]
                raise Wrong(
                    f"asked for {label}, it draws what reads as {other} more often, though most "
                    "labels are heard."
                )
        return
    if (read == np.sort(asked)).mean() > 0.8 * known:
        raise Wrong(
            "the right pictures in another order: they come sorted by label, and not as asked for."
        )
    if (read[::-1] == asked).mean() > 0.8 * known:
        raise Wrong("the right pictures in reverse order.")
    table = np.array([[((asked == a) & (read == b)).sum() for b in kinds] for a in kinds])
    best = table.argmax(axis=1)
    if table.sum(axis=0).max() > 0.8 * len(asked):
        only = kinds[table.sum(axis=0).argmax()]
        raise Wrong(f"whatever label is asked for, the pictures read as {only}.")
    if table.max(axis=1).sum() > 0.8 * known * len(asked) and len(set(best)) == len(kinds):
        wrong = np.flatnonzero(best != np.arange(len(kinds)))[0]
        raise Wrong(
            f"the labels are exchanged: asked for {kinds[wrong]}, it draws what reads as "
            f"{kinds[best[wrong]]}."
        )
    if right < chance + 0.15 * (known - chance):
        raise Wrong(
            f"the labels are not heard: {right:.0%} of the pictures read as what was asked for, "
            f"and chance would give {chance:.0%}."
        )
    raise Wrong(
        f"{right:.0%} of the pictures read as what was asked for; of real pictures that it has not "
        f"seen, the judge reads {known:.0%}."
    )


# ------------------------------------------------------------------ the leak


class Spy:
    """Pictures that can be told apart by one pixel, and the functions that an experiment takes."""

    synthetic = 0.9  # and above: in this pixel

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.labels = rng.permutation(np.repeat([2, 3, 7], 20))
        self.images = np.zeros((60, 4, 4, 1), "float32")
        self.images[:, 0, 0, 0] = np.arange(60) / 100
        order = np.concatenate(
            [rng.permutation(np.flatnonzero(self.labels == y)) for y in (2, 3, 7)]
        )
        order = order.reshape(3, 20)
        self.few, self.test = rng.permutation(order[:, :4].ravel()), order[:, 4:].ravel()
        self.fitted: list[tuple[np.ndarray, np.ndarray]] = []
        self.scored: list[list[np.ndarray]] = []

    def fit(self, images: Any, labels: Any, *_: Any) -> Callable:
        self.fitted.append((np.asarray(images).copy(), np.asarray(labels).copy()))

        def sample(asked: Any) -> np.ndarray:
            asked = np.asarray(asked)
            drawn = np.zeros((len(asked), 4, 4, 1), "float32")
            drawn[:, 0, 0, 0] = self.synthetic + asked / 100
            return drawn

        return sample

    def score(self, *given: Any) -> float:
        self.scored.append([np.asarray(one).copy() for one in given[:4]])
        return 0.75 if self.is_synthetic(self.scored[-1][0]).any() else 0.25

    def is_synthetic(self, images: np.ndarray) -> np.ndarray:
        return flat(images)[:, 0] > self.synthetic - 0.05

    def places(self, images: np.ndarray) -> np.ndarray:
        return np.round(100 * flat(images)[:, 0]).astype(int)


def experiment(answer: Answer) -> None:
    spy = Spy()
    inputs = spy.images.copy(), spy.labels.copy(), spy.few.copy(), spy.test.copy()
    given = answer.in_numpy().call(
        *inputs, spy.fit, spy.score, np.random.default_rng(0), shape=[(), ()]
    )
    if not spy.fitted:
        raise Wrong("`fit` is never called: where do the synthetic pictures come from?")
    if not spy.scored:
        raise Wrong("`score` is never called: where do the accuracies come from?")
    for images, labels in spy.fitted:
        look_at_fit(spy, images, labels)
    kinds = [look_at_score(spy, *given) for given in spy.scored]
    for due, sentence in (
        (False, "no accuracy without synthetic pictures is taken; there is nothing to compare."),
        (True, "no accuracy with synthetic pictures is taken."),
    ):
        if due not in kinds:
            raise Wrong(sentence)
    compare(
        np.array(given),
        np.array([0.25, 0.75]),
        [
            (np.array([0.75, 0.25]), "the accuracy *with* synthetic pictures comes first here."),
            (np.array([0.25, 0.25]), "both numbers are the accuracy without synthetic pictures."),
            (np.array([0.75, 0.75]), "both numbers are the accuracy with synthetic pictures."),
            (np.array([0.25, 0.5]), "the second number is the gain; the accuracy itself is due."),
        ],
        "the two numbers are not what `score` has returned.",
    )


def look_at_fit(spy: Spy, images: np.ndarray, labels: np.ndarray) -> None:
    places = spy.places(images)
    if not set(places) <= set(range(len(spy.images))):
        raise Wrong("the generator learns from other pictures than it was given.")
    if seen := len(np.intersect1d(places, spy.test)):
        raise Wrong(f"the generator still learns from {seen} of {len(spy.test)} test pictures.")
    if missing := len(np.setdiff1d(spy.few, places)):
        raise Wrong(f"the generator learns from the few, but {missing} of them are missing.")
    if labels.shape != places.shape or (labels != spy.labels[places]).any():
        raise Wrong("the generator gets the few with the labels of other pictures.")


def look_at_score(spy: Spy, *given: np.ndarray) -> bool:
    """Check what one classifier was given; tell whether synthetic pictures were among it."""
    if len(given) != 4:
        raise Wrong(f"`score` gets {len(given)} things; it takes pictures and labels, twice.")
    train_images, train_labels, test_images, test_labels = given
    synthetic = spy.is_synthetic(train_images)
    places = spy.places(train_images[~synthetic])
    if spy.is_synthetic(test_images).any():
        raise Wrong("it is tested on synthetic pictures. Real ones are what counts.")
    if not {*places, *spy.places(test_images)} <= set(range(len(spy.images))):
        raise Wrong("`score` gets other pictures than the given and the synthetic ones.")
    if leaked := len(np.intersect1d(places, spy.test)):
        raise Wrong(f"the classifier is trained on {leaked} test pictures.")
    tested = spy.places(test_images)
    if len(np.intersect1d(tested, spy.few)):
        raise Wrong("it is tested on pictures of the few as well, which it was trained on.")
    if len(np.setdiff1d(spy.test, tested)) or len(tested) != len(spy.test):
        raise Wrong("it is not tested on all test pictures, each once.")
    if len(np.setdiff1d(spy.few, places)):
        word = "beside" if synthetic.any() else "in"
        raise Wrong(f"real pictures are missing {word} the training pictures: all the few are due.")
    due = np.zeros(len(train_images), int)
    due[~synthetic] = spy.labels[places]
    shown = 100 * (flat(train_images)[synthetic][:, 0] - spy.synthetic)
    due[synthetic] = np.round(shown).astype(int)
    if train_labels.shape != due.shape or (train_labels != due).any():
        raise Wrong("the training labels do not stand beside their pictures.")
    if test_labels.shape != tested.shape or (test_labels != spy.labels[tested]).any():
        raise Wrong("the test labels do not stand beside their pictures.")
    return bool(synthetic.any())


# ------------------------------------------------------------------ 4: the gain

WITH = np.array([0.71, 0.88, 0.52, 0.93, 0.64, 0.79])  # of six seeds, some luckier than others
WITHOUT = np.array([0.62, 0.75, 0.49, 0.81, 0.66, 0.7])


def gain_of(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    d = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


def known_gains(a: np.ndarray, b: np.ndarray) -> list[tuple[tuple[float, float], str]]:
    """What known mistakes make of the accuracies with and without: mean and error."""
    d, n = a - b, len(a)
    (mean, error), std = gain_of(a, b), d.std(ddof=1)
    both = "this is the standard deviation; the standard error is due."
    if n == 5:
        both = "this is the standard deviation of five numbers, or twice the standard error."
    unpaired = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)
    found = [
        ((-mean, error), "the sign: a gain is *with* less *without*."),
        ((100 * mean, 100 * error), "this is in percent; fractions are due."),
        ((error, mean), "the error comes first here; the gain is due first."),
        (
            (mean, unpaired),
            "this is the error of two unpaired means: the luck of a split, which both rows share, "
            "is still in it. Take the differences first.",
        ),
        (
            (mean, np.sqrt((a.var() + b.var()) / n)),
            "this is the error of two unpaired means. Take the differences first.",
        ),
        (
            (mean, a.std(ddof=1) / np.sqrt(n)),
            "this is the error of the accuracy with synthetic pictures, not that of the gain.",
        ),
        (
            (mean, b.std(ddof=1) / np.sqrt(n)),
            "this is the error of the accuracy without synthetic pictures, not that of the gain.",
        ),
        (
            (mean, std),
            "this is the standard deviation of the differences; their mean is surer than one of "
            "them. The standard error is due.",
        ),
        ((mean, d.std()), both),
        ((mean, d.std() / np.sqrt(n)), "the sum is divided by n, as `np.std` does; n - 1 is due."),
        ((mean, std / n), "the error is divided by n; the root of n is due."),
        ((mean, std**2), "this is the variance of the differences, no standard error."),
        ((mean, std**2 / n), "the root is missing: this is the square of the standard error."),
        ((mean, 2 * error), "this is twice the standard error."),
        *(
            ((mean, k * error), f"this is {k} standard errors; one is due, the verdict takes 2.8.")
            for k in (1.96, 2.776, 2.8)
        ),
        ((mean, abs(d - mean).mean()), "this is the mean deviation, no standard error."),
    ]
    for best, sentence in (
        (d.max(), "the gain is that of the best seed: choosing it is choosing the luck."),
        (
            a.max() - b.max(),
            "the best seed of one row less the best of the other: that is luck against luck. The "
            "mean of the differences is due.",
        ),
        (np.median(d), "the gain is the median of the differences; their mean is due."),
        ((a / b).mean() - 1, "this is a relative gain; a plain difference is due."),
        (a.mean() / b.mean() - 1, "this is a relative gain; a plain difference is due."),
        (d.sum(), "the differences are summed up; their mean is due."),
        (abs(d).mean(), "a loss counts as a gain here: there is an absolute value too many."),
        (a.mean(), "this is the accuracy with synthetic pictures, not the gain."),
    ):
        found.append(((best, None), sentence))
    return found


def judge_gain(given: tuple, a: np.ndarray, b: np.ndarray, near: float = 1e-5) -> None:
    mean, error = gain_of(a, b)

    def same(one: float, other: float | None) -> bool:
        return other is None or abs(one - other) <= near

    if same(given[0], mean) and same(given[1], error):
        return
    for wrong, sentence in known_gains(a, b):
        if same(given[0], wrong[0]) and same(given[1], wrong[1]):
            raise Wrong(sentence)
    if all(abs(one - due) < 6e-4 for one, due in zip(given, (mean, error), strict=True)):
        raise Wrong("nearly: is it rounded? Four decimals at least are due.")
    if same(given[0], mean):
        raise Wrong(f"the gain is right, its error is {given[1]:.4g}; expected {error:.4g}.")
    raise Wrong(f"gives a gain of {given[0]:.4g}; these accuracies have {mean:.4g}.")


def gain(answer: Answer) -> None:
    answer = answer.in_numpy()
    judge_gain(answer.call(WITH, WITHOUT, shape=[(), ()]), WITH, WITHOUT)
    more = np.concatenate([WITHOUT, [0.58, 0.7, 0.77]]), np.concatenate([WITH, [0.6, 0.69, 0.75]])
    given = answer.call(*more, shape=[(), ()])
    try:
        judge_gain(given, *more)
    except Wrong as wrong:
        raise Wrong(f"right for {len(WITH)} seeds; for {len(more[0])}: {wrong}") from None


VERDICTS = ("helps", "harms", "cannot be told")


def word_of(given: Any, where: str = "") -> str:
    text = given.strip().lower() if isinstance(given, str) else given
    if not isinstance(text, str) or text not in VERDICTS:
        shown = repr(given) if isinstance(given, str) else kind(given)
        raise Wrong(f"{where}{shown}; expected one of {', '.join(map(repr, VERDICTS))}.")
    return text


def verdict_due(mean: float, error: float) -> str | None:
    """The verdict; None where it depends on how cautious one is, between 1.9 and 3.1 errors."""
    if abs(mean) < 1.9 * error:
        return "cannot be told"
    if abs(mean) > 3.1 * error:
        return "helps" if mean > 0 else "harms"
    return None


def verdict(answer: Answer) -> None:
    def say(mean: float, error: float) -> str:
        return word_of(answer.in_numpy().result(mean, error), f"for {mean:+g} ± {error:g} it says ")

    cases = [(0.04, 0.01), (-0.04, 0.01), (0.0008, 0.0001), (0.005, 0.01), (-0.005, 0.01)]
    cases += [(0.015, 0.01), (-0.015, 0.01), (0.3, 0.2), (-0.3, 0.2), (-0.0008, 0.0001)]
    said = {case: say(*case) for case in cases}
    if said[0.04, 0.01] == "harms" and said[-0.04, 0.01] == "helps":
        raise Wrong("help and harm are exchanged: a positive gain is a help.")
    for (mean, error), word in said.items():
        due = verdict_due(mean, error)
        if word == due:
            continue
        shown = f"for {mean:+g} ± {error:g} it says {word!r}: "
        if due == "cannot be told":
            raise Wrong(shown + f"chance goes {abs(mean / error):.1f} errors far quite often.")
        if word == "cannot be told":
            why = f"that is {abs(mean / error):.0f} errors, more than chance does."
            if abs(mean) < 0.01:
                why = "a small gain can be a sure one. Compare with the error, not with a number."
            raise Wrong(shown + why)
        raise Wrong(shown + "what about the sign?")


def report(answer: Answer) -> None:
    given = answer.value
    if not isinstance(given, dict):
        raise Wrong(f"is {kind(given)}; expected a dictionary.")
    for key in ("seeds", "scores", "settings", "gains", "verdicts"):
        if key not in given:
            raise Wrong(f'there is no "{key}".')
    found = look_at_scores(given["scores"], ROWS)
    look_at_seeds(given["seeds"], len(found["real"]))
    look_at_settings(given["settings"])
    for key in ("gains", "verdicts"):
        if not isinstance(given[key], dict) or set(BASELINES) - set(given[key]):
            raise Wrong(f'"{key}" holds an entry for each baseline: {", ".join(BASELINES)}.')
    for name in BASELINES:
        mean_and_error = pair(given["gains"][name], name)
        try:
            judge_gain(mean_and_error, found["synthetic"], found[name], near=6e-5)
        except Wrong as wrong:
            raise Wrong(
                f'the gain over "{name}" does not follow from the scores: {wrong}'
            ) from None
        said = word_of(given["verdicts"][name], f'the verdict over "{name}" is ')
        mean, error = mean_and_error
        due = verdict_due(mean, error)
        if (
            said == due
            or due is None
            and said in ("cannot be told", "helps" if mean > 0 else "harms")
        ):
            continue
        shown = f'the verdict over "{name}" is {said!r}, the gain {mean:+.4f} ± {error:.4f}: '
        if due == "cannot be told":
            raise Wrong(shown + "that is within what chance does.")
        raise Wrong(shown + f"{due or 'the other sign'!r} is what follows.")


def look_at_seeds(seeds: Any, n: int) -> None:
    try:
        listed = list(seeds)
        different = len(set(listed))
    except TypeError:
        raise Wrong(f'"seeds" is {kind(seeds)}; a list of all that were run is due.') from None
    if len(listed) != n:
        raise Wrong(
            f"{len(listed)} seeds and {n} accuracies a row: all that were run belong in, the bad "
            "ones as well."
        )
    if different < len(listed):
        raise Wrong("a seed is there twice: the same split counts double, and the error shrinks.")


SETTINGS = ("fixed before", "the few", "test pictures")


def look_at_settings(settings: Any) -> None:
    text = settings.strip().lower() if isinstance(settings, str) else None
    if text == "test pictures":
        raise Wrong(
            "the settings were chosen on test pictures, so these have been trained on in a way. "
            "Honestly said. Choose within the few, by a rule that is written down, and run it with "
            "seeds that you have not looked at; with your own data, on pictures never used."
        )
    if text not in SETTINGS:
        shown = repr(settings) if isinstance(settings, str) else kind(settings)
        raise Wrong(f'"settings" is {shown}; expected one of {", ".join(map(repr, SETTINGS))}.')


def pair(given: Any, name: str) -> tuple[float, float]:
    with suppress(TypeError, ValueError):
        mean, error = (float(one) for one in given)
        if np.isfinite([mean, error]).all():
            return mean, error
    raise Wrong(f'the gain over "{name}" is {kind(given)}; expected (gain, error).')


EXERCISES = [
    Exercise("protocol", "build", "The protocol", {"split": split}),
    Exercise(
        "baseline",
        "build",
        "The baseline",
        {"augment": augment, "accuracy": accuracy, "scores": scores},
    ),
    Exercise("generator", "build", "A generator from the few", {"sample": generator}),
    Exercise(
        "leak",
        "mend",
        "Eight points",
        {
            "cause": Choice(
                "c",
                a="more pictures train better if they say more. What can noise on a hundred "
                "pictures say that the hundred do not?",
                b="this split cuts each picture off to one side, and without synthetic pictures "
                "nothing is too good.",
            ),
            "mend": experiment,
        },
    ),
    Exercise(
        "gain",
        "build",
        "The gain, measured",
        {"gain": gain, "verdict": verdict, "report": report},
    ),
]
