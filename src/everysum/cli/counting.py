"""How far long work has come, told on standard error: a line that lives on a terminal, elsewhere one now and then."""

from __future__ import annotations

import os
import sys
import time

from everysum.cli.terminal import close_quietly, duration

SILENT, TOLD_EVERY, REDRAWN_EVERY = 2.0, 10.0, 0.2
"""Seconds: work shorter than this is done without a word; then between two lines; between two states of a live line."""


class Counting:
    """Counts what is done of `total` (None: not known), and says so with the pace and the time left."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done = what, total, 0
        self.began = time.monotonic()
        self.alive = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.told = self.began + SILENT - (REDRAWN_EVERY if self.alive else TOLD_EVERY)
        self.drawn = False

    def so_far(self, done: int) -> None:
        """So many are done in all."""
        self.done = done
        now = time.monotonic()
        if now - self.told >= (REDRAWN_EVERY if self.alive else TOLD_EVERY) and done != self.total:
            self.told = now
            self.say(self.line(now - self.began))

    def line(self, seconds: float) -> str:
        pace = self.done / max(seconds, 1e-9)
        if self.total is None:
            return f"{self.done:,} {self.what}  {pace:,.1f}/s"
        left = (self.total - self.done) / pace if pace else 0.0
        return f"{self.done:,} of {self.total:,} {self.what}  {pace:,.1f}/s  {duration(left)} left"

    def say(self, line: str) -> None:
        self.put(f"\r\x1b[K{line}" if self.alive else f"{line}\n")
        self.drawn = self.alive

    def clear(self) -> None:
        """Take the live line away, before something else is written and at the end."""
        if self.drawn:
            self.put("\r\x1b[K")
            self.drawn = False

    def put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except BrokenPipeError:
            close_quietly()
