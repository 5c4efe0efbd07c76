"""Checkers of the capstone "replies": acceptance tests, for the course's data or a learner's own.

A part is a dictionary with the answer and what it is to be judged with. No number of the course's
own data stands here.
"""

import re
from collections import Counter
from typing import Any

import numpy as np

from course_utils.checks.judging import (
    Answer,
    Choice,
    Exercise,
    Unanswered,
    Wrong,
    first_line,
    kind,
)

SPECIAL = ("padding", "start", "end", "unknown")
MOST = 400  # replies that are judged at most, so that a check takes seconds
WORD = re.compile(r"\{\w+\}|\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*|[^\w\s]")
DATE = re.compile(  # or a number; "may" and "one" are other words too
    r"(mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|june|july|august|"
    r"(septem|octo|novem|decem)ber|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"twenty|thirty",
    re.IGNORECASE,
)


# ------------------------------------------------------------------ what a learner gives


def given(answer: Answer, *names: str) -> list[Any]:
    """Take the named values out of the dictionary that a notebook's check cell makes."""
    values = answer.value
    if not isinstance(values, dict):
        raise Wrong(f"is {kind(values)}; expected a dictionary, as the check's cell makes it.")
    if missing := [name for name in names if name not in values]:
        raise Wrong(f"lacks {', '.join(missing)}; the check's cell gives it.")
    for name in names:
        if values[name] is None or values[name] is Ellipsis:
            raise Unanswered(f"`{name}` is nothing yet.")
    return [values[name] for name in names]


def run(name: str, function: Any, *inputs: Any) -> Any:
    """Call a learner's function on plain lists and arrays."""
    if not callable(function):
        raise Wrong(f"`{name}` is {kind(function)}; expected a function.")
    try:
        result = function(*inputs)
    except NotImplementedError:
        raise Unanswered(f"`{name}` has nothing to run yet.") from None
    except Exception as error:
        raise Wrong(f"`{name}` raised {type(error).__name__}: {first_line(error)}") from None
    if result is None or result is Ellipsis:
        raise Unanswered(
            f"`{name}` returns nothing yet. If you have written it: is there a `return`?"
        )
    return result


def texts_of(name: str, result: Any, n: int) -> list[str]:
    """A learner's list of `n` texts."""
    if isinstance(result, str):
        raise Wrong(f"`{name}` returns one text; expected a list of {n}.")
    try:
        texts = list(result)
    except TypeError:
        raise Wrong(f"`{name}` returns {kind(result)}; expected a list of {n} texts.") from None
    if len(texts) != n:
        raise Wrong(f"`{name}` returns {len(texts)} texts for {n}; one for each is due.")
    for text in texts:
        if not isinstance(text, str):
            raise Wrong(f"`{name}` returns a list with {kind(text)} in it; texts are due.")
    return texts


def replies_of(name: str, value: Any) -> list[tuple[str, str, str]]:
    """A list of (intent, mood, text)."""
    try:
        rows = [tuple(row) for row in value]
    except TypeError:
        rows = None
    if rows is None or any(len(row) != 3 or not isinstance(row[2], str) for row in rows):
        raise Wrong(f"{name}: expected a list of (intent, mood, text).")
    if not rows:
        raise Wrong(f"{name}: there is no reply in it.")
    return [(str(intent), str(mood), text) for intent, mood, text in rows]


def spread(rows: list, most: int = MOST) -> list:
    """At most so many of a list, from its begin to its end."""
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]


def quote(text: str) -> str:
    return f'"{text}"' if len(text) < 120 else f'"{text[:119]}…"'


# ------------------------------------------------------------------ names in texts

CUSTOMERS = [
    ("Ada", "Okafor", "48213"),
    ("Ann", "O'Neil", "7021"),
    ("Anna", "Lee", "70215"),
    ("Marie-Claire", "Young", "30556"),
    ("Zoë", "Haddad", "90412"),
    ("Ada", "Lee", "61377"),  # both of her names are other customers' too
]


