"""What all tests share: shapes are checked, test material is found, and torch keeps to one core."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import install_import_hook

# before anything imports them: from here on, every annotated shape in these packages is checked at every call
install_import_hook(["everysum.layers", "everysum.models", "everysum.pretrained"], "beartype.beartype")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tiny networks run fastest on one core; tests that never imported torch need not do so for this."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test draws never depends on the tests that ran before it in the same process."""
    random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test material; the test is skipped, saying so, where it is not there."""
    folder = os.environ.get("EVERYSUM_TEST_DATA")
    if not folder:
        pytest.skip("EVERYSUM_TEST_DATA is not set: no test material")
    if not Path(folder).is_dir():
        pytest.skip(f"EVERYSUM_TEST_DATA names {folder}, which is not there: no test material")
    return Path(folder)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in an empty folder, wherever the tests were started."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("elsewhere")
    os.chdir(folder)
    yield folder
    os.chdir(before)


NO_BROWSER = "no Chromium here"


@pytest.fixture
def chromium() -> None:
    """The test is skipped where there is no browser; the summary of all tests counts it and shouts."""
    from browsing import find

    if find() is None:
        pytest.skip(NO_BROWSER)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Said here, at the top of the tests: the processes that run them print no summary of their own."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(report.longrepr)]
    if skipped:
        terminalreporter.section("THE BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests of the page had no browser: install Debian's package chromium,")
        terminalreporter.line("or name a Chromium in EVERYSUM_BROWSER.")
