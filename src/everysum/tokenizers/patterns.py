"""Where a text is cut before its tokens are looked for: no token ever crosses these cuts.

GPT-2 keeps a word with the space before it, and letters, digits and signs apart. Llama 3 also cuts digits in threes,
lets any sign lead a word, and keeps newlines together. cl100k does the same but for spaces at the very end of a text,
and o200k cuts before capitals as well: these two are here to read published tokenizers with. The expressions are those
of the published tokenizers, to the letter, so that other programs cut in the same places. One caveat: a character that
the newest Unicode has just assigned is a letter to one library and unknown to another, which may move a cut beside it;
nothing is lost.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from everysum.errors import InputError, UsageError


@dataclass(frozen=True)
class SplitPattern:
    """An expression whose matches are the pieces of a text, one after the other, with nothing left over."""

    name: str
    expression: str
    boundary: re.Pattern[str]
    """Its matches end where the expression cuts whatever stands around, so that the two sides can be cut into pieces
    apart from each other: before a space that follows a word, say. It finds many such places, not all."""

    def pieces(self, text: str) -> Iterator[str]:
        """The pieces of a text, one by one; joined, they are the text."""
        return (match[0] for match in _compiled(self.expression).finditer(text))

    def blocks(self, text: str, length: int) -> Iterator[str]:
        """The text in parts of ``length`` to ``2 · length`` characters that have the same pieces as the whole.

        Only where no boundary comes for longer than that (a megabyte of one letter) is a part longer.
        """
        start = 0
        while len(text) - start > 2 * length:
            found = self.boundary.search(text, start + length)
            stop = found.end() if found else len(text)
            yield text[start:stop]
            start = stop
        if start < len(text):
            yield text[start:]


# In scripts without spaces a sign is the only such place; the sign is listed, for libraries differ about the newest.
_WORD_BEFORE_SIGN = r"[^\W_](?=[,.;:!?…،؛؟।፡።、。，；：！？])"

GPT2 = SplitPattern(
    name="gpt2",
    expression=r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    boundary=re.compile(rf"\S(?=[ \t\n])|{_WORD_BEFORE_SIGN}"),
)
LLAMA3 = SplitPattern(
    name="llama3",
    expression=(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    boundary=re.compile(rf"\S(?=[ \t])|\n(?=\S)|{_WORD_BEFORE_SIGN}"),
)
CL100K = SplitPattern(
    name="cl100k",
    expression=(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    boundary=LLAMA3.boundary,
)
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = SplitPattern(
    name="o200k",
    expression=(
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDING}|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDING}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    boundary=re.compile(rf"\S(?=[ \t])|\n(?=[^\s/])|{_WORD_BEFORE_SIGN}"),
)
EACH_CHARACTER = SplitPattern(name="character", expression=r"[\s\S]", boundary=re.compile(r"[\s\S]"))

_BY_NAME = {pattern.name: pattern for pattern in (GPT2, LLAMA3)}


def split_pattern(name: str) -> SplitPattern:
    """The split pattern called ``"gpt2"`` or ``"llama3"``; UsageError for another name."""
    if name not in _BY_NAME:
        nearest = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise UsageError(
            f"there is no split pattern {name!r}",
            wanted=" or ".join(_BY_NAME),
            advice=f"did you mean {nearest[0]!r}?" if nearest else None,
        )
    return _BY_NAME[name]


def utf8(text: str) -> bytes:
    """The bytes of a text; InputError, with the place, for a lone surrogate."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text has half a character at position {error.start}",
            wanted="text that can be written as UTF-8",
            came=f"the lone surrogate U+{ord(text[error.start]):04X}",
            advice='text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") replaces such halves by U+FFFD',
        ) from None


def texts_of(texts: str | Iterable[str]) -> Iterator[str]:
    """The texts one by one, each checked to be UTF-8; one text alone is one text, not its characters."""
    for text in [texts] if isinstance(texts, str) else texts:
        utf8(text)
        yield text


@functools.cache
def _compiled(expression: str) -> Any:
    import regex  # type: ignore[import-untyped]  # the standard library's re knows no \p{L}, "any letter"

    return regex.compile(expression)
