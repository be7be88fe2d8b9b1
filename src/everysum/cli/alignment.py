"""The alignment of a sentence and its translation as a table for the terminal, or as values."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everysum.generation.alignment import Alignment

SHADES = " ░▒▓█"
"""From nothing to all of the attention, in fifths."""
WIDEST_WORD = 14
SEPARATION = "  "


def as_table(alignment: Alignment, width: int) -> str:
    """A row for each word of the translation: shades for the source's words, and the word it looked at most.

    The source's words stand above in a staircase, since they are wider than their columns. Where the table would be
    wider than the terminal, the columns go on below.
    """
    label = min(WIDEST_WORD, max(map(columns, alignment.target)))
    most = max(map(columns, alignment.source))
    fitting = max(1, (width - label - 2 * len(SEPARATION) - most - len("100% ")) // 2)
    blocks = [
        "\n".join(block_of(alignment, range(start, min(start + fitting, len(alignment.source))), label))
        for start in range(0, len(alignment.source), fitting)
    ]
    return "\n\n".join([*blocks, legend(alignment)])


def block_of(alignment: Alignment, places: range, label: int) -> list[str]:
    """The columns of these source words."""
    indent = " " * label + SEPARATION
    lines = []
    for number, place in enumerate(places):
        lines.append(f"{indent}{'│ ' * number}{alignment.source[place]}")
    for word, weights in zip(alignment.target, alignment.weights, strict=True):
        shades = " ".join(shade(weights[place]) for place in places)
        best = max(range(len(weights)), key=lambda place: weights[place])
        looked = f"{weights[best]:4.0%} {alignment.source[best]}"
        lines.append(f"{fitted(word, label)}{SEPARATION}{shades}{SEPARATION}{looked}")
    return lines


def legend(alignment: Alignment) -> str:
    """Which weights these are."""
    layers = ", ".join(map(str, alignment.layers))
    which = f"layer {layers}" if len(alignment.layers) == 1 else f"layers {layers}"
    return f"cross-attention, the mean over {alignment.heads} heads of {which}   ░ 13% ▒ 38% ▓ 63% █ 88%, at least"


def shade(weight: float) -> str:
    return SHADES[min(len(SHADES) - 1, int(weight * 4 + 0.5))]


def as_values(alignment: Alignment) -> dict[str, Any]:
    """The same for JSON: words, and a row of weights for each word of the translation."""
    return {
        "source": list(alignment.source),
        "target": list(alignment.target),
        "weights": [list(row) for row in alignment.weights],
        "layers": list(alignment.layers),
        "heads": alignment.heads,
    }


def fitted(word: str, width: int) -> str:
    """The word, cut or filled up to so many columns of a terminal."""
    while columns(word) > width:
        word = word[:-2] + "…" if word.endswith("…") else word[:-1] + "…"
    return word + " " * (width - columns(word))


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)
