"""Figures: the numbers and words of a lesson that a reader may replace by their own, with `--set name=value`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from everysum.errors import UsageError
from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector, numbers

Kind = Literal["number", "count", "numbers", "text", "choice"]


@dataclass(frozen=True)
class Figure:
    """One figure: its value as written, what it means, and what it may be.

    `kind` is "number", "count" (a whole number), "numbers" (several, one for each of `labels` if there are any), "text"
    or "choice". Numbers lie between `least` and `most`; texts and lists have between `shortest` and `longest` parts.
    """

    name: str
    value: str
    meaning: str
    kind: Kind = "number"
    least: float = -1000.0
    most: float = 1000.0
    step: float = 0.01
    labels: tuple[str, ...] = ()
    shortest: int = 1
    longest: int = 60
    choices: tuple[str, ...] = ()
    alphabet: str = ""

    def lengths(self) -> tuple[int, int]:
        """Between how many parts it may have."""
        return (len(self.labels), len(self.labels)) if self.labels else (self.shortest, self.longest)

    def allowed(self) -> str:
        """What it may be, in words."""
        least, most = (f"{limit:g}".replace("-", "−") for limit in (self.least, self.most))
        if self.kind == "choice":
            return " or ".join(self.choices)
        shortest, longest = self.lengths()
        many = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        if self.kind == "text":
            return f"{many} characters" + (f" of {self.alphabet!r}" if self.alphabet else "")
        what = "a whole number" if self.kind == "count" else "a number"
        return (
            f"{many} numbers, each" * (self.kind == "numbers")
            + what * (self.kind != "numbers")
            + (f" from {least} to {most}")
        )

    def data(self, value: str) -> dict[str, Any]:
        """For programs: everything that a slider or an input field needs."""
        plain = {"name": self.name, "meaning": self.meaning, "kind": self.kind, "text": value}
        if self.kind == "text":
            shortest, longest = self.lengths()
            return plain | {"value": value, "shortest": shortest, "longest": longest, "alphabet": self.alphabet}
        if self.kind == "choice":
            return plain | {"value": value, "choices": list(self.choices)}
        limits = {"least": self.least, "most": self.most, "step": self.step}
        parts = [as_float(part) for part in words(value)]
        if self.kind == "numbers":
            shortest, longest = self.lengths()
            lengths = {"shortest": shortest, "longest": longest, "labels": list(self.labels)}
            return plain | {"value": parts} | limits | lengths
        return plain | {"value": int(parts[0]) if self.kind == "count" else parts[0]} | limits


@dataclass(frozen=True)
class Given:
    """The figures of a lesson with the values that it is taught with."""

    figures: tuple[Figure, ...]
    values: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.values[name]

    def number(self, name: str) -> float:
        return as_float(self.values[name])

    def count(self, name: str) -> int:
        return int(as_float(self.values[name]))

    def single(self, name: str) -> Number:
        """As a number of `plain/`, printed as it was written."""
        return Number(self.values[name])

    def vector(self, name: str) -> Vector:
        return numbers(words(self.values[name]))

    def matrix(self, *names: str) -> Matrix:
        """A row for each name."""
        return [self.vector(name) for name in names]

    def changed(self) -> list[str]:
        """The names of the figures that are not the lesson's own any more."""
        return [figure.name for figure in self.figures if self.values[figure.name] != figure.value]

    def data(self) -> list[dict[str, Any]]:
        return [
            figure.data(self.values[figure.name]) | {"default": figure.data(figure.value)["value"]}
            for figure in self.figures
        ]


def given(lesson: str, figures: Sequence[Figure], assignments: Iterable[str]) -> Given:
    """The figures with what `--set` says; UsageError for a name that is none of them or a value that cannot be."""
    values = {figure.name: figure.value for figure in figures}
    known = {figure.name: figure for figure in figures}
    for assignment in assignments:
        key, equals, word = assignment.partition("=")
        if not equals:
            wanted = f"name=value, such as {figures[0].name}={figures[0].value}"
            raise UsageError(f"--set {assignment!r} sets nothing", wanted=wanted)
        name, dot, label = key.strip().partition(".")
        if name not in known:
            raise unknown_figure(lesson, name, figures)
        value = word if known[name].kind == "text" else word.strip()
        values[name] = replaced(known[name], values[name], label, value) if dot else value
        refuse_unless_possible(known[name], values[name])
    return Given(tuple(figures), values)


def replaced(figure: Figure, value: str, label: str, part: str) -> str:
    """The value with one of its numbers replaced: the one with this label, or of this place, counted from 1."""
    parts = words(value)
    places = {name: place for place, name in enumerate(figure.labels or map(str, range(1, len(parts) + 1)))}
    if figure.kind != "numbers" or label not in places:
        raise UsageError(
            f"the figure {figure.name} has no part {label!r}",
            wanted=f"{figure.name}=value" if figure.kind != "numbers" else " or ".join(places),
            advice=nearest(label, places),
        )
    parts[places[label]] = part
    return " ".join(parts)


def refuse_unless_possible(figure: Figure, value: str) -> None:
    came = repr(value)
    if figure.kind == "choice" and value not in figure.choices:
        raise impossible(figure, came, nearest(value, figure.choices))
    if figure.kind in ("number", "count", "numbers"):
        for part in words(value) if figure.kind == "numbers" else [value]:
            number = as_float(part)
            whole = figure.kind != "count" or number.is_integer()
            if not (figure.least <= number <= figure.most and whole):
                raise impossible(figure, repr(part))
    if figure.kind in ("text", "numbers"):
        parts: Sequence[str] = value if figure.kind == "text" else words(value)
        shortest, longest = figure.lengths()
        if not shortest <= len(parts) <= longest:
            unit = "character" if figure.kind == "text" else "number"
            raise impossible(figure, f"{len(parts)} {unit}{'s' * (len(parts) != 1)}, {value!r}")
        strange = [part for part in parts if figure.kind == "text" and figure.alphabet and part not in figure.alphabet]
        if strange:
            raise impossible(figure, f"{strange[0]!r} in {value!r}")


def impossible(figure: Figure, came: str, advice: str | None = None) -> UsageError:
    return UsageError(
        f"the figure {figure.name} ({figure.meaning}) cannot be that", wanted=figure.allowed(), came=came, advice=advice
    )


def unknown_figure(lesson: str, name: str, figures: Sequence[Figure]) -> UsageError:
    names = [figure.name for figure in figures]
    return UsageError(
        f"the lesson {lesson} has no figure {name!r}", wanted=" or ".join(names), advice=nearest(name, names)
    )


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Did you mean …? None where nothing is near."""
    near = difflib.get_close_matches(word, list(names), 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else None


def words(value: str) -> list[str]:
    """Numbers as they are written, with spaces or commas between."""
    return value.replace(",", " ").split()


def as_float(word: str) -> float:
    """The number that is written, − for minus allowed; not a number (nan), which lies between no limits, for anything
    else."""
    try:
        return float(word.replace("−", "-"))
    except ValueError:
        return math.nan
