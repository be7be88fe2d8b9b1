"""The screen of a run: what is trained on what, a line that lives while it trains, and in the end how it went."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from everysum import machine
from everysum.cli.terminal import close_quietly, duration
from everysum.cli.train_ending import WIDEST, ending, sample_block
from everysum.cli.train_events import Listener
from everysum.cli.train_opening import opening
from everysum.training.progress import Facts, Result, StepLine

if TYPE_CHECKING:
    from everysum.training.evaluation import Measurement
    from everysum.training.recipe import Recipe

REDRAWN_EVERY, TOLD_EVERY = 0.1, 10.0
"""Seconds between two states of the live line, and between two lines where nothing can be redrawn."""
SMOOTHED_STEPS = 50
MISSED = 1.1
"""By which factor a run may end later or earlier than promised without a word."""
EARLY_AFTER = 0.25
"""The share of the steps after which an early end is believed."""
SURE_AFTER = 5.0
"""Seconds of training before the time left is believed."""


class Screen(Listener):
    """Talk on standard error: with a live line on a terminal, in plain lines everywhere else."""

    def __init__(self, promised_seconds: float | None) -> None:
        alive = sys.stderr.isatty() and sys.stderr.encoding.lower().startswith("utf")
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False, force_terminal=alive or None)
        alive = alive and not self.console.is_dumb_terminal
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if alive else None
        self.promised_seconds = promised_seconds
        self.recent: deque[float] = deque(maxlen=SMOOTHED_STEPS)
        self.held_out: float | None = None
        self.told = self.began = time.monotonic()
        self.ends_at = 0
        self.planned_shorter = False

    def __enter__(self) -> Screen:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    # --- events -----------------------------------------------------------------------------------------------------

    def stage(self, text: str) -> None:
        if self.live:
            self.live.update(Text(f"{text} …", "dim"), refresh=True)

    def planned(self, recipe: Recipe, facts: Facts) -> None:
        self.ends_at = recipe.schedule.steps
        self.say(*opening(recipe, facts, self.console.width), Text())
        self.told = self.began = time.monotonic()

    def stepped(self, line: StepLine) -> None:
        self.recent.append(line.loss)
        now = time.monotonic()
        if now - self.told >= (REDRAWN_EVERY if self.live else TOLD_EVERY):
            self.told = now
            if self.live:
                self.live.update(Group(self.step_bar(line), self.step_line(line)), refresh=True)
            else:
                self.say(self.step_line(line))
        if self.promised_seconds is not None and now - self.began > SURE_AFTER:
            self.warn_if_untimely(line)

    def evaluated(self, step: int, measurement: Measurement) -> None:
        self.held_out = measurement.loss
        line = Text.assemble(
            (f"step {step:>7,}  ", "dim"),
            "held-out loss ",
            (f"{measurement.loss:.3f}", "bold"),
            f"  perplexity {measurement.perplexity:.1f}  {measurement.bits_per_byte:.3f} bits per byte",
            (f"  {duration(machine.seconds_since_start())}", "dim"),
        )
        self.say(line)

    def sampled(self, step: int, text: str) -> None:
        self.say(*sample_block(text, self.console.width))

    def warned(self, text: str) -> None:
        self.planned_shorter |= not self.ends_at  # a plan that does not fill the time says so before the first step
        self.say(Text(f"note: {text}", "yellow"))

    def finished(self, result: Result) -> None:
        if self.live:
            self.live.update(Text(), refresh=True)
        self.say(*ending(result, self.console.width))

    def demonstrate(self, folder: Path) -> None:
        from everysum.cli.train_ending import demonstration

        self.say(*demonstration(folder, self.console.width))

    # --- words --------------------------------------------------------------------------------------------------------

    def step_line(self, line: StepLine) -> Text:
        """How the run stands."""
        loss = math.fsum(self.recent) / len(self.recent)
        held_out = "" if self.held_out is None else f"  held out {self.held_out:.3f}"
        count = f"step {line.step:>{len(f'{line.steps:,}')},} of {line.steps:,}"
        pace = f"{line.tokens_per_second:,.0f} tokens/s  {duration(line.seconds_left)} left"
        return Text(f"{count}  loss {loss:.3f}{held_out}  {pace}", no_wrap=True, overflow="ellipsis")

    def step_bar(self, line: StepLine) -> Text:
        """How much of the run is done."""
        width = min(self.console.width, WIDEST)
        done = round(width * line.step / line.steps)
        return Text.assemble(("━" * done, "cyan"), ("─" * (width - done), "dim"), no_wrap=True)

    def warn_if_untimely(self, line: StepLine) -> None:
        """Say once that the run will not end in the time given."""
        assert self.promised_seconds is not None
        whole = machine.seconds_since_start() + line.seconds_left
        if whole > MISSED * self.promised_seconds:
            self.warned(
                f"this will take about {duration(whole)} instead of {duration(self.promised_seconds)}: the machine is "
                "busier than it was when it was measured. Ctrl-C stops and saves."
            )
            self.promised_seconds = None
        elif (
            whole < self.promised_seconds / MISSED
            and line.step >= EARLY_AFTER * line.steps
            and not self.planned_shorter
        ):
            self.warned(
                f"this will take about {duration(whole)} instead of {duration(self.promised_seconds)}: the machine was "
                "busier when it was measured than it is now. A plan made once is kept; with --minutes it is made anew."
            )
            self.promised_seconds = None

    def say(self, *lines: Text) -> None:
        """Print lines above the live one; a run goes on though nobody reads about it any more."""
        try:
            for line in lines:
                self.console.print(line, soft_wrap=line.no_wrap or self.live is None)
        except BrokenPipeError:
            close_quietly()
