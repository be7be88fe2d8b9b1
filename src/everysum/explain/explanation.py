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

from everysum.explain.number import Number, Part, RecordedNumber, Terms

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
        largest = max((abs(line.value) for line in self.lines if finite(line.value)), default=0.0)
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


def number_json(number: Number, depth: int, shown: int) -> dict[str, Any]:
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
    found["terms"] = [number_json(term, depth if isinstance(term, Part) else depth - 1, shown) for term in few]
    found["terms_in_all"] = len(terms)
    found["rest"] = json_number(float(np.sum(terms.values[len(few) :])))
    return found


def json_number(value: float) -> float | str:
    if isinstance(value, complex) or not finite(value):
        return str(value)
    return value


def finite(value: float | None) -> bool:
    return value is not None and not isinstance(value, complex) and bool(np.isfinite(value))


# --- words -----------------------------------------------------------------------------------------------------------


def figure(value: float) -> str:
    """A number with seven digits and a real minus."""
    if isinstance(value, bool):
        return str(int(value))
    text = f"{value}" if isinstance(value, (int, complex)) else f"{value:.7g}"
    return text.replace("-", "−").replace("inf", "∞").replace("nan", "not a number")


def described(number: Number) -> str:
    """A number's name, with the tokens that stand at its places."""
    if not isinstance(number, RecordedNumber):
        return number.name
    tokens = tokens_at(number)
    return f"{number.name}{f' ({tokens})' if tokens else ''}"


def tokens_at(number: RecordedNumber) -> str:
    """The texts of the tokens at a number's places, such as key "t"."""
    tensor = number.record.names.tensor_of(number)
    index = None if tensor is None else tensor.view.index_of(number.offset)
    if tensor is None or index is None or not number.record.top.token_texts and number.record.top.token_text is None:
        return ""
    said = []
    row = index[0] if tensor.axes and tensor.axes[0] == "batch" else 0
    for axis, place in enumerate(index):
        text = token_at(tensor, axis, place, row)
        if text is not None:
            said.append(f"{tensor.axes[axis]} “{text}”")
    return ", ".join(said)


def token_at(tensor: Any, axis: int, place: int, row: int) -> str | None:
    label = tensor.axis_labels[axis]
    if len(label) == 1 and label[0].name == "vocabulary" and tensor.record.top.token_text is not None:
        return str(tensor.record.top.token_text(label[0].start + place))
    texts = tensor.tokens(axis, row)
    return None if texts is None else texts[place]


def made_by(number: Number) -> str:
    """In a line how a number was made."""
    if not isinstance(number, RecordedNumber):
        return f"{number.kind}: {number.formula}"
    if number.kind in ("given", "drawn", "left over", "opaque"):
        return number.formula
    count = len(number.terms)
    word = {
        "sum": f"the sum of {count:,} terms",
        "product": "a product",
        "function": "a function",
        "largest": f"the one of {count:,} numbers that the operation looked for",
        "choice": "one of two, by a condition",
        "copy": "a copy",
        "look-up": "looked up in a table",
        "constant": "a constant",
    }[number.kind]
    operation = number.operation
    assert operation is not None
    module = "" if operation.module is None or not operation.module.path else f" in {operation.module.path}"
    again = "; from a re-run of the fused operation" if number.rerun or number.inner is not None else ""
    return f"{word}: {number.formula}  [{operation.facts.name}{module}{again}]"


def exactness(number: Number) -> str:
    """How near the recomputed value is, and how near it must be."""
    assert number.recomputed is not None
    assert number.difference is not None
    tolerance = number.tolerance
    allowed = (
        f"allowed {tolerance.relative:.0e} of the sum of absolute terms, {figure(number.magnitude)}, for {tolerance.dtype}"
        if tolerance.relative
        else "whole numbers must be exact"
    )
    verdict = "" if number.agrees else "; THIS IS TOO FAR"
    return (
        f"recomputed in float64: {figure(number.recomputed)}, difference {number.difference:.1e} ({allowed})".replace(
            "e-", "e−"
        ).replace(" -", " −")
        + verdict
    )


def as_term(term: Number) -> str:
    """A term of a formula: a recorded number by its name, a product of numbers by its factors."""
    if isinstance(term, Part) and plain_product(term):
        factors = term.parts
        figures = " × ".join(figure(factor.value) for factor in factors)
        names = " × ".join(described(factor) for factor in factors if isinstance(factor, RecordedNumber))
        return f"{figures}   {names}"
    return described(term)


def plain_product(number: Number) -> bool:
    """Whether a part is a product of recorded numbers and constants only."""
    if not isinstance(number, Part) or number.kind != "product":
        return False
    return all(isinstance(factor, RecordedNumber) or factor.kind == "constant" for factor in number.parts)


def text_of(line: Line) -> str:
    value = "" if line.value is None else figure(line.value)
    return f"{value:>16}  {'  ' * (line.level - 1)}{line.text}"


def bar(value: float | None, largest: float) -> str:
    if not finite(value) or not largest or value is None:
        return ""
    color = "#4a7" if value >= 0 else "#c64"
    return f'<div style="background:{color};height:.7em;width:{abs(value) / largest * 100:.1f}%"></div>'
