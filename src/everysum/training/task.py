"""What a network is trained to do: which batches it learns from, how it is measured, what it shows of itself.

A run is the same whatever the task (`training/run.py`); its recipe says which one it is. This is the interface; to go
on with a text is `training/text_task.py`, to translate `training/pair_task.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from everysum.models.network import Network
from everysum.parallel import Team
from everysum.training.evaluation import Measurement
from everysum.training.loop import Batches
from everysum.training.recipe import Recipe


@dataclass(frozen=True)
class Amounts:
    """How much there is to learn from and to be measured on."""

    train_tokens: int
    train_bytes: int
    train_documents: int
    """Documents, or pairs of sentences."""
    held_out_tokens: int


class Task(Protocol):
    """What there is to learn from, and what for."""

    @property
    def amounts(self) -> Amounts: ...

    @property
    def longest_context(self) -> int:
        """The longest context that there is enough text for."""

    def batches(self, recipe: Recipe) -> Batches:
        """What is learned from at each step of this recipe."""

    def notes(self, recipe: Recipe) -> list[str]:
        """What a person should know of this material: what is passed over, and why."""

    def useful_steps(self, recipe: Recipe) -> int:
        """How many steps see all of it as often as is useful."""

    def seconds_to_finish(self, recipe: Recipe, seconds_a_step: float) -> float:
        """About how long the last measurement and saving take."""

    def measure(self, network: Network, *, most: int | None, team: Team) -> Measurement | None:
        """The loss on what is held out, on all of it or a quick look at `most` tokens; None if nothing is held out."""

    def sample(self, network: Network, step: int, seed: int) -> str:
        """A little of what the network can do by now."""
