"""A chapter: what it is called, which figures it is taught with, and how it is taught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from everysum.lessons.blocks import Block, Progress
from everysum.lessons.figures import Figure, Given

Teach = Callable[[Given, Progress], Iterator[Block]]


def anything_goes(given: Given) -> None:
    """Each figure by itself has been looked at already."""


@dataclass(frozen=True)
class Chapter:
    """`line` says in one line what is learned; `section` where the article tells of it; `files` where the code is.

    `teach` gives the blocks one after another, as soon as each is computed; `check` refuses, before that, figures that
    do not go together.
    """

    name: str
    title: str
    line: str
    section: str
    figures: tuple[Figure, ...]
    files: tuple[str, ...]
    teach: Teach
    check: Callable[[Given], None] = anything_goes

    @cached_property
    def data(self) -> dict[str, Any]:
        return {"name": self.name, "title": self.title, "line": self.line, "section": self.section}


def no_progress(done: int, steps: int, loss: float) -> None:
    """For those who do not watch."""
