"""Lines to work through one by one: of files, or of standard input as they come."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from everysum.cli.terminal import say
from everysum.errors import InputError

DASH = Path("-")
GATHERING = 0.02
"""Seconds without another line after which those that came are worked on."""


@dataclass(frozen=True)
class Line:
    """A line without its end, and where it stands."""

    text: str
    source: str
    number: int

    @property
    def name(self) -> str:
        return f"line {self.number} of {self.source}"


def lines_of_files(paths: Sequence[Path]) -> list[Line]:
    """All lines of files; InputError names a file that cannot be read, and the line that is not UTF-8."""
    lines: list[Line] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                lines += decoded(file, str(path))
        except OSError as problem:
            raise InputError(f"{path} cannot be read: {problem.strerror}") from None
    return lines


def decoded(file: Iterable[bytes], source: str) -> Iterator[Line]:
    """The lines of a file that holds UTF-8; a byte-order mark at its start and CR before a line's end do not count."""
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as problem:
            byte = problem.object[problem.start]
            raise InputError(
                f"line {number} of {source} is not text in UTF-8",
                came=f"the byte 0x{byte:02x} as its byte {problem.start + 1}",
            ) from None
        yield Line(text.removesuffix("\n").removesuffix("\r"), source, number)


def together(lines: Sequence[Line], most: int) -> Iterator[list[Line]]:
    """So many lines at a time."""
    for start in range(0, len(lines), most):
        yield list(lines[start : start + most])


def as_they_come(most: int, file: BinaryIO | None = None) -> Iterator[list[Line]]:
    """The lines of standard input: those that are there, up to `most`, without waiting for more once there are some.

    A line that is not UTF-8 is refused when those before it have been given out.
    """
    if file is None:
        if sys.stdin.isatty():
            say("reading sentences from the terminal, one a line; Ctrl-D ends it")
        file = own_handle(sys.stdin.buffer)
    coming: queue.Queue[Line | InputError | None] = queue.Queue(2 * most)

    def read() -> None:
        try:
            for line in decoded(iter(file.readline, b""), "standard input"):
                coming.put(line)
            coming.put(None)
        except InputError as problem:
            coming.put(problem)

    threading.Thread(target=read, daemon=True).start()
    ended: Line | InputError | None = Line("", "", 0)
    while isinstance(ended, Line):
        some, ended = gathered(coming, most)
        if some:
            yield some
    if ended is not None:
        raise ended


def own_handle(file: BinaryIO) -> BinaryIO:
    """The same input through a file object of the reading thread's own: Python may leave while it waits."""
    try:
        return os.fdopen(os.dup(file.fileno()), "rb")
    except OSError:  # a stream in memory
        return file


def gathered(coming: queue.Queue[Line | InputError | None], most: int) -> tuple[list[Line], Line | InputError | None]:
    """At least one line, up to `most` of those that are there; and what came last."""
    some: list[Line] = []
    last = coming.get()
    while isinstance(last, Line):
        some.append(last)
        if len(some) == most:
            break
        try:
            last = coming.get(timeout=GATHERING)
        except queue.Empty:
            break
    return some, last
