"""A number as the page shows it: its value three times, the formula, and the terms, the largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everysum.errors import InputError
from everysum.explain.number import Number
from everysum.explain.parts import Part
from everysum.explain.recorded import RecordedNumber
from everysum.explain.words import described, made_by

if TYPE_CHECKING:
    from everysum.explain import Record

FACTORS = 8


def number_at(record: Record, tensor: str, index: list[int], way: list[int]) -> Number:
    """A number by its place and the way through terms from there."""
    named = record[tensor]
    if len(index) != len(named.shape):
        raise InputError("this is no single number", wanted=f"{len(named.shape)} places", came=f"{len(index)}")
    number: Number = named[tuple(index)]
    for step in way:
        if step >= len(number.terms):
            raise InputError(f"{number.name} has no term {step}", wanted=f"0 to {len(number.terms) - 1}")
        number = number.terms[step]
    return number


def explained(number: Number, shown: int) -> dict[str, Any]:
    """Everything that the page says of a number; `way` of each term leads on from it."""
    tolerance, terms = number.tolerance, number.terms
    few = [brief(term, [place]) for place, term in enumerate(terms[:shown])]
    rest = terms.values[len(few) :]
    found: dict[str, Any] = {
        "name": described(number),
        "kind": number.kind,
        "value": number.value,
        "made_by": made_by(number),
        "formula": number.formula,
        "recomputed": number.recomputed,
        "difference": number.difference,
        "agrees": number.agrees,
        "magnitude": number.magnitude,
        "tolerance": {"relative": tolerance.relative, "type": tolerance.dtype},
        "rerun": isinstance(number, RecordedNumber) and (number.rerun or number.inner is not None),
        "terms": few,
        "terms_in_all": len(terms),
        "rest": {"count": len(rest), "sum": float(np.sum(rest)) if len(rest) else 0.0},
    }
    if number.kind == "opaque" and isinstance(number, RecordedNumber):
        found["inputs"] = [{"argument": name, "tensor": tensor} for name, tensor in number.inputs]
    return found


def brief(number: Number, way: list[int]) -> dict[str, Any]:
    """A term in a line: a product by its factors, each a number that can be asked, anything else by its name."""
    found: dict[str, Any] = {"value": number.value, "way": way}
    if isinstance(number, Part) and number.kind == "product" and len(number.terms) <= FACTORS:
        return found | {"factors": [named(factor, [*way, place]) for place, factor in enumerate(number.terms)]}
    return found | named(number, way)


def named(number: Number, way: list[int]) -> dict[str, Any]:
    """A number by its name; `asks` says whether there is more to be asked of it."""
    asks = isinstance(number, RecordedNumber) or number.kind != "constant"
    return {"name": described(number), "value": number.value, "way": way, "asks": asks}
