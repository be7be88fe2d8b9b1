"""Dropout: silence neurons at random while training, so that none can be relied on alone (Srivastava et al., 2014)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Dropout(nn.Module):
    """In training each number becomes 0 with this probability and the others grow by 1/(1−p); otherwise nothing.

    The draw comes from torch's global generator, which the training loop seeds for each step from (seed, step).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        if self.probability == 0.0 or not self.training:
            return hidden
        return functional.dropout(hidden, self.probability)
