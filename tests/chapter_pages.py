"""Chapters in a browser: opened with figures that make them quick, and their controls worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from browsing import Watched
from playwright.sync_api import Locator, Page

QUICK: dict[str, tuple[str, ...]] = {
    "characters": ("epochs=4",),
    "one-hot": ("epochs=1",),
    "embedding": ("epochs=2", "width=2"),
    "dropout": ("epochs=10",),
    "gpt": ("steps=1", "characters=5"),
    "separator": ("epochs=1",),
    "transformer": ("epochs=1",),
}
"""Figures with which the lessons that train something are quick."""


def control(page: Page) -> Locator:
    return page.get_by_role("region", name="By hand")


def press(name: str) -> Callable[[Page], None]:
    return lambda page: control(page).get_by_role("button", name=name, exact=True).click()


def slide(label: str, value: str) -> Callable[[Page], None]:
    """Set a number of the control, by its label."""
    return lambda page: control(page).get_by_label(label, exact=True).first.fill(value)


def opened(watched: Watched, name: str, *settings: str) -> Page:
    asked = urlencode([("set", text) for text in (*QUICK.get(name, ()), *settings)])
    page = watched.open(f"/chapter/{name}?{asked}" if asked else f"/chapter/{name}")
    watched.ready()
    return page


def number(text: str) -> float:
    return float(text.replace("−", "-"))
