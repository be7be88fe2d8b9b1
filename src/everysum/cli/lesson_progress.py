"""How far the long work of a lesson is: a bar on a terminal, a line now and then elsewhere; on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from everysum.cli.terminal import bar, duration, say

REDRAWN_EVERY, TOLD_EVERY = 0.1, 10.0
"""Seconds between two states of the bar, and between two lines where nothing can be redrawn."""


class Watch:
    """Told of each step; short work stays silent."""

    def __init__(self) -> None:
        self.alive = sys.stderr.isatty()
        self.began: float | None = None
        self.told = time.monotonic()
        self.drawn = False

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def stepped(self, done: int, steps: int, loss: float) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        if self.began is None or done <= 1:
            self.began = self.told = now
        if now - self.told < (REDRAWN_EVERY if self.alive else TOLD_EVERY):
            return
        self.told = now
        left = (now - self.began) / max(1, done - 1) * (steps - done)
        line = f"step {done:,} of {steps:,}  loss {loss:.4f}  {duration(left)} left"
        if self.alive:
            sys.stderr.write(f"\r\x1b[2K  {bar(done / steps, 24):<24} {line}")
            sys.stderr.flush()
            self.drawn = True
        else:
            say(line)

    def clear(self) -> None:
        """Take the bar away, so that the next thing said stands on a line of its own."""
        if self.drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
        self.drawn, self.began = False, None
