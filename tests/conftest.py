"""What all tests share: shapes are checked, test material is found, and torch keeps to one core."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# before anything imports them: from here on, every annotated shape in these packages is checked at every call
install_import_hook(["everysum.layers", "everysum.models", "everysum.pretrained"], "beartype.beartype")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tiny networks run fastest on one core; tests that never imported torch need not do so for this."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test material; the test is skipped, saying so, where it is not there."""
    folder = os.environ.get("EVERYSUM_TEST_DATA")
    if not folder:
        pytest.skip("EVERYSUM_TEST_DATA is not set: no test material")
    if not Path(folder).is_dir():
        pytest.skip(f"EVERYSUM_TEST_DATA names {folder}, which is not there: no test material")
    return Path(folder)
