"""An explanation of a number: the tree of what made it, to be shown as text, as HTML or as data.

None of these computes anything: they show what `Number` says.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from everysum.explain.number import Number
from everysum.explain.parts import Part, Terms
from everysum.explain.recorded import RecordedNumber
from everysum.explain.words import as_term, described, exactness, finite, made_by, plain_product
from everysum.explain.writing import figure

INNER_SHOWN = 3
"""Terms that are shown of a sum inside of another formula."""
STRUCTURAL = 4
"""Up to so many terms belong to a formula's form, and are taken apart themselves."""


@dataclass(frozen=True)
class Line:
    """One line of an explanation: how deep it lies, a value and what it is."""

    level: int
    value: float | None
    text: str
    number: Number | None = None


@dataclass(frozen=True)
class Explanation:
    """What made a number, for `depth` operations back; of a long sum the `shown` largest terms."""

    number: Number
    depth: int = 1
    shown: int = 20

    @property
    def value(self) -> float:
        return self.number.value

    @property
    def recomputed(self) -> float | None:
        return self.number.recomputed

    @property
    def difference(self) -> float | None:
        return self.number.difference

    @property
    def terms(self) -> Terms:
        return self.number.terms

    # --- lines -------------------------------------------------------------------------------------------------------

    @cached_property
    def head(self) -> list[str]:
        """The number, how it was made, and how exactly that gives it again."""
        number = self.number
        lines = [f"{described(number)} = {figure(number.value)}", f"  {made_by(number)}"]
        if number.recomputed is not None and number.kind != "given":
            lines.append(f"  {exactness(number)}")
        return lines

    @cached_property
    def lines(self) -> list[Line]:
        return list(self.under(self.number, 1, self.depth, self.shown, set()))

    def under(self, number: Number, level: int, depth: int, shown: int, said: set[str]) -> Iterator[Line]:
        """The lines below a number: its terms, and below each of them its own, as far as the depth goes.

        `said` are the named pieces of the operation's formula that have been shown already.
        """
        if number.kind == "opaque" and isinstance(number, RecordedNumber):
            yield from (Line(level, None, f"{name}: {tensor}") for name, tensor in number.inputs)
            return
        terms = number.terms
        few = terms[:shown] if len(terms) > shown + 1 else list(terms)
        for place, term in enumerate(few):
            if term.kind == "constant" and number.kind != "sum":
                continue  # it stands in the formula already
            if number.kind == "choice" and place == 1:
                yield Line(level, term.value, f"the condition: {term.name}", term)
                continue
            yield Line(level, term.value, as_term(term), term)
            if isinstance(term, Part) and not plain_product(term):
                # a part belongs to the same operation; in a long sum it is named, and not taken apart
                if len(terms) <= STRUCTURAL and not (term.word and term.word in said):
                    said.add(term.word)
                    yield from self.under(term, level + 1, depth, INNER_SHOWN, said)
            elif depth > 1:
                yield from self.deeper(term, level + 1, depth - 1, shown)
        rest = terms.values[len(few) :]
        if len(rest):
            if number.kind == "sum":
                yield Line(level, float(np.sum(rest)), f"{len(rest):,} more terms, added up")
            else:
                yield Line(level, None, f"{len(rest):,} more")

    def deeper(self, term: Number, level: int, depth: int, shown: int) -> Iterator[Line]:
        """What made a term that was recorded, or the factors of a product."""
        for number in term.terms if plain_product(term) else [term]:
            if isinstance(number, RecordedNumber) and number.kind != "given":
                text = f"{described(number)}, {made_by(number)}" if number is not term else made_by(number)
                yield Line(level, number.value, text, number)
                yield from self.under(number, level + 1, depth, min(shown, INNER_SHOWN + 2), set())

    # --- showing -----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join([*self.head, *(text_of(line) for line in self.lines)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For a notebook: the same, with a bar for each term's share."""
        largest = max(
            (abs(line.value) for line in self.lines if line.value is not None and finite(line.value)), default=0.0
        )
        rows = [
            f'<tr><td style="text-align:right;font-variant-numeric:tabular-nums">'
            f"{'' if line.value is None else figure(line.value)}</td>"
            f'<td style="width:6em">{bar(line.value, largest)}</td>'
            f'<td style="text-align:left;padding-left:{line.level - 1}em">{html.escape(line.text)}</td></tr>'
            for line in self.lines
        ]
        head = "<br>".join(html.escape(line.strip()) for line in self.head)
        return f'<div class="everysum-explanation"><p>{head}</p><table>{"".join(rows)}</table></div>'

    def as_json(self) -> dict[str, Any]:
        """The same as data: numbers that JSON does not know are texts."""
        return number_json(self.number, self.depth, self.shown)


def number_json(number: Number, depth: int, shown: int, said: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A number and its terms; `said` are the named pieces of the operation's formula that are around it."""
    tolerance = number.tolerance
    found: dict[str, Any] = {
        "name": number.name,
        "kind": number.kind,
        "formula": number.formula,
        "value": json_number(number.value),
        "recomputed": None if number.recomputed is None else json_number(number.recomputed),
        "difference": None if number.difference is None else json_number(number.difference),
        "magnitude": json_number(number.magnitude),
        "tolerance": {"relative": tolerance.relative, "type": tolerance.dtype},
        "agrees": number.agrees,
        "rerun": isinstance(number, RecordedNumber) and number.rerun,
    }
    if isinstance(number, RecordedNumber):
        operation = number.operation
        found["operation"] = None if operation is None else operation.facts.name
        found["module"] = "" if operation is None or operation.module is None else operation.module.path
    if number.kind == "opaque" and isinstance(number, RecordedNumber):
        found["inputs"] = [{"argument": name, "tensor": tensor} for name, tensor in number.inputs]
    if depth < 1:
        return found
    terms = number.terms
    few = terms[:shown]
    word = number.word if isinstance(number, Part) else ""
    found["terms"] = [
        number_json(term, deeper_by(term, number, depth, said | {word}), shown, said | {word}) for term in few
    ]
    found["terms_in_all"] = len(terms)
    found["rest"] = json_number(float(np.sum(terms.values[len(few) :])))
    return found


def deeper_by(term: Number, around: Number, depth: int, said: frozenset[str]) -> int:
    """How much farther to go below a term: a part belongs to the same operation, and is taken apart where it is one of
    few and not known already; in a long sum only products of recorded numbers are."""
    if not isinstance(term, Part):
        return depth - 1
    if plain_product(term):
        return depth
    return depth if len(around.terms) <= STRUCTURAL and not (term.word and term.word in said) else 0


def json_number(value: float) -> float | str:
    if isinstance(value, complex) or not finite(value):
        return str(value)
    return value


def text_of(line: Line) -> str:
    value = "" if line.value is None else figure(line.value)
    return f"{value:>16}  {'  ' * (line.level - 1)}{line.text}"


def bar(value: float | None, largest: float) -> str:
    if not finite(value) or not largest or value is None:
        return ""
    color = "#4a7" if value >= 0 else "#c64"
    return f'<div style="background:{color};height:.7em;width:{abs(value) / largest * 100:.1f}%"></div>'
