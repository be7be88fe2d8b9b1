"""Dropout: silence neurons at random while training, so that none can be relied on alone (Srivastava et al., 2014).

The article deletes connections instead of neurons, and makes up for it afterwards instead of meanwhile.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from everysum.layers.linear import Linear


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
        return hidden * self.kept(hidden) / (1 - self.probability)

    def kept(self, numbers: Tensor) -> Tensor:
        """For each number a new draw: 1 if it stays, 0 if it is silenced."""
        self.draws += 1
        generator = torch.Generator(numbers.device).manual_seed(self.seed + self.draws)
        return torch.empty_like(numbers).bernoulli_(1 - self.probability, generator=generator)


class ConnectionDropout(Dropout):
    """A linear layer that trains with each of its weights deleted with this probability (Wan et al., 2013).

    Afterwards it uses all of them times (1 − p): the mean of its output over every way to delete some. One draw holds
    for a whole batch; biases stay.
    """

    def __init__(self, linear: Linear, probability: float) -> None:
        super().__init__(probability)
        self.linear = linear

    def forward(self, hidden: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        weight = self.linear.weight
        share = self.kept(weight) if self.training and self.probability > 0 else 1 - self.probability
        return functional.linear(hidden, weight * share, self.linear.bias)


def seed_dropout(network: nn.Module, seed: str) -> None:
    """Let each dropout layer of a network draw what follows from this seed and its place in the network."""
    for path, module in network.named_modules():
        if isinstance(module, Dropout):
            digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
            module.seed, module.draws = int.from_bytes(digest[:7], "little"), 0
