import re
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import torch
from keras import ops

# ------------------------------------------------------------------ names in texts


def in_rounds(*rounds, count=0):
    """`with_slots` that replaces the named things one after the other, `count` of each (0: all)."""

    def with_slots(text, customers):
        for what in rounds:
            for first, last, order in customers:
                value, slot = {
                    "whole": (f"{first} {last}", "{name}"),
                    "first": (first, "{name}"),
                    "last": (last, "{name}"),
                    "order": (order, "{order}"),
                }[what]
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", slot, text, count=count)
        return text

    return with_slots


right_slots = in_rounds("whole", "first", "last", "order")


def slots_in_one_pattern(text, customers):
    names = {}
    for first, last, order in customers:
        names |= {f"{first} {last}": "{name}", first: "{name}", last: "{name}"}
        names[order] = "{order}"
    longest = sorted(names, key=len, reverse=True)
    pattern = rf"\b({'|'.join(map(re.escape, longest))})\b"
    return re.sub(pattern, lambda found: names[found[0]], text)


def slots_by_words(text, customers):
    halves = {half for first, last, _ in customers for half in (first, last)}
    orders = {order for *_, order in customers}
    parts = re.findall(r"[\w'-]*\w(?='s\b)|[\w'-]*\w|\W", text)
    named = ["{name}" if p in halves else "{order}" if p in orders else p for p in parts]
    return "".join(named).replace("{name} {name}", "{name}")


def slots_without_edges(text, customers):
    for first, last, order in customers:
        text = text.replace(f"{first} {last}", "{name}").replace(first, "{name}")
        text = text.replace(last, "{name}").replace(order, "{order}")
    return text


def slots_without_edges_longest_first(text, customers):
    values = {(f"{first} {last}", "{name}") for first, last, _ in customers}
    values |= {(half, "{name}") for *halves, _ in customers for half in halves}
    values |= {(order, "{order}") for *_, order in customers}
    for value, slot in sorted(values, key=lambda pair: -len(pair[0])):
        text = text.replace(value, slot)
    return text


def slots_by_customer(text, customers):
    """Whole, first and last name of one customer, and only then those of the next."""
    for customer in customers:
        text = right_slots(text, [customer])
    return text


def found_by(with_slots):
    return lambda texts, customers: [with_slots(text, customers) != text for text in texts]


def leaks_by_search(texts, customers):
    parts = [re.escape(part) for customer in customers for part in customer]
    pattern = re.compile(rf"\b(?:{'|'.join(parts)})\b")
    return np.array([pattern.search(text) is not None for text in texts])


# ------------------------------------------------------------------ somebody's own data

OPENINGS = {
    "calm": ["Good day.", "Thank you for asking us.", "We got your note.", "Here is an answer."],
    "annoyed": ["We are sorry.", "This was our fault.", "You waited too long.", "We apologise."],
}
MIDDLES = {
    "loan": [
        "The book that you wanted is here until {} and costs nothing.",
        "You may keep all {} volumes for another fortnight if nobody asks.",
        "Your loan ended on {} so please bring everything back to the desk.",
        "We ordered another copy for you and expect it around {} at the latest.",
        "Nobody else wants that novel before {} as far as the list says.",
    ],
    "room": [
        "The reading room opens at {} and you need no ticket for it.",
        "Group tables can be had for {} hours when you book them online.",
        "Because of repairs the hall stays closed until {} for all visitors.",
        "Your seat near the window was given away on {} by mistake.",
        "Lockers cost {} cents which you get back with the key afterwards.",
    ],
}
VALUES = ["Monday", "Friday", "3", "12", "20", "Sunday", "7", "15"]


def made(openings=OPENINGS, middles=MIDDLES, values=VALUES):
    """Replies (intent, mood, text, template)."""
    return [
        (intent, mood, f"{opening} {middle}".format(value), f"{opening} {middle}")
        for intent in middles
        for mood in openings
        for opening in openings[mood]
        for middle in middles[intent]
        for value in values
    ]