def with_slots(answer: Answer) -> None:
    def given_for(text: str) -> str:
        result = run("with_slots", answer.value, text, list(CUSTOMERS))
        if not isinstance(result, str):
            raise Wrong(f"returns {kind(result)}; expected a text.")
        return result

    half = "half a name is left: a first or a last name alone tells who it is, too."
    once = "only the first of several places is replaced."
    part = "a part of another word or number is replaced: only whole ones are names."
    cases = [  # a text, what is due, and what mistakes give
        ("Order 48213 has left.", "Order {order} has left.", []),
        (
            "Dear Ada Okafor, all is well.",
            "Dear {name}, all is well.",
            [
                (
                    "Dear {name} {name}, all is well.",
                    "first and last name become a slot each. A whole name is one {name}: which "
                    "must be replaced first?",
                ),
                ("Dear {name} Okafor, all is well.", half),
                ("Dear Ada {name}, all is well.", half),
            ],
        ),
        ("Hello Zoë, all is well.", "Hello {name}, all is well.", [(None, half)]),
        ("Dear Ms Okafor, all is well.", "Dear Ms {name}, all is well.", [(None, half)]),
        (
            "Hello Anna, all is well.",
            "Hello {name}, all is well.",
            [("Hello {name}a, all is well.", "a customer called Ann makes {name}a of Anna.")],
        ),
        (
            "Dear Ada Lee, all is well.",
            "Dear {name}, all is well.",
            [
                (
                    "Dear {name} {name}, all is well.",
                    "first and last name become a slot each, for other customers have them too. "
                    "All whole names are replaced before any half of one.",
                ),
                ("Dear {name} Lee, all is well.", half),
                ("Dear Ada {name}, all is well.", half),
            ],
        ),
        (
            "Dear Ann O'Neil and Marie-Claire Young, we wrote to Ada Okafor.",
            "Dear {name} and {name}, we wrote to {name}.",
            [],
        ),
        (
            "Orders 7021 and 7021, for Zoë and Zoë.",
            "Orders {order} and {order}, for {name} and {name}.",
            [
                ("Orders {order} and 7021, for {name} and Zoë.", once),
                ("Orders {order} and 7021, for {name} and {name}.", once),
                ("Orders {order} and {order}, for {name} and Zoë.", once),
            ],
        ),
        (
            "Order 70215 is Anna Lee's.",
            "Order {order} is {name}'s.",
            [("Order {order}5 is {name}'s.", part), ("Order {order}5 is {name}a Lee's.", part)],
        ),
        ("Annual sums: 148213 in Leeds, 702150 here.", None, [(False, part)]),
        (
            "We will answer by Monday.",
            None,
            [(False, "a text without any name or order number is changed.")],
        ),
    ]
    if given_for(cases[0][0]) == cases[0][0]:
        raise Wrong("the order number of a customer stays in the text.")
    for text, right, mistakes in cases:
        found, right = given_for(text), right or text
        if found == right:
            continue
        for wrong, sentence in mistakes:
            if wrong is False or found == (wrong or text):
                raise Wrong(f"{sentence} {quote(text)} became {quote(found)}.")
        raise Wrong(f"of {quote(text)} it makes {quote(found)}; expected {quote(right)}.")


def leaks(answer: Answer) -> None:
    cases = [  # a text, whether it leaks, and what to say of a wrong verdict
        ("Dear Ada Okafor, all is well.", True, "a whole name is not found"),
        ("Dear {name}, order {order} has left.", False, "a slot is no leak, and is called one"),
        ("Order 90412 has left.", True, "an order number is not found"),
        ("We will answer by Monday.", False, "a text without any name is called a leak"),
        ("Hello Zoë, all is well.", True, "a first name alone is not found"),
        ("Dear Ms Okafor, all is well.", True, "a last name alone is not found"),
        ("Hello Ada Haddad, all is well.", True, "a name that is put together is not found"),
        ("Annual sums, in Leeds.", False, "a part of another word is taken for a name"),
        ("It costs 148213 euros.", False, "a part of another number is taken for an order"),
        ("Thank you, Marie-Claire!", True, "a name with a hyphen is not found"),
        ("It is Anna's kettle.", True, "a name followed by 's is not found"),
    ]
    texts, right = [text for text, *_ in cases], [leak for _, leak, _ in cases]
    result = run("leaks", answer.value, texts, list(CUSTOMERS))
    if isinstance(result, bool | np.bool_ | int | float | str):
        raise Wrong(f"returns {kind(result)}; expected a list, with a verdict for each text.")
    try:
        found = np.asarray(list(result))
    except Exception:
        raise Wrong(f"returns {kind(result)}; expected a list of True and False.") from None
    if found.shape != (len(texts),):
        raise Wrong(
            f"returns the shape {found.shape} for {len(texts)} texts; expected a verdict for each."
        )
    if found.dtype.kind not in "bif":
        raise Wrong("returns a list of other things than True and False.")
    if np.isnan(found.astype(float)).any():
        raise Wrong("returns NaN; expected True or False.")
    found = found.astype(bool)
    if found.all() or not found.any():
        raise Wrong(f"says {bool(found[0])} of every text; a test that cannot fail is none.")
    if (found == ~np.array(right)).all():
        raise Wrong("is upside down: True is for a text that holds personal data.")
    for (text, leak, sentence), verdict in zip(cases, found, strict=True):
        if verdict != leak:
            raise Wrong(f"{sentence}: {quote(text)}.")


# ------------------------------------------------------------------ the split


def words(text: str) -> list[str]:
    return WORD.findall(text)


def masked(texts: list[str]) -> list[tuple[str, ...]]:
    """Each text as small words, with * for each run of values: slots, numbers, days, names.

    A word with a capital within a sentence is taken for a name, unless the language writes many
    words so.
    """
    begun = [[i == 0 or row[i - 1] in ".!?:" for i in range(len(row))] for row in map(words, texts)]
    inner = [
        word
        for text, first in zip(texts, begun, strict=True)
        for word, at_start in zip(words(text), first, strict=True)
        if not at_start and word[0].isalpha()
    ]
    names = sum(word[0].isupper() for word in inner) < 0.15 * len(inner)
    found = []
    for text, first in zip(texts, begun, strict=True):
        row: list[str] = []
        for word, at_start in zip(words(text), first, strict=True):
            name = names and not at_start and word[0].isupper() and word.lower() != "i"
            value = name or word[0] == "{" or word[0].isdigit() or DATE.fullmatch(word)
            if not value:
                row.append(word.lower())
            elif row[-1:] != ["*"]:
                row.append("*")
        found.append(tuple(row))
    return found


