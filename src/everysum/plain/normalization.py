"""Normalization: bring the numbers at each position to a common scale, then let the network choose scale and shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from everysum.plain.deviation import deviation, differences, root
from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector, numbers, weighted_sum


def normalized(vector: Sequence[Number]) -> Vector:
    """(x − M) / D, as in the article: mean 0 and standard deviation 1. Numbers that are all the same cannot be so."""
    spread = deviation(vector)
    if spread.value == 0:
        raise ValueError("numbers that are all the same have a standard deviation of 0, and nothing divides by 0")
    return [apart / spread for apart in differences(vector)]


def safely_normalized(vector: Sequence[Number], epsilon: float = 1e-5) -> Vector:
    """(x − mean) / √(variance + ε), the standard: a little is added, so that it can never divide by 0."""
    apart = differences(vector)
    spread = root(weighted_sum(apart, apart) / len(apart) + epsilon)
    return [each / spread for each in apart]


def scaled_and_shifted(vector: Sequence[Number], weight: Sequence[Number], bias: Sequence[Number]) -> Vector:
    """Each number times a weight of its own, plus a bias of its own: what normalizing took away can be learned back."""
    return [weighted_sum([x], [w], b) for x, w, b in zip(vector, weight, bias, strict=True)]


@dataclass
class LayerNorm:
    """(x − mean) / √(variance + ε) · weight + bias, over the numbers of each position (Ba et al., 2016)."""

    weight: Vector
    bias: Vector
    epsilon: float = 1e-5

    def __call__(self, hidden: Matrix) -> Matrix:
        return [scaled_and_shifted(safely_normalized(x, self.epsilon), self.weight, self.bias) for x in hidden]


@dataclass
class RMSNorm:
    """x / √(mean of x² + ε) · weight: without the mean and the bias (Zhang & Sennrich, 2019)."""

    weight: Vector
    epsilon: float = 1e-6

    def __call__(self, hidden: Matrix) -> Matrix:
        return [self.of_one(x) for x in hidden]

    def of_one(self, vector: Sequence[Number]) -> Vector:
        size = root(weighted_sum(vector, vector) / len(vector) + self.epsilon)
        return [x / size * w for x, w in zip(vector, self.weight, strict=True)]


def layer_norm(width: int) -> LayerNorm:
    """As it starts: scale 1, shift 0."""
    return LayerNorm(numbers([1.0] * width), numbers([0.0] * width))


def rms_norm(width: int) -> RMSNorm:
    return RMSNorm(numbers([1.0] * width))