def parted(rows, held_out):
    """Replies, and their two sides."""
    kept, out = ([row[:3] for row in rows if held_out(*row) is side] for side in (False, True))
    return {"replies": [row[:3] for row in rows], "sides": (kept, out)}


def by_template(intent, mood, text, template):
    own = [f"{o} {m}" for o in OPENINGS[mood] for m in MIDDLES[intent]]
    return own.index(template) in (0, 6, 12)


def by_sentence(intent, mood, text, template):
    return MIDDLES[intent][2].split("{}")[0] in text


def by_line(intent, mood, text, template):
    return sum(text.encode()) % 5 == 0


def without_values(text):
    return re.sub(r"\b(\w+day|\d+)\b", "#", text)


def hashed(intent, mood, text, template):
    return sum(without_values(text).encode()) % 4 == 0


GERMAN = made(
    {"calm": ["Guten Tag.", "Danke für Ihre Nachricht."], "annoyed": ["Das tut uns leid."]},
    {
        "loan": ["Ihr Buch liegt bis {} an der Theke.", "Ihr Heft liegt bis {} im Lager bereit."],
        "room": ["Der Saal öffnet um {} Uhr für alle Leser.", "Die Plätze kosten {} Euro am Tag."],
    },
    ["4", "11", "23"],
)


def german_side(intent, mood, text, template):
    return template.startswith(("Guten", "Das")) and ("Buch" in text or "Saal" in text)


def sides(train, test, rows=None):
    return {"replies": rows or [*train, *test], "sides": (train, test)}


SPLIT = parted(made(), by_template)
TRAIN, TEST = SPLIT["sides"]
BOTH = {"train": TRAIN, "test": TEST}
ALL = SPLIT["replies"]
COLOURS = ("big", "red", "odd", "new", "shy")
ONE_WORD = [
    ("x", mood, f"All that we have for {who} today is the very old green {colour} car.", "")
    for mood in ("a", "b")
    for who in (mood, mood + mood)
    for colour in COLOURS
]


# ------------------------------------------------------------------ tokens

SPECIAL = {"padding": 0, "start": 1, "end": 2, "unknown": 3}


def pieces(text):
    return re.findall(r" ?\w+| ?[^\w\s]|\s", text)


def coder(
    pieces=pieces,
    special=SPECIAL,
    texts=TRAIN,
    length=40,
    join="",
    mark="…",
    least=1,
    decode=None,
    lower=False,
):
    """`encode` and `decode` with the faults asked for."""
    padding, start, end, unknown = (
        special[name] for name in ("padding", "start", "end", "unknown")
    )
    often = Counter(
        piece for *_, text in texts for piece in pieces(text.lower() if lower else text)
    )
    free = [n for n in range(len(often) + 9) if n not in special.values()]
    number = dict(zip(sorted(p for p in often if often[p] >= least), free, strict=False))
    words = {n: piece for piece, n in number.items()} | {unknown: mark}

    def encode(texts):
        rows = np.full((len(texts), length), padding)
        for row, text in zip(rows, texts, strict=True):
            text = text.lower() if lower else text
            tokens = [start, *(number.get(piece, unknown) for piece in pieces(text)), end][:length]
            row[: len(tokens)] = tokens
        return rows

    def plain(rows):
        texts = []
        for row in np.asarray(rows).tolist():
            found = []
            for token in row:
                if token in (end, padding):
                    break
                if token != start:
                    found.append(words.get(token, mark))
            texts.append(join.join(found))
        return texts

    decode = decode(words) if decode else plain
    return {"encode": encode, "decode": decode, "special": special, **BOTH}


def reads_padding(words):
    return lambda rows: [
        "".join({0: ".", 1: "", 2: ""}.get(t, words.get(t, "")) for t in row)
        for row in rows.tolist()
    ]


