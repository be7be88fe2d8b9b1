"""From a kind of sentence to a sentence in German and in English: slots are filled, marks replaced, ends put right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from everysum.data.grammars import Chances
from everysum.data.tiny_translator.tables import Kind, Tables
from everysum.data.tiny_translator.words import NOTHING, OWN, THE, A, Determiner, Filling, Fixed, Noun, Phrase, Verb

MARK = re.compile(r"\{(\w+)(?:\.(\w+))?(?: (\w+))?\}")
CONTRACTIONS = {"in dem": "im", "in das": "ins"}
OWNED = {"thing", "animal", "furniture", "place"}
"""What one says my and your of; and of kin, of which one says nothing else."""
SOMEBODY = Phrase("wer", 2, frozenset({"person"}), {}, {})
FLAGS = frozenset({"me", "one", "definite", "open", "plain"})
Sentence = tuple[str, str]


class Writer:
    """Fills the slots of one sentence, each word chosen once only."""

    def __init__(self, tables: Tables, chances: Chances) -> None:
        self.tables, self.chances = tables, chances
        self.known: dict[tuple[Noun, frozenset[str]], list[tuple[Determiner, bool]]] = {}

    def fill(self, kind: Kind) -> dict[str, Filling]:
        """What stands in each slot, from left to right."""
        filled: dict[str, Filling] = {}
        for name, source in kind.slots.items():
            filled[name] = self.one(source.split(), filled)
        return filled

    def one(self, source: list[str], filled: Mapping[str, Filling]) -> Filling:
        """Something that this source describes."""
        if source[0] in self.tables.verbs:
            return self.chances.one(self.verbs(source))
        if source[0] in self.tables.words:
            return self.chances.one(self.tables.words[source[0]])
        if "adjective" in source:
            return self.chances.one(self.adjectives(source, filled[source[-1]]))
        if source == ["somebody"]:
            return SOMEBODY
        flags = frozenset(source) & FLAGS
        return self.phrase(flags, [word for word in source if word not in flags], filled)

    def verbs(self, source: list[str]) -> list[Verb]:
        """`transitive act by person to food drink`: a table, what kinds of verb, who does it, and to what."""
        parts: dict[str, set[str]] = {"kinds": set(), "by": set(), "to": set()}
        part = "kinds"
        tables = [word for word in source if word in self.tables.verbs]
        for word in source:
            if word in ("by", "to"):
                part = word
            elif word not in tables:
                parts[part].add(word)
        return [
            verb
            for table in tables
            for verb in self.tables.verbs[table]
            if (not parts["kinds"] or verb.kinds & parts["kinds"])
            and (not parts["by"] or verb.subjects & parts["by"])
            and (not parts["to"] or verb.objects & parts["to"])
        ]

    def adjectives(self, source: list[str], about: Filling) -> list[Fixed]:
        """Adjectives that are said of what stands in another slot; "graded" ones have a comparative."""
        assert isinstance(about, Phrase)
        fitting = [word for word in self.tables.words["adjectives"] if word.kinds & about.kinds]
        return [word for word in fitting if word.more] if "graded" in source else fitting

    def phrase(self, flags: frozenset[str], source: list[str], filled: Mapping[str, Filling]) -> Phrase:
        """Somebody or something of these kinds that the sentence does not speak of yet."""
        taken = {filling.word for filling in filled.values()}
        kinds, is_subject = self.wanted(source, filled)
        others: Sequence[Phrase] = ()
        if "person" in kinds and is_subject and not flags & {"definite", "open"}:
            # of six subjects two are pronouns and one is a name
            chance = {"pronoun": 0, "names": 2}.get(source[0], self.chances.below(6))
            others = self.tables.pronouns if chance < 2 else self.tables.names if chance == 2 else ()
        elif "person" in kinds and "me" in flags and self.chances.below(3) == 0:
            others = [pronoun for pronoun in self.tables.pronouns if pronoun.german("acc") != "-"]
        if others:
            return self.chances.one([other for other in others if other.word not in taken])
        nouns = [noun for noun in self.tables.nouns if kinds & set(noun.kinds) and noun.singular not in taken]
        noun = self.chances.one([noun for noun in nouns if self.determiners(noun, flags)])
        determiner, many = self.chances.one(self.determiners(noun, flags))
        return noun.phrase(determiner, None if "plain" in flags else self.description(noun), many=many)

    def wanted(self, source: list[str], filled: Mapping[str, Filling]) -> tuple[set[str], bool]:
        """The kinds that a source asks for, and whether it may be told by a pronoun or a name."""
        if source in (["pronoun"], ["names"]):
            return {"person"}, True
        if source[0] in ("subject", "object"):
            verb = filled[source[-1]]
            assert isinstance(verb, Verb)
            return set(verb.subjects if source[0] == "subject" else verb.objects), source[0] == "subject"
        if source[0] == "same":
            other = filled[source[-1]]
            assert isinstance(other, Phrase)
            return {next(kind for kind in ("person", "animal", "furniture", "thing") if kind in other.kinds)}, False
        return set(source), source == ["person"]

    def determiners(self, noun: Noun, flags: frozenset[str]) -> list[tuple[Determiner, bool]]:
        """What may stand before a noun, with whether there are many; the commoner ones several times."""
        if (noun, flags) not in self.known:
            self.known[noun, flags] = self.possible_determiners(noun, flags)
        return self.known[noun, flags]

    def possible_determiners(self, noun: Noun, flags: frozenset[str]) -> list[tuple[Determiner, bool]]:
        owned = "kin" in noun.kinds or (OWNED & set(noun.kinds) and "public" not in noun.kinds)
        definite = [(own, many) for own in OWN for many in (False, False, True)] if owned else []
        definite += [] if "kin" in noun.kinds else [(THE, False)] * 6 + [(THE, True)] * 3
        opened = [(NOTHING, False)] * 3 if "mass" in noun.kinds else [(A, False)] * 4 + [(NOTHING, True)] * 2
        opened = [] if "kin" in noun.kinds else opened
        counted = [(Determiner(word.word, word.translation), True) for word in self.tables.words["numbers"]]
        options = definite if "definite" in flags else opened if "open" in flags else definite + opened
        options = options + (counted if opened and not flags & {"definite", "open"} else [])
        return [(word, many) for word, many in options if not many or (noun.plural and "one" not in flags)]

    def description(self, noun: Noun) -> Fixed | None:
        """An adjective for one noun in five."""
        fitting = [word for word in self.tables.words["adjectives"] if word.kinds & set(noun.kinds)]
        return self.chances.one(fitting) if fitting and self.chances.below(5) == 0 else None


def write(kind: Kind, filled: Mapping[str, Filling], tables: Tables) -> Sentence:
    """The sentence in German and in English."""
    german = MARK.sub(lambda mark: german_of(mark, filled, tables), kind.german)
    english = MARK.sub(lambda mark: english_of(mark, filled, tables), kind.english)
    for apart, together in CONTRACTIONS.items():
        german = re.sub(rf"\b{apart}\b", together, german)
    return polish(german), polish(re.sub(r"\ba (?=[aeiou])", "an ", english))


def german_of(mark: re.Match[str], filled: Mapping[str, Filling], tables: Tables) -> str:
    filling, form, person = looked_up(mark, filled, tables)
    if form == "perfect":
        assert isinstance(filling, Verb)
        auxiliary = tables.verb(filling.auxiliary)
        assert auxiliary
        return auxiliary.german("", person)
    return filling.german(form, person)


def english_of(mark: re.Match[str], filled: Mapping[str, Filling], tables: Tables) -> str:
    filling, form, person = looked_up(mark, filled, tables)
    return filling.english(form, person)


def looked_up(mark: re.Match[str], filled: Mapping[str, Filling], tables: Tables) -> tuple[Filling, str, int]:
    """What a mark names, the form of it, and the person that it agrees with."""
    name, form, other = mark.groups()
    filling = filled.get(name) or tables.verb(name)
    assert filling, mark[0]
    whom = filled[other] if other else None
    return filling, form or "", whom.person if isinstance(whom, Phrase) else 0


def polish(text: str) -> str:
    """Single spaces, none before a mark, and a capital at the start."""
    text = re.sub(r" +", " ", text).replace(" .", ".").replace(" ?", "?").replace(" ,", ",").strip()
    return text[:1].upper() + text[1:]


def combination(kind: Kind, filled: Mapping[str, Filling]) -> Sequence[str]:
    """The two words that make a sentence's combination; none where a kind of sentence has no such."""
    return [filled[slot].word for slot in kind.parted]
