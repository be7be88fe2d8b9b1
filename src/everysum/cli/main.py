"""Where the command `everysum` starts and ends. Nothing is imported before Ctrl-C is taken care of."""

from __future__ import annotations

import signal
import sys

from everysum.cli.stopping import take_care


def run() -> None:
    """Run one command and leave with its exit code; whatever happens, never with a traceback."""
    arguments = sys.argv[1:]
    try:
        take_care()
        from everysum.cli.app import execute

        code = execute(arguments)
        sys.stdout.flush()
    except BaseException as problem:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from everysum.cli.outcome import exit_code_of

        code = exit_code_of(problem, as_json="--json" in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