def reads_behind_the_end(words):
    return lambda rows: ["".join(words.get(t, "") for t in row) for row in rows.tolist()]


def reads_special(words):
    return lambda rows: [
        "<start>" + "".join(words.get(t, "") for t in row[: row.index(2)]) for row in rows.tolist()
    ]


def needs_an_end(words):
    return lambda rows: [
        "".join(words.get(t, "…") for t in row[1 : row.index(2)]) for row in rows.tolist()
    ]


def changed(encode_of, **settings):
    """A coder whose rows are changed."""
    own = coder(**settings)
    return {**own, "encode": lambda texts: encode_of(own["encode"](texts))}


def move_start(rows):
    return np.pad(rows[:, 1:], [(0, 0), (0, 1)])


def without_end(rows):
    return np.where(rows == 2, 0, rows)


def many_ends(rows):
    return np.where(rows == 0, 2, rows)


def noise_behind(rows):
    return np.where((rows == 0) & (np.arange(rows.shape[1]) > 35), 5, rows)


CODER = coder()
NEW = [(intent, mood, text.replace("volumes", "magazines")) for intent, mood, text in TEST]
MODEL = {name: CODER[name] for name in ("encode", "special")}
LENGTH = 40

# ------------------------------------------------------------------ generators


@cache
def counted(order, by_label=True):
    counts = defaultdict(Counter)
    for (intent, mood, _), row in zip(TRAIN, CODER["encode"]([r[2] for r in TRAIN]), strict=True):
        row = row.tolist()
        for place in range(1, row.index(2) + 1):
            for size in range(order):
                for label in {None, (intent, mood) if by_label else None}:
                    counts[label, tuple(row[max(0, place - size) : place])][row[place]] += 1
    return counts


SIZE = int(CODER["encode"]([text for *_, text in ALL]).max()) + 1


def chances(label, past, order=2, pseudo=1.0):
    """Interpolated, and kept by label."""
    p = np.full(SIZE, 1 / SIZE)
    for taken in range(order):
        for who in (None, label):
            seen = counted(order).get((who, tuple(past[len(past) - taken :])), {})
            p *= pseudo
            p[list(seen)] += list(seen.values())
            p /= p.sum()
    return p


def add_one(label, past, order=2):
    p = np.ones(SIZE)
    seen = counted(order)[label, tuple(past[len(past) - order + 1 :])]
    p[list(seen)] += list(seen.values())
    return p / p.sum()


def not_smoothed(label, past):
    p = np.full(SIZE, 1e-300)
    seen = counted(2)[None, tuple(past[-1:])] if label == TRAIN[0][:2] else {5: 1}
    p[list(seen)] += list(seen.values())
    return np.where(p / p.sum() < 1e-9, 0, p / p.sum())


def told(chances, see=lambda row, t: row[:t]):
    """`next_token` from a function of label and past."""

    def next_token(labels, rows):
        pairs = zip(labels, np.asarray(rows).tolist(), strict=True)
        return np.array(
            [[chances(label, see(row, t)) for t in range(1, len(row))] for label, row in pairs]
        )

    return next_token


next_token = told(chances)


def fills_no_padding(labels, rows):
    """Nothing is said where there is nothing to tell."""
    return next_token(labels, rows) * (rows[:, 1:, None] != 0)


def restless(labels, rows):
    """As if dropout were left on: other probabilities at each call."""
    p = next_token(labels, rows) * rng.uniform(0.8, 1.2, size=(*rows[:, 1:].shape, SIZE))
    return p / p.sum(axis=2, keepdims=True)


def peeking(how_far):
    """The probability of the token that comes is raised, if it is known."""

    def next_token(labels, rows):
        p = told(chances)(labels, rows)
        ahead = np.pad(rows[:, 1:], [(0, 0), (0, how_far)])[:, how_far:]
        return 0.5 * p + 0.5 * np.eye(SIZE)[ahead]

    return next_token


