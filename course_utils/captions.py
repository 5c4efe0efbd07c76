"""Captions that are measured: what a picture of a digit looks like, and how to say it.

A caption names a digit and up to three of its attributes, "a small thick seven leaning right".
`measure` takes the attributes from the picture, a `Ruler` turns them into levels, `write` into
words. The same measurement tells whether a drawn picture is what its caption asks for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from course_utils.judge import as_images

__all__ = ["ATTRIBUTES", "LENGTH", "LEVELS", "VOCABULARY", "Ruler"]
__all__ += ["measure", "pair", "read", "score", "tokens", "write"]

ATTRIBUTES = ("thickness", "slant", "size")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# For each attribute its three levels, and for each level the words that name it.
WORDS = (
    (("thin", "fine", "slender"), ("plain", "ordinary"), ("thick", "bold", "fat")),
    (("left",), ("upright", "straight"), ("right",)),
    (("small", "tiny"), ("medium", "average"), ("large", "big")),
)
LEVELS = tuple(tuple(words[0] for words in levels) for levels in WORDS)
LEANING = ("leaning", "slanted", "tilted")
PLACES = {"above": 0, "over": 0, "below": 1, "under": 1}  # where the digit named first is
OTHERS = ("a", "an", "the", "with", "strokes", "of", "size")
LENGTH = 11  # tokens of a caption, the padding before it included
UNSAID = -1  # the level of an attribute that a caption does not mention

# The token of a word is its place here; 0 is padding.
_MEANING = {
    word: (attribute, level)
    for attribute, levels in enumerate(WORDS)
    for level, words in enumerate(levels)
    for word in words
}
VOCABULARY = ("", *DIGITS, *_MEANING, *LEANING, *PLACES, *OTHERS)
_TOKENS = {word: token for token, word in enumerate(VOCABULARY)}

# Between which shares of the training images, sorted, a level's word is used; see `Ruler`.
_SURE = ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))
_LIMITS = (0.25, 0.75)  # in the gaps
_PAPER = 0.1  # fainter pixels hold no ink: a generator's haze is not part of the stroke


def measure(images) -> np.ndarray:
    """Measure thickness, slant and size of what is drawn in pictures.

    All three come from the moments of the ink: its total A; its variances v_x and v_y along both
    axes; its covariance c, with y upwards; and from the length of its outline P, which is the sum
    of the brightness gradient's length over the picture (the coarea formula), and so needs no
    threshold on soft pictures.

    - Thickness, in pixels: of the bar that has the ink and the outline of the stroke,
      width + length = P / 2 and width × length = A, the shorter side.
    - Slant, in degrees, positive to the right: arctan(c / v_y). Shearing the picture back by this
      angle makes c zero; this is how digits are deskewed.
    - Size, in pixels: (144 (v_x v_y − c²))^(1/4), the side of a filled square with as large a
      spread. For a filled rectangle this is √(width × height), and slant does not change it.

    Parameters
    ----------
    images : (n, 28, 28, 1) in [0, 1]

    Returns
    -------
    float32 (n, 3)
        One column for each of `ATTRIBUTES`; all 0 where a picture is empty.

    References
    ----------
    Castro et al. (2019), Morpho-MNIST: Quantitative assessment and diagnostics for representation
    learning, measures thickness and slant of digits too, its slant by the same formula. Hu (1962),
    Visual pattern recognition by moment invariants.

    Examples
    --------
    >>> bar = np.zeros((1, 28, 28, 1))
    >>> bar[:, 4:24, 12:16] = 1  # 4 wide, 20 high
    >>> thickness, slant, size = measure(bar)[0]
    >>> round(float(thickness)), round(float(slant)), round(float(size))
    (4, 0, 9)
    """
    images = as_images(images)[..., 0]
    blocks = [_measure(images[first : first + 1000]) for first in range(0, len(images), 1000)]
    return np.concatenate(blocks)


def _measure(images: np.ndarray) -> np.ndarray:
    ink = np.clip((images - _PAPER) / (1 - _PAPER), 0, 1)
    rows, columns = ink.sum(axis=2), ink.sum(axis=1)
    x = np.arange(28, dtype="float32") - 13.5
    y = -x  # rows are counted downwards
    total = rows.sum(axis=1)
    some = np.maximum(total, 1e-6)
    mean_x, mean_y = columns @ x / some, rows @ y / some
    variance_x = columns @ x**2 / some - mean_x**2
    variance_y = rows @ y**2 / some - mean_y**2
    covariance = (ink @ x * y).sum(axis=1) / some - mean_x * mean_y
    spread = np.maximum(variance_x * variance_y - covariance**2, 0)

    framed = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    down, across = np.diff(framed, axis=1), np.diff(framed, axis=2)
    down, across = down[:, :, 1:] + down[:, :, :-1], across[:, 1:] + across[:, :-1]
    half = np.sqrt(down**2 + across**2).sum(axis=(1, 2)) / 4  # of the outline
    thickness = (half - np.sqrt(np.maximum(half**2 - 4 * total, 0))) / 2

    slant = np.degrees(np.arctan2(covariance, variance_y))
    found = np.stack([thickness, slant, (144 * spread) ** 0.25], axis=1)
    return np.where(total[:, None] > 1e-3, found, 0).astype("float32")


@dataclass(frozen=True)
class Ruler:
    """Where the levels of each attribute begin and end, taken from training images.

    Thickness and slant mean the same for all digits. Size compares a digit with its like: nearly
    every one is smaller than every zero, and a large one is large for a one.

    A word is used only where it clearly fits: for the lowest fifth of the training images, the
    middle fifth and the highest. What lies between gets no word. The limits of the levels lie in
    these gaps, at the quartiles: so a picture has to move a good way before it is what another
    caption asks for.

    Attributes
    ----------
    limits : float32 (10, 3, 2)
        For each digit and attribute: where the middle level begins and ends.
    sure : float32 (10, 3, 3, 2)
        For each digit, attribute and level: where its word is used.

    Examples
    --------
    >>> from course_utils import data
    >>> digits = data.load("digits")
    >>> measures = measure(digits.images)
    >>> ruler = Ruler.fit(measures, digits.labels)
    >>> levels = ruler.levels(measures, digits.labels)
    >>> (levels == 0).mean(axis=0).round(2)  # thin; leaning left; small
    array([0.25, 0.25, 0.25])
    >>> said = ruler.sure_levels(measures, digits.labels)
    >>> bool((said[said >= 0] == levels[said >= 0]).all())
    True
    """

    limits: np.ndarray
    sure: np.ndarray

    @classmethod
    def fit(cls, measures, labels) -> Ruler:
        """Take the limits from what `measure` found in training images, and their digits (n,)."""
        measures, labels = _as_measures(measures, labels)
        if missing := sorted(set(range(10)) - set(labels.tolist())):
            raise ValueError(f"labels has no {missing}, expected images of all ten digits")

        def quantiles(shares):
            of_all = np.quantile(measures, shares, axis=0)  # (shares, 3)
            found = np.stack([of_all] * 10)
            for digit in range(10):
                found[digit, :, 2] = np.quantile(measures[labels == digit, 2], shares)
            return found.transpose(0, 2, 1).astype("float32")  # (10, 3, shares)

        sure = quantiles(np.ravel(_SURE)).reshape(10, 3, 3, 2)
        sure[:, :, 0, 0], sure[:, :, 2, 1] = -np.inf, np.inf
        return cls(quantiles(_LIMITS), sure)

    def levels(self, measures, labels) -> np.ndarray:
        """Tell the level of each attribute, 0 to 2: int64 (n, 3)."""
        measures, labels = _as_measures(measures, labels)
        return (measures[..., None] > self.limits[labels]).sum(axis=2)

    def sure_levels(self, measures, labels) -> np.ndarray:
        """Tell the level of each attribute where a word clearly fits, else `UNSAID`: (n, 3)."""
        measures, labels = _as_measures(measures, labels)
        low, high = np.moveaxis(self.sure[labels], -1, 0)  # (n, 3, 3) each
        fits = (low <= measures[..., None]) & (measures[..., None] <= high)
        return np.where(fits.any(axis=2), fits.argmax(axis=2), UNSAID)


def write(labels, levels, rng: np.random.Generator) -> list[str]:
    """Write a caption for each digit and its levels, phrased at random.

    Parameters
    ----------
    labels : int (n,), the digits
    levels : int (n, 3), the level of each attribute, 0 to 2, or `UNSAID` for those left out

    Examples
    --------
    >>> levels = [[2, 2, 0], [0, UNSAID, UNSAID], [UNSAID, 1, 1]]
    >>> for caption in write([7, 8, 8], levels, np.random.default_rng(3)):
    ...     print(caption)
    a tiny seven slanted right with thick strokes
    a slender eight
    a straight average eight
    """
    labels, levels = _as_digits("labels", labels), np.asarray(levels)
    if levels.shape != (len(labels), 3) or not np.isin(levels, (UNSAID, 0, 1, 2)).all():
        raise ValueError(
            f"levels has shape {levels.shape} and values {np.unique(levels)[:5].tolist()}…, "
            f"expected ({len(labels)}, 3) of 0, 1, 2 or {UNSAID}"
        )
    chances = rng.random((len(labels), 8))
    rows = zip(labels.tolist(), levels.tolist(), chances.tolist(), strict=True)
    return [_phrase(*row) for row in rows]


def _phrase(digit: int, levels: list[int], chances: list[float]) -> str:
    """One caption; eight numbers in [0, 1) decide how it is phrased."""
    words = [
        None if level == UNSAID else _one_of(WORDS[attribute][level], chances[attribute])
        for attribute, level in enumerate(levels)
    ]
    thickness, slant, size = words
    before, after = [], []
    if size:
        (after if chances[3] < 0.2 else before).append(f"of {size} size")
    if thickness:
        (after if chances[4] < 0.2 else before).append(f"with {thickness} strokes")
    if levels[1] == 1:
        (after if chances[5] < 0.5 else before).append(slant)
    elif slant:
        after.append(f"{_one_of(LEANING, chances[5])} {slant}")
    if chances[6] < 0.5:
        before.reverse()
        after.reverse()
    before = [re.sub(r"(of|with) (\w+) \w+", r"\2", words) for words in before]
    caption = " ".join([*before, DIGITS[digit], *after])
    article = "an" if re.match("eight|upright|ordinary|average", caption) else "a"
    return f"{'the' if chances[7] < 0.1 else article} {caption}"


def _one_of(options: Sequence[str], chance: float) -> str:
    return options[int(chance * len(options))]


def pair(upper: Sequence[str], lower: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Join captions of two digits, one above the other; either may be named first.

    Examples
    --------
    >>> pair(["a three"] * 2, ["a thin seven"] * 2, np.random.default_rng(1))
    ['a three over a thin seven', 'a thin seven below a three']
    """
    places = rng.choice(list(PLACES), size=len(upper)).tolist()
    return [
        f"{top} {place} {bottom}" if PLACES[place] == 0 else f"{bottom} {place} {top}"
        for top, bottom, place in zip(upper, lower, places, strict=True)
    ]


