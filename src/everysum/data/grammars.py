"""What our grammars share: random choices that stay the same everywhere, and lists in files written for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Chances:
    """Random choices that stay the same in every Python version: all of them come from `Random.random`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def one(self, options: Sequence[Item]) -> Item:
        return options[self.below(len(options))]

    def some(self, options: Sequence[Item], count: int) -> list[Item]:
        """`count` different options, in random order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]


def grammar_lines(path: Path) -> list[str]:
    """The lines of a grammar's file behind the comment that it begins with."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return lines[1:]  # the empty line that ends the comment


def grammar_lists(path: Path) -> Iterator[tuple[str, list[str]]]:
    """A name on a line of its own, then a line for each member, which begins with |."""
    title, members = "", list[str]()
    for line in [*grammar_lines(path), "end"]:
        if line.startswith("|"):
            members.append(line[1:].strip())
        elif line:
            if title:
                yield title, members
            title, members = line, []


def grammar_blocks(path: Path) -> list[list[str]]:
    """The blocks that begin with == and a title; the title, then the lines below it."""
    text = "\n".join(grammar_lines(path)).strip()
    return [block.strip().splitlines() for block in text.removeprefix("== ").split("\n== ")]
