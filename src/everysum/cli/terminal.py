"""Writing for people and for programs: data on standard output, talk on standard error, in UTF-8."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

from everysum.errors import InputError


def prepare_streams() -> None:
    """Write UTF-8 into pipes and files whatever the locale, and never fail on a character that cannot be shown."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def write(text: str, end: str = "\n", *, strong: bool = False) -> None:
    """Data: to standard output, at once. A terminal is spared control characters that a model may have made.

    `strong` text is bold where standard output is a terminal that may be styled.
    """
    if sys.stdout.isatty():
        text = printable(text)
        if strong and text and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            text = f"\x1b[1m{text}\x1b[0m"
    sys.stdout.write(text + end)
    sys.stdout.flush()


def write_json(value: Any) -> None:
    """One JSON object on one line of standard output."""
    write(json.dumps(value, ensure_ascii=False))


def say(text: str) -> None:
    """Talk: to standard error."""
    print(text, file=sys.stderr, flush=True)


def read_input(what: str) -> str:
    """All of standard input as text; InputError, with the offset, where it is not UTF-8."""
    if sys.stdin.isatty():
        say(f"reading {what} from the terminal; Ctrl-D ends it")
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InputError(
            "standard input is not text in UTF-8",
            came=f"the byte 0x{problem.object[problem.start]:02x} at offset {problem.start}",
        ) from None


def printable(text: str) -> str:
    """The text with its control characters shown as U+FFFD, line ends and tabs excepted; CR LF becomes LF."""
    shown = (c if c in "\n\t" or ord(c) >= 0xA0 or " " <= c <= "~" else "\ufffd" for c in text if c != "\r")
    return "".join(shown)


def quoted(token: bytes) -> str:
    r"""A token as one looks at it: ' the', '\n', or '\xe2\x80' where its bytes are only a part of a character."""
    try:
        return repr(token.decode("utf-8"))
    except UnicodeDecodeError:
        return repr(token)[1:]


def bar(share: float, width: int = 20) -> str:
    """A share between 0 and 1 as a bar, to an eighth of a column."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def duration(seconds: float) -> str:
    """Minutes and seconds: 1:05, or 1:02:05 from an hour on."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def close_quietly() -> None:
    """Let what is still to be written go nowhere, so that Python does not complain about it on leaving."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