def words(caption: str) -> list[str]:
    """Split a caption into known words; a numeral counts as its word.

    Raises
    ------
    ValueError
        If a word is not known, with the nearest known ones; if there is none, or too many.

    Examples
    --------
    >>> words("A thick 7, leaning right.")
    ['a', 'thick', 'seven', 'leaning', 'right']
    >>> words("a thikc sven")
    Traceback (most recent call last):
    ValueError: I do not know "thikc" (nearest: thick, thin), "sven" (nearest: seven, slender).
    """
    found = re.findall(r"[^\W_]+", caption.lower())
    found = [DIGITS[int(word)] if word in "0123456789" else word for word in found]
    unknown = list(dict.fromkeys(word for word in found if word not in _TOKENS))
    if unknown:
        known = VOCABULARY[1:]
        near = {word: difflib.get_close_matches(word, known, n=2, cutoff=0.3) for word in unknown}
        said = (
            f'"{word}" (nearest: {", ".join(nearest)})' if nearest else f'"{word}"'
            for word, nearest in near.items()
        )
        raise ValueError(
            f"I do not know {', '.join(said)}."
            + ("" if all(near.values()) else f" Known words: {', '.join(known)}.")
        )
    if not 0 < len(found) <= LENGTH:
        raise ValueError(
            f"the caption has {len(found)} words, expected 1 to {LENGTH}: for example "
            '"a thick seven leaning right"'
        )
    return found


