"""GPT: the language model of the article, small enough to be trained here, number by number.

token ids ──> token embedding + position embedding ──> block × layers ──> normalization ──> output ──> logits

block, pre-norm (GPT-2's):    x + attention(norm(x)),       then  x + feed_forward(norm(x))
block, post-norm (article's): norm(x + attention(x)),       then  norm(x + feed_forward(x)), and no last norm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from everysum.plain.deviation import mean
from everysum.plain.embedding import Embedding, random_embedding
from everysum.plain.feed_forward import random_feed_forward
from everysum.plain.heads import random_attention
from everysum.plain.linear import Linear, random_linear
from everysum.plain.loss import cross_entropy
from everysum.plain.normalization import LayerNorm, layer_norm
from everysum.plain.number import Number
from everysum.plain.positions import placed
from everysum.plain.residual import Layer, Wiring, post_norm, pre_norm
from everysum.plain.softmax import drawn, softmax
from everysum.plain.vector import Matrix


@dataclass
class Block:
    """One floor of the tower: attention brings numbers from other positions, feed-forward works on each by itself."""

    attention_normalization: Layer
    attention: Layer
    feed_forward_normalization: Layer
    feed_forward: Layer
    wiring: Wiring = pre_norm

    def __call__(self, hidden: Matrix) -> Matrix:
        hidden = self.wiring(hidden, self.attention_normalization, self.attention)
        return self.wiring(hidden, self.feed_forward_normalization, self.feed_forward)


@dataclass
class GPT:
    """Calling it gives logits: at each position an output for every token, the larger the likelier it comes next."""

    token_embedding: Embedding
    position_embedding: Embedding
    blocks: list[Block]
    normalization: LayerNorm | None
    output: Linear | None  # None: the embedding's own rows give the logits ("tied")

    def __call__(self, token_ids: Sequence[int]) -> Matrix:
        hidden = placed(self.token_embedding(token_ids), self.position_embedding.weight)
        for block in self.blocks:
            hidden = block(hidden)
        if self.normalization is not None:
            hidden = self.normalization(hidden)
        output = self.output or Linear(self.token_embedding.weight)
        return [output(vector) for vector in hidden]

    @property
    def context_length(self) -> int:
        return len(self.position_embedding.weight)

    def loss(self, token_ids: Sequence[int]) -> Number:
        """How badly the next token was predicted, the average over all positions but the last: all of them learn."""
        logits = self(token_ids[:-1])
        return mean([cross_entropy(row, wanted) for row, wanted in zip(logits, token_ids[1:], strict=True)])


def random_block(width: int, heads: int, inner_width: int, random: Random, wiring: Wiring) -> Block:
    attention = random_attention(width, heads, random)
    return Block(
        layer_norm(width), attention, layer_norm(width), random_feed_forward(width, inner_width, random), wiring
    )


def random_gpt(
    vocabulary_size: int,
    random: Random,
    *,
    context_length: int,
    width: int,
    layers: int,
    heads: int,
    inner_width: int | None = None,
    wiring: Wiring = pre_norm,
) -> GPT:
    blocks = [random_block(width, heads, inner_width or 4 * width, random, wiring) for _ in range(layers)]
    return GPT(
        random_embedding(vocabulary_size, width, random, 0.3),
        random_embedding(context_length, width, random, 0.1),
        blocks,
        None if wiring is post_norm else layer_norm(width),  # post-norm has just normalized its last sum
        random_linear(width, vocabulary_size, random, bias=False),
    )


def generate(
    network: GPT, token_ids: Sequence[int], count: int, random: Random, *, temperature: float = 1.0
) -> list[int]:
    """Tokens, continued by `count` more: each is drawn by its chance after the last ones that fit into the context."""
    grown = list(token_ids)
    for _ in range(count):
        logits = network(grown[-network.context_length :])[-1]
        grown.append(drawn(softmax(logits, temperature), random))
    return grown
