"""The words in which numbers are shown: figures, names with their tokens, how a number was made and how exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from everysum.explain.number import Number
from everysum.explain.parts import Part
from everysum.explain.recorded import RecordedNumber
from everysum.explain.writing import figure


def finite(value: float | None) -> bool:
    return value is not None and not isinstance(value, complex) and bool(np.isfinite(value))


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
    if tensor is None or index is None or (not number.record.top.token_texts and number.record.top.token_text is None):
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
        f"allowed {tolerance.relative:.0e} of the sum of absolute terms, "
        f"{figure(number.magnitude)}, for {tolerance.dtype}"
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
