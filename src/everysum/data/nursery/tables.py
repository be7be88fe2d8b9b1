"""Reads the grammar from the files in grammar/, which are written for people: each one's first lines say how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from everysum.data.grammars import grammar_blocks, grammar_lines, grammar_lists
from everysum.data.nursery.grammar import PARAGRAPH, Grammar, Plot, Step, Word

FOLDER = Path(__file__).parent / "grammar"
PRONOUNS = {"he": ("he", "him", "his", "himself"), "she": ("she", "her", "her", "herself")}
LINE_BREAK = " / "


def read_grammar() -> Grammar:
    """The phrases, the words and characters, the families of rhymes and riddles."""
    tables = {name: tuple(map(_word, lines)) for name, lines in _lists("words")}
    for line in _lines("characters"):
        character, memberships = _character(line)
        for table in memberships:
            tables[table] = (*tables.get(table, ()), character)
    phrases = {name: tuple(lines) for name, lines in _lists("phrases")}
    families = {name: {family: tuple(lines) for family, lines in _lists(name)} for name in ("rhymes", "riddles")}
    return Grammar(phrases, tables, families)


def read_plots(names: Iterable[str], joint: str = " ") -> list[Plot]:
    """The plots in these files, in order; `joint` comes between two steps."""
    return [_plot(block, joint) for name in names for block in grammar_blocks(FOLDER / f"{name}.txt")]


def _lines(name: str) -> list[str]:
    return grammar_lines(FOLDER / f"{name}.txt")


def _lists(name: str) -> Iterator[tuple[str, list[str]]]:
    """The lists of a file; a mark in them stands for a new line."""
    for title, members in grammar_lists(FOLDER / f"{name}.txt"):
        yield title, [member.replace(LINE_BREAK, "\n") for member in members]


def _word(line: str) -> Word:
    """A word, and its forms. That with "the" is made here: a cart becomes the cart."""
    text, *forms = line.split("; ")
    pairs = (form.partition(" ") for form in forms)
    return Word(text, {"the": re.sub("^an? ", "the ", text)} | {name: value for name, _, value in pairs})


def _character(line: str) -> tuple[Word, list[str]]:
    """A character, and the tables that it is in."""
    name, kind, pronoun, lives, went, likes, says, memberships = line.split("; ")
    short = name.split()[0]
    if short != name:
        mention, full = f"[{short}|{short}|{name}]", name
    elif kind in ("boy", "girl"):
        mention, full = name, name
    else:
        mention, full = f"[{name}|{name}|{name}|the {kind}]", f"{name} the {kind}"
    forms = {"name": name, "call": short, "full": full, "kind": kind, "lives": lives, "went": went}
    pronouns = dict(zip(("he", "him", "his", "himself"), PRONOUNS[pronoun], strict=True))
    return Word(mention, forms | pronouns | {"likes": likes, "says": says}), memberships.split()


def _plot(block: list[str], joint: str) -> Plot:
    title, *lines = block
    slots: dict[str, str] = {}
    steps: list[Step] = []
    for line in lines:
        sign, _, text = line.partition(" ")
        text = text.replace(LINE_BREAK, "\n")
        if not line:
            steps.append(Step((PARAGRAPH,)))
        elif sign == "|":
            last = steps.pop()
            steps.append(Step((*last.alternatives, text), last.count, last.optional))
        elif re.fullmatch(r"[-?\d]", sign):
            steps.append(Step((text,), int(sign) if sign.isdigit() else 1, sign == "?"))
        else:
            names, _, source = line.partition(": ")
            slots[names] = source
    return Plot(title, slots, tuple(steps), joint)
