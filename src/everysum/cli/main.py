"""Where the command `everysum` starts and ends. Only what Ctrl-C needs is imported before Ctrl-C is taken care of."""

from __future__ import annotations

import signal
import sys
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came; like Ctrl-C it may come anywhere, and nothing that catches Exception should catch it."""


def run() -> None:
    """Run one command and leave with its exit code; whatever happens, never with a traceback."""
    arguments = sys.argv[1:]
    try:
        signal.signal(signal.SIGTERM, terminate)
        from everysum.cli.app import execute

        code = execute(arguments)
        sys.stdout.flush()
    except BaseException as problem:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from everysum.cli.outcome import exit_code_of

        code = exit_code_of(problem, as_json="--json" in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
