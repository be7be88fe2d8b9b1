"""`everysum lesson`: the article's chapters, taught in the terminal, every sum of them."""

from __future__ import annotations

from typing import Annotated

import typer

from everysum.cli.options import Json
from everysum.cli.terminal import write_json


def lesson(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A chapter; without it all are listed.", show_default=False),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A figure of your own; may be given several times.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Learn how it all works: a chapter's text, its worked sums, and the same in torch."""
    from everysum.lessons import course

    if name is None:
        if assignments:
            refuse_figures_without_a_lesson(assignments)
        if json:
            write_json({"schema": course.SCHEMA, "chapters": [chapter.data for chapter in course.CHAPTERS]})
        else:
            from everysum.cli.lesson_page import Page

            Page().contents([chapter.data for chapter in course.CHAPTERS])
        return
    from everysum.cli.lesson_progress import Watch

    chosen = course.lesson(name, assignments or [])
    with Watch() as watch:
        if json:
            write_json(chosen.data(watch.stepped))
            return
        from everysum.cli.lesson_page import Page
        from everysum.lessons.blocks import as_data

        page, frame = Page(), chosen.frame()
        page.opening(frame)
        for block in chosen.blocks(watch.stepped):
            watch.clear()
            page.block(frame, as_data(block))
        page.ending(frame)


def refuse_figures_without_a_lesson(assignments: list[str]) -> None:
    from everysum.errors import UsageError

    raise UsageError(
        f"--set {assignments[0]!r} has no lesson to change", wanted="everysum lesson NAME --set figure=value"
    )
