"""Llama: GPT's tower with the parts that are standard today (Touvron et al., 2023; Llama 3.1, 2024).

    token ids ──> token embedding ──> block × layers ──> RMSNorm ──> head ──> logits

    block:  x + attention(RMSNorm(x)),  then  x + SwiGLU(RMSNorm(x))

Queries and keys are turned by their positions (RoPE) instead of adding a position embedding; groups of query heads may
share keys and values; there are no biases. Its relatives put other parts in: biases (Qwen 2), an RMSNorm for each
head's query and key (Qwen 3), a window that attention looks through (Mistral), slower turns (Llama 3.1).
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.errors import UsageError
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.attention import ENGINES, Attention, Visible, near
from everysum.layers.cache import Cache
from everysum.layers.dropout import Dropout
from everysum.layers.embedding import Embedding
from everysum.layers.feed_forward import GatedFeedForward
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear
from everysum.layers.normalization import RMSNorm
from everysum.layers.positions import RotaryPositions, Scaling
from everysum.layers.residual import pre_norm
from everysum.models.network import Network, head_size_of, locate


class Block(Layer):
    """One floor of the tower: attention brings numbers from other positions, feed-forward works on each by itself."""

    def __init__(
        self, attention: Attention, feed_forward: GatedFeedForward, width: int, epsilon: float, dropout: float
    ) -> None:
        super().__init__()
        self.attention_normalization = RMSNorm(width, epsilon=epsilon)
        self.attention = attention
        self.feed_forward_normalization = RMSNorm(width, epsilon=epsilon)
        self.feed_forward = feed_forward
        self.dropout = Dropout(dropout)

    def forward(
        self,
        hidden: Float[Tensor, "batch position width"],
        visible: Visible,
        rotation: tuple[Tensor, Tensor],
        cache: tuple[Cache, int, Tensor] | None,
    ) -> Float[Tensor, "batch position width"]:
        hidden = pre_norm(
            hidden, self.attention_normalization, lambda x: self.dropout(self.attention(x, visible, rotation, cache))
        )
        return pre_norm(hidden, self.feed_forward_normalization, lambda x: self.dropout(self.feed_forward(x)))


class Llama(Network):
    """Rotary positions, RMSNorm, SwiGLU, grouped queries; `normalize_heads` for Qwen 3's norm of queries and keys.

    `attention_bias` gives queries, keys, values and the output a bias, the output only if `output_bias` is not false;
    `feed_forward_bias` those of the feed-forward; `sliding_window` is how many positions back attention looks.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int,
        width: int,
        layers: int,
        heads: int,
        key_value_heads: int | None = None,
        head_size: int | None = None,
        inner_width: int,
        normalize_heads: bool = False,
        attention_bias: bool = False,
        output_bias: bool | None = None,
        feed_forward_bias: bool = False,
        rotary_base: float = 10_000.0,
        rotary_scaling: Scaling | None = None,
        sliding_window: int | None = None,
        epsilon: float = 1e-6,
        dropout: float = 0.0,
        tied: bool = False,
        engine: str = "fused",
    ) -> None:
        super().__init__()
        head_size = head_size or head_size_of(width, heads)
        key_value_heads = key_value_heads or heads
        refuse_uneven_groups(heads, key_value_heads)
        if head_size % 2:
            raise UsageError(f"rotary positions turn pairs of numbers: a head size of {head_size} is odd")
        self.vocabulary_size, self.context_length, self.sliding_window = vocabulary_size, context_length, sliding_window
        self.cache_shape = (layers, key_value_heads, head_size)

        # tied, the same rows give the logits, which must start small
        self.token_embedding = Embedding(vocabulary_size, width, deviation=0.02 if tied else 1.0)
        self.rotary_positions = RotaryPositions(head_size, base=rotary_base, scaling=rotary_scaling)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(
                    width,
                    heads,
                    head_size=head_size,
                    key_value_heads=key_value_heads,
                    bias=attention_bias,
                    output_bias=output_bias,
                    normalize_heads=normalize_heads,
                    epsilon=epsilon,
                    output_deviation=0.0,  # what the matrices add to the flow starts at zero: a block begins as nothing
                    engine=ENGINES[engine],
                ),
                GatedFeedForward(width, inner_width, ACTIVATIONS["silu"], bias=feed_forward_bias, output_deviation=0.0),
                width,
                epsilon,
                dropout,
            )
            for _ in range(layers)
        )
        self.normalization = RMSNorm(width, epsilon=epsilon)
        self.output = None if tied else Linear(width, vocabulary_size, role="head", deviation=0.0)

    def forward(
        self, token_ids: Int[Tensor, "batch position"], visible: Visible = None, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        positions, visible = locate(token_ids, visible, cache)
        if self.sliding_window is not None:
            keys = token_ids.shape[1] if cache is None else cache.extent
            visible = near(visible, positions, keys, self.sliding_window)
        hidden = self.embed(token_ids)
        rotation = self.rotary_positions.angles(positions, hidden.dtype)
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, visible, rotation, None if cache is None else (cache, layer, positions))
        if cache is not None:
            cache.advance(token_ids.shape[1])
        return self.normalization(hidden)

    def embed(self, token_ids: Int[Tensor, "batch position"]) -> Float[Tensor, "batch position width"]:
        """Tokens as numbers; where they stand, attention is told by turning queries and keys."""
        hidden: Tensor = self.dropout(self.token_embedding(token_ids).to(self.dtype))
        return hidden


def refuse_uneven_groups(heads: int, key_value_heads: int) -> None:
    """Every key/value head must serve the same number of query heads."""
    if heads % key_value_heads:
        fitting = ", ".join(str(count) for count in range(1, heads + 1) if heads % count == 0)
        raise UsageError(
            f"{heads} query heads cannot be dealt out evenly to {key_value_heads} key/value heads",
            wanted="a number of key/value heads that divides the heads",
            came=f"heads {heads}, key_value_heads {key_value_heads}",
            advice=f"take {fitting}",
        )
