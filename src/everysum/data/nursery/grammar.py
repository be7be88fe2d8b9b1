"""A context-free grammar with slots: how a plot, its phrases and its words become one document.

A template holds three kinds of mark: `[a|b]` is one of the two, `<name who other>` another phrase, told about the
characters in the slots named after it, and `{slot.form}` a form of the word in a slot. What a plot cannot know is
put right at the end: a or an, and the capital at the start of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from everysum.data.grammars import Chances

Slots = Mapping[str, "Word"]

INNERMOST_CHOICE = re.compile(r"\[([^\[\]]*)\]")
MARK = re.compile(r"<([\w -]+)>|\{([\w.]+)\}")
PARAGRAPH = "\n\n"


@dataclass(frozen=True)
class Word:
    """A word or a character: what `{slot}` stands for, and what `{slot.form}` does. Both may hold marks again."""

    text: str
    forms: Mapping[str, str] = field(default_factory=dict)

    def form(self, name: str) -> str:
        return self.forms[name] if name else self.text


@dataclass(frozen=True)
class Step:
    """A sentence or two of a plot: `count` of its alternatives, or (if it is optional) perhaps none."""

    alternatives: tuple[str, ...]
    count: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Plot:
    """What happens, step by step. `slots` says which table each slot is filled from; joined by `joint`."""

    title: str
    slots: Mapping[str, str]
    steps: tuple[Step, ...]
    joint: str = " "


@dataclass(frozen=True)
class Grammar:
    """Phrases by name, words by table, and families (words that belong together: rhymes, a riddle's clues)."""

    phrases: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, tuple[Word, ...]]
    families: Mapping[str, Mapping[str, tuple[str, ...]]]

    def tell(self, plot: Plot, chances: Chances) -> str:
        """One document of this plot."""
        telling = _Telling(self.phrases, self._cast(plot, chances), chances)
        parts: list[str] = []
        for step in plot.steps:
            if not step.optional or chances.below(2):
                parts.extend(telling.tell(template) for template in chances.some(step.alternatives, step.count))
        return polish(plot.joint.join(part for part in parts if part))

    def _cast(self, plot: Plot, chances: Chances) -> dict[str, Word]:
        """Fills the slots, no word twice; of the first two characters one is a he and one a she.

        `~name` fills two or more slots, written `x y`, from one family.
        """
        slots: dict[str, Word] = {}
        for names, source in plot.slots.items():
            if source.startswith("~"):
                slots |= self._family(names.split(), source[1:], chances)
            else:
                slots[names] = chances.one(self._candidates(source, slots))
        return slots

    def _family(self, names: Sequence[str], source: str, chances: Chances) -> dict[str, Word]:
        families = [(name, members) for name, members in self.families[source].items() if len(members) >= len(names)]
        family, members = chances.one(families)
        chosen = chances.some(members, len(names))
        return {name: Word(text, {"family": family}) for name, text in zip(names, chosen, strict=True)}

    def _candidates(self, source: str, slots: Slots) -> list[Word]:
        taken = list(slots.values())
        fresh = [word for word in self.tables[source] if word not in taken]
        cast = [word for word in taken if "he" in word.forms]
        if len(cast) == 1:
            other = [word for word in fresh if word.forms.get("he") != cast[0].forms["he"]]
            return other or fresh
        kinds = {word.forms["kind"] for word in cast}
        return [word for word in fresh if word.forms.get("kind") not in kinds or word.forms["kind"] in ("boy", "girl")]


class _Telling:
    """One document as it is told: remembers who is introduced, and tells no phrase twice in the same way if it can."""

    def __init__(self, phrases: Mapping[str, tuple[str, ...]], slots: Slots, chances: Chances) -> None:
        self._phrases = {name: list(ways) for name, ways in phrases.items()}
        self._slots = slots
        self._chances = chances
        self._introduced: set[str] = set()

    def tell(self, template: str) -> str:
        return self._expand(template, self._slots)

    def _expand(self, template: str, slots: Slots) -> str:
        while choice := INNERMOST_CHOICE.search(template):
            option = self._chances.one(choice[1].split("|"))
            template = template[: choice.start()] + option + template[choice.end() :]
        return MARK.sub(lambda mark: self._phrase(mark[1], slots) if mark[1] else self._word(mark[2], slots), template)

    def _phrase(self, mark: str, slots: Slots) -> str:
        """`<name who other>`; the capital of `<Name>` asks for a capital."""
        name, *about = mark.split()
        roles = {role: slots[who] for role, who in zip(("who", "other"), about, strict=False)}
        text = self._expand(self._way(name.lower()), {**slots, **roles})
        return capital(text) if name[0].isupper() else text

    def _word(self, mark: str, slots: Slots) -> str:
        """`{slot}` or `{slot.form}`; `{he}` is short for `{hero.he}`, and the capital of `{He}` asks for a capital."""
        name, _, form = mark.partition(".")
        if name.lower() not in slots:
            name, form = "hero", name
        text = self._expand(self._form(slots[name], form.lower()), slots)
        return capital(text) if form[:1].isupper() else text

    def _form(self, word: Word, form: str) -> str:
        """Whoever comes in is introduced: Dot the hen the first time, Dot or the hen from then on."""
        if form in ("", "name") and "full" in word.forms and word.text not in self._introduced:
            self._introduced.add(word.text)
            form = form or "full"
        return word.form(form)

    def _way(self, phrase: str) -> str:
        ways = self._phrases[phrase]
        place = self._chances.below(len(ways))
        return ways.pop(place) if len(ways) > 1 else ways[place]


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def polish(text: str) -> str:
    """Spaces, a or an, and capitals: of a sentence's first word, of a quotation's, of a line's.

    After a comma a quotation keeps the case that it has, for it may go on with a sentence.
    """
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r" *\n *", "\n", re.sub(r"(?: *\n *){3,}", PARAGRAPH, text))
    text = re.sub(r"\b([Aa]) (?=[aeiou](?!ne\b))", r"\1n ", text)
    return re.sub(r'(?:^|\n|(?<!,)\s"|[.!?] |\." )"?[a-z]', lambda match: match[0].upper(), text)
