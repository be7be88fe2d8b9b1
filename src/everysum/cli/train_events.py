"""Who is told what a run does: a person at a screen, or a program that reads JSON lines."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from everysum.cli.terminal import close_quietly, write_json
from everysum.training.progress import Facts, Progress, Result, StepLine

if TYPE_CHECKING:
    from everysum.training.evaluation import Measurement
    from everysum.training.recipe import Recipe


class Listener(Progress, AbstractContextManager["Listener"]):
    """A listener of the command line's: it tidies up behind itself, and can show what a demo came to."""

    def demonstrate(self, folder: Path) -> None:
        """Let the finished model of a demo speak."""

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Events(Listener):
    """Every event as a JSON object on a line of standard output."""

    def stage(self, text: str) -> None:
        self.tell("stage", text=text)

    def planned(self, recipe: Recipe, facts: Facts) -> None:
        self.tell("planned", recipe=recipe.model_dump(mode="json"), facts=asdict(facts))

    def stepped(self, line: StepLine) -> None:
        self.tell("step", **asdict(line))

    def evaluated(self, step: int, measurement: Measurement) -> None:
        self.tell("evaluated", step=step, held_out=measurement.as_json())

    def sampled(self, step: int, text: str) -> None:
        self.tell("sampled", step=step, text=text)

    def saved(self, step: int, seconds: float) -> None:
        self.tell("saved", step=step, seconds=seconds)

    def warned(self, text: str) -> None:
        self.tell("warned", text=text)

    def finished(self, result: Result) -> None:
        held_out = result.held_out.as_json() if result.held_out else None
        values = {**vars(result), "folder": str(result.folder), "held_out": held_out}
        self.tell("finished", **values)

    def tell(self, event: str, **values: Any) -> None:
        """Write one event; a run goes on though nobody reads about it any more."""
        try:
            write_json({"event": event, **values})
        except BrokenPipeError:
            close_quietly()


def listener(as_json: bool, promised_seconds: float | None) -> Listener:
    """JSON lines for programs, else a screen for people."""
    if as_json:
        return Events()
    from everysum.cli.train_screen import Screen

    return Screen(promised_seconds)