def tokens(captions: Sequence[str]) -> np.ndarray:
    """Turn captions into rows of tokens, positions in `VOCABULARY`: int32 (n, `LENGTH`).

    The padding, 0, stands in front, so that a network that reads from left to right has read the
    last word last.

    Examples
    --------
    >>> row = tokens(["a thick seven"])[0]
    >>> [VOCABULARY[token] for token in row[-4:]]
    ['', 'a', 'thick', 'seven']
    """
    if isinstance(captions, str):
        raise TypeError(f"captions is one string, expected a list of them: [{captions!r}]")
    rows = np.zeros((len(captions), LENGTH), dtype="int32")
    for row, caption in zip(rows, captions, strict=True):
        found = [_TOKENS[word] for word in words(caption)]
        row[LENGTH - len(found) :] = found
    return rows


def read(captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read what captions of one digit ask for: the digits (n,) and the levels (n, 3).

    An attribute that a caption does not mention has the level `UNSAID`: anything will do.

    Raises
    ------
    ValueError
        If a word is unknown, a caption names no digit or several, or asks for both of two levels.

    Examples
    --------
    >>> labels, levels = read(["a bold 7 tilted left", "the zero"])
    >>> labels.tolist(), levels.tolist()
    ([7, 0], [[2, 0, -1], [-1, -1, -1]])
    """
    labels = np.zeros(len(captions), dtype="int64")
    levels = np.full((len(captions), 3), UNSAID)
    for row, caption in enumerate(captions):
        found = words(caption)
        digits = [word for word in found if word in DIGITS]
        if len(digits) != 1:
            raise ValueError(f'"{caption}" names {len(digits)} digits, expected one')
        labels[row] = DIGITS.index(digits[0])
        for word in found:
            attribute, level = _MEANING.get(word, (0, UNSAID))
            if level == UNSAID:
                continue
            if levels[row, attribute] not in (UNSAID, level):
                other = WORDS[attribute][levels[row, attribute]][0]
                raise ValueError(f'"{caption}" asks for {other} and for {word}: leave one out')
            levels[row, attribute] = level
    return labels, levels


def score(asked, found) -> dict[str, float]:
    """For each attribute, the share of pictures on the level asked for, of those that ask.

    Parameters
    ----------
    asked : int (n, 3), levels as `read` returns them
    found : int (n, 3), levels as `Ruler.levels` returns them

    Examples
    --------
    >>> score([[0, 1, UNSAID], [2, UNSAID, UNSAID]], [[0, 2, 1], [2, 0, 0]])
    {'thickness': 1.0, 'slant': 0.0, 'size': nan}
    """
    asked, found = np.asarray(asked), np.asarray(found)
    if asked.shape != found.shape:
        raise ValueError(f"asked has shape {asked.shape} and found {found.shape}: not the same")
    right = np.where(asked == UNSAID, np.nan, asked == found)
    return {
        name: float(np.nanmean(column)) if not np.isnan(column).all() else float("nan")
        for name, column in zip(ATTRIBUTES, right.T, strict=True)
    }


def _as_measures(measures, labels) -> tuple[np.ndarray, np.ndarray]:
    measures, labels = np.asarray(measures), _as_digits("labels", labels)
    if measures.shape != (len(labels), 3):
        raise ValueError(
            f"measures has shape {measures.shape}, expected ({len(labels)}, 3), a row for each of "
            f"the {len(labels)} labels: pass what measure(images) returns"
        )
    return measures, labels


def _as_digits(name: str, labels) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, range(10)).all():
        raise ValueError(
            f"{name} has shape {labels.shape} and type {labels.dtype}, expected whole numbers "
            "(n,) from 0 to 9"
        )
    return labels
