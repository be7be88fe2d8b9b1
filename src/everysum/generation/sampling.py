"""Sampling: from logits to the chances of each token, and from the chances to the token that comes next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.errors import UsageError

LIKELIEST = 1024
"""top-p seldom needs more tokens than these, and finding them is ten times as fast as sorting a large vocabulary."""


@dataclass(frozen=True)
class Sampling:
    """How freely the next token is chosen.

    The logits are divided by `temperature`: below 1 the likely becomes likelier, above 1 all come closer, and at 0 the
    likeliest is always taken ("greedy"). Then `top_k` leaves that many tokens, and of those `top_p` leaves the smallest
    set of the likeliest that together has this probability (Holtzman et al., 2020). None leaves all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise UsageError(
                "this temperature cannot be",
                wanted="a number from 0 (always the likeliest token) up; 1 leaves the chances as the model has them",
                came=repr(self.temperature),
                advice="0.7 to 1 suits most texts",
            )
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(
                "top_k leaves no token to choose", wanted="1 or more, or nothing for all", came=repr(self.top_k)
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(
                "top_p is a probability that the tokens left to choose from have together",
                wanted="above 0 and at most 1",
                came=repr(self.top_p),
            )


UNCHANGED = Sampling()
"""The model's own chances."""
GREEDY = Sampling(temperature=0.0)
"""Always the likeliest token."""


def probabilities(
    logits: Float[Tensor, "*batch vocabulary"], sampling: Sampling = UNCHANGED
) -> Float[Tensor, "*batch vocabulary"]:
    """The chance of each token to come next; they sum to 1. Logits in 16 bits give chances in float32."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if sampling.temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    # seen from the largest, so that no temperature, however low, divides its way to infinity − infinity
    below = logits - logits.amax(-1, keepdim=True)
    scaled = below / max(sampling.temperature, torch.finfo(logits.dtype).tiny)
    if sampling.top_k is not None and sampling.top_k < scaled.shape[-1]:
        smallest_kept = scaled.topk(sampling.top_k).values[..., -1:]
        scaled = scaled.masked_fill(scaled < smallest_kept, -torch.inf)
    chances = scaled.softmax(dim=-1)
    return chances if sampling.top_p in (None, 1.0) else likeliest_with(chances, sampling.top_p)


def likeliest_with(chances: Float[Tensor, "*batch vocabulary"], share: float) -> Float[Tensor, "*batch vocabulary"]:
    """Keep the fewest likeliest tokens whose chances sum to at least `share`; tokens as likely as the last stay too."""
    ordered = chances.topk(min(LIKELIEST, chances.shape[-1])).values
    if bool((ordered.sum(-1) < share).any()):
        ordered = chances.sort(dim=-1, descending=True).values
    before = ordered.cumsum(-1) - ordered
    smallest_kept = ordered.masked_fill(before >= share, torch.inf).amin(-1, keepdim=True)
    kept = chances.masked_fill(chances < smallest_kept, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def draw(chances: Float[Tensor, "batch vocabulary"], generators: Sequence[torch.Generator]) -> Int[Tensor, " batch"]:
    """Lay each row's chances end to end on a ruler, drop a pin on it: the token it hits.

    Every row has a generator of its own (on the CPU), so what is drawn for a row does not depend on the others; one
    token costs one random number, the same on every device.
    """
    # in 64 bits even the unlikeliest token has its stretch, and one of chance zero has none (mps knows only 32)
    precise = torch.float32 if chances.device.type == "mps" else torch.float64
    ruler = chances.cumsum(-1, dtype=precise)
    pins = torch.cat([torch.rand(1, generator=generator, dtype=torch.float32) for generator in generators])
    return torch.searchsorted(ruler, pins.to(ruler)[:, None] * ruler[:, -1:], right=True)[:, 0]


def choose(
    logits: Float[Tensor, "batch vocabulary"], sampling: Sampling, generators: Sequence[torch.Generator]
) -> Int[Tensor, " batch"]:
    """The next token of each row."""
    if sampling.temperature == 0:
        # numpy finds it ten times as fast as torch does on one core
        plain = logits.device.type == "cpu" and logits.dtype in (torch.float32, torch.float64)
        return torch.from_numpy(logits.detach().numpy().argmax(-1)) if plain else logits.argmax(-1)
    return draw(probabilities(logits, sampling), generators)
