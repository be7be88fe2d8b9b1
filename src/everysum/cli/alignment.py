"""The alignment of a sentence and its translation as a table for the terminal, or as values."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everysum.generation.alignment import Alignment

SHADES = " ░▒▓█"
"""From nothing to all of the attention, in fifths."""
SEPARATION = "  "


def as_table(alignment: Alignment, width: int) -> str:
    """A row for each word of the translation: shades for the source's words, and the word it looked at most.

    The source's words stand above in a staircase, since they are wider than their columns. Where the table would be
    wider than the terminal, the columns go on below.
    """
    widest = max(4, min(14, width // 5))
    source = [fitted(word, min(widest, columns(word))) for word in alignment.source]
    label = min(widest, max(map(columns, alignment.target)))
    target = [fitted(word, label) for word in alignment.target]
    fitting = max(1, (width - label - 2 * len(SEPARATION) - max(map(columns, source)) - len("100% ")) // 2)
    blocks = [
        "\n".join(block_of(source, target, alignment.weights, range(start, min(start + fitting, len(source)))))
        for start in range(0, len(source), fitting)
    ]
    return "\n\n".join([*blocks, "\n".join(line for text in legend(alignment) for line in wrap(text, width))])


def block_of(
    source: Sequence[str], target: Sequence[str], rows: Sequence[Sequence[float]], places: range
) -> Iterator[str]:
    """The columns of these source words."""
    indent = " " * columns(target[0]) + SEPARATION
    for number, place in enumerate(places):
        yield f"{indent}{'│ ' * number}{source[place]}"
    for word, weights in zip(target, rows, strict=True):
        shades = " ".join(shade(weights[place]) for place in places)
        best = max(range(len(weights)), key=lambda place: weights[place])
        yield f"{word}{SEPARATION}{shades}{SEPARATION}{weights[best]:4.0%} {source[best]}"


def legend(alignment: Alignment) -> tuple[str, str]:
    """Which weights these are, and what the shades mean."""
    layers = ", ".join(map(str, alignment.layers))
    which = f"layer {layers}" if len(alignment.layers) == 1 else f"layers {layers}"
    heads = "1 head" if alignment.heads == 1 else f"{alignment.heads} heads"
    return f"cross-attention, the mean over {heads} of {which}", "░ from 13%, ▒ from 38%, ▓ from 63%, █ from 88%"


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
