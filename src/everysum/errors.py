"""Everything that everysum refuses, as a family of errors.

    EverysumError                1  anything below
    ├── UsageError               2  a flag, a recipe key or a size that cannot be
    ├── InputError               3  a text or a prompt that cannot be used
    ├── ModelFolderError         4  a model folder or checkpoint that is missing or broken
    ├── OutputError              5  a folder that cannot be written, is taken, or a disk that is full
    ├── TrainingError            6  a run that cannot go on: its loss is no longer a number
    ├── MachineError             7  what was asked for needs a device or library that is not here
    └── Interrupted        130/143  Ctrl-C or SIGTERM ended a run, which was saved first

The number is the exit code of the command line; 0 is success. Every message says what was wrong and, where it helps,
what was wanted, what came and what to do.
"""

from __future__ import annotations


class EverysumError(Exception):
    """Something asked of everysum cannot be done; the text says what was wanted, what came and what to do."""

    exit_code = 1

    def __init__(
        self, problem: str, *, wanted: str | None = None, came: str | None = None, advice: str | None = None
    ) -> None:
        self.problem, self.wanted, self.came, self.advice = problem, wanted, came, advice
        lines = [problem]
        lines += [f"  {label}: {text}" for label, text in (("wanted", wanted), ("came", came), ("do", advice)) if text]
        super().__init__("\n".join(lines))

    def as_json(self) -> dict[str, str | int]:
        """The parts that have something to say, for programs."""
        parts = {name: getattr(self, name) for name in ("problem", "wanted", "came", "advice")}
        said = {name: text for name, text in parts.items() if text}
        return {"kind": type(self).__name__, "exit_code": self.exit_code, **said}


class UsageError(EverysumError):
    """A flag, a recipe key or a size that cannot be."""

    exit_code = 2


class InputError(EverysumError):
    """A text or a prompt that cannot be used: missing, empty, binary, not UTF-8, too short, too long."""

    exit_code = 3


class ModelFolderError(EverysumError):
    """A model folder, run folder or checkpoint that is missing, incomplete or damaged."""

    exit_code = 4


class OutputError(EverysumError):
    """A folder that cannot be written to, exists already, or a disk without room."""

    exit_code = 5


class TrainingError(EverysumError):
    """A run that cannot go on, such as one whose loss is no longer a finite number."""

    exit_code = 6


class MachineError(EverysumError):
    """What was asked for needs a device or a library that this machine does not have."""

    exit_code = 7


class Interrupted(EverysumError):
    """Ctrl-C (signal 2) or SIGTERM (signal 15) ended a run; the exit code is 128 + the signal's number."""

    def __init__(self, signal_number: int, problem: str, *, advice: str | None = None) -> None:
        super().__init__(problem, advice=advice)
        self.exit_code = 128 + signal_number
