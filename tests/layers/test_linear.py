from __future__ import annotations

import pytest
import torch
from small_networks import randomized

from everysum.layers.linear import Linear


@pytest.mark.parametrize("bias", [False, True])
def test_each_output_is_a_weighted_sum_of_all_inputs(bias: bool) -> None:
    linear = randomized(Linear(3, 2, bias=bias))
    inputs = torch.tensor([[0.5, -2.0, 4.0]], dtype=torch.float64)
    for output in range(2):
        expected = sum(linear.weight[output, i].item() * inputs[0, i].item() for i in range(3))
        expected += linear.bias[output].item() if linear.bias is not None else 0.0
        assert linear(inputs)[0, output].item() == pytest.approx(expected, abs=1e-12)


def test_a_layer_without_bias_has_no_such_parameter() -> None:
    assert set(dict(Linear(3, 2).named_parameters())) == {"weight"}
    assert set(dict(Linear(3, 2, bias=True).named_parameters())) == {"weight", "bias"}


def test_weights_start_so_that_the_size_of_what_flows_is_kept() -> None:
    assert Linear(64, 8).declarations["weight"].deviation == 1 / 8
    assert Linear(64, 8, deviation=0.02).declarations["weight"].deviation == 0.02
