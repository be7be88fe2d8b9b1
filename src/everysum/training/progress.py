"""What a run tells while it goes: one method an event. A terminal, a notebook or a test listens; none is required."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everysum.training.evaluation import Measurement
    from everysum.training.recipe import Recipe, Task


@dataclass(frozen=True)
class Facts:
    """What is known of a run before its first step."""

    parameters: int
    train_tokens: int
    train_bytes: int
    train_documents: int
    held_out_tokens: int
    vocabulary_size: int
    untrained_loss: float
    first_step: int


@dataclass(frozen=True)
class StepLine:
    """One step: its loss in nats a token, and how the run stands."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    folder: Path
    steps: int
    seconds: float
    train_loss: float
    """The mean over the last tenth of the steps, in nats a token."""
    held_out: Measurement | None
    verdict: str
    """Whether it over-fits, and what to try."""
    task: Task = "text"


class Progress:
    """Listens and does nothing: the base of everything that listens."""

    def stage(self, text: str) -> None:
        """Something before the first step or after the last has begun: reading, tokenizing, measuring, saving."""

    def planned(self, recipe: Recipe, facts: Facts) -> None:
        """The recipe is resolved and written; training begins."""

    def stepped(self, line: StepLine) -> None: ...

    def evaluated(self, step: int, measurement: Measurement) -> None: ...

    def sampled(self, step: int, text: str) -> None: ...

    def saved(self, step: int, seconds: float) -> None: ...

    def warned(self, text: str) -> None: ...

    def finished(self, result: Result) -> None: ...
