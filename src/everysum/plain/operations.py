"""The operations that numbers are made with: a table of everything this folder can compute.

An operation says three things: the value from the parents' values; the slopes, how much the result moves for each unit
that a parent moves (for a sum 1, for a product the other factor); and how it is written, as terms to be added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul

Values = Sequence[float]


@dataclass(frozen=True, eq=False)
class Operation:
    name: str
    value: Callable[[Values], float]
    slopes: Callable[[Values, float], Values]
    """From the parents' values and the result."""
    terms: Callable[[Sequence[str]], list[str]]


def grouped(text: str) -> str:
    """In parentheses if it begins with a minus sign."""
    return f"({text})" if text.startswith("−") else text


def of_one(name: str, value: Callable[[float], float], slope: Callable[[float, float], float], text: str) -> Operation:
    """An operation with one parent; `text` has {} where the parent's figure goes."""
    return Operation(
        name, lambda x: value(x[0]), lambda x, result: (slope(x[0], result),), lambda texts: [text.format(*texts)]
    )


def products(values: Values) -> float:
    """Inputs, then as many weights, then perhaps a bias: each input times its weight, and the bias, added up."""
    count = len(values) // 2
    return sum(map(mul, values[:count], values[count:]), values[-1] if len(values) % 2 else 0.0)


def product_slopes(values: Values, _: float) -> Values:
    count = len(values) // 2
    slopes = [*values[count : 2 * count], *values[:count]]
    if len(values) % 2:
        slopes.append(1.0)
    return slopes


def product_terms(texts: Sequence[str]) -> list[str]:
    count = len(texts) // 2
    return [*(f"{x} × {w}" for x, w in zip(texts[:count], texts[count:], strict=False)), *texts[2 * count :]]


GIVEN = Operation("given", lambda _: math.nan, lambda _, __: (), list)
SUM = Operation("sum", sum, lambda x, _: (1.0,) * len(x), list)
DIFFERENCE = Operation(
    "difference", lambda x: x[0] - x[1], lambda _, __: (1.0, -1.0), lambda t: [f"{t[0]} − {grouped(t[1])}"]
)
PRODUCT = Operation("product", lambda x: x[0] * x[1], lambda x, _: (x[1], x[0]), lambda t: [f"{t[0]} × {t[1]}"])
QUOTIENT = Operation(
    "quotient",
    lambda x: x[0] / x[1],
    lambda x, result: (1 / x[1], -result / x[1]),
    lambda t: [f"{t[0]} ÷ {grouped(t[1])}"],
)
WEIGHTED_SUM = Operation("weighted sum", products, product_slopes, product_terms)

NEGATIVE = of_one("negative", lambda x: -x, lambda _, __: -1.0, "−({})")
ABSOLUTE = of_one("absolute", abs, lambda x, _: math.copysign(1.0, x) if x else 0.0, "|{}|")
ROOT = of_one("root", math.sqrt, lambda _, root: 0.5 / root, "√{}")
EXPONENTIAL = of_one("exponential", math.exp, lambda _, power: power, "e^({})")
LOGARITHM = of_one("logarithm", math.log, lambda x, _: 1 / x, "ln({})")
SINE = of_one("sine", math.sin, lambda x, _: math.cos(x), "sin({})")
COSINE = of_one("cosine", math.cos, lambda x, _: -math.sin(x), "cos({})")

RELU = of_one("relu", lambda x: max(0.0, x), lambda x, _: float(x > 0), "max(0, {})")
TANH = of_one("tanh", math.tanh, lambda _, y: 1 - y * y, "tanh({})")
LOGISTIC = of_one(
    "logistic",
    # the first form overflows for numbers far below zero, the second far above
    lambda x: 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x)),
    lambda _, y: y * (1 - y),
    "logistic({})",
)
NORMAL_SHARE = of_one(
    "normal share",
    lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))),
    lambda x, _: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "Φ({})",
)


def log_total(values: Values) -> float:
    """ln(e^a + e^b + …), seen from the largest so that no power overflows."""
    largest = max(values)
    return largest + math.log(sum(math.exp(x - largest) for x in values))


LOG_TOTAL = Operation(
    "logarithm of the total",
    log_total,
    lambda values, result: [math.exp(x - result) for x in values],
    lambda texts: [f"ln({' + '.join(f'e^({text})' for text in texts)})"],
)


@cache
def power(exponent: int) -> Operation:
    """x · x · … · x, `exponent` times."""
    return Operation(
        f"power {exponent}",
        lambda x: x[0] ** exponent,
        lambda x, _: (exponent * x[0] ** (exponent - 1),),
        lambda texts: [f"{grouped(texts[0])}{str(exponent).translate(str.maketrans('0123456789-', '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'))}"],
    )
