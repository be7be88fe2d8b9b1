"""Llama: GPT's tower with the parts that are standard today (Touvron et al., 2023; Llama 3.1, 2024).

    token ids ──> token embedding ──> block × layers ──> RMSNorm ──> output ──> logits

    block:  x + attention(RMSNorm(x)),  then  x + SwiGLU(RMSNorm(x))

Queries and keys are turned by their positions instead of adding position rows, groups of query heads share keys and
values, and there are no biases. Nothing else is new since GPT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from everysum.plain.embedding import Embedding, random_embedding
from everysum.plain.feed_forward import GatedFeedForward
from everysum.plain.gpt import Block
from everysum.plain.heads import Attention
from everysum.plain.linear import Linear, random_linear
from everysum.plain.normalization import RMSNorm, rms_norm
from everysum.plain.positions import halves, speeds, turned
from everysum.plain.vector import Matrix


@dataclass
class Llama:
    token_embedding: Embedding
    blocks: list[Block]
    normalization: RMSNorm
    output: Linear | None  # None: the embedding's own rows give the logits ("tied")

    def __call__(self, token_ids: Sequence[int]) -> Matrix:
        """Logits at each position."""
        hidden = self.token_embedding(token_ids)
        for block in self.blocks:
            hidden = block(hidden)
        output = self.output or Linear(self.token_embedding.weight)
        return [output(vector) for vector in self.normalization(hidden)]


def random_llama(
    vocabulary_size: int,
    random: Random,
    *,
    width: int,
    layers: int,
    heads: int,
    key_value_heads: int,
    inner_width: int,
) -> Llama:
    if width % heads or heads % key_value_heads or width // heads % 2:
        raise ValueError(
            f"width {width}, {heads} heads, {key_value_heads} key/value heads: the heads must divide the width into "
            f"parts of an even size, and the key/value heads must divide the heads"
        )
    head_size = width // heads

    def linear(inputs: int, outputs: int) -> Linear:
        return random_linear(inputs, outputs, random, bias=False)

    def block() -> Block:
        query, output = linear(width, width), linear(width, width)
        key, value = (linear(width, key_value_heads * head_size) for _ in range(2))
        turn = partial(turned, pairs=halves(head_size), turning=speeds(head_size))
        feed_forward = GatedFeedForward(
            linear(width, inner_width), linear(width, inner_width), linear(inner_width, width)
        )
        attention = Attention(query, key, value, output, head_size, turn=turn)
        return Block(rms_norm(width), attention, rms_norm(width), feed_forward)

    return Llama(
        random_embedding(vocabulary_size, width, random),
        [block() for _ in range(layers)],
        rms_norm(width),
        linear(width, vocabulary_size),
    )


def stretched(
    turning: Sequence[float], *, factor: float = 8.0, low: float = 1.0, high: float = 4.0, trained_on: int = 8192
) -> list[float]:
    """Llama 3.1's speeds: a network trained on 8192 positions is led on to 131,072, its "128K".

    Pairs that turned around at least `high` times in the old context tell near things apart, and keep their speed.
    Those that did not get around `low` times would come to angles never seen before: they turn `factor` times slower.
    Those between are blended.
    """
    result = []
    for speed in turning:
        turns = trained_on * speed / (2 * math.pi)
        kept = min(1.0, max(0.0, (turns - low) / (high - low)))
        result.append(kept * speed + (1 - kept) * speed / factor)
    return result


LLAMA_3_1_8B = {
    "vocabulary_size": 128_256,
    "width": 4096,
    "layers": 32,
    "heads": 32,
    "key_value_heads": 8,
    "inner_width": 14_336,
}
"""The published sizes of the smallest one; its rotary base is 500,000."""


def parameter_count(
    *, vocabulary_size: int, width: int, layers: int, heads: int, key_value_heads: int, inner_width: int
) -> int:
    """How many numbers such a network has: 8,030,261,248 for Llama 3.1 8B, every one a weight in a sum like ours."""
    attention = 2 * width * width + 2 * width * (width // heads * key_value_heads)
    block = attention + 3 * width * inner_width + 2 * width
    return 2 * vocabulary_size * width + layers * block + width
