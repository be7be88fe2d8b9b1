"""One finished tiny run, shared by all tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import train_tiny, write_text


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="session")
def finished(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never stopped."""
    out = tmp_path_factory.mktemp("finished") / "run"
    train_tiny(text, out)
    return out
