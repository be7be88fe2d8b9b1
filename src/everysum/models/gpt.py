"""GPT: the decoder-only transformer of the article and of GPT-2 (Radford et al., 2019).

token ids ──> token embedding + position embedding ──> block × layers ──> normalization ──> head ──> logits

block, pre-norm (GPT-2's):    x + attention(norm(x)),       then  x + feed_forward(norm(x))
block, post-norm (article's): norm(x + attention(x)),       then  norm(x + feed_forward(x)), and no last norm
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.layers.activation import ACTIVATIONS
from everysum.layers.attention import ENGINES, Attention, Visible
from everysum.layers.cache import Cache
from everysum.layers.dropout import Dropout
from everysum.layers.embedding import Embedding
from everysum.layers.feed_forward import FeedForward
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear
from everysum.layers.normalization import LayerNorm
from everysum.layers.positions import LearnedPositions
from everysum.layers.residual import WIRINGS, Wiring
from everysum.models.network import Network, head_size_of, locate


class Block(Layer):
    """One floor of the tower: attention brings numbers from other positions, feed-forward works on each by itself."""

    def __init__(
        self, attention: Attention, feed_forward: FeedForward, width: int, wiring: Wiring, dropout: float
    ) -> None:
        super().__init__()
        self.wiring = wiring
        self.attention_normalization = LayerNorm(width)
        self.attention = attention
        self.feed_forward_normalization = LayerNorm(width)
        self.feed_forward = feed_forward
        self.dropout = Dropout(dropout)

    def forward(
        self, hidden: Float[Tensor, "batch position width"], visible: Visible, cache: tuple[Cache, int, Tensor] | None
    ) -> Float[Tensor, "batch position width"]:
        hidden = self.wiring(
            hidden, self.attention_normalization, lambda x: self.dropout(self.attention(x, visible, cache=cache))
        )
        return self.wiring(hidden, self.feed_forward_normalization, lambda x: self.dropout(self.feed_forward(x)))


class GPT(Network):
    """Learned positions, layer norm, a plain feed-forward; `wiring` is "pre_norm" or "post_norm"."""

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int,
        width: int,
        layers: int,
        heads: int,
        inner_width: int | None = None,
        activation: str = "gelu_tanh",
        wiring: str = "pre_norm",
        dropout: float = 0.0,
        tied: bool = True,
        engine: str = "fused",
    ) -> None:
        super().__init__()
        head_size = head_size_of(width, heads)
        self.vocabulary_size, self.context_length = vocabulary_size, context_length
        self.cache_shape = (layers, heads, head_size)
        # what flows grows with each addition to it; GPT-2 starts the matrices that add smaller for that
        output_deviation = 0.02 * (2 * layers) ** -0.5

        self.token_embedding = Embedding(vocabulary_size, width)
        self.position_embedding = LearnedPositions(context_length, width, deviation=0.01)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(
                    width,
                    heads,
                    head_size=head_size,
                    bias=True,
                    output_deviation=output_deviation,
                    engine=ENGINES[engine],
                ),
                FeedForward(
                    width, inner_width or 4 * width, ACTIVATIONS[activation], output_deviation=output_deviation
                ),
                width,
                WIRINGS[wiring],
                dropout,
            )
            for _ in range(layers)
        )
        # post-norm has just normalized its last sum
        self.normalization = LayerNorm(width) if wiring == "pre_norm" else None
        self.output = None if tied else Linear(width, vocabulary_size, role="head", deviation=0.02)

    def forward(
        self, token_ids: Int[Tensor, "batch position"], visible: Visible = None, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        positions, visible = locate(token_ids, visible, cache)
        hidden = self.embed(token_ids, positions)
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, visible, None if cache is None else (cache, layer, positions))
        if cache is not None:
            cache.advance(token_ids.shape[1])
        return hidden if self.normalization is None else self.normalization(hidden)

    def embed(
        self, token_ids: Int[Tensor, "batch position"], positions: Int[Tensor, "#batch position"]
    ) -> Float[Tensor, "batch position width"]:
        """Tokens as numbers, with those that say where each stands."""
        hidden = self.token_embedding(token_ids) + self.position_embedding(positions)
        dropped: Tensor = self.dropout(hidden.to(self.dtype))
        return dropped
