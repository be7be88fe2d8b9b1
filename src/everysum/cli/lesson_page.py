"""A lesson on the terminal, drawn from its data alone: what is shown here, a web page could show as well."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from everysum.cli.curve import draw_curve
from everysum.cli.point_map import draw_map
from everysum.cli.terminal import bar, printable

WIDEST = 80
MARGIN = "  "
NAME_WIDTH = 24
BAR_WIDTH = 24
STRONG, NAMED, QUIET, GOOD, BAD = "bold", "cyan", "dim", "green", "bold red"

Data = dict[str, Any]


class Paper(Console):
    """Standard output, whose reader may leave: that ends a command as everywhere else."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Page:
    """Writes to standard output: in color on a terminal, in plain text everywhere else."""

    def __init__(self) -> None:
        on_terminal = sys.stdout.isatty()
        self.console = Paper(
            file=sys.stdout, highlight=False, markup=False, emoji=False, width=None if on_terminal else WIDEST
        )
        self.width = max(30, min(WIDEST, self.console.width))
        self.draw: dict[str, Callable[[Data], None]] = {
            "text": self.text,
            "heading": self.heading,
            "diagram": self.diagram,
            "sums": self.sums,
            "table": self.table,
            "curve": self.curve,
            "map": self.map,
            "comparison": self.comparison,
        }

    # --- the whole ----------------------------------------------------------------------------------------------------

    def contents(self, chapters: Sequence[Data]) -> None:
        """The list of all chapters."""
        self.line()
        self.line(("everysum lesson NAME", STRONG), (" teaches one of these, in the article's order:", ""))
        self.line()
        widest = max(len(chapter["name"]) for chapter in chapters)
        for place, chapter in enumerate(chapters, 1):
            self.line((f"{place:>2}  ", QUIET), (f"{chapter['name']:<{widest}}  ", NAMED), (chapter["line"], ""))
        self.line()

    def opening(self, frame: Data) -> None:
        place = f"{frame['name']} · {frame['place']} of {frame['of']}"
        gap = max(2, self.width - 4 - len(frame["title"]) - len(place))
        self.line()
        self.line((frame["title"], STRONG), (" " * gap + place, QUIET))
        self.line(("─" * (self.width - 4), QUIET))

    def block(self, frame: Data, block: Data) -> None:
        if block["kind"] == "try":
            self.trial(frame["name"], block)
        else:
            self.draw[block["kind"]](block)

    def ending(self, frame: Data) -> None:
        """What the reader may do next: change figures, read the code, go on."""
        self.line()
        self.line(("─" * (self.width - 4), QUIET))
        if frame["figures"]:
            self.line(("Your own figures: ", STRONG), (f"everysum lesson {frame['name']} --set NAME=VALUE", ""))
            widest = max(len(figure["name"]) for figure in frame["figures"])
            for figure in frame["figures"]:
                self.figure(figure, widest)
        places = [shortest_path(file) for file in frame["files"]]
        for number, place in enumerate(places):
            self.line((("Its code: " if number == 0 else " " * 10), STRONG), (place, NAMED))
        if frame["next"]:
            going_on = f"everysum lesson {frame['next']['name']}"
            self.line(("Next:     ", STRONG), (going_on, NAMED), (f"   {frame['next']['title']}", QUIET))
        self.line()

    def figure(self, figure: Data, widest: int) -> None:
        """A figure as it is now; one that the reader has set is bold."""
        changed = figure["value"] != figure["default"]
        value = repr(figure["text"]) if figure["kind"] == "text" else figure["text"]
        name, meaning = f"  {figure['name']:<{widest}}  ", figure["meaning"]
        if len(name) + len(value) + len(meaning) + 4 <= self.width:
            self.line((name, NAMED), (value, STRONG if changed else ""), (f"  {meaning}", QUIET))
        else:
            self.line((name, NAMED), (meaning, QUIET))
            self.wrapped([(value, STRONG if changed else "")], MARGIN + " " * len(name))

    # --- blocks -------------------------------------------------------------------------------------------------------

    def text(self, block: Data) -> None:
        self.line()
        self.wrapped([(block["text"], "")])

    def heading(self, block: Data) -> None:
        self.line()
        self.line((block["text"], f"{STRONG} {NAMED}"))

    def diagram(self, block: Data) -> None:
        self.line()
        for line in block["lines"]:
            self.line((line, ""))

    def sums(self, block: Data) -> None:
        names = min(NAME_WIDTH, max(len(each["name"]) for each in block["sums"]))
        values = max(len(each["number"]["figure"]) for each in block["sums"])
        seen: set[str] = set()
        self.line()
        for each in block["sums"]:
            self.sum(f"{each['name']:<{names}}", each["number"], values, "")
            self.parts(each["number"], names, "  ", seen)

    def parts(self, number: Data, names: int, indent: str, seen: set[str]) -> None:
        """The sums behind the numbers of a sum, each once in a block, further in."""
        for part in number["parts"]:
            written = f"{part['figure']} = {part['terms']}"
            if part["terms"] and written not in seen:
                seen.add(written)
                self.sum(" " * names, part, 0, indent)
                self.parts(part, names, indent + "  ", seen)

    def sum(self, name: str, number: Data, value_width: int, indent: str) -> None:
        beginning = f"{name}  {indent}{number['figure']:>{value_width}}"
        if not number["terms"]:
            self.line((name, NAMED), (beginning[len(name) :], STRONG))
            return
        hanging = len(beginning) + 3
        rows = filled(number["terms"], self.width - 2 - hanging)
        for place, terms in enumerate(rows):
            if place == 0:
                self.line(
                    (name, NAMED), (beginning[len(name) :], STRONG if not indent else ""), (" = ", QUIET), (terms, "")
                )
            else:
                self.line((" " * hanging + terms, ""))

    def table(self, block: Data) -> None:
        rows, columns = block["rows"], block["columns"]
        names = max(len(row["name"]) for row in rows)
        cells = [max(len(title), *(len(row["cells"][at]) for row in rows)) for at, title in enumerate(columns)]
        self.line()
        if any(columns):
            numeric = [any(row["values"][at] is not None for row in rows) for at in range(len(columns))]
            titles = "".join(
                f"  {title:>{cells[at]}}" if numeric[at] else f"  {title:<{cells[at]}}"
                for at, title in enumerate(columns)
            )
            self.line((" " * names + titles, QUIET))
        for row in rows:
            written = "".join(
                f"  {cell:<{cells[at]}}" if row["values"][at] is None else f"  {cell:>{cells[at]}}"
                for at, cell in enumerate(row["cells"])
            )
            drawn = ""
            if block["bars"] is not None and row["values"][block["bars"]] is not None:
                drawn = f"  {bar(min(1.0, max(0.0, row['values'][block['bars']])), BAR_WIDTH)}"
            self.line((f"{row['name']:<{names}}", NAMED), (written, STRONG if row["strong"] else ""), (drawn, NAMED))

    def curve(self, block: Data) -> None:
        points = [(place * block["every"], value) for place, value in enumerate(block["values"], 1)]
        step = block["steps"]
        self.line()
        seen = f"{step} by {step}" if block["every"] == 1 else f"every {block['every']} {step}s"
        self.line((f"{block['what']}, {seen}", QUIET))
        for line in draw_curve(points, [], width=min(72, self.width - 4), height=8):
            self.line((line, ""))

    def map(self, block: Data) -> None:
        self.line()
        for line in draw_map(block, self.width - 4):
            self.line((line, ""))

    def comparison(self, block: Data) -> None:
        self.line()
        for line in block["code"].splitlines():
            self.line(("│ ", QUIET), (line, ""))
        self.line()
        self.line((f"{block['what']}:", ""))
        names = max(len("plain"), len(block["library"]))
        for label, values in (("plain", block["plain"]), (block["library"], block["other"])):
            room = self.width - len(MARGIN) * 2 - names - 2
            self.line((f"  {label:<{names}}  ", QUIET), (listed(values, room), STRONG))
        apart = block["largest_difference"]
        said = "they agree" if block["agrees"] else "they do not agree"
        far = f"{len(block['plain']):,} numbers, at most {apart:.1e} apart: " if apart else "equal to the last digit: "
        self.line(("  " + far, QUIET), (said, GOOD if block["agrees"] else BAD))

    def trial(self, lesson: str, block: Data) -> None:
        settings = " ".join(f"--set {quoted(each)}" for each in block["assignments"])
        self.line()
        self.line(("Try  ", STRONG), (f"everysum lesson {lesson} {settings}", NAMED))
        self.wrapped([(block["shows"], "")], MARGIN + " " * 5)

    # --- lines --------------------------------------------------------------------------------------------------------

    def line(self, *parts: tuple[str, str]) -> None:
        if not parts:
            self.console.print()
            return
        text = Text.assemble(MARGIN, *((printable(part), style) for part, style in parts))
        text.rstrip()
        self.console.print(text, soft_wrap=True)

    def wrapped(self, parts: Sequence[tuple[str, str]], indent: str = MARGIN) -> None:
        """Parts as one paragraph, filled to the width."""
        text = Text.assemble(*((printable(part), style) for part, style in parts))
        for line in text.wrap(self.console, self.width - 2 - len(indent)):
            line.rstrip()
            self.console.print(Text.assemble(indent, line), soft_wrap=True)


def filled(terms: Sequence[str], width: int) -> list[str]:
    """Terms with a sign before each but the first, as many in a row as fit."""
    rows = [terms[0]]
    for term in terms[1:]:
        negative = term.startswith("−") and " " not in term
        signed = f"− {term[1:]}" if negative else f"+ {term}"
        if len(rows[-1]) + 1 + len(signed) <= width:
            rows[-1] += f" {signed}"
        else:
            rows.append(signed)
    return rows


def listed(values: Sequence[float], room: int) -> str:
    """Numbers to six digits, as many of them as there is room for."""
    figures = [f"{value:.6g}".replace("-", "−") for value in values]
    while len("  ".join(figures)) > room:
        figures = [*figures[: -2 if figures[-1] == "…" else -1], "…"]
    return "  ".join(figures)


def quoted(assignment: str) -> str:
    """As it must be typed."""
    return f'"{assignment}"' if " " in assignment else assignment


def shortest_path(file: str) -> str:
    """Where a file of this package lies, seen from here."""
    path = Path(__file__).parents[2] / file
    return min(str(path), os.path.relpath(path), key=len)
