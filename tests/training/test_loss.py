"""The loss in chunks is cross-entropy, its gradient by formula is autograd's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from everysum.training import loss
from everysum.training.loss import HeadAndLoss, mean_loss, token_losses, untrained_loss


def parts(positions: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(positions, 5, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    head = torch.randn(7, 5, generator=generator, dtype=torch.float64).requires_grad_()
    return hidden, head, torch.randint(7, (positions,), generator=generator)


def test_the_loss_of_one_position_by_hand() -> None:
    """Logits 0 and ln 3: probabilities 1/4 and 3/4, so losses ln 4 and ln 4/3."""
    hidden, head = torch.tensor([[1.0]]), torch.tensor([[0.0], [math.log(3)]])
    assert token_losses(hidden, head, torch.tensor([0])).item() == pytest.approx(math.log(4))
    assert token_losses(hidden, head, torch.tensor([1])).item() == pytest.approx(math.log(4 / 3))


def test_a_network_that_knows_nothing_loses_ln_of_the_vocabulary() -> None:
    hidden, targets = torch.randn(3, 4, 8), torch.randint(11, (3, 4))
    assert mean_loss(hidden, torch.zeros(11, 8), targets).item() == pytest.approx(untrained_loss(11))
    assert untrained_loss(1024) == pytest.approx(6.931, abs=1e-3)


@pytest.mark.parametrize("positions", [1, 3, 4, 5, 8, 9])
def test_loss_and_gradients_equal_torchs_across_the_borders_of_chunks(
    positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "CHUNK", 4)
    hidden, head, targets = parts(positions)
    expected = functional.cross_entropy(hidden @ head.T, targets)
    expected_gradients = torch.autograd.grad(expected, (hidden, head))
    ours = mean_loss(hidden[None], head, targets[None])
    gradients = torch.autograd.grad(ours, (hidden, head))
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-12, atol=1e-12)


def test_the_gradient_is_the_slope_found_by_nudging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", 4)
    hidden, head, targets = parts(6)
    assert torch.autograd.gradcheck(lambda *two: HeadAndLoss.apply(*two, targets), (hidden, head))


def test_a_part_of_the_loss_has_that_part_of_the_gradient() -> None:
    """Accumulation divides the loss before it goes back."""
    hidden, head, targets = parts(6)
    whole = torch.autograd.grad(mean_loss(hidden[None], head, targets[None]), (hidden, head))
    third = torch.autograd.grad(mean_loss(hidden[None], head, targets[None]) / 3, (hidden, head))
    torch.testing.assert_close(third, tuple(gradient / 3 for gradient in whole))


@pytest.mark.parametrize("positions", [1, 4, 9])
def test_the_losses_of_tokens_are_the_plain_formula(positions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", 4)
    hidden, head, targets = parts(positions)
    for position, found in enumerate(token_losses(hidden, head, targets)):
        logits = [sum(h * w for h, w in zip(hidden[position].tolist(), row, strict=True)) for row in head.tolist()]
        probability = math.exp(logits[targets[position]]) / math.fsum(map(math.exp, logits))
        assert found.item() == pytest.approx(-math.log(probability), rel=1e-12)


def test_sixteen_bit_hidden_states_lose_in_thirty_two_bits() -> None:
    hidden, head, targets = parts(9, torch.bfloat16)
    head = head.detach().float().requires_grad_()
    found = token_losses(hidden, head, targets)
    total = mean_loss(hidden[None], head, targets[None])
    exact = functional.cross_entropy(hidden.double() @ head.double().T, targets)
    assert found.dtype == total.dtype == torch.float32
    assert total.item() == pytest.approx(exact.item(), rel=0.02)
    assert found.mean().item() == pytest.approx(total.item(), rel=1e-3)
    total.backward()
    assert hidden.grad is not None
    assert head.grad is not None
    assert (hidden.grad.dtype, head.grad.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_has_torchs_gradient_and_reports_the_loss_without_it(
    smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "CHUNK", 4)
    hidden, head, targets = parts(9)
    smoothed = functional.cross_entropy(hidden @ head.T, targets, label_smoothing=smoothing)
    expected = torch.autograd.grad(smoothed, (hidden, head))
    ours = mean_loss(hidden[None], head, targets[None], None, smoothing)
    torch.testing.assert_close(ours, functional.cross_entropy(hidden @ head.T, targets), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(ours, (hidden, head)), expected, rtol=1e-12, atol=1e-12)


def test_only_scored_positions_count() -> None:
    hidden, head, targets = parts(6)
    scored = torch.tensor([[True, False, True], [False, False, True]])
    ours = mean_loss(hidden.reshape(2, 3, 5), head, targets.reshape(2, 3), scored)
    rows = scored.flatten()
    expected = functional.cross_entropy(hidden[rows] @ head.T, targets[rows])
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    gradients = (torch.autograd.grad(each, (hidden, head)) for each in (ours, expected))
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_a_bias_of_the_head_counts_in_what_is_measured() -> None:
    hidden, head, targets = parts(6)
    bias = torch.linspace(-1, 1, 7, dtype=torch.float64)
    expected = functional.cross_entropy(hidden @ head.T + bias, targets, reduction="none")
    torch.testing.assert_close(token_losses(hidden, head, targets, bias), expected.detach())
