"""The loop: look at a batch, see how wrong the network was, let every parameter step against its share of the error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from everysum.data.batches import TrainingBatch
from everysum.layers.dropout import seed_dropout
from everysum.models.network import Network
from everysum.parallel import Team, use_cores
from everysum.training.loss import mean_loss
from everysum.training.optimizers import optimizers_for, set_rate
from everysum.training.precision import WorkingCopy
from everysum.training.recipe import Recipe
from everysum.training.schedule import SCHEDULES


class Batches(Protocol):
    """What is learned from at each step, a pure function of the step."""

    def at(self, step: int, accumulation_index: int = 0, /) -> TrainingBatch: ...


class Trainer:
    """A network in training. What step n does is a function of (recipe, weights, what the optimizers remember, n).

    Every worker computes its rows of a batch with a working copy of its own; gradients are added up in a fixed order.
    """

    def __init__(self, network: Network, recipe: Recipe, batches: Batches) -> None:
        self.network, self.recipe, self.batches = network, recipe, batches
        engine = recipe.engine
        self.team = Team(engine.workers, max(1, engine.threads // engine.workers))
        use_cores(self.team.cores)
        self.optimizers = optimizers_for(network, recipe.optimizer, engine.workers)
        self.parameters = list(network.parameters())
        self.copies = [WorkingCopy(network, getattr(torch, engine.dtype)) for _ in range(engine.workers)]
        self.forwards: list[Callable[..., Tensor]] = [copy.network for copy in self.copies]
        if engine.compiled:
            self.forwards = [torch.compile(copy.network, dynamic=False) for copy in self.copies]

    @property
    def working(self) -> Network:
        """A network with the present weights in the precision that is computed in, to measure and to sample from."""
        return self.copies[0].network

    def step(self, step: int) -> float:
        """Take step `step` (from 0); returns the loss of its batch before the step, in nats a token.

        Raises NotFinite, before any parameter has changed, when the loss or its gradient is not a finite number.
        """
        loss = self.collect_gradients(step)
        length = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.optimizer.clip)
        if not torch.isfinite(length + loss):
            raise NotFinite(step, loss, float(length))
        schedule = self.recipe.schedule
        share = SCHEDULES[schedule.shape](
            step,
            schedule.steps,
            warmup_share=schedule.warmup_share,
            decay_share=schedule.decay_share,
            final_rate=schedule.final_rate,
        )
        set_rate(self.optimizers, share)
        for _ in self.team.each(take_step, self.optimizers):
            pass
        self.refresh()
        return loss

    def collect_gradients(self, step: int) -> float:
        """Forward and back through the step's batch, in as many parts as the recipe says; returns the mean loss."""
        loss, parts = 0.0, self.recipe.schedule.accumulation
        for part in range(parts):
            losses = self.team.each(partial(self.learn, step, part), enumerate(self.shares_of(step, part)))
            loss += sum(losses) / parts
            for copy in self.copies:
                copy.hand_over_gradients()
        return loss

    def learn(self, step: int, part: int, share: tuple[int, TrainingBatch]) -> float:
        """One worker's share: forward and back through its rows; returns its part of the mean loss."""
        worker, batch = share
        network = self.copies[worker].network
        network.train()
        seed_dropout(network, f"{self.recipe.seed}/{step}/{part}/{worker}")
        hidden = self.forwards[worker](*batch.given)
        smoothing = self.recipe.optimizer.label_smoothing
        loss = mean_loss(hidden, network.head_weight, batch.targets, batch.scored, smoothing) / batch.divisor
        (loss / self.recipe.schedule.accumulation).backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def shares_of(self, step: int, part: int) -> Sequence[TrainingBatch]:
        """One part of a step's batch, its rows dealt out to the workers."""
        return self.batch_at(step, part).shares(len(self.copies))

    def batch_at(self, step: int, part: int) -> TrainingBatch:
        """One part of a step's batch, on the recipe's device."""
        return self.batches.at(step, part).to(self.recipe.engine.device)

    def refresh(self) -> None:
        """Give the working copies the present weights."""
        for _ in self.team.each(WorkingCopy.refresh, self.copies):
            pass


def take_step(optimizer: torch.optim.Optimizer) -> None:
    """Let the parameters step, and forget the gradients."""
    optimizer.step()
    optimizer.zero_grad()


class NotFinite(Exception):
    """A step's loss or gradient was infinite or not a number."""

    def __init__(self, step: int, loss: float, gradient_length: float) -> None:
        super().__init__(f"step {step + 1}: loss {loss}, length of the gradient {gradient_length}")
        self.step, self.loss, self.gradient_length = step, loss, gradient_length
