"""Ctrl-C and SIGTERM where there is nothing to save; in training `everysum.training.run` takes over."""

from __future__ import annotations

import signal
from types import FrameType

asked: list[int] = []
"""The signals that came."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; it may come anywhere, and what catches Exception should not catch it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def take_care() -> None:
    """From now on, both signals end the command with a word and an exit code."""
    asked.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def stop(number: int, frame: FrameType | None) -> None:
    asked.append(number)
    raise Stopped(number)


def leave_if_asked() -> None:
    """Stop after all if a signal came while libraries were imported: some swallow every exception meanwhile."""
    if asked:
        raise Stopped(asked[0])
