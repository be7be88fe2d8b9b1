"""The article's heads: one query, key and value for all of them, then a linear layer of its own for each head.

The standard gives each head its own matrices at once and mixes the results with an output matrix
(`layers/attention.py`). Two linear layers without a bend between them are one, so both compute the same:
`standard` folds the article's into it.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from everysum.layers.attention import Attention, Engine, Visible, written_out
from everysum.layers.linear import Linear


def unscaled(query: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
    """Attention by softmax(q·k), as in the article; the standard divides the scores by √head_size."""
    return written_out(query * math.sqrt(query.shape[-1]), key, value, visible)


class SharedHeads(Attention):
    """The article's heads: shared query, key and value, a linear layer each per head, and no output matrix.

    The results of the heads lie side by side, so `heads` × `head_size` numbers come out at each position. It stands
    where an `Attention` stands.
    """

    def __init__(
        self, width: int, heads: int, *, head_size: int, shared_width: int | None = None, engine: Engine = unscaled
    ) -> None:
        super().__init__(width, heads, head_size=head_size, output_deviation=0.0, engine=engine)
        between = width if shared_width is None else shared_width
        for name in ("query", "key", "value"):
            shared, per_head = Linear(width, between), Linear(between, heads * head_size)
            self.add_module(name, nn.Sequential(OrderedDict[str, nn.Module](shared=shared, per_head=per_head)))
        self.add_module("output", nn.Identity())


@torch.no_grad()
def standard(article: SharedHeads) -> Attention:
    """The standard heads that compute what the article's do, with the same engine.

    Each head's matrix is its own layer times the shared one; the output matrix leaves every number where it is, for
    which heads × head_size must be the width, as it is wherever a residual connection goes around.
    """
    first, last = article.get_parameter("query.shared.weight"), article.get_parameter("query.per_head.weight")
    heads, width = last.shape[0] // article.head_size, first.shape[1]
    folded = Attention(width, heads, head_size=article.head_size, output_deviation=0.0, engine=article.engine).to(first)
    for name in ("query", "key", "value"):
        shared, per_head = (article.get_parameter(f"{name}.{part}.weight") for part in ("shared", "per_head"))
        folded.get_parameter(f"{name}.weight").copy_(per_head @ shared)
    folded.output.weight.copy_(torch.eye(*folded.output.weight.shape))
    return folded
