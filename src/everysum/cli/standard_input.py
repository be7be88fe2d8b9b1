"""Standard input as one of the texts: kept as a file first, since a text is read more than once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from everysum.cli.terminal import say
from everysum.errors import InputError, UsageError

DASH = Path("-")


def with_spooled(texts: Sequence[Path], folder: Path) -> list[Path]:
    """The texts, with `-` replaced by a file in this folder that holds what came in on standard input."""
    from everysum.data.text import spool_stdin

    if texts.count(DASH) > 1:
        raise UsageError("standard input can be read only once", wanted="one -", came=f"{texts.count(DASH)}")
    if DASH not in texts:
        return list(texts)
    if sys.stdin.isatty():
        say("reading the text from the terminal; Ctrl-D ends it")
    path = spool_stdin(folder)
    if path.stat().st_size == 0:
        path.unlink()
        raise InputError("standard input is empty", wanted="a text, such as from: zcat book.txt.gz | everysum …")
    return [path if text == DASH else text for text in texts]
