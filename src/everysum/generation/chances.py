"""What else might have come: the candidates of a step with their probabilities ("m or u?")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from everysum.generation.sampling import probabilities


@dataclass(frozen=True)
class Candidate:
    """A token that may come next, and how likely the model holds it."""

    token_id: int
    probability: float


@dataclass(frozen=True)
class Chances:
    """One step's candidates, the likeliest first, and the token that was taken, which need not be among them."""

    candidates: tuple[Candidate, ...]
    taken: Candidate


@torch.inference_mode()
def chances(logits: Float[Tensor, " vocabulary"], taken: int, count: int) -> Chances:
    """The `count` likeliest tokens by the model's own probabilities: before temperature, top-k and top-p."""
    distribution = probabilities(logits)
    likeliest = distribution.topk(min(count, distribution.shape[-1]))
    pairs = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
    return Chances(
        tuple(Candidate(token_id, probability) for token_id, probability in pairs),
        Candidate(taken, float(distribution[taken])),
    )