def with_bits(next_token):
    return {"next_token": next_token, **MODEL, **BOTH}


def written(chances, rng, most=LENGTH):
    def sample(labels):
        rows = np.zeros((len(labels), most), dtype=int)
        for row, label in zip(rows, labels, strict=True):
            row[0] = 1
            for place in range(1, most):
                row[place] = rng.choice(SIZE, p=chances(tuple(label), row[:place].tolist()))
                if row[place] == 2:
                    break
        return CODER["decode"](rows)

    return sample


rng = np.random.default_rng(1)
sharp = cache(lambda label, past: chances(label, list(past), order=3, pseudo=0.05))


def keen(label, past):
    return sharp(label, tuple(past[-2:]))


sample = written(keen, rng)


def fallen_back(label, past):
    """The longest context that was seen, and very little for the rest."""
    for size in (2, 1, 0):
        if seen := counted(3).get((label, tuple(past[max(0, len(past) - size) :]))):
            p = np.full(SIZE, 1e-6)
            p[list(seen)] += list(seen.values())
            return p / p.sum()


def with_sample(sample):
    return {"sample": sample, **BOTH}


def from_training(labels):
    """Real replies of the label, by chance."""
    own = defaultdict(list)
    for intent, mood, text in TRAIN:
        own[intent, mood].append(text)
    return [own[tuple(label)][rng.integers(len(own[tuple(label)]))] for label in labels]


def relabelled(change):
    return lambda labels: from_training([change(*label) for label in labels])


def begun_anew(labels):
    own, generator = defaultdict(list), np.random.default_rng(0)
    for intent, mood, text in TRAIN:
        own[intent, mood].append(text)
    return [own[tuple(label)][generator.integers(100)] for label in labels]


def the_same(labels):
    first = {row[:2]: row[2] for row in TRAIN}
    return [first[tuple(label)] for label in labels]


def cut(texts, words=7):
    return [" ".join(text.split()[:words]) for text in texts]


# ------------------------------------------------------------------ reports


def words_of(text):
    return re.findall(r"\w+|[^\w\s]", text)


def distinct(texts):
    found = [tuple(w[i : i + 3]) for w in map(words_of, texts) for i in range(len(w) - 2)]
    return len(set(found)) / len(found)


def bits_of(next_token, replies, counts=lambda rows: rows[:, 1:] != 0):
    rows = CODER["encode"]([text for *_, text in replies])
    p = np.take_along_axis(next_token([r[:2] for r in replies], rows), rows[:, 1:, None], axis=2)
    return -np.log2(p[..., 0])[counts(rows)].mean()


def unigram(labels, rows):
    return told(cache(lambda label, past: chances(label, (), order=1)), lambda row, t: ())(
        labels, rows
    )


TEXTS = sample([row[:2] for row in TEST])
KNOWN = {without_values(text) for *_, text in TRAIN}
COPIED = np.mean([without_values(text) in KNOWN for text in TEXTS])
REPORT = {
    "bits": bits_of(next_token, TEST),
    "train_bits": bits_of(next_token, TRAIN),
    "unigram_bits": bits_of(unigram, TEST),
    "accuracy": 0.95,
    "real_accuracy": 0.97,
    "copied": float(COPIED),
    "distinct": distinct(TEXTS),
    "real_distinct": distinct([text for *_, text in TEST]),
    "leaks": 0,
    "explanation": "The templates are few, so that the trigrams put many of them together again.",
}
CUSTOMERS = [("Ada", "Okafor", "48213"), ("Ann", "O'Neil", "70215")]


def reported(texts=TEXTS, customers=CUSTOMERS, model=next_token, left_out=(), **changes):
    report = {name: value for name, value in {**REPORT, **changes}.items() if name not in left_out}
    given = {"report": report, "texts": texts, "customers": customers, "next_token": model}
    return {**given, **MODEL, **BOTH}


