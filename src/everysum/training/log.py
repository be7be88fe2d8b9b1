"""The log of a run: one JSON object a line, in `log.jsonl`; what a run did, for people, plots and other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from everysum.errors import ModelFolderError
from everysum.files import output_errors

LOG = "log.jsonl"


class Log:
    """Appends lines. On resuming it is first cut back to the length that it had at the checkpoint."""

    def __init__(self, folder: Path, length: int = 0) -> None:
        self.path = folder / LOG
        came = self.path.stat().st_size if self.path.exists() else 0
        if came < length:
            raise ModelFolderError(
                f"{self.path} is shorter than it was at the checkpoint",
                wanted=f"at least {length} bytes",
                came=f"{came} bytes",
                advice="put the whole log back, or remove the folder's checkpoints to begin the run again",
            )
        with output_errors(self.path):
            self.file = self.path.open("ab")
            self.file.truncate(length)

    def write(self, **line: Any) -> None:
        with output_errors(self.path):
            self.file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self.file.flush()

    def length(self) -> int:
        """The bytes written so far, safely on the disk."""
        with output_errors(self.path):
            os.fsync(self.file.fileno())
            return self.path.stat().st_size

    def close(self) -> None:
        with output_errors(self.path):
            self.file.close()


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """Every whole line of a run's log; a last line cut short by a crash is left out."""
    with (folder / LOG).open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # a line that was cut may end within a character
                yield json.loads(line)