def without_one(row: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The row with a gap in place of one word; short rows have none."""
    if len(row) < 8:
        return set()
    return {(*row[:i], "_", *row[i + 1 :]) for i in range(len(row))}


def copies(texts: list[str], of: list[str]) -> list[int | None]:
    """For each text, the first of the others that differs in values only, if there is one."""
    both = masked([*of, *texts])
    known: dict[tuple[str, ...], int] = {}
    for place, row in enumerate(both[: len(of)]):
        known.setdefault(row, place)
    return [known.get(row) for row in both[len(of) :]]


def split(answer: Answer) -> None:
    replies, sides = given(answer, "replies", "sides")
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        raise Wrong(f"`split` returns {kind(sides)}; expected two lists, `train, test`.")
    replies = replies_of("replies", replies)
    train, test = (replies_of(*side) for side in zip(("train", "test"), sides, strict=True))
    whole, kept = set(replies), set(train) | set(test)
    if invented := sorted(kept - whole):
        raise Wrong(f"a reply is on a side, but not among the replies: {quote(invented[0][2])}.")
    if both := sorted(set(train) & set(test)):
        raise Wrong(f"{len(both)} replies are on both sides, such as {quote(both[0][2])}.")
    if lost := sorted(whole - kept):
        raise Wrong(f"{len(lost)} replies are on neither side, such as {quote(lost[0][2])}.")
    share = len(set(test)) / len(whole)
    if share > 0.5:
        raise Wrong(
            f"{share:.0%} of the replies are held out, the greater part: are the sides exchanged?"
        )
    if not 0.05 <= share <= 0.4:
        raise Wrong(f"{share:.1%} of the replies are held out; between 5 % and 40 % are sensible.")
    for one, other, name in ((train, test, "held-out"), (test, train, "training")):
        missing = sorted({row[:2] for row in one} - {row[:2] for row in other})
        if missing:
            more = f", and {len(missing) - 1} more lack one" if len(missing) > 1 else ""
            raise Wrong(
                f"no {name} reply has the label ({', '.join(missing[0])}){more}. Choose what to "
                "hold out label by label; if a label has one template only, it needs more of them, "
                "or must go."
            )
    near_copies([text for *_, text in train], [text for *_, text in test])


def near_copies(train: list[str], test: list[str]) -> None:
    if same := sorted(set(train) & set(test)):
        raise Wrong(
            f"{len(same)} texts are on both sides, under two labels, such as {quote(same[0])}: "
            "hold a template out for all labels at once."
        )
    near = copies(test, train)
    if places := [i for i, place in enumerate(near) if place is not None]:
        first = places[0]
        raise Wrong(
            f"{len(places)} of {len(test)} held-out replies are near copies: they differ from a "
            f"training one in names, days or numbers only. {quote(test[first])} is held out, "
            f"{quote(train[near[first]])} is not."
        )
    rows, kept, known = masked([*train, *test]), {}, {}
    for place, row in enumerate(rows[: len(train)]):
        kept.setdefault(row, place)  # many texts have the same
    for row, place in kept.items():
        for gap in without_one(row):
            known.setdefault(gap, place)
    closest = {
        row: min((known[gap] for gap in without_one(row) if gap in known), default=None)
        for row in set(rows[len(train) :])
    }
    found = [
        (text, train[closest[row]])
        for text, row in zip(test, rows[len(train) :], strict=True)
        if closest[row] is not None
    ]
    if len(found) > 0.02 * len(test):
        one, other = found[0]
        raise Wrong(
            f"{len(found)} of {len(test)} held-out replies differ from a training one in a single "
            f"word (beside numbers and days). {quote(one)} is held out, {quote(other)} is not."
        )


# ------------------------------------------------------------------ tokens


def numbers(special: Any) -> list[int]:
    """The four numbers of special tokens, in the order of SPECIAL."""
    if not isinstance(special, dict) or set(special) != set(SPECIAL):
        raise Wrong(f"`special` is to be a dictionary with the names {', '.join(SPECIAL)}.")
    try:
        found = [int(special[name]) for name in SPECIAL]
    except (TypeError, ValueError):
        raise Wrong("`special` holds something that is no number of a token.") from None
    for i, one in enumerate(found):
        if one in found[:i]:
            raise Wrong(
                f"{SPECIAL[found.index(one)]} and {SPECIAL[i]} have the same number, {one}."
            )
    return found


def rows_of(encode: Any, texts: list[str]) -> np.ndarray:
    result = run("encode", encode, list(texts))
    if hasattr(result, "detach"):
        result = result.detach().cpu()
    try:
        rows = np.asarray(result)
    except ValueError:
        raise Wrong(
            "`encode` returns rows of different lengths; the shorter ones need padding."
        ) from None
    if rows.dtype == object or rows.ndim != 2 or len(rows) != len(texts) or rows.shape[1] < 2:
        raise Wrong(
            f"`encode` returns the shape {rows.shape} for {len(texts)} texts; expected (n, length)."
        )
    if rows.dtype.kind not in "iu" or rows.min() < 0:
        raise Wrong("`encode` returns other things than whole numbers from 0 on.")
    return rows.astype(int)


def check_rows(rows: np.ndarray, texts: list[str], special: list[int]) -> None:
    """Each row is START, tokens, END, padding."""
    padding, start, end, _ = special
    if (rows[:, 0] == end).all() and not (rows == start).any():
        raise Wrong("rows begin with the end token; the start has its own number here.")
    if (rows[:, 0] != start).any():
        text = texts[int((rows[:, 0] != start).argmax())]
        raise Wrong(f"not every row begins with the start token; {quote(text)} does not.")
    if (rows[:, 1:] == start).any():
        raise Wrong("the start token stands within a row; it is the first only.")
    ends = (rows == end).sum(axis=1)
    if (ends == 0).any():
        text = texts[int((ends == 0).argmax())]
        raise Wrong(
            f"{np.count_nonzero(ends == 0)} texts have no end token, such as {quote(text)}. Is it "
            "forgotten, or is `length` too short, so that it is cut off?"
        )
    if (ends > 1).any():
        raise Wrong("some rows have several end tokens: what follows the first is padding.")
    behind = np.arange(rows.shape[1]) > (rows == end).argmax(axis=1)[:, None]
    if (rows[behind] != padding).any():
        raise Wrong("behind the end there is something else than padding.")
    if (rows[~behind] == padding).any():
        raise Wrong("padding stands before the end of a text: where a text goes on, or unknown?")


def decoded(decode: Any, rows: np.ndarray) -> list[str]:
    return texts_of("decode", run("decode", decode, rows.copy()), len(rows))


def tokens(answer: Answer) -> None:
    encode, decode, special, train, test = given(
        answer, "encode", "decode", "special", "train", "test"
    )
    special = numbers(special)
    padding, start, end, unknown = special
    train, test = (
        [text for *_, text in spread(replies_of(name, rows), 1_000)]
        for name, rows in (("train", train), ("test", test))
    )
    rows = rows_of(encode, train)
    check_rows(rows, train, special)
    others = rows_of(encode, test)
    if others.shape[1] != rows.shape[1]:
        raise Wrong(
            "held-out rows have another length than training rows; one `length` serves all."
        )
    check_rows(others, test, special)
    for name, side, most in (("training", rows, 0.1), ("held-out", others, 0.25)):
        share = (side == unknown).sum() / np.isin(side, [padding, start], invert=True).sum()
        if share > most:
            raise Wrong(
                f"{share:.0%} of the tokens of {name} texts are unknown. Bits per word would be "
                "low for nothing: to tell `unknown` is easy. Make the vocabulary larger."
            )
    round_trip(decode, rows, train, special)
    padding_is_silent(decode, rows, special)
    nonsense = "".join(sorted(filter(str.isalpha, train[0].lower())))[-6:][::-1]
    strange, other = rows_of(encode, [f"q{nonsense}", "☃☃☃ ☃"])
    if unknown not in other:
        raise Wrong("a sign that no training text has, ☃, is not encoded as unknown.")
    mark = decoded(decode, np.array([[start, unknown, end, padding]]))[0]
    if not mark.strip():
        raise Wrong("an unknown token vanishes in `decode`; show a sign in its place.")
    seen = Counter(word.lower() for text in train for word in words(text))
    if seen[mark.strip().lower()] and mark.strip().isalnum():
        raise Wrong(f"an unknown token is decoded as {quote(mark.strip())}, a word of the texts.")
    if unknown in strange:  # its tokens are words: then a new word of the other side is unknown
        known_from_test(rows_of, encode, train, test, unknown)


def round_trip(decode: Any, rows: np.ndarray, texts: list[str], special: list[int]) -> None:
    back, unknown = decoded(decode, rows), special[3]
    for text, found, row in zip(texts, back, rows, strict=True):
        if found == text or unknown in row:
            continue
        shown = f"{quote(text)} comes back as {quote(found)}."
        if found.lower() == text.lower():
            raise Wrong(f"capital letters are lost. {shown}")
        if found.split() == text.split() or "".join(found.split()) == "".join(text.split()):
            raise Wrong(f"spaces are lost or added; they belong to the text. {shown}")
        if text in found:
            raise Wrong(f"more comes back than was encoded: special tokens are no text. {shown}")
        if found.split() == text.split()[::-1]:
            raise Wrong(f"the words come back in reverse order. {shown}")
        raise Wrong(f"a text without unknown words is not the same again. {shown}")


def padding_is_silent(decode: Any, rows: np.ndarray, special: list[int]) -> None:
    padding, start, end, unknown = special
    few = rows[:20]
    right = decoded(decode, few)
    wider = np.pad(few, [(0, 0), (0, 7)], constant_values=padding)
    if decoded(decode, wider) != right:
        raise Wrong("more padding behind the end changes the text: padding is read as text.")
    token = next((t for t in few.ravel().tolist() if t not in special), None)
    if token is None:
        return
    noisy = np.where(np.cumsum(few == end, axis=1) - (few == end) > 0, token, few)
    if decoded(decode, noisy) != right:
        raise Wrong(
            "what stands behind the first end token is read as text. A generator may go on there."
        )
    endless = np.where(few == end, padding, few)
    try:
        found = decoded(decode, endless)
    except Wrong as wrong:
        raise Wrong(f"on a row that was cut off before its end, {wrong}") from None
    if found != right:
        raise Wrong("a row that has padding, but no end, is decoded to another text.")
    cut = few[:, : max(2, int((few == end).argmax(axis=1).min()))]  # no row has its end here
    for short, text in zip(decoded(decode, cut), right, strict=True):
        if not text.startswith(short.rstrip()):
            raise Wrong("a row that is cut off before its end is not decoded as the text so far.")


def known_from_test(
    rows_of: Any, encode: Any, train: list[str], test: list[str], unknown: int
) -> None:
    seen = {word for text in train for word in words(text)}
    new = sorted({word for text in test for word in words(text) if word.isalpha()} - seen)
    texts = [text for text in test if not seen.issuperset(w for w in words(text) if w.isalpha())]
    if new and not any(unknown in row for row in rows_of(encode, texts)):
        raise Wrong(
            f"{quote(new[0])} stands in held-out replies only, and is no unknown word. The "
            "vocabulary is made from training replies alone."
        )


# ------------------------------------------------------------------ the generator


class Classifier:
    """A naive Bayes classifier of texts, by their words."""

    def __init__(self, texts: list[str], labels: list[Any]):
        self.labels = sorted(set(labels))
        seen = {label: Counter() for label in self.labels}
        for text, label in zip(texts, labels, strict=True):
            seen[label].update(words(text))
        self.number = {word: i for i, word in enumerate(sorted(set().union(*seen.values())))}
        counts = np.ones((len(self.labels), len(self.number)))
        for row, label in zip(counts, self.labels, strict=True):
            row[[self.number[word] for word in seen[label]]] += list(seen[label].values())
        often = Counter(labels)
        self.logs = np.log(counts / counts.sum(axis=1, keepdims=True))
        self.prior = np.log([often[label] / len(labels) for label in self.labels])

    def __call__(self, texts: list[str]) -> list[Any]:
        found = []
        for text in texts:
            places = [self.number[word] for word in words(text) if word in self.number]
            found.append(self.labels[int((self.prior + self.logs[:, places].sum(axis=1)).argmax())])
        return found

    def accuracy(self, texts: list[str], labels: list[Any]) -> float:
        return float(np.mean([a == b for a, b in zip(self(texts), labels, strict=True)]))


def samples(answer: Answer) -> None:
    sample, train, test = given(answer, "sample", "train", "test")
    train, test = replies_of("train", train), spread(replies_of("test", test))
    labels, real = [row[:2] for row in test], [row[2] for row in test]
    texts = texts_of("sample", run("sample", sample, list(labels)), len(labels))
    if (empty := sum(not text.strip() for text in texts)) > 0.05 * len(texts):
        raise Wrong(f"{empty} of {len(texts)} texts are empty: the first draw may not be the end.")
    marks = re.compile(r"<(pad|start|end|unk|bos|eos|s|/s)\w*>|\[(PAD|START|END|UNK)\w*\]", re.I)
    if found := [text for text in texts if marks.search(text)]:
        raise Wrong(
            f"special tokens are written into a text: {quote(found[0])}. Take their chances away "
            "before you draw."
        )
    lively(sample, labels, texts, real, train)
    texts_end(texts, real, [row[2] for row in train])
    heard(sample, texts, labels, train, real)


def lively(sample: Any, labels: list, texts: list[str], real: list[str], train: list) -> None:
    """Texts differ within a call, and between two calls."""
    often = Counter(row[:2] for row in train)
    label = max(often, key=often.get)
    variety = len({text for *own, text in train if tuple(own) == label})
    same = texts_of("sample", run("sample", sample, [label] * 30), 30)
    if len(set(texts)) == 1:
        raise Wrong("all texts are the same, whatever the label.")
    if variety > 3 and len(set(same)) == 1:
        raise Wrong(
            "a label always gets the same text: is the likeliest word taken, in place of a draw?"
        )
    if variety > 20 and len(set(same)) < 5:
        raise Wrong(
            f"30 texts of one label are only {len(set(same))} different ones; its training "
            f"replies are {variety}."
        )
    if len(set(same)) > 1 and same == texts_of("sample", run("sample", sample, [label] * 30), 30):
        raise Wrong(
            "the second call gives the same texts as the first: the random numbers begin anew."
        )


def texts_end(texts: list[str], real: list[str], train: list[str]) -> None:
    ended = [
        np.mean([text.rstrip()[-1] in ".!?…)\"'”}" for text in side if text.strip()])
        for side in (texts, [*train, *real])
    ]
    longest = max(len(words(text)) for text in [*train, *real])
    lengths = np.array([len(words(text)) for text in texts])
    usual = np.mean([len(words(text)) for text in real])
    if (endless := np.mean(lengths > 1.5 * longest)) > 0.25:
        raise Wrong(
            f"{endless:.0%} of the texts go on far beyond the longest real one: is END never drawn?"
        )
    if len(set(lengths)) == 1 and len({len(words(text)) for text in real}) > 3:
        raise Wrong(
            "all texts have the same number of words: they are cut there, and do not end by "
            "themselves."
        )
    if ended[0] < ended[1] - 0.05 - 1 / len(texts) ** 0.5:
        raise Wrong(
            f"{1 - ended[0]:.0%} of the texts stop in the middle of a sentence, and "
            f"{1 - ended[1]:.0%} of the real ones. Do they end when END is drawn? One that came to "
            "no END is not finished."
        )
    if not 0.4 < lengths.mean() / usual < 2:
        raise Wrong(f"texts have {lengths.mean():.1f} words in the mean, real ones {usual:.1f}.")


def heard(sample: Any, texts: list[str], labels: list, train: list, real: list[str]) -> None:
    """An independent classifier finds the label that was asked for."""
    known = [row[2] for row in train]
    whole = Classifier(known, [row[:2] for row in train])
    accuracy, floor = whole.accuracy(texts, labels), whole.accuracy(real, labels)
    if accuracy >= 0.7 * floor:
        return
    alone, different = [], sorted(set(labels))
    for label in spread(different, 6):
        own = texts_of("sample", run("sample", sample, [label] * 20), 20)
        alone.append(whole.accuracy(own, [label] * 20))
    if len(different) > 1 and np.mean(alone) > max(0.7 * floor, 1.5 * accuracy):
        raise Wrong(
            "a label asked for alone is heard, but in a list of labels the texts come out in "
            f"another order: {accuracy:.0%} of them fit the label at their own place."
        )
    for place, name in enumerate(("intent", "mood")):
        one = Classifier(known, [row[place] for row in train])
        asked = [label[place] for label in labels]
        share, due = one.accuracy(texts, asked), one.accuracy(real, asked)
        if share < 0.6 * due:
            raise Wrong(
                f"the {name} is hardly heard: a classifier finds the one asked for in {share:.0%} "
                f"of the texts, and in {due:.0%} of held-out replies."
            )
    raise Wrong(
        f"a classifier finds the label in {accuracy:.0%} of the texts, and in {floor:.0%} of "
        "held-out replies; at least 70 % of that is due."
    )


def chances_of(next_token: Any, labels: list, rows: np.ndarray, padding: int) -> np.ndarray:
    """The learner's probabilities (n, length - 1, size) of rows' tokens from the second on."""
    result = run("next_token", next_token, list(labels), rows.copy())
    if hasattr(result, "detach"):
        result = result.detach().cpu()
    try:
        p = np.asarray(result, dtype=float)
    except Exception:
        raise Wrong(f"`next_token` returns {kind(result)}; expected an array.") from None
    n, length = rows.shape
    if p.ndim == 3 and p.shape[:2] == (n, length):
        raise Wrong(
            "there is a place too many: the first token is the start, which is not to tell, and "
            "none comes after the last."
        )
    if p.ndim != 3 or p.shape[:2] != (n, length - 1) or p.shape[2] <= rows.max():
        raise Wrong(
            f"`next_token` returns the shape {p.shape}; expected ({n}, {length - 1}, size), with "
            f"a size above {rows.max()}, the greatest token."
        )
    if not np.isfinite(p).all():
        raise Wrong("there are probabilities that are no number.")
    if (p < -1e-9).any():
        raise Wrong("there are probabilities below 0: are these logits, or logarithms?")
    if abs(p.sum(axis=2)[rows[:, 1:] != padding] - 1).max() > 1e-3:
        raise Wrong("the probabilities of a place do not add up to 1 over all tokens.")
    return p


def losses(
    next_token: Any, encode: Any, special: list[int], replies: list
) -> tuple[np.ndarray, ...]:
    """-log2 p of all places (n, length - 1), and which of them count."""
    bits, counts = [], []
    for first in range(0, len(replies), 25):
        some = replies[first : first + 25]
        rows = rows_of(encode, [text for *_, text in some])
        p = chances_of(next_token, [row[:2] for row in some], rows, special[0])
        p = np.take_along_axis(p, rows[:, 1:, None], axis=2)[..., 0]
        count = rows[:, 1:] != special[0]
        if (p[count] <= 0).any():
            raise Wrong(
                "a token that came had the probability 0, which costs bits without end. Smoothing "
                "leaves every token a chance."
            )
        bits.append(-np.log2(np.maximum(p, 1e-300)))
        counts.append(count)
    return np.concatenate(bits), np.concatenate(counts)


def unigram_bits(encode: Any, special: list[int], train: list, test: list) -> float:
    """Bits per word of held-out replies, from how often each token stands in training ones."""
    rows, others = (rows_of(encode, [row[2] for row in side])[:, 1:] for side in (train, test))
    size = max(rows.max(), others.max()) + 1
    counts = np.bincount(rows[rows != special[0]], minlength=size) + 1.0
    return float(-np.log2(counts / counts.sum())[others[others != special[0]]].mean())


def bits(answer: Answer) -> None:
    next_token, encode, special, train, test = given(
        answer, "next_token", "encode", "special", "train", "test"
    )
    special = numbers(special)
    train, test = replies_of("train", train), spread(replies_of("test", test))
    honest(next_token, encode, special, test)
    found, count = losses(next_token, encode, special, test)
    own, baseline = found[count].mean(), unigram_bits(encode, special, train, test)
    if own >= baseline:
        raise Wrong(
            f"{own:.2f} bits per word on held-out replies, and a unigram model has "
            f"{baseline:.2f}: what came before does not help it yet."
        )


def honest(next_token: Any, encode: Any, special: list[int], test: list) -> None:
    """A second call agrees; the label is heard; no place sees its own token, or a later one."""
    some = spread(test, 40)
    labels, rows = [row[:2] for row in some], rows_of(encode, [row[2] for row in some])
    before = chances_of(next_token, labels, rows, special[0])
    if abs(chances_of(next_token, labels, rows, special[0]) - before).max() > 1e-5:
        raise Wrong(
            "the same labels and rows get other probabilities at a second call. Is there still "
            "something at work that belongs to training, such as dropout?"
        )
    moved = chances_of(next_token, labels[::-1], rows, special[0])
    if labels != labels[::-1] and abs(moved - before).max() < 1e-6:
        raise Wrong("another label changes no probability: the label is not heard.")
    ends = (rows == special[2]).argmax(axis=1)
    place = max(2, int(ends.min()) // 2)
    changed = rows.copy()
    changed[:, place:] = rows[::-1, place:]
    if (changed == rows).all():
        return
    after = chances_of(next_token, labels, changed, special[0])
    where = abs(after - before).max(axis=2) > 1e-5
    if where[:, : place - 1].any():
        raise Wrong("a later token changes what was said before it: the model sees the future.")
    if where[:, place - 1].any():
        raise Wrong(
            "a place sees the token that it is to tell: row t of the result is about token t + 1."
        )
    if not where.any():
        raise Wrong("no token changes any probability after it: this is a unigram model.")


# ------------------------------------------------------------------ the report

SHARES = ("accuracy", "real_accuracy", "copied", "distinct", "real_distinct")
BITS = ("bits", "train_bits", "unigram_bits")
MEANING = {
    "unigram_bits": "without a baseline, nobody can say whether the bits are many or few",
    "real_accuracy": "without the accuracy on real held-out text, there is no floor to compare",
    "real_distinct": "without that of real text, the distinct trigrams say nothing",
    "copied": "how much is copied from training is the first question that will be asked",
    "train_bits": "the bits of training replies, beside those of held-out ones, show overfitting",
    "leaks": "whether names of customers are in the texts must be said",
    "explanation": 'it may be empty: ""',
}


def figures(report: Any) -> dict[str, float]:
    if not isinstance(report, dict):
        raise Wrong(f"`report` is {kind(report)}; expected a dictionary.")
    for name in (*BITS, *SHARES, "leaks", "explanation"):
        if name not in report:
            more = f": {MEANING[name]}" if name in MEANING else ""
            raise Wrong(f'"{name}" is not in the report{more}.')
    if not isinstance(report["explanation"], str):
        raise Wrong(f'"explanation" is {kind(report["explanation"])}; expected a text.')
    found = {}
    for name in (*BITS, *SHARES, "leaks"):
        try:
            found[name] = float(report[name])
        except (TypeError, ValueError):
            raise Wrong(f'"{name}" is {kind(report[name])}; expected a number.') from None
        if not np.isfinite(found[name]):
            raise Wrong(f'"{name}" is no finite number.')
        if found[name] < 0:
            raise Wrong(f'"{name}" is below 0.')
    for name in SHARES:
        if found[name] > 1:
            raise Wrong(
                f'"{name}" is {found[name]:g}; a share is between 0 and 1. In per cent, perhaps?'
            )
    for name in BITS:
        if found[name] < 1e-6:
            raise Wrong(f'"{name}" is 0: such a model would know every word beforehand.')
    return found


def distinct(texts: list[str]) -> float:
    """The share of different ones among all sequences of three words."""
    rows = [re.findall(r"\w+|[^\w\s]", text) for text in texts]
    found = [three for row in rows for three in zip(row, row[1:], row[2:], strict=False)]
    return len(set(found)) / max(1, len(found))


def report(answer: Answer) -> None:
    names = "report", "texts", "train", "test", "customers", "next_token", "encode", "special"
    given_report, texts, train, test, customers, *model = given(answer, *names)
    train, test = replies_of("train", train), replies_of("test", test)
    said = figures(given_report)
    excused = len(given_report["explanation"].split()) >= 8
    texts = texts_of("texts", texts, len(test))
    personal(said, texts, customers)
    in_bits(said, model, train, test)
    in_texts(said, texts, train, test, excused)


def personal(said: dict[str, float], texts: list[str], customers: Any) -> None:
    try:
        rows = [[one] if isinstance(one, str) else one for one in customers]
        secrets = {str(part) for row in rows for part in row} - {""}
    except TypeError:
        raise Wrong(
            f"`customers` is {kind(customers)}; expected a list of names and numbers."
        ) from None
    secret = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(secrets))) or '(?!)'})(?!\w)")
    found = [text for text in texts if secret.search(text)]
    if len(found) > said["leaks"]:
        raise Wrong(
            f'"leaks" is {said["leaks"]:g}, and {len(found)} texts hold a name or number of a '
            f"customer, such as {quote(found[0])}."
        )
    if said["leaks"]:
        raise Wrong(
            "there are personal data in the texts. To say so is honest; to go on with it is not: "
            "take them out before training."
        )


def in_bits(said: dict[str, float], model: list, train: list, test: list) -> None:
    next_token, encode, special = model
    special = numbers(special)
    whole = test if len(test) <= 2 * MOST else spread(test, 2 * MOST)
    found, count = losses(next_token, encode, special, whole)
    own, baseline = float(found[count].mean()), unigram_bits(encode, special, train, whole)
    tolerance = 0.02 + 0.02 * own + 4 * found[count].std() / count.sum() ** 0.5 * (whole != test)

    def near(value: float) -> bool:
        return abs(said["bits"] - value) < tolerance

    if not near(own):
        if near(own * np.log(2)):
            raise Wrong('"bits" is in nats: bits have the logarithm to the base 2.')
        if near(2**own):
            raise Wrong('"bits" is the perplexity; the bits are its logarithm.')
        if near(found.mean()):
            raise Wrong('"bits" counts the padding too: behind a text\'s end nothing is to tell.')
        if near((found * count).sum() / count.size):
            raise Wrong('"bits" is divided by all places; only those up to the end count.')
        some = losses(next_token, encode, special, spread(train))
        if abs(said["bits"] - some[0][some[1]].mean()) < tolerance + 0.05 * own:
            raise Wrong('"bits" is that of training replies; held-out ones are due.')
        raise Wrong(
            f'"bits" is {said["bits"]:.3f}; `next_token` gives the held-out replies {own:.3f}.'
        )
    if said["unigram_bits"] > 1.05 * baseline + 0.3:
        raise Wrong(
            f'"unigram_bits" is {said["unigram_bits"]:.2f}, but counting single words gives '
            f"{baseline:.2f}. A weak baseline flatters: train it as well as your own."
        )
    if said["bits"] >= said["unigram_bits"]:
        raise Wrong("the model is no better than its baseline; milestone 3 asks for one that is.")
    if said["bits"] < 0.85 * said["train_bits"]:
        raise Wrong(
            "held-out replies are said to be easier than training ones. Were they in the "
            "training, or does one of the two count otherwise?"
        )


def in_texts(
    said: dict[str, float], texts: list[str], train: list, test: list, excused: bool
) -> None:
    known, real = [row[2] for row in train], [row[2] for row in test]
    copied = np.mean([place is not None for place in copies(texts, known)])
    if copied > said["copied"] + 0.02 + 2 / len(texts) ** 0.5 * (len(texts) < 50):
        raise Wrong(
            f'"copied" is {said["copied"]:.2f}, but {copied:.2f} of the texts are a training '
            "reply in which at most names, days or numbers are others. These make no new reply."
        )
    for name, side in (("distinct", texts), ("real_distinct", real)):
        if abs(said[name] - distinct(side)) > 0.05:
            raise Wrong(
                f'"{name}" is {said[name]:.2f}; counted over all {len(side)} texts together it is '
                f"{distinct(side):.2f}. It depends on how many texts there are: take the same "
                "number on both sides."
            )
    labels = [row[:2] for row in test]
    commonest = max(Counter(labels).values()) / len(labels)
    if said["real_accuracy"] < min(2 * commonest, (1 + commonest) / 2):
        raise Wrong(
            f'"real_accuracy" is {said["real_accuracy"]:.2f}: a classifier that hardly knows real '
            "text cannot judge another."
        )
    ruler = Classifier(known, [row[:2] for row in train])
    asked = ruler.accuracy(texts, labels)
    if said["accuracy"] > asked + 0.2:
        raise Wrong(
            f'"accuracy" is {said["accuracy"]:.2f}, and a naive Bayes classifier finds the label '
            f"asked for in {asked:.2f} of the texts. Are these the texts, in the order of `test`?"
        )
    if excused:
        return
    spread_of_floor = 2 * (0.25 / len(texts)) ** 0.5 * 0.8
    if said["accuracy"] > said["real_accuracy"] + max(0.02, spread_of_floor):
        raise Wrong(
            "the accuracy is above that of real text. Typical texts only, or a classifier that "
            'was taught by the same generator? Say in the "explanation" what it is.'
        )
    if said["copied"] > 0.3:
        raise Wrong(
            f"{said['copied']:.0%} of the texts are copied from training. This calls for an "
            '"explanation", of a sentence or two.'
        )
    if said["distinct"] < 0.5 * said["real_distinct"]:
        raise Wrong(
            "the texts have less than half of the different trigrams of real ones. This calls for "
            'an "explanation", of a sentence or two.'
        )


EXERCISES = [
    Exercise(
        "known",
        "mend",
        "Whom does it know?",
        {
            "cause": Choice(
                "c",
                a="look at the order numbers: of five-digit numbers made by chance, one in some "
                "two thousand would be a customer's.",
                b="more replies hold more names, and nothing makes it forget those it has.",
            ),
            "mend": with_slots,
            "test": leaks,
        },
    ),
    Exercise("split", "build", "Hold out what is new", {"split": split}),
    Exercise("tokens", "build", "Texts to numbers and back", {"tokens": tokens}),
    Exercise("baseline", "build", "A generator that counts", {"bits": bits, "sample": samples}),
    Exercise("report", "build", "An honest report", {"report": report}),
]
