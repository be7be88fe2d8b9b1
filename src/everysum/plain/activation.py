"""Activations: the bend in each neuron without which a stack of layers would collapse into one.

`relu` is the article's; the others bend smoothly, so that a neuron which is below 0 still hears of its gradient.
"""

from __future__ import annotations

import math

from everysum.plain import operations as of
from everysum.plain.network import Activation, relu
from everysum.plain.number import Number, made
from everysum.plain.softmax import logistic


def gelu(x: Number) -> Number:
    """x × Φ(x): x times the share of a normal distribution that lies below it (Hendrycks & Gimpel, 2016)."""
    return x * made(of.NORMAL_SHARE, x)


def gelu_tanh(x: Number) -> Number:
    """The approximation of gelu that GPT-2 was trained with."""
    bent = made(of.TANH, (x + x**3 * 0.044715) * math.sqrt(2 / math.pi))
    return x * (bent + 1) * 0.5


def silu(x: Number) -> Number:
    """x × logistic(x), also called swish: Llama's."""
    return x * logistic(x)


ACTIVATIONS: dict[str, Activation] = {"relu": relu, "gelu": gelu, "gelu_tanh": gelu_tanh, "silu": silu}
