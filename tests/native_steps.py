"""The native step in tests: built once for all of them, and waited for where a test is about it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from everysum.files import cache_folder
from everysum.generation.native.build import begun, found
from everysum.generation.native.library import LOADING, Library

PATIENCE = 300
"""Seconds that a compiler may take on a machine that is busy."""


def share_native_step(cache: Path) -> None:
    """Let a cache of a test's own hold the native step of all tests, so that it is not built again."""
    shared = cache_folder() / "native"
    shared.mkdir(parents=True, exist_ok=True)
    (cache / "native").symlink_to(shared)


def native_library() -> Library:
    """The native step, once it is there; the test is skipped, saying so, where it cannot be built."""
    begun()
    until = time.monotonic() + PATIENCE
    while found().state == "building" and time.monotonic() < until:
        time.sleep(0.2)
    library = LOADING.get()
    if library is None:
        if found().state in ("no compiler", "switched off"):
            pytest.skip(f"no native step here: {found().state}")
        pytest.fail(f"the native step was not built: {found()}, {LOADING.build}")
    return library