MEMORY = from_training([row[:2] for row in TEST])
TWO = {name: [row for row in rows if row[1] == "calm"] for name, rows in BOTH.items()}
TWO_TEXTS = sample([row[:2] for row in TWO["test"]])
OF_TWO_LABELS = (
    reported(
        texts=TWO_TEXTS,
        **{
            name: bits_of(next_token, TWO[side])
            for name, side in (("bits", "test"), ("train_bits", "train"))
        },
        unigram_bits=bits_of(unigram, TWO["test"]),
        accuracy=0.8,
        real_accuracy=0.85,
        copied=1.0,
        distinct=distinct(TWO_TEXTS),
        real_distinct=distinct([text for *_, text in TWO["test"]]),
    )
    | TWO
)
NAMED = [text.replace("Good day.", "Good day Ada.") for text in TEXTS]
QUIET = {"texts": MEMORY, "distinct": distinct(MEMORY), "explanation": ""}

RIGHT = {
    "known.mend": [
        right_slots,
        slots_in_one_pattern,
        slots_by_words,
        lambda text, customers: slots_by_customer(text, customers).replace("} {name}", "}"),
    ],
    "known.test": [
        found_by(right_slots),
        leaks_by_search,
        lambda texts, customers: tuple(map(int, found_by(slots_by_words)(texts, customers))),
    ],
    "split.split": [
        SPLIT,
        parted(made(), by_sentence),
        parted(made(), hashed),
        sides(*([list(row) for row in side] for side in SPLIT["sides"])),
        parted(GERMAN, german_side),
    ],
    "tokens.tokens": [
        CODER,
        coder(list, length=120),  # characters
        coder(special={"padding": 90, "start": 4, "end": 0, "unknown": 7}, length=33),
        coder(mark=" <unknown>", least=3),
        {**CODER, "test": NEW},
        changed(lambda rows: rows.tolist()),
        changed(torch.as_tensor),
    ],
    "baseline.bits": [
        with_bits(next_token),
        with_bits(told(add_one)),
        with_bits(told(keen)),
        with_bits(fills_no_padding),
        with_bits(lambda labels, rows: torch.as_tensor(next_token(labels, rows))),
        with_bits(lambda labels, rows: ops.convert_to_tensor(next_token(labels, rows))),
    ],
    "baseline.sample": [
        with_sample(sample),
        with_sample(written(fallen_back, rng)),
        with_sample(from_training),
        with_sample(lambda labels: tuple(np.array(from_training(labels)))),
    ],
    "report.report": [
        reported(),
        reported(leaks=0.0, accuracy=np.float32(0.9), bits=torch.tensor(REPORT["bits"])),
        reported(texts=NAMED, customers=[], distinct=distinct(NAMED)),
        reported(texts=MEMORY, copied=1.0, distinct=distinct(MEMORY)),
        OF_TWO_LABELS,
    ],
}  # fmt: skip

