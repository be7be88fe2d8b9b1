"""Contestants that take turns, each in a process of its own.

So no contestant's threads, allocator or settings concern another, a library that computes in its own threads does not
meet torch's, and all of them are timed within the same minutes. Only one of them computes at any time.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

PAUSE = 0.05
"""Seconds before a turn: threads that still wait for work in a loop go to sleep."""


class Missing(Exception):
    """A contestant that cannot take part here; the text says why."""


@dataclass(frozen=True)
class Entry:
    """How to make a contestant in its process: a class, by name so that nobody else imports it, and its arguments."""

    module: str
    kind: str
    arguments: tuple[Any, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that its process begins with."""

    def make(self) -> Any:
        return getattr(importlib.import_module(self.module), self.kind)(*self.arguments)


class Seat:
    """A contestant in its process; `ask` calls a method of it and waits."""

    def __init__(self, name: str, entry: Entry) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, entry), daemon=True)
        before = dict(os.environ)
        os.environ.update(entry.environment)
        self.process.start()
        os.environ.clear()
        os.environ.update(before)
        theirs.close()
        self.missing: str | None = self.answer()

    def ask(self, method: str, *arguments: Any) -> Any:
        self.connection.send((method, arguments))
        return self.answer()

    def answer(self) -> Any:
        try:
            return self.connection.recv()
        except EOFError:
            self.process.join()
            sys.exit(f"{self.name} broke off with exit code {self.process.exitcode}")


def serve(connection: Connection, entry: Entry) -> None:
    """The life of a contestant's process."""
    try:
        contestant = entry.make()
    except Missing as why:
        connection.send(str(why))
        return
    connection.send(None)
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        connection.send(getattr(contestant, method)(*arguments))


@dataclass
class Round:
    """Contestants at one table; those that are missing are named aloud and left out."""

    entries: Mapping[str, Entry]
    seats: dict[str, Seat] = field(default_factory=dict)
    around: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    """What `between` gave before and after each turn that was played last."""

    def __enter__(self) -> Round:
        for name, entry in self.entries.items():
            seat = Seat(name, entry)
            if seat.missing is None:
                self.seats[name] = seat
            else:
                print(f"{name}: SKIPPED, {seat.missing}", flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for seat in self.seats.values():
            seat.connection.close()
            seat.process.join()

    def ask(self, method: str, *arguments: Any) -> dict[str, Any]:
        """The answer of each contestant, one after the other."""
        return {name: seat.ask(method, *arguments) for name, seat in self.seats.items()}

    def play(
        self, repeats: int, method: str, *arguments: Any, between: Callable[[], Any] = lambda: None
    ) -> dict[str, list[Any]]:
        """The answers of so many turns of each; a first turn, in which everybody gets warm, is not counted."""
        answers: dict[str, list[Any]] = {name: [] for name in self.seats}
        self.around = {name: [] for name in self.seats}
        for turn in range(repeats + 1):
            before = between()
            for name, seat in self.seats.items():
                time.sleep(PAUSE)
                answer = seat.ask(method, *arguments)
                after = between()
                if turn:
                    answers[name].append(answer)
                    self.around[name].append((before, after))
                before = after
        return answers
