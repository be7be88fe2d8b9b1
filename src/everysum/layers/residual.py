"""Residual connections: a layer adds to what flows past it instead of replacing it. Two ways to wire the normalization.

Each takes what flows, the normalization and the layer, whose input and output have the same width, to be added.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Wiring = Callable[[Tensor, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]], Tensor]


def pre_norm(hidden: Tensor, normalization: Callable[[Tensor], Tensor], layer: Callable[[Tensor], Tensor]) -> Tensor:
    """Normalize what the layer reads; the sum itself is never normalized on its way up (GPT-2, Llama)."""
    return hidden + layer(normalization(hidden))


def post_norm(hidden: Tensor, normalization: Callable[[Tensor], Tensor], layer: Callable[[Tensor], Tensor]) -> Tensor:
    """Add, then normalize the sum: "Add & Norm" of the article and of "Attention is all you need" (2017)."""
    return normalization(hidden + layer(hidden))


WIRINGS: dict[str, Wiring] = {"pre_norm": pre_norm, "post_norm": post_norm}
