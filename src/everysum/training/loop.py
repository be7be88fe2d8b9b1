"""The loop: look at a batch, see how wrong the network was, let every parameter step against its share of the error."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from everysum.data.batches import Batch, Batches
from everysum.models.network import Network
from everysum.training.loss import mean_loss
from everysum.training.optimizers import optimizers_for, set_rate
from everysum.training.precision import WorkingCopy
from everysum.training.recipe import Recipe
from everysum.training.schedule import rate_at


class Trainer:
    """A network in training. What step n does is a function of (recipe, weights, what the optimizers remember, n)."""

    def __init__(self, network: Network, recipe: Recipe, batches: Batches) -> None:
        self.network, self.recipe, self.batches = network, recipe, batches
        self.optimizers = optimizers_for(network, recipe.optimizer)
        self.parameters = list(network.parameters())
        self.working = WorkingCopy(network, getattr(torch, recipe.engine.dtype))
        self.forward: Callable[..., Tensor] = self.working.network
        if recipe.engine.compiled:
            self.forward = torch.compile(self.working.network, dynamic=False)

    def step(self, step: int) -> float:
        """Take step `step` (from 0); returns the loss of its batch before the step, in nats a token.

        Raises NotFinite, before any parameter has changed, when the loss or its gradient is not a finite number.
        """
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) % 2**63)  # for dropout
        loss = self.collect_gradients(step)
        length = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.optimizer.clip)
        if not torch.isfinite(length + loss):
            raise NotFinite(step, loss, float(length))
        schedule = self.recipe.schedule
        share = rate_at(
            step,
            schedule.steps,
            warmup_share=schedule.warmup_share,
            decay_share=schedule.decay_share,
            final_rate=schedule.final_rate,
        )
        set_rate(self.optimizers, share)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.working.refresh()
        return loss

    def collect_gradients(self, step: int) -> float:
        """Forward and back through the step's batch, in as many parts as the recipe says; returns the mean loss."""
        self.working.network.train()
        loss, parts = 0.0, self.recipe.schedule.accumulation
        for part in range(parts):
            batch = self.batch_at(step, part)
            hidden = self.forward(batch.inputs, batch.visible)
            part_loss = mean_loss(hidden, self.working.network.head_weight, batch.targets) / parts
            part_loss.backward()  # type: ignore[no-untyped-call]
            loss += part_loss.item()
        self.working.hand_over_gradients()
        return loss

    def batch_at(self, step: int, part: int) -> Batch:
        """One part of a step's batch, on the recipe's device."""
        batch, device = self.batches.at(step, part), self.recipe.engine.device
        visible = None if batch.visible is None else batch.visible.to(device)
        return Batch(batch.inputs.to(device), batch.targets.to(device), visible)


class NotFinite(Exception):
    """A step's loss or gradient was infinite or not a number."""

    def __init__(self, step: int, loss: float, gradient_length: float) -> None:
        super().__init__(f"step {step + 1}: loss {loss}, length of the gradient {gradient_length}")
        self.step, self.loss, self.gradient_length = step, loss, gradient_length