STAY = [row for row in TEST if row[1] == "calm"]
WRONG = {
    "known.mend": [
        (in_rounds("first", "last", "order"), "slot each"),
        (in_rounds("whole", "order"), "half a name"),
        (in_rounds("whole", "first", "order"), "half a name"),
        (in_rounds("whole", "first", "last"), "order number"),
        (slots_without_edges, "{name}a of Anna"),
        (slots_without_edges_longest_first, "part of another word"),
        (in_rounds("whole", "first", "last", "order", count=1), "only the first of several"),
        (slots_by_customer, "before any half"),
        (lambda text, customers: text, "stays in the text"),
        (lambda text, customers: re.sub(r"\d{4,}", "{order}", right_slots(text, customers)),
         "part of another word or number"),
        (lambda text, customers: re.sub(r"\b[A-Z]\w+", "{name}", right_slots(text, customers)),
         "it makes"),
        (lambda text, customers: right_slots(text, customers).split(), "a list"),
    ],
    "known.test": [
        (found_by(in_rounds("whole", "order")), "first name alone"),
        (found_by(in_rounds("whole", "first", "order")), "last name alone"),
        (found_by(in_rounds("whole", "first", "last")), "order number is not found"),
        (found_by(slots_without_edges), "part of another word"),
        (lambda texts, customers: [True] * len(texts), "cannot fail"),
        (lambda texts, customers: [False] * len(texts), "cannot fail"),
        (lambda texts, customers: ~leaks_by_search(texts, customers), "upside down"),
        (lambda texts, customers: any(leaks_by_search(texts, customers)), "for each text"),
        (lambda texts, customers: np.flatnonzero(leaks_by_search(texts, customers)), "shape"),
        (lambda texts, customers: ["{" in text or bool(re.search(r"[A-Z]\w+ [A-Z]", text))
                                   for text in texts], "a slot is no leak"),
    ],
    "split.split": [
        (parted(made(), by_line), "near copies"),
        (sides(ALL, TEST, ALL), "on both sides"),
        (sides(TRAIN, TEST[:-9], ALL), "neither side"),
        (sides([*TRAIN, ("room", "calm", "New.")], TEST, ALL), "not among the replies"),
        (sides(TEST, TRAIN), "exchanged"),
        (sides([row for row in ALL if row not in TEST[:9]], TEST[:9]), "sensible"),
        (sides([row for row in ALL if row not in STAY], STAY), "no held-out reply has the label"),
        (sides([row[2] for row in TRAIN], TEST), "expected a list of (intent, mood, text)"),
        ({"replies": ALL, "sides": TRAIN}, "expected two lists"),
        (sides([*TRAIN, *[("room", "calm", row[2]) for row in TEST if row[0] == "loan"]], TEST),
         "under two labels"),
        (parted(ONE_WORD, lambda i, m, text, t: "odd" in text), "single word"),
        (sides(TRAIN, []), "no reply in it"),
    ],
    "tokens.tokens": [
        (coder(lower=True), "capital letters"),
        (coder(lambda text: text.split()), "spaces"),
        (coder(lambda text: re.findall(r"\w+|[^\w\s]", text), join=" "), "spaces"),
        (coder(length=12), "too short"),
        (changed(without_end), "no end token"),
        (changed(many_ends), "several end tokens"),
        (changed(move_start), "begins with the start"),
        (changed(noise_behind), "something else than padding"),
        (coder(decode=reads_padding), "more comes back"),
        (coder(decode=reads_behind_the_end), "behind the first end"),
        (coder(decode=reads_special), "special tokens are no text"),
        (coder(decode=needs_an_end), "cut off before its end"),
        (coder(mark=""), "vanishes"),
        (coder(mark="book"), "a word of the texts"),
        (coder(least=300), "are unknown"),
        (coder(special={**SPECIAL, "end": 0}), "same number"),
        (coder(special={**SPECIAL, "unknown": 1}), "same number"),
        ({**coder(texts=TRAIN + NEW), "test": NEW}, "in held-out replies only"),
        ({**CODER, "special": [0, 1, 2, 3]}, "a dictionary with the names"),
        ({**CODER, "encode": lambda texts: [[1, 5, 2], [1, 2]]}, "different lengths"),
        (changed(lambda rows: rows / 1), "whole numbers"),
        ({**CODER, "decode": lambda rows: "".join(CODER["decode"](rows))}, "one text"),
    ],
    "baseline.bits": [
        (with_bits(unigram), "unigram model"),
        (with_bits(told(lambda label, past: chances(None, past))), "label is not heard"),
        (with_bits(peeking(0)), "that it is to tell"),
        (with_bits(peeking(1)), "sees the future"),
        (with_bits(restless), "at a second call"),
        (with_bits(told(not_smoothed)), "probability 0"),
        (with_bits(lambda labels, rows: np.log(next_token(labels, rows))), "below 0"),
        (with_bits(lambda labels, rows: 2 * next_token(labels, rows)), "add up to 1"),
        (with_bits(lambda labels, rows: next_token(labels, rows)[:, :-1]), "the shape"),
        (with_bits(lambda labels, rows: np.pad(next_token(labels, rows), [(0, 0), (1, 0), (0, 0)])),
         "a place too many"),
        (with_bits(told(lambda label, past: np.roll(chances(label, past), 1))), "bits per word"),
    ],
    "baseline.sample": [
        (with_sample(the_same), "always gets the same"),
        (with_sample(begun_anew), "begin anew"),
        (with_sample(lambda labels: sample(labels)[:-1]), "one for each"),
        (with_sample(lambda labels: sample(labels[:1]) * len(labels)), "all texts are the same"),
        (with_sample(relabelled(lambda intent, mood: (intent, "calm"))), "mood is hardly heard"),
        (with_sample(relabelled(lambda intent, mood: ("room", mood))), "intent is hardly heard"),
        (with_sample(lambda labels: from_training(sorted(labels, key=lambda two: two[::-1]))),
         "another order"),
        (with_sample(lambda labels: cut(from_training(labels))), "same number of words"),
        (with_sample(lambda labels: [t[: 2 * len(t) // 3] for t in from_training(labels)]),
         "of a sentence"),
        (with_sample(lambda labels: [t if n % 6 else t[: len(t) // 2]
                                     for n, t in enumerate(from_training(labels))]),
         "no END is not finished"),
        (with_sample(lambda labels: [f"{t} <unk>." for t in from_training(labels)]),
         "Take their chances away"),
        (with_sample(lambda labels: [f"<start>{t}" for t in from_training(labels)]), "special"),
        (with_sample(lambda labels: [t * 4 for t in from_training(labels)]), "go on far"),
        (with_sample(written(add_one, rng)), "go on far"),
        (with_sample(lambda labels: [""] * len(labels)), "are empty"),
        (with_sample(lambda labels: CODER["encode"](from_training(labels))), "texts are due"),
    ],
    "report.report": [
        (reported(left_out=["unigram_bits"]), "without a baseline"),
        (reported(left_out=["real_accuracy"]), "no floor"),
        (reported(left_out=["copied"]), "first question"),
        (reported(accuracy=95), "per cent"),
        (reported(bits=float("nan")), "no finite number"),
        (reported(distinct=-0.1), "below 0"),
        (reported(bits=0), "every word beforehand"),
        (reported(bits=REPORT["bits"] * np.log(2)), "in nats"),
        (reported(bits=2 ** REPORT["bits"]), "perplexity"),
        (reported(bits=bits_of(next_token, TEST, lambda rows: rows[:, 1:] >= 0)), "padding too"),
        (reported(model=told(keen), bits=bits_of(told(keen), TRAIN)), "of training replies"),
        (reported(bits=5.0), "gives the held-out replies"),
        (reported(unigram_bits=9.0), "weak baseline"),
        (reported(train_bits=3.0), "easier than training"),
        (reported(texts=MEMORY, copied=0.1, distinct=distinct(MEMORY)), "no new reply"),
        (reported(**QUIET, copied=1.0), "copied from training"),
        (reported(accuracy=1.0, real_accuracy=0.8, explanation=""), "above that of real"),
        (reported(distinct=0.9), "counted over all"),
        (reported(real_distinct=0.9), "counted over all"),
        (reported(texts=TEXTS[::-1], accuracy=0.95), "in the order"),
        (reported(real_accuracy=0.3), "hardly knows real text"),
        (reported(texts=NAMED), "of a customer"),
        (reported(texts=NAMED, leaks=300), "honest"),
        (reported(explanation=None), "expected a text"),
        (reported(texts=TEXTS[:5]), "one for each"),
    ],
}  # fmt: skip
