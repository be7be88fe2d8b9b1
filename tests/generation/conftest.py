"""Tiny networks with random weights, large enough that their texts do not circle at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from everysum.layers.cache import Cache
from everysum.layers.embedding import Embedding
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network, locate

BuildNetwork = Callable[..., Network]


def build_network(kind: str, *, context_length: int = 8, vocabulary_size: int = 23, dropout: float = 0.0) -> Network:
    sizes = {"vocabulary_size": vocabulary_size, "context_length": context_length, "width": 16, "layers": 2, "heads": 4}
    network: Network
    if kind == "gpt":
        network = GPT(**sizes, dropout=dropout)
    else:
        network = Llama(**sizes, key_value_heads=2, inner_width=24, normalize_heads=True, dropout=dropout)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.5, generator=generator)
    return network.double().eval()


@pytest.fixture
def build() -> BuildNetwork:
    return build_network


@pytest.fixture(params=["gpt", "llama"])
def network(request: pytest.FixtureRequest) -> Network:
    return build_network(request.param)


class Reciter(Network):
    """Says each token's successor, whatever came before it: a text whose tokens are known beforehand."""

    def __init__(self, vocabulary_size: int, context_length: int = 6) -> None:
        super().__init__()
        self.vocabulary_size, self.context_length = vocabulary_size, context_length
        self.cache_shape = (0, 1, 2)
        self.token_embedding = Embedding(vocabulary_size, vocabulary_size)
        self.output = None
        self.blocks = torch.nn.ModuleList([Embedding(1, 1)])
        with torch.no_grad():
            self.token_embedding.weight.copy_(torch.eye(vocabulary_size))
        self.eval()

    def forward(self, token_ids: Tensor, visible: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        locate(token_ids, visible, cache)
        if cache is not None:
            cache.advance(token_ids.shape[1])
        return functional.one_hot((token_ids + 1) % self.vocabulary_size, self.vocabulary_size).float()


@pytest.fixture
def reciter() -> type[Reciter]:
    return Reciter
