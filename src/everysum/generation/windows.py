"""What the network sees of texts that grow together, computed with the key/value cache or without it.

A network sees at most `context_length` tokens. A text that outgrows it goes on: when the context is full, only the last
half of it is kept and read anew, and grows again until it is full. A token then costs one position on average plus its
share of reading that half again, and what the network sees of a text depends on nothing but the text: not on the cache,
and not on the other texts beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.generation.graphs import GraphedSteps
from everysum.layers.cache import Cache
from everysum.models.network import Network


def window(length: int, context_length: int) -> int:
    """How many of its last tokens the network sees of a text of `length` tokens.

    With a context of 8: all up to 8 tokens; of 9 the last 4, of 10 the last 5, … of 13 the last 8, of 14 the last 4.
    """
    if length <= context_length:
        return length
    half = max(1, context_length // 2)
    return half + (length - context_length - 1) % (context_length + 1 - half)


class Texts(ABC):
    """Token ids that grow by one token each at a time, and the logits of what comes next in each."""

    def __init__(self, network: Network, token_ids: Sequence[Sequence[int]]) -> None:
        self.network, self.token_ids = network, [list(ids) for ids in token_ids]

    @abstractmethod
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        """The logits of each text's next token."""

    def append(self, token_ids: Sequence[int]) -> None:
        """Each text goes on with its token."""
        for text, token_id in zip(self.token_ids, token_ids, strict=True):
            text.append(token_id)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts only, in this order; one may be taken more than once, to go on in several ways."""
        self.token_ids = [list(self.token_ids[row]) for row in rows]

    def windows(self) -> list[int]:
        """How many of its last tokens are seen of each text."""
        return [window(len(text), self.network.context_length) for text in self.token_ids]


class RecomputedTexts(Texts):
    """Without a cache: every position is computed again for every token. The definition."""

    @torch.inference_mode()
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        seen = [text[-count:] for text, count in zip(self.token_ids, self.windows(), strict=True)]
        return last_logits(self.network, seen)


class CachedTexts(Texts):
    """With a cache: a token costs one position, except where a text's window has moved."""

    def __init__(self, network: Network, token_ids: Sequence[Sequence[int]], *, longest: int) -> None:
        """`longest` is how many tokens the longest text will have in the end."""
        super().__init__(network, token_ids)
        self.capacity = min(longest, network.context_length)
        self.cache = network.new_cache(len(token_ids), self.capacity)
        self.cached = [0] * len(token_ids)
        self.graphs = GraphedSteps(network) if network.device.type == "cuda" else None

    @torch.inference_mode()
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        seen = self.windows()
        moved = [row for row, count in enumerate(seen) if not 0 < self.cached[row] == count - 1]
        if not moved:
            logits = self.step()
        elif len(moved) == len(seen):
            logits = self.read(moved, seen, self.cache)
        else:
            logits = self.step_and_read(moved, seen)
        self.cached = seen
        return logits

    def step(self) -> Float[Tensor, "batch vocabulary"]:
        """One position more for every row."""
        newest = self.tensor([[text[-1]] for text in self.token_ids])
        return self.behind(newest)[:, -1]

    def read(self, rows: Sequence[int], seen: Sequence[int], cache: Cache) -> Float[Tensor, "batch vocabulary"]:
        """Fill a cache with these rows' windows from their beginning; the logits behind them."""
        cache.set_lengths(self.tensor([0] * len(rows)))
        logits = last_logits(self.network, [self.token_ids[row][-seen[row] :] for row in rows], cache)
        cache.set_lengths(self.tensor([seen[row] for row in rows]))
        return logits

    def step_and_read(self, moved: Sequence[int], seen: Sequence[int]) -> Float[Tensor, "batch vocabulary"]:
        """A step for all rows, and those whose windows moved read anew in place of what the step did to them."""
        rows, cache = self.tensor(moved), self.cache
        cache.set_lengths(cache.lengths.index_fill(0, rows, 0))  # where they have room for the step
        logits = self.step()
        fresh = self.network.new_cache(len(moved), self.capacity)
        logits[rows] = self.read(moved, seen, fresh)
        for old, new in zip(cache.keys + cache.values, fresh.keys + fresh.values, strict=True):
            old[rows] = new
        cache.set_lengths(cache.lengths.index_copy(0, rows, fresh.lengths))
        return logits

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        super().keep(rows)
        self.cached = [self.cached[row] for row in rows]
        self.cache.select(self.tensor(rows))

    def behind(self, token_ids: Int[Tensor, "batch position"]) -> Float[Tensor, "batch position vocabulary"]:
        """The logits behind each of these tokens, one position more for each in the cache."""
        with evaluating(self.network):
            if self.graphs is not None and token_ids.shape[1] == 1:
                return self.graphs.logits(token_ids, self.cache)
            return self.network.logits_behind(token_ids, self.cache)

    def tensor(self, numbers: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(numbers, device=self.cache.lengths.device)


def last_logits(
    network: Network, token_ids: Sequence[Sequence[int]], cache: Cache | None = None
) -> Float[Tensor, "batch vocabulary"]:
    """The logits behind the last token of each row; shorter rows are padded on the right, where nobody looks back."""
    device, longest = network.device, max(map(len, token_ids))
    padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in token_ids], device=device)
    hidden = hidden_states(network, padded, cache)
    rows, last = (
        torch.arange(len(token_ids), device=device),
        torch.tensor([len(ids) - 1 for ids in token_ids], device=device),
    )
    return network.head(hidden[rows, last])


def hidden_states(
    network: Network, token_ids: Int[Tensor, "batch position"], cache: Cache | None
) -> Float[Tensor, "batch position width"]:
    """The network's, without dropout, also in the middle of its training."""
    with evaluating(network):
        hidden: Tensor = network(token_ids, cache=cache)
    return hidden


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, the network computes without dropout, also in the middle of its training."""
    training = network.training
    if training:
        network.eval()
    try:
        yield
    finally:
        if training:
            network.train()
