"""How a command ends: what went wrong in words, or as JSON, on standard error, and the exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import traceback

from everysum.cli.stopping import Stopped
from everysum.cli.terminal import close_quietly
from everysum.errors import EverysumError, OutputError

PIPE_CLOSED = 128 + 13
"""What a program that dies of SIGPIPE exits with: nobody reads on, as in `everysum generate … | head -1`."""


def exit_code_of(problem: BaseException, *, as_json: bool) -> int:
    """Say what happened and return the exit code for it."""
    if isinstance(problem, SystemExit):
        return problem.code if isinstance(problem.code, int) else 1
    if isinstance(problem, BrokenPipeError):
        close_quietly()
        return PIPE_CLOSED
    refusal = as_refusal(problem)
    try:
        print(json.dumps({"error": refusal.as_json()}) if as_json else str(refusal), file=sys.stderr)
        if refusal.__cause__ is not None and os.environ.get("EVERYSUM_DEBUG"):
            traceback.print_exception(refusal.__cause__)
        sys.stdout.flush()
    except OSError:
        close_quietly()
    return refusal.exit_code


def as_refusal(problem: BaseException) -> EverysumError:
    """The problem as one of the family; what nobody foresaw is its cause."""
    if isinstance(problem, EverysumError):
        return problem
    if isinstance(problem, KeyboardInterrupt):
        number = problem.signal_number if isinstance(problem, Stopped) else signal.SIGINT
        ended = EverysumError("interrupted" if number == signal.SIGINT else "terminated")
        ended.exit_code = 128 + number
        return ended
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("the disk is full", advice="make room, then start again")
    summary = " ".join(f"{type(problem).__name__}: {problem}".split())
    unforeseen = EverysumError(f"unforeseen {summary} — please report it with what EVERYSUM_DEBUG=1 shows")
    unforeseen.__cause__ = problem
    return unforeseen
