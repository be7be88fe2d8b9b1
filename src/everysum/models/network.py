"""What every language model here offers, whatever it is made of: hidden states, and a head that gives the logits."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from everysum.errors import UsageError
from everysum.layers.attention import Visible
from everysum.layers.cache import Cache
from everysum.layers.embedding import Embedding
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear


class Network(Layer):
    """A language model: token ids in, one hidden state at each position out; then a head that gives logits.

    The loss takes hidden states and `head_weight`, so that logits need never exist for all positions at once. A tower
    (GPT, Llama) reads one text and continues it; the encoder-decoder (`models/transformer.py`) reads one and writes
    another, so its `forward` takes both.
    """

    vocabulary_size: int
    context_length: int
    token_embedding: Embedding
    blocks: nn.ModuleList
    output: Linear | None  # None: tied, the embedding's own rows give the logits
    cache_shape: tuple[int, int, int]  # layers that write text, key/value heads, head size

    def forward(self, *inputs: Any, **named: Any) -> Float[Tensor, "batch position width"]:
        """A tower's: token ids; what each position may see, None being plain causal; a cache that ids go on behind."""
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which the blocks compute; embedding and head may be stored more precisely."""
        dtype: torch.dtype = next(self.blocks.parameters()).dtype
        return dtype

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.parameters()).device

    @property
    def head_weight(self) -> Float[Tensor, "vocabulary width"]:
        return (self.token_embedding if self.output is None else self.output).weight

    def head(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocabulary"]:
        """Logits: one number for each token of the vocabulary, the larger the likelier it comes next."""
        return functional.linear(hidden, self.head_weight.to(hidden.dtype))

    def logits_behind(
        self, token_ids: Int[Tensor, "batch position"], cache: Cache
    ) -> Float[Tensor, "batch position vocabulary"]:
        """The logits behind each of these tokens, which go on behind what a cache holds; it holds them then."""
        return self.head(self(token_ids, cache=cache))

    def new_cache(self, batch: int, capacity: int) -> Cache:
        """An empty key/value cache for `batch` rows of up to `capacity` positions."""
        layers, heads, head_size = self.cache_shape
        shape = (batch, heads, capacity, head_size)
        return Cache(layers, shape, dtype=self.dtype, device=self.device)


def locate(
    token_ids: Int[Tensor, "batch position"], visible: Visible, cache: Cache | None
) -> tuple[Int[Tensor, "#batch position"], Visible]:
    """The positions of these tokens, and what they may see: with a cache, its rows up to their own position."""
    if cache is None:
        return torch.arange(token_ids.shape[1], device=token_ids.device)[None], visible
    if visible is not None:
        raise ValueError("a cache decides itself what is visible")
    cache.begin(token_ids.shape[1])
    positions = cache.positions(token_ids.shape[1])
    return positions, cache.visible(positions)


def head_size_of(width: int, heads: int) -> int:
    """How many numbers each head gets when the width is dealt out evenly; refuses a remainder, naming what would go."""
    if heads < 1 or width % heads:
        fitting = [count for count in range(1, min(width, 4 * max(heads, 1)) + 1) if width % count == 0]
        nearest = sorted(fitting, key=lambda count: (abs(count - heads), count))[:3]
        raise UsageError(
            f"{heads} heads cannot share a width of {width} evenly",
            wanted="a number of heads that divides the width",
            came=f"width {width}, heads {heads}",
            advice=f"for this width take {', '.join(map(str, sorted(nearest)))} heads, or a width of "
            f"{max(1, round(width / max(heads, 1))) * max(heads, 1)}",
        )
    return width // heads
