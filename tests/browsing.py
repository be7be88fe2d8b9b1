"""Debian's Chromium under Playwright, one for all tests, and a page that lets nothing pass unnoticed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The browser's program: the one that EVERYSUM_BROWSER names, or the first that is installed."""
    named = os.environ.get("EVERYSUM_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    program = find()
    assert program is not None
    flags = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


class Watched:
    """A page, and everything about it that would be a defect: errors on its console, requests to other hosts."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.context, self.home = context, home
        self.errors: list[str] = []
        self.strangers: list[str] = []
        context.on("page", self.watch)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.note(request.url))

    def note(self, url: str) -> None:
        """Remember a request to anywhere but the page's own host."""
        parts = urlsplit(url)
        if parts.scheme in ("data", "blob", "file", "about"):
            return
        if parts.netloc != urlsplit(self.home).netloc:
            self.strangers.append(url)

    def open(self, route: str = "/") -> Page:
        """A part of the page, opened as its link is opened; ready once it shows what it has computed."""
        # what was ready before must not be taken for what is asked for now
        self.page.evaluate("() => document.querySelector('main > .page')?.removeAttribute('data-ready')")
        self.page.goto(f"{self.home}#{route}")
        return self.page

    def ready(self, times: int = 1, seconds: float = 60) -> None:
        """Wait until a chapter has been computed so many times."""
        deadline = time.monotonic() + seconds
        while int(self.page.locator("main > .page").get_attribute("data-ready") or 0) < times:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not computed {times} times in {seconds:g} s; {self.accuse()}")
            self.page.wait_for_timeout(20)

    def accuse(self) -> list[str]:
        return [f"on the console: {text}" for text in self.errors] + [
            f"asked elsewhere: {url}" for url in self.strangers
        ]


def context_of(browser: Browser, **settings: Any) -> BrowserContext:
    return browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | settings))


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong for people who see, hear or type otherwise."""
    page.wait_for_timeout(250)  # axe measures contrast, which fading falsifies
    return [
        f"{found['id']}: {node['html'][:200]} {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        for node in found["nodes"]
    ]
