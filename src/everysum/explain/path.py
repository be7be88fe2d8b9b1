"""The path of a number: its largest term, and the largest term of that, again and again, down to where it began."""

from __future__ import annotations

from everysum.explain.number import Number
from everysum.explain.parts import Part
from everysum.explain.recorded import RecordedNumber

LONGEST = 400


def path_from(number: Number) -> list[Number]:
    """The recorded numbers on the way, the asked one first; the last is a token, a weight, an input or a constant.

    Of a product the way goes on through the factor that is no weight: a weight would end it at once.
    """
    way: list[Number] = [number]
    here = number
    for _ in range(LONGEST):
        following = largest_term(here)
        if following is None:
            return way
        if isinstance(following, RecordedNumber):
            way.append(following)
        here = following
    return way


def largest_term(number: Number) -> Number | None:
    """Where the way goes on: a sum's largest term, the moving factor of a product, what chose in a look-up."""
    terms = number.terms
    if not len(terms):
        return None
    kind = number.kind
    if kind == "look-up":
        return terms[1] if number_of_token(terms[1]) else terms[0]
    if kind in ("product", "function"):
        return max(terms, key=lambda term: (rank(term), abs(term.value)))
    return terms[0]


def rank(term: Number) -> int:
    """Numbers that the pass computed go before parts of formulas with them, and these before weights and constants."""
    if isinstance(term, Part):
        return 0 if term.kind == "constant" else 1 + (term.kind != "function")
    return 3 if term.kind != "given" else 0


def number_of_token(number: Number) -> bool:
    """Whether a number is an input that was looked up, such as a token id."""
    return isinstance(number, RecordedNumber) and number.origin is not None and number.origin.kind == "input"
