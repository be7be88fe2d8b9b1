"""The page in a browser: served as `everysum open` serves it, watched for errors and for requests to other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Watched, context_of, find, started

from everysum.server.guard import Admission
from everysum.server.limits import Limits
from everysum.server.listening import listen, running
from everysum.web.app import page_application

TOKEN = "a-token-of-the-tests"
NOT_RUN: list[str] = []
"""Tests that had no browser."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if NOT_RUN:
        terminalreporter.section("THE BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(NOT_RUN)} tests of the page had no browser: install Debian's package chromium,")
        terminalreporter.line("or name a Chromium in EVERYSUM_BROWSER.")


@pytest.fixture(scope="session")
def home() -> Iterator[str]:
    """The page's address, token and all, without a route."""
    limits = Limits()
    bound = listen("127.0.0.1", 0)
    app = page_application(Admission(token=TOKEN), limits)
    with running(app, bound, limits):
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with started() as running_browser:
        yield running_browser


@pytest.fixture
def watched(request: pytest.FixtureRequest, home: str) -> Iterator[Watched]:
    """A fresh page; the test fails if anything went wrong on it, whatever else it asserts."""
    if find() is None:
        NOT_RUN.append(request.node.nodeid)
        pytest.skip("no Chromium here")
    settings = getattr(request, "param", {})
    context = context_of(request.getfixturevalue("browser"), **settings)
    page = Watched(context, home)
    page.page.goto(f"{home}?token={TOKEN}")
    yield page
    context.close()
    assert page.accuse() == []
