"""Reads the grammar from the files in grammar/, which are written for people: each one's first lines say how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everysum.data.grammars import grammar_blocks, grammar_lists
from everysum.data.tiny_translator.words import GENDERS, Fixed, Noun, Phrase, Verb

FOLDER = Path(__file__).parent / "grammar"
PLACES = 6
"""Forms of a verb in the present: with ich, du, er, wir, ihr and sie."""


@dataclass(frozen=True)
class Kind:
    """A kind of sentence: what fills its slots, which two words make its combination, and how it reads."""

    title: str
    slots: Mapping[str, str]
    parted: tuple[str, ...]
    german: str
    english: str


@dataclass(frozen=True)
class Tables:
    """All that the grammar knows."""

    nouns: tuple[Noun, ...]
    verbs: Mapping[str, tuple[Verb, ...]]
    words: Mapping[str, tuple[Fixed, ...]]
    pronouns: tuple[Phrase, ...]
    names: tuple[Phrase, ...]
    kinds: tuple[Kind, ...]

    def verb(self, infinitive: str) -> Verb | None:
        return next((verb for verbs in self.verbs.values() for verb in verbs if verb.word == infinitive), None)


def read_tables() -> Tables:
    """The words and the kinds of sentence."""
    nouns = [_noun(line, group.split()) for group, lines in grammar_lists(FOLDER / "nouns.txt") for line in lines]
    verbs: dict[str, tuple[Verb, ...]] = {}
    for group, lines in grammar_lists(FOLDER / "verbs.txt"):
        name, *kinds = group.split()
        verbs[name] = (*verbs.get(name, ()), *(_verb(line, frozenset(kinds)) for line in lines))
    lists = dict(grammar_lists(FOLDER / "words.txt"))
    pronouns = tuple(map(_pronoun, lists.pop("pronouns")))
    words = {name: tuple(map(_fixed, lines)) for name, lines in lists.items()}
    names = tuple(map(_name, words.pop("names")))
    kinds_of_sentence = tuple(map(_kind, grammar_blocks(FOLDER / "sentences.txt")))
    return Tables(tuple(nouns), verbs, words, pronouns, names, kinds_of_sentence)


def _noun(line: str, kinds: list[str]) -> Noun:
    german, english = line.split("; ")
    article, first = german.split(" ", 1)
    singular, plural, weak, *_ = [*first.split(", "), None, None]
    english_singular, english_plural, *_ = [*english.split(", "), None]
    assert singular, line
    assert english_singular, line
    return Noun(GENDERS.index(article), singular, plural, weak, english_singular, english_plural, tuple(kinds))


def _verb(line: str, kinds: frozenset[str]) -> Verb:
    german, present, perfect, english, subjects, objects, *_ = [*line.split("; "), "", ""]
    prefix, _, infinitive = german.rpartition("|")
    auxiliary, participle = perfect.split()
    base, present_english, past = _english_forms(english)
    return Verb(
        prefix,
        infinitive,
        tuple(present.split()),
        participle,
        {"hat": "haben", "ist": "sein"}[auxiliary],
        base,
        present_english,
        past,
        kinds,
        frozenset(subjects.split()),
        frozenset(objects.split()),
    )


def _english_forms(text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Base, third person and past of an English verb; of "to be", all forms are written out."""
    first, *others = text.split(", ")
    if len(others) == 1:
        return "be", tuple(first.split()), tuple(others[0].split())
    third, past = others
    return first, tuple(third if place == 2 else first for place in range(PLACES)), (past,) * PLACES


def _fixed(line: str) -> Fixed:
    german, english, *rest = line.split("; ")
    return Fixed(
        german, english, frozenset(rest[0].split()) if rest else frozenset(), (rest[1], rest[2]) if rest[1:] else None
    )


def _pronoun(line: str) -> Phrase:
    """`ich mich mir; I me; 1 wir`: the last part is the person, and whom it would be odd to do the same to."""
    german, english, about = line.split("; ")
    (nominative, accusative, dative), (subject, other) = german.split(), english.split()
    person, group = about.split()
    forms = {"": nominative, "nom": nominative, "acc": accusative, "dat": dative}
    return Phrase(group, int(person) - 1, frozenset({"person"}), forms, {"": subject, "object": other})


def _name(word: Fixed) -> Phrase:
    forms = {"": word.word, "nom": word.word, "acc": word.word, "dat": word.word}
    return Phrase(word.word, 2, frozenset({"person"}), forms, {"": word.translation, "object": word.translation})


def _kind(block: list[str]) -> Kind:
    title, slots, *rest = block
    parted = rest.pop(0).removeprefix("parted: ").split() if rest[0].startswith("parted: ") else []
    german, english = rest
    return Kind(title, dict(map(_slot, slots.split("; "))), tuple(parted), german, english)


def _slot(text: str) -> tuple[str, str]:
    name, _, source = text.partition(": ")
    return name, source
