"""Words as sentences need them: verbs that agree with who does it, nouns in their cases, each in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

GENDERS = ("der", "die", "das", "plural")
CASES = ("nom", "acc", "dat")
Endings = tuple[tuple[str, ...], ...]
"""By case, then by gender."""


def _endings(*rows: str) -> Endings:
    """One row a case, one word a gender and the plural; - is no ending."""
    return tuple(tuple(row.replace("-", "").split(" ")) for row in rows)


DER = _endings("der die das die", "den die das die", "dem der dem den")
EIN = _endings("- e - e", "en e - e", "em er em en")
WEAK = _endings("e e e en", "en e e en", "en en en en")
MIXED = _endings("er e es en", "en e es en", "en en en en")
STRONG = _endings("er e es e", "en e es e", "em er em en")
RELATIVE = ("der", "die", "das", "die")


class Filling(Protocol):
    """What stands in a slot. `german` and `english` are its forms as `{slot.form}` asks for them, agreeing with a
    person (the place of a form among those with ich, du, er, wir, ihr, sie); `word` is which word it is."""

    @property
    def word(self) -> str: ...

    def german(self, form: str, person: int) -> str: ...

    def english(self, form: str, person: int) -> str: ...


@dataclass(frozen=True)
class Fixed:
    """A word or phrase that does not change; adjectives have a comparative and say of which kinds they are said."""

    word: str
    translation: str
    kinds: frozenset[str] = frozenset()
    more: tuple[str, str] | None = None

    def german(self, form: str, person: int = 0) -> str:
        return self.more[0] if form == "more" and self.more else self.word

    def english(self, form: str, person: int = 0) -> str:
        return self.more[1] if form == "more" and self.more else self.translation


@dataclass(frozen=True)
class Verb:
    """A verb; `prefix` is what parts from it, as an in "ruft an"."""

    prefix: str
    infinitive: str
    present: tuple[str, ...]
    participle: str
    auxiliary: str
    """sein or haben, with which it has its perfect."""
    base: str
    english_present: tuple[str, ...]
    english_past: tuple[str, ...]
    kinds: frozenset[str]
    subjects: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()

    @property
    def word(self) -> str:
        return self.prefix + self.infinitive

    def german(self, form: str, person: int) -> str:
        forms = {
            "": self.present[person],
            "off": self.prefix,
            "last": self.prefix + self.present[person],
            "infinitive": self.word,
            "to": f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}",
            "participle": self.participle,
        }
        return forms[form]

    def english(self, form: str, person: int) -> str:
        return {"": self.english_present[person], "base": self.base, "past": self.english_past[person]}[form]


@dataclass(frozen=True)
class Phrase:
    """Who or what a sentence is about, in all of its forms; `person` is the verb form that goes with it."""

    word: str
    person: int
    kinds: frozenset[str]
    german_forms: Mapping[str, str]
    english_forms: Mapping[str, str]
    adjective: str = ""

    def german(self, form: str, person: int = 0) -> str:
        return self.german_forms[form]

    def english(self, form: str, person: int = 0) -> str:
        return self.english_forms[form]


@dataclass(frozen=True)
class Determiner:
    """What stands before a noun: a word with endings of its own, one without, or nothing."""

    stem: str
    english: str
    endings: Endings | None = None
    adjectives: Endings = STRONG

    def german(self, case: str, gender: int) -> str:
        return self.stem + (self.endings[CASES.index(case)][gender] if self.endings else "")


THE = Determiner("", "the", DER, WEAK)
A = Determiner("ein", "a", EIN, MIXED)
NO = Determiner("kein", "", EIN, MIXED)
OWN = tuple(
    Determiner(german, english, EIN, MIXED) for german, english in (("mein", "my"), ("dein", "your"), ("unser", "our"))
)
NOTHING = Determiner("", "")


@dataclass(frozen=True)
class Noun:
    """A noun; `weak` is its other form where it has one (der Junge, den Jungen)."""

    gender: int
    singular: str
    plural: str | None
    weak: str | None
    english_singular: str
    english_plural: str | None
    kinds: tuple[str, ...]

    def phrase(self, determiner: Determiner, adjective: Fixed | None, *, many: bool) -> Phrase:
        """The noun with what stands before it."""
        gender = GENDERS.index("plural") if many else self.gender
        german = {case: self._german(determiner, adjective, case, gender) for case in CASES}
        noun = self.english_plural if many else self.english_singular
        words = (determiner.english, adjective.translation if adjective else "", noun or "")
        english = " ".join(filter(None, words))
        is_person = "person" in self.kinds
        return Phrase(
            self.singular,
            5 if many else 2,
            frozenset(self.kinds),
            {
                "": german["nom"],
                **german,
                "no": self._german(NO, adjective, "acc", gender),
                "relative": RELATIVE[gender],
            },
            {"": english, "object": english, "relative": "who" if is_person else "that"},
            adjective.word if adjective else "",
        )

    def _german(self, determiner: Determiner, adjective: Fixed | None, case: str, gender: int) -> str:
        many = gender == GENDERS.index("plural")
        noun = (self.plural or "") if many else self.singular if case == "nom" else self.weak or self.singular
        if many and case == "dat" and noun[-1] not in "ns":
            noun += "n"
        described = ""
        if adjective:
            described = adjective.word.removesuffix("e") + determiner.adjectives[CASES.index(case)][gender]
        return " ".join(filter(None, (determiner.german(case, gender), described, noun)))
