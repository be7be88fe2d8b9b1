"""The loss: how surprised the network is by each next token, −ln of the probability it gave to it (cross-entropy).

Logits of all positions at once would be the largest tensor of a training step, so the head and the loss run together,
a chunk of positions at a time, and the gradient is computed by its formula while the chunk's logits are at hand:
∂loss/∂logits = (probabilities − one-hot target) / number of positions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

CHUNK = 1024
"""Positions whose logits exist at the same time."""


def untrained_loss(vocabulary_size: int) -> float:
    """What a network that has learned nothing loses at each token: ln of the number of tokens it cannot tell apart."""
    return math.log(vocabulary_size)


def token_losses(
    hidden: Float[Tensor, "position width"],
    head_weight: Float[Tensor, "vocabulary width"],
    targets: Int[Tensor, " position"],
) -> Float[Tensor, " position"]:
    """The loss at each position, in nats, at least in float32; no gradient."""
    losses = []
    with torch.no_grad():
        weight = head_weight.to(hidden.dtype)
        for part, target in zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True):
            logits = functional.linear(part, weight)
            precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
            losses.append(functional.cross_entropy(precise, target, reduction="none"))
    return torch.cat(losses)


class HeadAndLoss(torch.autograd.Function):
    """The mean loss over positions as one step of the network, with its gradient by formula."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, head_weight: Tensor, targets: Tensor) -> Tensor:
        weight = head_weight.to(hidden.dtype)
        hidden_gradient, weight_gradient = torch.empty_like(hidden), torch.zeros_like(head_weight)
        total = torch.zeros((), dtype=head_weight.dtype, device=hidden.device)
        for start in range(0, hidden.shape[0], CHUNK):
            part, target = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            log_probabilities = functional.linear(part, weight).to(head_weight.dtype).log_softmax(dim=-1)
            total -= log_probabilities.gather(1, target).sum()
            slope = log_probabilities.exp_()
            slope.scatter_add_(1, target, slope.new_full(target.shape, -1.0))
            slope = slope.to(hidden.dtype)
            hidden_gradient[start : start + CHUNK] = slope @ weight
            weight_gradient += slope.T @ part
        positions = hidden.shape[0]
        context.save_for_backward(hidden_gradient.div_(positions), weight_gradient.div_(positions))
        return total / positions

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, None]:
        (slope,), (hidden_gradient, weight_gradient) = slopes, context.saved_tensors
        return hidden_gradient * slope.to(hidden_gradient.dtype), weight_gradient * slope, None


def mean_loss(
    hidden: Float[Tensor, "batch position width"],
    head_weight: Float[Tensor, "vocabulary width"],
    targets: Int[Tensor, "batch position"],
) -> Float[Tensor, ""]:
    """The mean over all positions of −ln probability(next token), in nats, with gradients."""
    loss: Tensor = HeadAndLoss.apply(hidden.flatten(0, 1), head_weight, targets.flatten())  # type: ignore[no-untyped-call]
    return loss
