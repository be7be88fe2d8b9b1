"""Residual connections: a layer adds to what flows past it instead of replacing it. Two ways to wire the normalization.

What is added must have the size of what it is added to. The gradient flows back past the layer as well, unchanged: with
x + f(x), the slope is 1 + f′(x), and a tower of such layers does not make it vanish.
"""

from __future__ import annotations

from collections.abc import Callable

from everysum.plain.vector import Matrix, added

Layer = Callable[[Matrix], Matrix]
"""From the vectors at all positions to new ones: attention, feed-forward, or a normalization of each."""
Wiring = Callable[[Matrix, Layer, Layer], Matrix]


def residual(hidden: Matrix, layer: Layer) -> Matrix:
    """x + layer(x), at each position."""
    return [added(vector, addition) for vector, addition in zip(hidden, layer(hidden), strict=True)]


def pre_norm(hidden: Matrix, normalization: Layer, layer: Layer) -> Matrix:
    """x + layer(norm(x)), today's: the sum itself is never normalized on its way up (GPT-2, Llama)."""
    return residual(hidden, lambda x: layer(normalization(x)))


def post_norm(hidden: Matrix, normalization: Layer, layer: Layer) -> Matrix:
    """norm(x + layer(x)): "Add & Norm" of the article and of "Attention is all you need" (2017)."""
    return normalization(residual(hidden, layer))


WIRINGS: dict[str, Wiring] = {"pre_norm": pre_norm, "post_norm": post_norm}
