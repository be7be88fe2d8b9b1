"""Attention: each position asks every visible one, and takes a mix of their values weighted by how well their keys fit.

All of it, once: a network with self-, causal or cross-attention differs only in what it passes in.
`visible` broadcasts over (batch, heads, query, key); None stands for plain causal: no position sees a later one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from everysum.layers.cache import Cache
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear
from everysum.layers.normalization import RMSNorm
from everysum.layers.positions import rotate

Visible = Bool[Tensor, "#batch #heads #query #key"] | None
KeysAndValues = tuple[
    Float[Tensor, "batch key_value_heads key head_size"], Float[Tensor, "batch key_value_heads key head_size"]
]


def causal(queries: int, keys: int, device: torch.device) -> Bool[Tensor, "1 1 query key"]:
    """Which key each query may see when the queries are the last of the keys' positions: itself and the past."""
    return torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def near(visible: Visible, positions: Int[Tensor, "#batch query"], keys: int, window: int) -> Visible:
    """What is visible, and at most `window` positions back, the own one counted: a sliding window (Mistral, 2023).

    Layer by layer numbers still come from further back: each looks at what the layer below has seen.
    """
    if keys <= window:
        return visible
    if visible is None:
        visible = causal(positions.shape[1], keys, positions.device)
    keys_at = torch.arange(keys, device=positions.device)
    return visible & (keys_at > positions[:, None, :, None] - window)


def attention_weights(
    query: Float[Tensor, "batch heads query head_size"],
    key: Float[Tensor, "batch heads key head_size"],
    visible: Visible,
) -> Float[Tensor, "batch heads query key"]:
    """How much each query position listens to each key position: softmax(q·k / √head_size)."""
    if visible is None:
        visible = causal(query.shape[-2], key.shape[-2], query.device)
    unseen = torch.zeros_like(visible, dtype=query.dtype).masked_fill(~visible, -torch.inf)
    # all heads' products in one, added to what keeps the unseen out: a third faster than step by step
    unseen = unseen.expand(*query.shape[:2], -1, -1).flatten(0, 1)
    scale = 1 / math.sqrt(query.shape[-1])
    scores = torch.baddbmm(unseen, query.flatten(0, 1), key.flatten(0, 1).mT, alpha=scale)
    return scores.reshape(*query.shape[:-1], -1).softmax(dim=-1)


def written_out(query: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
    """Attention as its definition reads; fewer key/value heads than query heads are shared by groups of these."""
    group = query.shape[1] // key.shape[1]
    if group > 1:
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
    return attention_weights(query, key, visible) @ value


def fused(query: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
    """The same through torch's fused kernel, which never stores the attention weights."""
    if visible is None and query.shape[-2] != key.shape[-2]:
        visible = causal(query.shape[-2], key.shape[-2], query.device)  # torch aligns its own to the first key
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=visible, is_causal=visible is None, enable_gqa=query.shape[1] != key.shape[1]
    )


Engine = Callable[[Tensor, Tensor, Tensor, Visible], Tensor]
ENGINES: dict[str, Engine] = {"written_out": written_out, "fused": fused}


class Attention(Layer):
    """Heads side by side: each has its own query and reads a key and a value; an output matrix mixes their results.

    `key_value_heads` fewer than `heads` share keys and values among groups of queries (Ainslie et al., 2023);
    the output matrix has a bias where the others have one, unless `output_bias` says otherwise (Qwen 2);
    `normalize_heads` puts an RMSNorm on each head's query and key (Qwen 3). With `rotation` (cosine and sine) passed to
    `forward`, queries and keys are turned by their positions.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        head_size: int,
        key_value_heads: int | None = None,
        bias: bool = False,
        output_bias: bool | None = None,
        normalize_heads: bool = False,
        epsilon: float = 1e-6,
        output_deviation: float,
        engine: Engine = fused,
    ) -> None:
        super().__init__()
        key_value_heads = heads if key_value_heads is None else key_value_heads
        self.head_size, self.engine = head_size, engine
        self.query = Linear(width, heads * head_size, bias=bias)
        self.key = Linear(width, key_value_heads * head_size, bias=bias)
        self.value = Linear(width, key_value_heads * head_size, bias=bias)
        self.query_normalization = RMSNorm(head_size, epsilon=epsilon) if normalize_heads else None
        self.key_normalization = RMSNorm(head_size, epsilon=epsilon) if normalize_heads else None
        output_bias = bias if output_bias is None else output_bias
        self.output = Linear(heads * head_size, width, bias=output_bias, deviation=output_deviation)

    def split_heads(
        self, vectors: Float[Tensor, "batch position joined"]
    ) -> Float[Tensor, "batch heads position head_size"]:
        return vectors.reshape(*vectors.shape[:-1], -1, self.head_size).transpose(1, 2)

    def keys_and_values(self, hidden: Float[Tensor, "batch key width"]) -> KeysAndValues:
        """What each position offers to those who ask: its key, and the value that they take from it."""
        key, value = self.split_heads(self.key(hidden)), self.split_heads(self.value(hidden))
        return (key if self.key_normalization is None else self.key_normalization(key)), value

    def forward(
        self,
        hidden: Float[Tensor, "batch query width"],
        visible: Visible = None,
        rotation: tuple[Tensor, Tensor] | None = None,
        cache: tuple[Cache, int, Int[Tensor, "batch query"]] | None = None,
        source: KeysAndValues | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """`cache` is the cache, which layer of it is this one's, and the positions of `hidden`.

        Cross-attention is given a `source`, the keys and values of another sequence, and says what of it is visible.
        """
        query = self.split_heads(self.query(hidden))
        key, value = self.keys_and_values(hidden) if source is None else source
        if self.query_normalization is not None:
            query = self.query_normalization(query)
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        if cache is not None:
            store, layer, positions = cache
            key, value = store.write(layer, key, value, positions)
        mixed = self.engine(query, key, value, visible)
        return self.output(mixed.transpose(1, 2).flatten(-2))
