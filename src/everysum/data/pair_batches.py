"""Batches of sentence pairs: rows of about equal length side by side, about equally many tokens in each step.

What is trained on at a step is a pure function of (seed, step). An epoch sorts all pairs by their lengths, with a
little chance in it that is drawn from (seed, epoch); cuts the row into batches of equally many tokens; and shuffles the
batches. Every pair comes once an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from everysum.data.pair_files import PairFile
from everysum.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sentences = Sequence["NDArray[np.unsignedinteger[Any]]"]
"""Token ids, each sentence ending with the end-of-text token."""
SPREAD = 2
"""By how many tokens chance may move a pair from the place that its lengths give it."""


@dataclass(frozen=True)
class PairBatch:
    """Pairs to learn from: `given` is what the network reads, the targets what it should say next.

    `scored` says which targets count: padding does not, nor a source that is only read.
    """

    given: tuple[Tensor, ...]
    targets: Int[Tensor, "batch position"]
    scored: Bool[Tensor, "batch position"]
    divisor: float = 1

    @property
    def tokens(self) -> int:
        """How many targets count."""
        return int(self.scored.sum())

    def to(self, device: str) -> PairBatch:
        given = tuple(tensor.to(device) for tensor in self.given)
        return replace(self, given=given, targets=self.targets.to(device), scored=self.scored.to(device))

    def shares(self, workers: int) -> list[PairBatch]:
        """Rows dealt out in turn, so that everybody gets long and short ones; a share counts by its own tokens."""
        whole, shares = self.tokens, []
        for worker in range(min(workers, len(self.targets))):
            rows = slice(worker, None, workers)
            part = PairBatch(tuple(tensor[rows] for tensor in self.given), self.targets[rows], self.scored[rows])
            shares.append(replace(part, divisor=self.divisor * whole / part.tokens))
        return shares

    def tensors(self) -> dict[str, Tensor]:
        given = {f"given.{number}": tensor for number, tensor in enumerate(self.given)}
        return given | {"targets": self.targets, "scored": self.scored}


Layout = Callable[[Sentences, Sentences], PairBatch]
"""How pairs become what a network is given."""


def apart(sources: Sentences, targets: Sentences, start: int | None = None) -> PairBatch:
    """For an encoder-decoder: the source is read whole, the target said from `start` on, or from the end of text."""
    source_ids, real = padded(sources)
    target_ids, scored = padded(targets)
    first = target_ids.new_tensor([int(targets[0][-1]) if start is None else start]).expand(len(targets), 1)
    return PairBatch(
        (source_ids, torch.cat([first, target_ids[:, :-1]], dim=1), real[:, None, None, :]), target_ids, scored
    )


@dataclass(frozen=True)
class Joined:
    """For one tower: source, separator, target in one row, of which only the target counts."""

    separator: int

    def __call__(self, sources: Sentences, targets: Sentences) -> PairBatch:
        rows = [
            np.concatenate([source[:-1], [self.separator], target])
            for source, target in zip(sources, targets, strict=True)
        ]
        token_ids, real = padded(rows)
        first = torch.tensor([len(source) - 1 for source in sources])[:, None]
        scored = real[:, 1:] & (torch.arange(token_ids.shape[1] - 1) >= first)
        return PairBatch((token_ids[:, :-1],), token_ids[:, 1:], scored)


def padded(sentences: Sentences) -> tuple[Int[Tensor, "batch position"], Bool[Tensor, "batch position"]]:
    """Sentences as rows of equal length, filled up behind with zeros; and which of the tokens are real."""
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    rows = np.zeros((len(sentences), int(lengths.max())), dtype=np.int64)
    for row, sentence in zip(rows, sentences, strict=True):
        row[: len(sentence)] = sentence
    return torch.from_numpy(rows), torch.arange(rows.shape[1]) < lengths[:, None]


class PairBatches:
    """The training batches of a pair file, of about `batch_tokens` tokens each, both sides counted, `per_epoch` in all.

    A batch has at least as many tokens as the longest pair.

    Pairs that do not fit into the context are passed over: apart, the longer side counts, joined, both together do.
    """

    def __init__(
        self,
        pairs: PairFile,
        layout: Layout,
        *,
        seed: int,
        batch_tokens: int,
        context_length: int,
        accumulation: int = 1,
    ) -> None:
        self.pairs, self.layout, self.seed, self.accumulation = pairs, layout, seed, accumulation
        self.fitting = fitting_pairs(pairs, layout, context_length)
        if not len(self.fitting):
            raise InputError(
                f"no pair of sentences fits into a context of {context_length} tokens",
                wanted="a longer context: --set network.context_length=256",
            )
        self.source_lengths = pairs.sources.lengths[self.fitting]
        self.target_lengths = pairs.targets.lengths[self.fitting]
        longest = int((self.source_lengths + self.target_lengths).max())
        self.per_epoch = max(1, min(round(self.tokens / batch_tokens), self.tokens // longest))
        self._epochs: dict[int, list[NDArray[np.int64]]] = {}

    @property
    def tokens(self) -> int:
        """Tokens of both sides in an epoch."""
        return int(self.source_lengths.sum() + self.target_lengths.sum())

    def at(self, step: int, accumulation_index: int = 0) -> PairBatch:
        """The batch at a step; with accumulation, one of the parts that the step's whole batch is worked through in."""
        epoch, place = divmod(step, self.per_epoch)
        numbers = self._epoch(epoch)[place]
        part = numbers[accumulation_index :: self.accumulation]
        if not len(part):  # fewer pairs than parts: this one counts for nothing
            return replace(rows_of(self.pairs, numbers[:1], self.layout), divisor=math.inf)
        batch = rows_of(self.pairs, part, self.layout)
        whole = int(self.pairs.targets.lengths[numbers].sum())
        return replace(batch, divisor=whole / (self.accumulation * batch.tokens))

    def _epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        """The pairs of each batch of an epoch."""
        if epoch not in self._epochs:
            random = np.random.default_rng([self.seed, epoch])
            shape = len(self.fitting)
            targets = (self.target_lengths + SPREAD * random.random(shape)) // SPREAD
            order = np.lexsort((self.source_lengths + SPREAD * random.random(shape), targets))
            costs = (self.source_lengths + self.target_lengths)[order].cumsum()
            cuts = np.searchsorted((costs - 1) * self.per_epoch // costs[-1], np.arange(1, self.per_epoch))
            parts = np.split(self.fitting[order], cuts)
            self._epochs = {epoch: [parts[place] for place in random.permutation(self.per_epoch)]}
        return self._epochs[epoch]


def fitting_pairs(pairs: PairFile, layout: Layout, context_length: int) -> NDArray[np.int64]:
    """Which pairs fit into a context."""
    sources, targets = pairs.sources.lengths, pairs.targets.lengths
    longest = sources + targets - 1 if isinstance(layout, Joined) else np.maximum(sources, targets)
    return np.flatnonzero(longest <= context_length)


def rows_of(pairs: PairFile, numbers: Sequence[int] | NDArray[np.int64], layout: Layout) -> PairBatch:
    """The batch of these pairs."""
    return layout([pairs.sources[number] for number in numbers], [pairs.targets[number] for number in numbers])


def measuring_batches(
    pairs: PairFile, layout: Layout, *, batch_tokens: int, context_length: int, most: int | None = None
) -> Iterator[PairBatch]:
    """Every fitting pair once, sorted by length; with `most`, only pairs of about so many tokens, spread evenly."""
    fitting = fitting_pairs(pairs, layout, context_length)
    costs = (pairs.sources.lengths + pairs.targets.lengths)[fitting]
    if most is not None and len(fitting):
        every = max(1, int(costs.sum()) // most)
        fitting, costs = fitting[::every], costs[::every]
    order = np.argsort(costs, kind="stable")
    ends = costs[order].cumsum()
    cuts = np.flatnonzero(np.diff((ends - 1) // batch_tokens)) + 1
    for part in np.split(fitting[order], cuts):
        if len(part):
            yield rows_of(pairs, part, layout)
