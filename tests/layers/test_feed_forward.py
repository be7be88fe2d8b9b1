from __future__ import annotations

import math

import pytest
import torch
from small_networks import randomized
from torch import Tensor

from everysum.layers.activation import ACTIVATIONS
from everysum.layers.feed_forward import FeedForward, GatedFeedForward


def times(weight: Tensor, vector: list[float]) -> list[float]:
    return [sum(w * x for w, x in zip(row, vector, strict=True)) for row in weight.tolist()]


def test_feed_forward_is_down_of_the_activation_of_up() -> None:
    layer = randomized(FeedForward(3, 5, ACTIVATIONS["relu"], output_deviation=0.02))
    hidden = [0.4, -1.5, 2.0]
    inner = [max(0.0, x + b) for x, b in zip(times(layer.up.weight, hidden), layer.up.bias.tolist(), strict=True)]
    assert min(inner) == 0.0 < max(inner)  # both sides of the bend are tried
    expected = [x + b for x, b in zip(times(layer.down.weight, inner), layer.down.bias.tolist(), strict=True)]
    ours = layer(torch.tensor([hidden], dtype=torch.float64))[0].tolist()
    assert ours == pytest.approx(expected, abs=1e-12)


def test_gated_feed_forward_multiplies_the_two_halves() -> None:
    layer = randomized(GatedFeedForward(3, 5, ACTIVATIONS["silu"], output_deviation=0.02))
    hidden = [0.4, -1.5, 2.0]
    gates = [x / (1 + math.exp(-x)) for x in times(layer.gate.weight, hidden)]
    inner = [gate * x for gate, x in zip(gates, times(layer.up.weight, hidden), strict=True)]
    ours = layer(torch.tensor([hidden], dtype=torch.float64))[0].tolist()
    assert ours == pytest.approx(times(layer.down.weight, inner), abs=1e-12)


def test_positions_do_not_meet_in_a_feed_forward() -> None:
    layer = randomized(FeedForward(3, 5, ACTIVATIONS["gelu"], output_deviation=0.02))
    hidden = torch.randn(1, 4, 3, dtype=torch.float64)
    alone = torch.cat([layer(hidden[:, i : i + 1]) for i in range(4)], dim=1)
    torch.testing.assert_close(layer(hidden), alone, rtol=0, atol=1e-12)
