"""The transformer of "Attention is all you need" (Vaswani et al., 2017): an encoder reads, a decoder writes.

source ids ──> embedding · √width + waves ──> encoder block × N ──────────┐ memory: keys and values for each layer
                                                                          v
target ids ──> embedding · √width + waves ──> decoder block × N ──> head ──> logits

encoder block:  attention to the whole source,                       then feed-forward
decoder block:  attention to the target so far, attention to memory, then feed-forward

Each of these is added to what flows past it, and normalized: the sum itself (post-norm, the paper's "Add & Norm"), or
what the layer reads (pre-norm, with a last norm above each tower).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.layers.activation import ACTIVATIONS
from everysum.layers.attention import ENGINES, Attention, KeysAndValues, Visible
from everysum.layers.cache import Cache
from everysum.layers.dropout import Dropout
from everysum.layers.embedding import Embedding
from everysum.layers.feed_forward import FeedForward
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear
from everysum.layers.normalization import LayerNorm
from everysum.layers.positions import FixedPositions, sines_and_cosines
from everysum.layers.residual import WIRINGS, Wiring
from everysum.models.gpt import Block as EncoderBlock
from everysum.models.network import Network, head_size_of, locate


@dataclass(frozen=True)
class Memory:
    """What the decoder knows of a source: for each of its layers keys and values, computed once; and which are real."""

    layers: tuple[KeysAndValues, ...]
    visible: Visible

    def select(self, rows: Int[Tensor, " batch"]) -> Memory:
        """The memories of these rows, in this order; a row may be taken more than once (beams)."""
        visible = self.visible
        if visible is not None and visible.shape[0] > 1:
            visible = visible[rows]
        return Memory(tuple((key[rows], value[rows]) for key, value in self.layers), visible)


class DecoderBlock(Layer):
    """One floor of the decoder: what has been written, what was read, and each position by itself."""

    def __init__(
        self,
        attention: Attention,
        cross_attention: Attention,
        feed_forward: FeedForward,
        width: int,
        wiring: Wiring,
        dropout: float,
    ) -> None:
        super().__init__()
        self.wiring = wiring
        self.attention_normalization = LayerNorm(width)
        self.attention = attention
        self.cross_attention_normalization = LayerNorm(width)
        self.cross_attention = cross_attention
        self.feed_forward_normalization = LayerNorm(width)
        self.feed_forward = feed_forward
        self.dropout = Dropout(dropout)

    def forward(
        self,
        hidden: Float[Tensor, "batch position width"],
        visible: Visible,
        source: tuple[Tensor, Tensor],
        source_visible: Tensor | None,
        cache: tuple[Cache, int, Tensor] | None,
    ) -> Float[Tensor, "batch position width"]:
        """`visible` is of the target; `source` and `source_visible` are a memory's keys and values for this layer."""
        hidden = self.wiring(
            hidden, self.attention_normalization, lambda x: self.dropout(self.attention(x, visible, cache=cache))
        )
        hidden = self.wiring(
            hidden,
            self.cross_attention_normalization,
            lambda x: self.dropout(self.cross_attention(x, source_visible, source=source)),
        )
        return self.wiring(hidden, self.feed_forward_normalization, lambda x: self.dropout(self.feed_forward(x)))


