"""Every chapter: opened, its main control worked by hand, and every number on the page the one that Python computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from browsing import violations
from chapter_pages import QUICK, control, opened, press, slide
from playwright.sync_api import Page, expect

from everysum.lessons.course import CHAPTERS, lesson


@dataclass(frozen=True)
class Work:
    """What is done with a chapter's control, and which figures the lesson must have then."""

    act: Callable[[Page], None]
    then: tuple[str, ...]


WORKS = {
    "network": Work(slide("red", "200"), ("object.red=200",)),
    "matrix": Work(slide("two rows of three numbers", "1 2 3 4 5 6"), ("first=1 2 3 4 5 6",)),
    "deviation": Work(slide("how far apart are these?", "2 4 4 4 5 5 7 9"), ("numbers=2 4 4 4 5 5 7 9",)),
    "training": Work(press("One epoch more"), ("epochs=151",)),
    "gradient": Work(slide("each layer multiplies by this", "2"), ("weight=2",)),
    "cross-entropy": Work(
        lambda page: control(page).get_by_label("the right answer").select_option("flower"), ("wanted=flower",)
    ),
    "characters": Work(slide("what it learns to say", "jack and jill went"), ("sentence=jack and jill went",)),
    "one-hot": Work(slide("shown one-hot", "wall"), ("word=wall",)),
    "embedding": Work(slide("which random numbers to start from", "5"), ("seed=5",)),
    "sub-words": Work(press("One merge more"), ("merges=10",)),
    "attention": Work(
        lambda page: control(page).get_by_role("button", name="sat: one to the left").click(),
        ("dumpty=−0.5 0.8", "sat=0.4 1.5"),
    ),
    "softmax": Work(slide("below 1 bolder, above 1 more daring", "0.3"), ("temperature=0.3",)),
    "residual": Work(slide("its height", "30"), ("layers=30",)),
    "normalization": Work(slide("what comes in", "5 5 5 5"), ("numbers=5 5 5 5",)),
    "dropout": Work(press("Throw again"), ("seed=2",)),
    "heads": Work(press("Other weights"), ("seed=2",)),
    "positions": Work(slide("how many positions there are: the context length", "4"), ("length=4",)),
    "gpt": Work(slide("below 1 bolder, above 1 more daring", "2"), ("temperature=2",)),
    "separator": Work(slide("how many tokens the model sees at once", "12"), ("context=12",)),
    "transformer": Work(slide("which of the three sentences to look into", "2"), ("sentence=2",)),
    "llama": Work(slide("where it stands", "9"), ("position=9",)),
}


def figures_of(data: dict[str, Any]) -> list[str]:
    """Every number and word of a lesson's sums and tables, in their order."""
    return [text for block in data["blocks"] for text in figures_in(block)]


def figures_in(block: dict[str, Any]) -> Iterator[str]:
    if block["kind"] == "sums":
        for each in block["sums"]:
            yield from figures_behind(each["number"])
    if block["kind"] == "table":
        single_bars = block["bars"] is not None and len(block["columns"]) == 1
        for row in block["rows"]:
            yield from row["cells"][:1] if single_bars else row["cells"]


def figures_behind(number: dict[str, Any]) -> Iterator[str]:
    yield number["figure"]
    for part in number["parts"]:
        if part["terms"]:
            yield from figures_behind(part)


def figures_on(page: Page) -> list[str]:
    return page.locator(".blocks").evaluate(
        "place => [...place.querySelectorAll('[data-figure]')].map(e => e.textContent)"
    )


def test_no_chapter_is_forgotten() -> None:
    assert list(WORKS) == [chapter.name for chapter in CHAPTERS]


ALWAYS = ("network", "attention", "transformer")
"""A browser takes seconds for a chapter: these are opened in `make test`, all in `make test-page`."""


@pytest.mark.parametrize("watched", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.page]) for name in WORKS]
)
def test_each_chapter_shows_python_s_numbers_before_and_after_its_control_is_worked(name, watched) -> None:
    page = opened(watched, name)
    before = lesson(name, QUICK.get(name, ())).data()
    expect(page.get_by_role("heading", level=1)).to_have_text(before["title"])
    assert figures_on(page) == figures_of(before)
    WORKS[name].act(page)
    watched.ready(2)
    page.wait_for_timeout(50)
    after = lesson(name, (*QUICK.get(name, ()), *WORKS[name].then)).data()
    expect_eventually(page, figures_of(after))
    assert page.get_by_role("alert").count() == 0
    page.locator(".page details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page) == []
    files = page.locator(".page > div").last.locator("summary code")
    assert files.all_text_contents() == before["files"]
    following = page.get_by_role("navigation", name="Chapters before and after").get_by_role("link").last
    assert before["next"] is None or before["next"]["title"] in (following.text_content() or "")


def expect_eventually(page: Page, figures: list[str]) -> None:
    """The newest answer may still be on its way."""
    for _ in range(400):
        if figures_on(page) == figures:
            return
        page.wait_for_timeout(25)
    assert figures_on(page) == figures


def test_long_work_shows_how_far_it_is_and_can_be_cancelled(watched) -> None:
    page = watched.open("/chapter/gpt?set=steps%3D5000")
    page.get_by_role("progressbar").wait_for()
    expect(page.locator(".said")).to_contain_text("of 5,000")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    assert opened(watched, "matrix").get_by_role("heading", level=1).text_content() == lesson("matrix").chapter.title


def test_figures_that_cannot_be_are_refused_on_the_page_in_the_terminal_s_words(watched) -> None:
    page = opened(watched, "softmax")
    watched.open("/chapter/softmax?set=temperature%3D0")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("temperature")
    expect(alert).to_contain_text("0.05")
    watched.errors = [error for error in watched.errors if "400" not in error]


def test_the_code_of_a_chapter_is_read_on_the_page(watched) -> None:
    page = opened(watched, "network")
    page.get_by_text("everysum/plain/network.py").click()
    expect(page.locator("details[open] pre code").last).to_contain_text("def neuron(")
