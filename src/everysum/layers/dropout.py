"""Dropout: silence neurons at random while training, so that none can be relied on alone (Srivastava et al., 2014)."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Dropout(nn.Module):
    """In training each number becomes 0 with this probability and the others grow by 1/(1−p); otherwise nothing.

    The draw comes from a generator of the layer's own, which `seed_dropout` sets: so it can be made a function of the
    step, and does not depend on what else draws numbers meanwhile.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.seed = 0
        self.draws = 0

    def forward(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        if self.probability == 0.0 or not self.training:
            return hidden
        self.draws += 1
        generator = torch.Generator(hidden.device).manual_seed(self.seed + self.draws)
        kept = torch.empty_like(hidden).bernoulli_(1 - self.probability, generator=generator)
        return hidden * kept / (1 - self.probability)


def seed_dropout(network: nn.Module, seed: str) -> None:
    """Let each dropout layer of a network draw what follows from this seed and its place in the network."""
    for path, module in network.named_modules():
        if isinstance(module, Dropout):
            digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
            module.seed, module.draws = int.from_bytes(digest[:7], "little"), 0