class Transformer(Network):
    """Encoder and decoder; `wiring` is "post_norm" (the paper's) or "pre_norm".

    `shared` embeddings: source and target are looked up in one table; `tied`: the target's table gives the logits too.
    `head_bias` adds a number of its own to each token's logit, as Marian's published translators have it.
    """

    head_bias: Tensor | None

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int,
        width: int,
        encoder_layers: int,
        decoder_layers: int,
        heads: int,
        inner_width: int,
        activation: str = "relu",
        wiring: str = "post_norm",
        dropout: float = 0.0,
        shared: bool = True,
        tied: bool = True,
        scaled: bool = True,
        source_vocabulary_size: int | None = None,
        head_bias: bool = False,
        engine: str = "fused",
    ) -> None:
        super().__init__()
        head_size = head_size_of(width, heads)
        self.vocabulary_size, self.context_length = vocabulary_size, context_length
        self.source_vocabulary_size = vocabulary_size if shared else source_vocabulary_size or vocabulary_size
        self.cache_shape = (decoder_layers, heads, head_size)
        self.embedding_scale = math.sqrt(width) if scaled else 1.0

        def attention(layers: int) -> Attention:
            deviation, parts = 0.02 * (2 * layers) ** -0.5, ENGINES[engine]
            return Attention(width, heads, head_size=head_size, bias=True, output_deviation=deviation, engine=parts)

        def feed_forward(layers: int) -> FeedForward:
            deviation = 0.02 * (2 * layers) ** -0.5
            return FeedForward(width, inner_width, ACTIVATIONS[activation], output_deviation=deviation)

        # scaled up on reading, a row is as large as the waves; as it is, it gives logits that start small
        deviation = 1 / math.sqrt(width) if scaled else 0.02
        self.token_embedding = Embedding(vocabulary_size, width, deviation=deviation)
        self.source_embedding = None if shared else Embedding(self.source_vocabulary_size, width, deviation=deviation)
        self.positions = FixedPositions(context_length, width, sines_and_cosines)
        self.dropout = Dropout(dropout)
        norms, wired = wiring == "pre_norm", WIRINGS[wiring]
        self.encoder_blocks = nn.ModuleList(
            EncoderBlock(attention(encoder_layers), feed_forward(encoder_layers), width, wired, dropout)
            for _ in range(encoder_layers)
        )
        self.encoder_normalization = LayerNorm(width) if norms else None
        self.blocks = nn.ModuleList(
            DecoderBlock(
                attention(decoder_layers),
                attention(decoder_layers),
                feed_forward(decoder_layers),
                width,
                wired,
                dropout,
            )
            for _ in range(decoder_layers)
        )
        self.normalization = LayerNorm(width) if norms else None
        self.output = None if tied else Linear(width, vocabulary_size, role="head", deviation=0.02)
        if head_bias:
            self.declare("head_bias", (vocabulary_size,), "vector", deviation=0.0)
        else:
            self.head_bias = None

    def forward(
        self,
        source_ids: Int[Tensor, "batch source"],
        target_ids: Int[Tensor, "batch position"],
        source_visible: Visible = None,
    ) -> Float[Tensor, "batch position width"]:
        """Hidden states of the target, each position knowing the whole source and the target up to itself."""
        memory = self.remember(self.encode(source_ids, source_visible), source_visible)
        return self.decode(target_ids, memory)

    def encode(
        self, source_ids: Int[Tensor, "batch source"], source_visible: Visible = None
    ) -> Float[Tensor, "batch source width"]:
        """The source's hidden states; `source_visible` leaves padding out, None says that there is none."""
        positions = torch.arange(source_ids.shape[1], device=source_ids.device)[None]
        table = self.token_embedding if self.source_embedding is None else self.source_embedding
        hidden, visible = self.embed(table, source_ids, positions), everything(source_visible, source_ids)
        for block in self.encoder_blocks:
            hidden = block(hidden, visible, None)
        return hidden if self.encoder_normalization is None else self.encoder_normalization(hidden)

    def remember(self, encoded: Float[Tensor, "batch source width"], source_visible: Visible = None) -> Memory:
        """What the decoder's layers will ask of these hidden states of the encoder's."""
        attentions = (cast(DecoderBlock, block).cross_attention for block in self.blocks)
        layers = tuple(attention.keys_and_values(encoded) for attention in attentions)
        return Memory(layers, everything(source_visible, encoded))

    def decode(
        self, target_ids: Int[Tensor, "batch position"], memory: Memory, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        """Hidden states of the target so far; with a `cache`, these ids go on behind what it holds."""
        positions, visible = locate(target_ids, None, cache)
        hidden = self.embed(self.token_embedding, target_ids, positions)
        for layer, (block, source) in enumerate(zip(self.blocks, memory.layers, strict=True)):
            own = None if cache is None else (cache, layer, positions)
            hidden = block(hidden, visible, source, memory.visible, own)
        if cache is not None:
            cache.advance(target_ids.shape[1])
        return hidden if self.normalization is None else self.normalization(hidden)

    def embed(
        self, table: Embedding, token_ids: Int[Tensor, "batch position"], positions: Int[Tensor, "#batch position"]
    ) -> Float[Tensor, "batch position width"]:
        """Tokens as numbers, with the waves that say where each stands."""
        hidden = table(token_ids) * self.embedding_scale
        hidden = self.dropout((hidden + self.positions(positions)).to(self.dtype))
        return cast(Tensor, hidden)

    def drop_head_bias(self) -> None:
        """Do without the bias of the head: it turned out to be 0."""
        self._parameters.pop("head_bias", None)
        self.declarations.pop("head_bias", None)
        self.head_bias = None

    def head(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocabulary"]:
        logits = super().head(hidden)
        return logits if self.head_bias is None else logits + self.head_bias.to(logits.dtype)


def everything(visible: Visible, source: Tensor) -> Visible:
    """What is visible of a source; all of it unless said otherwise: no position of it comes later than another."""
    return torch.ones(1, 1, 1, 1, dtype=torch.bool, device=source.device) if visible is None else visible


def real_positions(lengths: Int[Tensor, " batch"], longest: int) -> Visible:
    """Sources of these lengths, padded behind their ends to the longest: what is visible of them."""
    return (torch.arange(longest, device=lengths.device) < lengths[:, None])[:, None, None, :]
