from __future__ import annotations

import math

import pytest
import torch
from small_networks import assert_same, randomized

from everysum.layers.normalization import LayerNorm, RMSNorm


def doubles(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def fresh(layer: LayerNorm | RMSNorm) -> LayerNorm | RMSNorm:
    layer = layer.double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.fill_(layer.declarations[name].mean)
    return layer


def test_layer_norm_of_three_numbers_by_hand() -> None:
    """Mean 2, variance 2/3: (1, 2, 3) becomes (−√1.5, 0, √1.5)."""
    assert_same(fresh(LayerNorm(3, epsilon=0.0))(doubles(1, 2, 3)), doubles(-math.sqrt(1.5), 0, math.sqrt(1.5)))


def test_rms_norm_of_two_numbers_by_hand() -> None:
    """The mean of 1 and 49 is 25: (1, 7) becomes (1/5, 7/5)."""
    assert_same(fresh(RMSNorm(2, epsilon=0.0))(doubles(1, 7)), doubles(0.2, 1.4))


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5, 0.5])
def test_norms_are_their_formulas(epsilon: float) -> None:
    hidden = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    layer_norm, rms_norm = randomized(LayerNorm(5, epsilon=epsilon)), randomized(RMSNorm(5, epsilon=epsilon))
    ours, theirs = layer_norm(hidden), rms_norm(hidden)
    for batch in range(2):
        for position in range(3):
            numbers = hidden[batch, position].tolist()
            mean = sum(numbers) / 5
            deviation = math.sqrt(sum((x - mean) ** 2 for x in numbers) / 5 + epsilon)
            size = math.sqrt(sum(x * x for x in numbers) / 5 + epsilon)
            for i, x in enumerate(numbers):
                expected = (x - mean) / deviation * layer_norm.weight[i].item() + layer_norm.bias[i].item()
                assert ours[batch, position, i].item() == pytest.approx(expected, abs=1e-12)
                expected = x / size * rms_norm.weight[i].item()
                assert theirs[batch, position, i].item() == pytest.approx(expected, abs=1e-12)


def test_layer_norm_forgets_shift_and_scale_and_rms_norm_forgets_scale() -> None:
    hidden = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    layer_norm, rms_norm = randomized(LayerNorm(6, epsilon=0.0)), randomized(RMSNorm(6, epsilon=0.0))
    assert_same(layer_norm(3.5 * hidden - 9), layer_norm(hidden))
    assert_same(rms_norm(3.5 * hidden), rms_norm(hidden))
    assert not torch.allclose(rms_norm(hidden - 9), rms_norm(hidden))
