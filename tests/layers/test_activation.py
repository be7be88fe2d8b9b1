from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from everysum.layers.activation import ACTIVATIONS

FORMULAS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(0.0, x),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
}


def test_every_activation_has_a_formula_here() -> None:
    assert set(ACTIVATIONS) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula(name: str) -> None:
    inputs = [-7.5, -2.0, -0.751, -1e-4, 0.0, 1e-4, 0.3, 1.0, 4.2, 9.0]
    expected = torch.tensor([FORMULAS[name](x) for x in inputs], dtype=torch.float64)
    torch.testing.assert_close(
        ACTIVATIONS[name](torch.tensor(inputs, dtype=torch.float64)), expected, rtol=1e-12, atol=1e-12
    )


def test_figures_by_hand() -> None:
    one = torch.tensor(1.0, dtype=torch.float64)
    assert ACTIVATIONS["relu"](-one).item() == 0.0
    assert ACTIVATIONS["gelu"](one).item() == pytest.approx(0.8413447460685429)  # the normal table's share below 1
    assert ACTIVATIONS["silu"](one).item() == pytest.approx(0.7310585786300049)
