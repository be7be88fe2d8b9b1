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


def rms_norm_by_torch(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The formula, whose gradient torch finds by itself."""
    return hidden / (hidden.square().mean(dim=-1, keepdim=True) + epsilon).sqrt() * weight


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 5), (2, 3, 5), (2, 2, 3, 5)])
def test_gradients_by_nudging(kind: type[LayerNorm | RMSNorm], shape: tuple[int, ...]) -> None:
    layer = randomized(kind(5, epsilon=0.1))
    names = [name for name, _ in layer.named_parameters()]
    hidden = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def run(hidden: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (hidden,))

    parameters = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(run, [hidden.requires_grad_(), *parameters])


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.06)]
)
def test_rms_norm_and_its_gradients_are_the_formulas_in_every_precision(dtype: torch.dtype, tolerance: float) -> None:
    """Long rows of numbers far from 1, such as those that flow through a deep network."""
    generator = torch.Generator().manual_seed(6)
    layer = randomized(RMSNorm(512)).to(dtype)
    hidden = (20 * torch.randn(3, 512, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()
    slope = torch.randn(3, 512, generator=generator, dtype=torch.float64)
    ours = layer(hidden)
    assert ours.dtype == dtype
    gradients = torch.autograd.grad(ours, [hidden, layer.weight], slope.to(dtype))
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, layer.weight)]
    expected = rms_norm_by_torch(*exact, 1e-6)
    expected_gradients = torch.autograd.grad(expected, exact, slope.to(dtype).double())
    for number, exactly in zip((ours, *gradients), (expected, *expected_gradients), strict=True):
        assert (number.double() - exactly).abs().max() < tolerance * exactly.abs().max()


def test_a_row_of_zeros_has_a_finite_slope() -> None:
    layer = randomized(RMSNorm(4, epsilon=1e-6))
    hidden = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    layer(hidden).sum().backward()
    assert hidden.grad is not None
    assert_same(hidden.grad[0], layer.weight.detach() * 1000)


def test_a_slope_of_the_slope_is_refused_rather_than_wrong() -> None:
    hidden = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(randomized(RMSNorm(4))(hidden).square().sum(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        slope.sum().backward()
