"""Batches: windows of a token stream, each token to be predicted from those before it.

What is trained on at a step is a pure function of (seed, step): no state is kept, so a run that goes on after a stop
sees what it would have seen. One epoch is a seeded shuffle of adjacent windows that together cover the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from everysum.data.token_files import TokenFile
from everysum.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TrainingBatch(Protocol):
    """What a step learns from, or a worker's share of it: what the network is given, and what it should have said."""

    @property
    def targets(self) -> Int[Tensor, "batch position"]: ...

    @property
    def given(self) -> tuple[Tensor | None, ...]:
        """What the network's `forward` is called with."""

    @property
    def scored(self) -> Bool[Tensor, "batch position"] | None:
        """Which of the targets count; None: all of them."""

    @property
    def divisor(self) -> float:
        """The step's mean loss is the sum over its shares of each one's mean divided by this, the mean over its parts.

        It is the number of shares where all have equally many targets.
        """

    def to(self, device: str) -> Self: ...

    def shares(self, workers: int) -> Sequence[Self]:
        """The rows dealt out to so many workers; with fewer rows than workers, to fewer."""

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, to be kept for whoever wants to look at it."""


@dataclass(frozen=True)
class Batch:
    """Windows to train on; `visible` is None for plain causal attention."""

    inputs: Int[Tensor, "batch position"]
    targets: Int[Tensor, "batch position"]
    visible: Bool[Tensor, "batch 1 query key"] | None
    divisor: float = 1
    scored: None = None

    @property
    def given(self) -> tuple[Tensor, Tensor | None]:
        return self.inputs, self.visible

    def to(self, device: str) -> Batch:
        visible = None if self.visible is None else self.visible.to(device)
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device), visible=visible)

    def shares(self, workers: int) -> list[Batch]:
        visible = [None] * workers if self.visible is None else self.visible.chunk(workers)
        rows = zip(self.inputs.chunk(workers), self.targets.chunk(workers), visible, strict=True)
        return [Batch(*row, divisor=workers) for row in rows]

    def tensors(self) -> dict[str, Tensor]:
        return {"inputs": self.inputs, "targets": self.targets}


@dataclass(frozen=True)
class EvaluationBatch:
    """Windows to measure the loss on; only targets marked in `scored` count, each token of the stream once."""

    inputs: Int[Tensor, "batch position"]
    targets: Int[Tensor, "batch position"]
    scored: Bool[Tensor, "batch position"]
    visible: Bool[Tensor, "batch 1 query key"] | None


class Batches:
    """The training batches of a token stream.

    Row r of batch n is window n × batch_size + r of a never-ending row of epochs. Each epoch takes the stream's
    adjacent windows, from an offset of its own, in an order of its own, both drawn from (seed, epoch): each token is
    predicted once per epoch, apart from those outside the windows at the stream's two edges. A stream of more than
    sixteen windows gives one up, so that the offset is free over a whole window.
    """

    def __init__(
        self,
        tokens: TokenFile,
        *,
        seed: int,
        batch_size: int,
        context_length: int,
        within_documents: bool = True,
        accumulation: int = 1,
    ) -> None:
        largest = len(tokens) - 1
        if not 1 <= context_length <= largest:
            raise InputError(
                f"the text is too short for a context of {context_length} tokens",
                wanted=f"a text of at least {context_length + 1} tokens",
                came=f"{len(tokens)} tokens",
                advice=f"use a context of at most {largest} tokens, or a longer text",
            )
        self.tokens, self.seed, self.batch_size, self.context_length = tokens, seed, batch_size, context_length
        self.within_documents, self.accumulation = within_documents, accumulation
        self.windows = largest // context_length
        self.windows -= self.windows > 16
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def at(self, step: int, accumulation_index: int = 0) -> Batch:
        """The batch at a step; with accumulation, one of the parts that the step's whole batch is worked through in."""
        first = (step * self.accumulation + accumulation_index) * self.batch_size
        starts = np.array([self._start(index) for index in range(first, first + self.batch_size)])
        inputs, targets = _windows(self.tokens, starts, self.context_length)
        return Batch(inputs, targets, same_document(inputs, self.tokens.end_of_text) if self.within_documents else None)

    def _start(self, index: int) -> int:
        epoch, place = divmod(index, self.windows)
        return int(self._epoch(epoch)[place])

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of this epoch start, in their order. Two epochs are kept: a batch may lie in both."""
        if epoch not in self._epochs:
            random = np.random.default_rng([self.seed, epoch])
            spare = len(self.tokens) - 1 - self.windows * self.context_length
            starts = random.integers(spare + 1) + random.permutation(self.windows) * self.context_length
            self._epochs = {**{near: kept for near, kept in self._epochs.items() if near == epoch - 1}, epoch: starts}
        return self._epochs[epoch]


def evaluation_batches(
    tokens: TokenFile, context_length: int, stride: int, batch_size: int, *, within_documents: bool = True
) -> Iterator[EvaluationBatch]:
    """The windows in which every token of the stream after the first is scored exactly once.

    Windows start `stride` tokens apart; of each but the first only the targets that no earlier window has scored count,
    so with a stride below the context they are predicted from at least context_length − stride tokens. The last window
    is moved back to end with the stream. A stream shorter than a window makes one window of its own length; the last
    batch is filled up with windows in which nothing is scored, so that all batches have one shape.
    """
    if not 1 <= stride <= context_length:
        raise UsageError("impossible stride", wanted=f"from 1 to the context of {context_length}", came=str(stride))
    targets = len(tokens) - 1
    length = min(context_length, targets)
    if length < 1:
        return
    count = 1 + -(-(targets - length) // stride)
    rows = min(batch_size, count)
    for first in range(0, count, rows):
        numbers = np.arange(first, first + rows)
        starts = np.minimum(numbers * stride, targets - length)
        scored_before = np.where(numbers == 0, 0, np.minimum((numbers - 1) * stride, targets - length) + length)
        scored = starts[:, None] + np.arange(length) >= scored_before[:, None]
        inputs, wanted = _windows(tokens, starts, length)
        visible = same_document(inputs, tokens.end_of_text) if within_documents else None
        yield EvaluationBatch(inputs, wanted, torch.from_numpy(scored), visible)


def same_document(
    inputs: Int[Tensor, "batch position"], end_of_text: int
) -> Bool[Tensor, "batch 1 position position"] | None:
    """Which earlier positions each position sees: those of its own document and the end-of-text token before it.

    None where no window has an end-of-text token but as its first: then plain causal attention says the same.
    """
    starts_document = inputs == end_of_text
    if not starts_document[:, 1:].any():
        return None
    document = starts_document.cumsum(dim=1)
    return (document[:, None, :, None] == document[:, None, None, :]).tril()


def _windows(
    tokens: TokenFile, starts: NDArray[np.int64], length: int
) -> tuple[Int[Tensor, "batch position"], Int[Tensor, "batch position"]]:
    windows = np.asarray(tokens.tokens)[starts[:, None] + np.arange(length + 1)].astype(np.int64)
    return torch.from_numpy(windows[:, :-1].copy()), torch.from_numpy(windows[:, 1:].copy())
