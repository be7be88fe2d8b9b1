"""The loss: how surprised the network is by each next token, −ln of the probability it gave to it (cross-entropy).

Logits of all positions at once would be the largest tensor of a training step, so the head and the loss run together,
a chunk of positions at a time, and the gradient is computed by its formula while the chunk's logits are at hand:
∂loss/∂logits = (probabilities − one-hot target) / number of positions.

Label smoothing (Szegedy et al., 2016) asks for a little less than certainty: the target's one-hot 1 becomes 1 − ε, and
ε is spread over the whole vocabulary. What is reported is the loss without it, which can be compared.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
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
    head_bias: Float[Tensor, " vocabulary"] | None = None,
) -> Float[Tensor, " position"]:
    """The loss at each position, in nats, at least in float32; no gradient."""
    losses = []
    with torch.no_grad():
        weight = head_weight.to(hidden.dtype)
        for part, target in zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True):
            logits = functional.linear(part, weight)
            precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
            precise = precise if head_bias is None else precise + head_bias
            losses.append(functional.cross_entropy(precise, target, reduction="none"))
    return torch.cat(losses)


class HeadAndLoss(torch.autograd.Function):
    """The mean loss over positions as one step of the network, with the gradient of the smoothed one by formula."""

    @staticmethod
    def forward(
        context: Any, hidden: Tensor, head_weight: Tensor, targets: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        weight = head_weight.to(hidden.dtype)
        hidden_gradient, weight_gradient = torch.empty_like(hidden), torch.zeros_like(head_weight)
        total = torch.zeros((), dtype=head_weight.dtype, device=hidden.device)
        for start in range(0, hidden.shape[0], CHUNK):
            part, target = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            log_probabilities = functional.linear(part, weight).to(head_weight.dtype).log_softmax(dim=-1)
            total -= log_probabilities.gather(1, target).sum()
            slope = log_probabilities.exp_()
            if label_smoothing:
                slope -= label_smoothing / slope.shape[1]
            slope.scatter_add_(1, target, slope.new_full(target.shape, label_smoothing - 1.0))
            slope = slope.to(hidden.dtype)
            hidden_gradient[start : start + CHUNK] = slope @ weight
            weight_gradient += slope.T @ part
        positions = hidden.shape[0]
        context.save_for_backward(hidden_gradient.div_(positions), weight_gradient.div_(positions))
        return total / positions

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (slope,), (hidden_gradient, weight_gradient) = slopes, context.saved_tensors
        return hidden_gradient * slope.to(hidden_gradient.dtype), weight_gradient * slope, None, None


def mean_loss(
    hidden: Float[Tensor, "batch position width"],
    head_weight: Float[Tensor, "vocabulary width"],
    targets: Int[Tensor, "batch position"],
    scored: Bool[Tensor, "batch position"] | None = None,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean over all positions, or the scored ones, of −ln probability(next token), in nats.

    Its gradient is that of the loss with label smoothing.
    """
    rows, wanted = hidden.flatten(0, 1), targets.flatten()
    if scored is not None:
        places = scored.flatten().nonzero().squeeze(1)
        rows, wanted = rows[places], wanted[places]
    loss: Tensor = HeadAndLoss.apply(rows, head_weight, wanted, label_smoothing)  # type: ignore[no-untyped-call]
    return loss
