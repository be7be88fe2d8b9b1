"""The course: every chapter in the article's order, and one of them as blocks or as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from everysum.errors import UsageError
from everysum.lessons import (
    attention,
    characters,
    cross_entropy,
    deviation,
    dropout,
    embedding,
    gpt,
    gradient,
    heads,
    llama,
    matrix,
    network,
    normalization,
    one_hot,
    positions,
    residual,
    separator,
    softmax,
    sub_words,
    training,
    transformer,
)
from everysum.lessons.blocks import Block, Progress, as_data
from everysum.lessons.chapter import Chapter, no_progress
from everysum.lessons.figures import Given, given, nearest

MODULES = (
    network,
    matrix,
    deviation,
    training,
    gradient,
    cross_entropy,
    characters,
    one_hot,
    embedding,
    sub_words,
    attention,
    softmax,
    residual,
    normalization,
    dropout,
    heads,
    positions,
    gpt,
    separator,
    transformer,
    llama,
)
CHAPTERS: tuple[Chapter, ...] = tuple(module.CHAPTER for module in MODULES)

SCHEMA = 1
"""Raised when a program that reads a lesson's data would have to change."""


@dataclass(frozen=True)
class Lesson:
    """A chapter with the figures that it is taught with."""

    chapter: Chapter
    given: Given

    @property
    def place(self) -> int:
        """Which chapter of the course it is, counted from 1."""
        return CHAPTERS.index(self.chapter) + 1

    @property
    def following(self) -> Chapter | None:
        return CHAPTERS[self.place] if self.place < len(CHAPTERS) else None

    @property
    def preceding(self) -> Chapter | None:
        return CHAPTERS[self.place - 2] if self.place > 1 else None

    def blocks(self, progress: Progress = no_progress) -> Iterator[Block]:
        """The blocks, each as soon as it is computed; UsageError where numbers grow out of all bounds."""
        try:
            for block in self.chapter.teach(self.given, progress):
                if not finite(as_data(block)):
                    raise OverflowError
                yield block
        except ArithmeticError as problem:
            raise UsageError(
                f"with these figures the numbers of the lesson {self.chapter.name} grow out of all bounds",
                came=", ".join(f"{name}={self.given.text(name)}" for name in self.given.changed()) or None,
                advice="take smaller ones; where it trains, a smaller rate",
            ) from problem

    def frame(self) -> dict[str, Any]:
        """Everything but the blocks."""
        return {
            "schema": SCHEMA,
            **self.chapter.data,
            "place": self.place,
            "of": len(CHAPTERS),
            "figures": self.given.data(),
            "files": [f"everysum/{file}" for file in self.chapter.files],
            "previous": None if self.preceding is None else self.preceding.data,
            "next": None if self.following is None else self.following.data,
        }

    def data(self, progress: Progress = no_progress) -> dict[str, Any]:
        """The whole lesson for programs: a page can be built from it alone."""
        return self.frame() | {"blocks": [as_data(block) for block in self.blocks(progress)]}


def finite(data: Any) -> bool:
    """Whether every number in this is one: no infinity, no nan."""
    if isinstance(data, float):
        return math.isfinite(data)
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return all(finite(part) for part in parts)


def lesson(name: str, assignments: Sequence[str] = ()) -> Lesson:
    """A chapter by its name, with figures set; UsageError for a name or figure that there is not."""
    for chapter in CHAPTERS:
        if chapter.name == name:
            figures = given(name, chapter.figures, assignments)
            chapter.check(figures)
            return Lesson(chapter, figures)
    names = [chapter.name for chapter in CHAPTERS]
    raise UsageError(
        f"there is no lesson {name!r}",
        wanted=" or ".join(names),
        advice=nearest(name, names) or "`everysum lesson` lists them all",
    )
