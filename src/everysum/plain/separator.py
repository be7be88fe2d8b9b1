"""Translating with a language model alone: the sentence, a separator, and the translation as far as it is written.

A GPT that was trained on such lines goes on behind the separator in the other language. It works, with three weak
points: the sentence slides out of the window as the translation grows (`lost`); one network must learn two languages,
and what the separator means; and the same sentence is read again for each word, soon at other positions, with other
numbers inside (`place_of_the_last`). The transformer answers them: see `transformer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = "<SEP>"
END = "<END>"

SENTENCE = ("Wo", "wohnst", "du", "?")
TRANSLATION = ("Where", "do", "you", "live", "?")


def joined(sentence: Sequence[str], written: Sequence[str]) -> list[str]:
    """One line of both languages."""
    return [*sentence, SEPARATOR, *written]


def contexts(sentence: Sequence[str], translation: Sequence[str], context_length: int) -> list[tuple[list[str], str]]:
    """For each word of the translation and the end: what the network sees, its last tokens only, and what to say."""
    wanted = [*translation, END]
    return [(joined(sentence, translation[:count])[-context_length:], word) for count, word in enumerate(wanted)]


def lost(sentence: Sequence[str], written: Sequence[str], context_length: int) -> int:
    """How many words of the sentence no longer fit into the context."""
    return min(len(sentence), max(0, len(joined(sentence, written)) - context_length))


def place_of_the_last(sentence: Sequence[str], written: Sequence[str], context_length: int) -> int | None:
    """At which position of the context the sentence's last word stands, counted from 0; None once it is lost."""
    place = len(sentence) - 1 - max(0, len(joined(sentence, written)) - context_length)
    return place if place >= 0 else None
