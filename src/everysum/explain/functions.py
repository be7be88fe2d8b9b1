"""The functions that rules are made of: value, and how large the numbers were that it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from everysum.explain.storage import Values

Magnitude = Callable[..., Any]


@dataclass(frozen=True)
class Function:
    """`compute` takes values; `magnitude`, where there is one, values and then magnitudes."""

    meaning: str
    compute: Callable[..., Any]
    magnitude: Magnitude | None = None
    sign: str = ""
    """How it is written between its two arguments, or before its one."""


def through_torch(name: str) -> Callable[[Any], Any]:
    """A function that numpy does not have."""

    def compute(x: Any) -> Any:
        values = torch.from_numpy(np.array(x, dtype=np.float64))
        return getattr(torch, name)(values).numpy()

    return compute


def power(base: Any, exponent: Any) -> Any:
    if np.asarray(base).dtype.kind == "i" and np.any(np.asarray(exponent) < 0):
        base = np.asarray(base, dtype=np.float64)
    return np.power(base, exponent)


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64)))


def whole(compare: Callable[..., Any]) -> Callable[..., Any]:
    """A comparison whose answer is 1 or 0."""
    return lambda *values: np.asarray(compare(*values)).astype(np.int64)


def sums(x: Any, y: Any, size_x: Any, size_y: Any) -> Any:
    return size_x + size_y


def kept(x: Any, size: Any) -> Any:
    return size


def of(meaning: str, compute: Callable[..., Any], magnitude: Magnitude | None = None, sign: str = "") -> Function:
    return Function(meaning, compute, magnitude, sign)


FUNCTIONS: dict[str, Function] = {
    "add": of("x + y", np.add, sums, "+"),
    "subtract": of("x − y", np.subtract, sums, "−"),
    "multiply": of("x × y", np.multiply, lambda x, y, a, b: a * b, "×"),
    "divide": of("x ÷ y", np.true_divide, lambda x, y, a, b: a / np.abs(y), "÷"),
    "floor_divide": of("x ÷ y, rounded down", np.floor_divide, None, "//"),
    "remainder": of(
        "what is left of x after taking y away as often as it goes", np.mod, lambda x, y, a, b: a + b, "mod"
    ),
    "power": of("x to the power y", power, lambda x, y, a, b: np.where(np.asarray(y) > 0, power(a, y), np.inf), "^"),
    "negative": of("−x", np.negative, kept, "−"),
    "abs": of("x without its sign", np.abs, kept),
    "maximum": of("the larger of x and y", np.maximum, lambda x, y, a, b: np.where(x >= y, a, b)),
    "minimum": of("the smaller of x and y", np.minimum, lambda x, y, a, b: np.where(x <= y, a, b)),
    "equal": of("1 if x = y, otherwise 0", whole(np.equal), None, "="),
    "unequal": of("1 if x ≠ y, otherwise 0", whole(np.not_equal), None, "≠"),
    "less": of("1 if x < y, otherwise 0", whole(np.less), None, "<"),
    "at_most": of("1 if x ≤ y, otherwise 0", whole(np.less_equal), None, "≤"),
    "greater": of("1 if x > y, otherwise 0", whole(np.greater), None, ">"),
    "at_least": of("1 if x ≥ y, otherwise 0", whole(np.greater_equal), None, "≥"),
    "not": of("1 if x is 0, otherwise 0", whole(np.logical_not), None, "not"),
    "and": of(
        "1 if neither is 0, otherwise 0",
        whole(lambda *all_: np.logical_and.reduce(np.broadcast_arrays(*all_))),
        None,
        "and",
    ),
    "or": of(
        "1 if one is not 0, otherwise 0",
        whole(lambda *all_: np.logical_or.reduce(np.broadcast_arrays(*all_))),
        None,
        "or",
    ),
    "bitwise_and": of("the bits that both have", np.bitwise_and, None, "&"),
    "bitwise_or": of("the bits that one has", np.bitwise_or, None, "|"),
    "bitwise_xor": of("the bits that one alone has", np.bitwise_xor, None, "xor"),
    "atan2": of("the angle of the point (y, x)", np.arctan2),
    "erf": of("the error function", through_torch("erf")),
    "erfc": of("1 − the error function", through_torch("erfc")),
    "digamma": of("the slope of ln Γ", through_torch("digamma")),
    "lgamma": of("ln |Γ|", through_torch("lgamma")),
    "sigmoid": of("1 ÷ (1 + e^−x)", sigmoid),
    "silu": of("x ÷ (1 + e^−x)", lambda x: x * sigmoid(x)),
    "relu": of("x, or 0 where x is negative", lambda x: np.maximum(x, 0), kept),
    "rsqrt": of("1 ÷ √x", lambda x: 1.0 / np.sqrt(x)),
    "reciprocal": of("1 ÷ x", lambda x: 1.0 / np.asarray(x, dtype=np.float64)),
    "sinc": of("sin(πx) ÷ (πx)", np.sinc),
    "round": of("x rounded to a whole number, halves to even ones", np.rint),
    "isnan": of("1 if x is not a number", whole(np.isnan)),
    "isinf": of("1 if x is infinite", whole(np.isinf)),
    **{
        name: of(meaning, getattr(np, alias))
        for name, alias, meaning in (
            ("exp", "exp", "e^x"),
            ("exp2", "exp2", "2^x"),
            ("expm1", "expm1", "e^x − 1"),
            ("log", "log", "ln x"),
            ("log2", "log2", "the logarithm to base 2"),
            ("log10", "log10", "the logarithm to base 10"),
            ("log1p", "log1p", "ln (1 + x)"),
            ("sqrt", "sqrt", "√x"),
            ("sin", "sin", "sin x"),
            ("cos", "cos", "cos x"),
            ("tan", "tan", "tan x"),
            ("asin", "arcsin", "the angle whose sine is x"),
            ("acos", "arccos", "the angle whose cosine is x"),
            ("atan", "arctan", "the angle whose tangent is x"),
            ("sinh", "sinh", "(e^x − e^−x) ÷ 2"),
            ("cosh", "cosh", "(e^x + e^−x) ÷ 2"),
            ("tanh", "tanh", "(e^x − e^−x) ÷ (e^x + e^−x)"),
            ("asinh", "arcsinh", "the inverse of sinh"),
            ("acosh", "arccosh", "the inverse of cosh"),
            ("atanh", "arctanh", "the inverse of tanh"),
            ("floor", "floor", "x rounded down"),
            ("ceil", "ceil", "x rounded up"),
            ("trunc", "trunc", "x rounded towards 0"),
            ("sign", "sign", "−1, 0 or 1"),
        )
    },
    "bitwise_not": of("the bits that x does not have; for true and false the other one", np.invert, None, "not"),
}


def needs_magnitudes(name: str) -> bool:
    """Whether the magnitude of a function's value depends on those of what it is given."""
    return FUNCTIONS[name].magnitude is not None


def applied(name: str, values: list[Values], sizes: list[Values]) -> tuple[Values, Values]:
    """The value of a function, and its magnitude: how large the numbers were whose sum or product it is."""
    function = FUNCTIONS[name]
    value = function.compute(*values)
    if function.magnitude is None:
        return value, np.abs(value)
    return value, np.asarray(function.magnitude(*values, *sizes))
