"""Lessons that train are taught with few steps here; their full length is marked slow."""

from __future__ import annotations

from typing import Any

import pytest

from everysum.lessons.course import CHAPTERS, lesson

QUICK: dict[str, tuple[str, ...]] = {
    "training": ("epochs=6",),
    "characters": ("epochs=3",),
    "one-hot": ("epochs=2",),
    "embedding": ("epochs=2",),
    "softmax": ("draws=200",),
    "dropout": ("epochs=10",),
    "gpt": ("steps=2", "characters=6"),
    "separator": ("epochs=2",),
    "transformer": ("epochs=2",),
}

taught: dict[tuple[str, ...], dict[str, Any]] = {}


def teach(name: str, *assignments: str) -> dict[str, Any]:
    """A lesson's data with few steps of training; each is computed once."""
    if (name, *assignments) not in taught:
        taught[name, *assignments] = lesson(name, [*QUICK.get(name, ()), *assignments]).data()
    return taught[name, *assignments]


each_chapter = pytest.mark.parametrize("name", [chapter.name for chapter in CHAPTERS])
