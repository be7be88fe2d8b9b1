"""How a number is written, and the sum behind it: `−26.598 = 32 × 0.10 + 107 × −0.29 + 56 × −0.07 + 11.2 × 0.46`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everysum.plain.number import Number

LINE = 100
"""Characters; a sum that is longer goes on below, its terms in columns."""
DEEPEST_INDENT = 12
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def figure(value: float) -> str:
    """A number to five significant digits, whole numbers whole: 0.79584, −26.598, 1472, 123457."""
    if not abs(value) < 1e15 or 0 < abs(value) < 1e-7:
        digits, _, exponent = f"{value:.5g}".partition("e")
        text = f"{digits}·10{str(int(exponent)).translate(SUPERSCRIPTS)}" if exponent else digits
    else:
        text = f"{value:.0f}" if abs(value) >= 1e5 else f"{Decimal(f'{value:.5g}'):f}"
    return "0" if text == "-0" else text.replace("-", "−")


def written(number: Number, value: float) -> str:
    """A value of this number: as somebody wrote it, if that is what they wrote, else its figure."""
    if number.written and float(number.written) == value:
        return number.written.replace("-", "−")
    return figure(value)


def sum_behind(number: Number, indent: str = "") -> str:
    """A number and what it was made of, one step back: `2.522 = 32 × 0.12 + …`; a given number stands alone."""
    beginning = indent + written(number, number.value)
    if not number.parents:
        return beginning
    parts = [written(parent, part) for parent, part in zip(number.parents, number.parts, strict=True)]
    return f"{beginning} = {joined(number.operation.terms(parts), len(beginning) + 3)}"


def sums_behind(number: Number, depth: int | None = 1) -> str:
    """The sum behind a number, below it the sums behind its parts, and so on `depth` steps back; None: to the start.

    Each sum is on a line of its own, and there once however often it is used.
    """
    lines, seen, waiting = [], {number}, [(number, 0)]
    while waiting:
        number, steps = waiting.pop()
        lines.append(sum_behind(number, "  " * min(steps, DEEPEST_INDENT)))
        if depth is None or steps + 1 < depth:
            fresh = [part for part in dict.fromkeys(number.parents) if part.parents and part not in seen]
            seen.update(fresh)
            waiting += [(part, steps + 1) for part in reversed(fresh)]
    return "\n".join(lines)


def joined(terms: list[str], indent: int) -> str:
    """Terms with + between them; a single negative number is subtracted; too many for a line stand in columns."""
    signed = [plus(term) for term in terms]
    line = f"{terms[0]} {' '.join(signed[1:])}".rstrip() if terms else ""
    if indent + len(line) <= LINE or len(terms) == 1:
        return line
    column = max(map(len, signed)) + 1
    in_row = max(1, (LINE - indent) // column)
    signed[0] = f"  {terms[0]}"
    rows = [
        "".join(term.ljust(column) for term in signed[start : start + in_row]).rstrip()
        for start in range(0, len(signed), in_row)
    ]
    return f"\n{' ' * indent}".join(rows)


def plus(term: str) -> str:
    return f"− {term[1:]}" if term.startswith("−") and " " not in term else f"+ {term}"
