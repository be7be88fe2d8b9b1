"""Activations: the bend in each neuron without which a stack of layers would collapse into one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "relu": functional.relu,  # max(0, x): the article's
    "gelu": functional.gelu,  # x · Φ(x), the share of a normal distribution below x (Hendrycks & Gimpel, 2016)
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),  # the approximation that GPT-2 was trained with
    "silu": functional.silu,  # x · logistic(x), also called swish: Llama's
}
