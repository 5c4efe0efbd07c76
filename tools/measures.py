"""Read the measures that a lesson's last cell prints, and say the most important ones in short.

Each stands in a line of its own, as in the table that `print(scores)` gives: a name, two spaces or
more, the value, and where there is one, two spaces or more and the value of real images.
"""

from __future__ import annotations

import re

NUMBER = r"(-?\d+(?:\.\d+)?)"
ROW = re.compile(rf"^(\w[\w\- ]*?) {{2,}}{NUMBER}(?: {{2,}}{NUMBER})?(?= |$)", re.MULTILINE)
HEADLINES = {  # what the map of lessons shows, as far as a lesson measures it
    "Fréchet distance": ("Fréchet {}", "{:.1f}"),
    "label accuracy": ("{} as asked", "{:.0%}"),
    "held-out bound": ("bound {} nats", "{:.1f}"),
    "bits per character": ("{} bits per character", "{:.2f}"),
    "islands found": ("{} of 8 islands", "{:.1f}"),
}

Measures = dict[str, tuple[float, float | None]]  # name -> value, the same for real images


def read(text: str) -> Measures:
    """Find all measures in a text; of two with one name the last."""
    return {
        name: (float(value), float(real) if real else None)
        for name, value, real in ROW.findall(text)
    }


def headlines(measures: Measures) -> str:
    """Say the most important ones in one line: "Fréchet 21.4 (real 0.4)"."""
    said = []
    for name, (words, number) in HEADLINES.items():
        if name in measures:
            value, real = measures[name]
            said.append(words.format(number.format(value)))
            said[-1] += f" (real {number.format(real)})" if real is not None else ""
    return ", ".join(said)
