"""The inspector worked by hand in a browser: a tensor opened, a number chosen, what the page says of it read."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

SEVEN = 1e-6
"""The page writes seven or eight significant digits."""


def number(text: str) -> float:
    """A number as the page writes it."""
    mantissa, _, exponent = text.strip().replace("−", "-").partition("·10")
    digits = exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    return float(mantissa) * 10 ** int(digits or 0)


def explanation(page: Page) -> Locator:
    return page.get_by_role("region", name="the sum behind a number")


def value(page: Page, word: str) -> float:
    cell = explanation(page).locator(".values > div", has_text=re.compile(f"^{word}")).locator("dd")
    return number((cell.text_content() or "").split()[0])


def ask(page: Page, tensor: str, *moves: str) -> None:
    """Open a tensor by its chip, go to a number with the arrow keys, and choose it."""
    page.locator(".diagram-of details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    page.locator(f'.chip[data-tensor="{tensor}"]').click()
    expect(page.locator(".tensor h2")).to_have_text(tensor)
    page.wait_for_timeout(150)
    page.locator(".tensor").get_by_role("application").focus()
    for move in moves:
        page.keyboard.press(move)
    page.keyboard.press("Enter")
