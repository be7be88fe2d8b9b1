"""What beam search asks of a network: the logits of what comes next in texts that each go on in several ways at once.

An encoder-decoder and a decoder alone both answer, with caches or, as the definition, computing everything anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.generation.windows import evaluating, last_logits
from everysum.layers.cache import BeamCache
from everysum.models.network import Network
from everysum.models.transformer import Memory, Transformer, real_positions


class Beams(ABC):
    """Texts, side by side, with one or more beams each: a text's beams begin alike and go on in different ways."""

    @abstractmethod
    def begin(self) -> Float[Tensor, "batch 1 vocabulary"]:
        """The logits of each text's first token."""

    @abstractmethod
    def grow(
        self, token_ids: Int[Tensor, "batch beams"], parents: Int[Tensor, "batch beams"]
    ) -> Float[Tensor, "batch beams vocabulary"]:
        """Each new beam is one of the text's last beams with one more token; the logits of what comes next in each."""

    @abstractmethod
    def keep(self, rows: Int[Tensor, " batch"]) -> None:
        """Go on with these texts only."""


class CachedTranslations(Beams):
    """The translations of sources: each source is read once, and every token costs one position of the decoder's.

    A text's beams share the memory of its source, and lie as a tree in one row of the cache. So a step computes texts
    × beams as if the beams were positions, and nothing is copied when beams part or end.
    """

    def __init__(self, network: Transformer, sources: Sequence[Sequence[int]], start: int) -> None:
        self.network, self.start = network, start
        self.memory = remembered(network, sources)
        layers, heads, head_size = network.cache_shape
        shape = (len(sources), heads, 0, head_size)
        self.cache = BeamCache(layers, shape, dtype=network.dtype, device=network.device)

    def begin(self) -> Float[Tensor, "batch 1 vocabulary"]:
        batch, device = self.cache.lengths.shape[0], self.cache.lengths.device
        return self.step(torch.full((batch, 1), self.start, device=device))

    def grow(
        self, token_ids: Int[Tensor, "batch beams"], parents: Int[Tensor, "batch beams"]
    ) -> Float[Tensor, "batch beams vocabulary"]:
        self.cache.branch(parents)
        return self.step(token_ids)

    def step(self, token_ids: Int[Tensor, "batch beams"]) -> Float[Tensor, "batch beams vocabulary"]:
        with evaluating(self.network):
            return self.network.head(self.network.decode(token_ids, self.memory, self.cache))

    def keep(self, rows: Int[Tensor, " batch"]) -> None:
        self.memory = self.memory.select(rows)
        self.cache.select(rows)


class RecomputedTranslations(Beams):
    """The same without a cache: all of every beam is computed again for every token. The definition."""

    def __init__(self, network: Transformer, sources: Sequence[Sequence[int]], start: int) -> None:
        self.network, self.memory = network, remembered(network, sources)
        self.token_ids = torch.full((len(sources), 1, 1), start, device=network.device)

    def begin(self) -> Float[Tensor, "batch 1 vocabulary"]:
        batch, beams, length = self.token_ids.shape
        memory = self.memory.select(torch.arange(batch, device=self.token_ids.device).repeat_interleave(beams))
        with evaluating(self.network):
            hidden = self.network.decode(self.token_ids.reshape(-1, length), memory)
        return self.network.head(hidden[:, -1]).reshape(batch, beams, -1)

    def grow(
        self, token_ids: Int[Tensor, "batch beams"], parents: Int[Tensor, "batch beams"]
    ) -> Float[Tensor, "batch beams vocabulary"]:
        self.token_ids = grown(self.token_ids, token_ids, parents)
        return self.begin()

    def keep(self, rows: Int[Tensor, " batch"]) -> None:
        self.memory, self.token_ids = self.memory.select(rows), self.token_ids[rows]


class CachedContinuations(Beams):
    """What a decoder alone puts behind prompts; a text's beams share its prompt, which is read once."""

    def __init__(self, network: Network, prompts: Sequence[Sequence[int]]) -> None:
        self.network, self.prompts = network, prompts
        self.cache = BeamCache.behind(network.new_cache(0, 0))

    def begin(self) -> Float[Tensor, "batch 1 vocabulary"]:
        read = self.network.new_cache(len(self.prompts), max(map(len, self.prompts)))
        logits = last_logits(self.network, self.prompts, read)
        read.set_lengths(torch.tensor([len(prompt) for prompt in self.prompts], device=logits.device))
        self.cache = BeamCache.behind(read)
        return logits[:, None]

    def grow(
        self, token_ids: Int[Tensor, "batch beams"], parents: Int[Tensor, "batch beams"]
    ) -> Float[Tensor, "batch beams vocabulary"]:
        self.cache.branch(parents)
        with evaluating(self.network):
            return self.network.head(self.network(token_ids, cache=self.cache))

    def keep(self, rows: Int[Tensor, " batch"]) -> None:
        self.cache.select(rows)


class RecomputedContinuations(Beams):
    """The same without a cache. The definition."""

    def __init__(self, network: Network, prompts: Sequence[Sequence[int]]) -> None:
        self.network, self.texts = network, [[list(prompt)] for prompt in prompts]

    def begin(self) -> Float[Tensor, "batch 1 vocabulary"]:
        logits = last_logits(self.network, [beam for text in self.texts for beam in text])
        return logits.reshape(len(self.texts), -1, logits.shape[-1])

    def grow(
        self, token_ids: Int[Tensor, "batch beams"], parents: Int[Tensor, "batch beams"]
    ) -> Float[Tensor, "batch beams vocabulary"]:
        rows = zip(self.texts, token_ids.tolist(), parents.tolist(), strict=True)
        self.texts = [
            [[*text[parent], token_id] for token_id, parent in zip(ids, befores, strict=True)]
            for text, ids, befores in rows
        ]
        return self.begin()

    def keep(self, rows: Int[Tensor, " batch"]) -> None:
        self.texts = [self.texts[row] for row in rows.tolist()]


def remembered(network: Transformer, sources: Sequence[Sequence[int]]) -> Memory:
    """The encoder's work on sources, shorter ones padded behind their ends; done once."""
    device, longest = network.device, max(map(len, sources))
    padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in sources], device=device)
    lengths = torch.tensor([len(ids) for ids in sources], device=device)
    visible = None if min(map(len, sources)) == longest else real_positions(lengths, longest)
    with evaluating(network):
        return network.remember(network.encode(padded, visible), visible)


def grown(
    texts: Int[Tensor, "batch beams length"],
    token_ids: Int[Tensor, "batch grown"],
    parents: Int[Tensor, "batch grown"],
) -> Int[Tensor, "batch grown longer"]:
    """Each new beam's tokens: those of its parent, and one more."""
    past = texts.gather(1, parents[..., None].expand(-1, -1, texts.shape[2]))
    return torch.cat([past, token_ids[..., None]], dim=2)
