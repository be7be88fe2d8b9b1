"""The transformer of "Attention is all you need" (Vaswani et al., 2017): an encoder reads, a decoder writes.

    sentence    ──> embedding + positions ──> encoder block × N ──> encoded, once
    translation ──> embedding + positions ──> decoder block × N ──> output ──> logits
                                              each asks the same encoded sentence

    encoder block:  attention to the whole sentence,                              then feed-forward
    decoder block:  attention to what is written, cross-attention to the encoded, then feed-forward

Each of these is followed by "Add & Norm": what flows past is added, and the sum normalized (post-norm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from everysum.plain.deviation import mean
from everysum.plain.embedding import Embedding, random_embedding
from everysum.plain.feed_forward import random_feed_forward
from everysum.plain.gpt import Block
from everysum.plain.heads import Attention, Sees, everything, itself_and_the_past, random_attention
from everysum.plain.linear import Linear, random_linear
from everysum.plain.loss import cross_entropy
from everysum.plain.normalization import LayerNorm, layer_norm
from everysum.plain.number import Number
from everysum.plain.positions import placed, sines_and_cosines
from everysum.plain.residual import Layer, Wiring, post_norm
from everysum.plain.softmax import likeliest
from everysum.plain.vector import Matrix


@dataclass
class DecoderBlock:
    """One floor of the decoder: what has been written, what was read, and each position by itself."""

    attention_normalization: Layer
    attention: Layer
    cross_attention_normalization: Layer
    cross_attention: Attention
    feed_forward_normalization: Layer
    feed_forward: Layer
    wiring: Wiring = post_norm

    def __call__(self, hidden: Matrix, encoded: Matrix) -> Matrix:
        hidden = self.wiring(hidden, self.attention_normalization, self.attention)
        hidden = self.wiring(
            hidden, self.cross_attention_normalization, lambda words: self.cross_attention(words, encoded)
        )
        return self.wiring(hidden, self.feed_forward_normalization, self.feed_forward)


@dataclass
class Transformer:
    source_embedding: Embedding
    token_embedding: Embedding
    positions: Matrix
    encoder_blocks: list[Block]
    encoder_normalization: LayerNorm | None
    blocks: list[DecoderBlock]
    normalization: LayerNorm | None
    output: Linear
    embedding_scale: float = 1.0  # the paper's is √width

    def encode(self, source_ids: Sequence[int]) -> Matrix:
        """The sentence, read: once, all the way up, however many words are then written."""
        hidden = self.embedded(self.source_embedding, source_ids)
        for block in self.encoder_blocks:
            hidden = block(hidden)
        return hidden if self.encoder_normalization is None else self.encoder_normalization(hidden)

    def decode(self, token_ids: Sequence[int], encoded: Matrix) -> Matrix:
        """After each written word, an output for every word that could come next; every floor asks `encoded`."""
        hidden = self.embedded(self.token_embedding, token_ids)
        for block in self.blocks:
            hidden = block(hidden, encoded)
        if self.normalization is not None:
            hidden = self.normalization(hidden)
        return [self.output(vector) for vector in hidden]

    def embedded(self, table: Embedding, token_ids: Sequence[int]) -> Matrix:
        scaled = [[number * self.embedding_scale for number in vector] for vector in table(token_ids)]
        return placed(scaled, self.positions)

    def loss(self, source_ids: Sequence[int], token_ids: Sequence[int]) -> Number:
        """How badly each word of the translation was predicted; it begins with a start token and ends with an end."""
        logits = self.decode(token_ids[:-1], self.encode(source_ids))
        return mean([cross_entropy(row, wanted) for row, wanted in zip(logits, token_ids[1:], strict=True)])


def random_transformer(
    source_vocabulary: int,
    vocabulary: int,
    random: Random,
    *,
    context_length: int,
    width: int,
    layers: int,
    heads: int,
    inner_width: int,
) -> Transformer:
    """Post-norm, as in the paper: without a last norm above the towers."""

    def attention(sees: Sees) -> Attention:
        return random_attention(width, heads, random, sees)

    def feed_forward() -> Layer:
        return random_feed_forward(width, inner_width, random)

    def norm() -> Layer:
        return layer_norm(width)

    encoder = [Block(norm(), attention(everything), norm(), feed_forward(), post_norm) for _ in range(layers)]
    decoder = [
        DecoderBlock(
            norm(), attention(itself_and_the_past), norm(), attention(everything), norm(), feed_forward(), post_norm
        )
        for _ in range(layers)
    ]
    source, target = random_embedding(source_vocabulary, width, random), random_embedding(vocabulary, width, random)
    output = random_linear(width, vocabulary, random)
    return Transformer(source, target, sines_and_cosines(context_length, width), encoder, None, decoder, None, output)


def translate(network: Transformer, source_ids: Sequence[int], *, start: int, end: int, longest: int) -> list[int]:
    """Always the likeliest word, until the end is said or the translation is `longest` words long."""
    encoded, written = network.encode(source_ids), [start]
    while written[-1] != end and len(written) <= longest:
        written.append(likeliest(network.decode(written, encoded)[-1]))
    return [token_id for token_id in written[1:] if token_id != end]
