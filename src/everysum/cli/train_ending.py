"""The last lines of a run's screen: the loss curve, what it came to, and what to try next."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from everysum.cli.curve import DISC, Point, draw_curve
from everysum.cli.terminal import duration, printable

if TYPE_CHECKING:
    from everysum.training.progress import Result

WIDEST = 96
DEMO_PROMPT = "Humpty Dumpty"
DEMO_TOKENS = 120
DEMO_TEMPERATURE = 0.5


def ending(result: Result, width: int) -> list[Text]:
    """The curve, the figures, the verdict, and the next commands."""
    lines = [Text(), *curve_lines(result.folder, min(width, WIDEST)), Text()]
    figures = f"training loss {result.train_loss:.3f}"
    if result.held_out:
        measured = result.held_out
        lines.append(
            Text.assemble(
                "held-out loss ",
                (f"{measured.loss:.3f}", "bold"),
                f"  perplexity {measured.perplexity:.2f}  ",
                (f"{measured.bits_per_byte:.3f}", "bold"),
                f" bits per byte  {figures}",
            )
        )
    else:
        lines.append(Text(figures))
    lines += [Text(line) for line in textwrap.wrap(result.verdict, min(width, WIDEST))]
    return [*lines, Text(), *next_commands(result)]


def curve_lines(folder: Path, width: int) -> list[Text]:
    """The whole run's losses from its log, those before a stop included."""
    from everysum.training.log import read_log

    train: list[Point] = []
    held_out: list[Point] = []
    for line in read_log(folder):
        if "loss" in line:
            train.append((line["step"], line["loss"]))
        elif "held_out" in line:
            held_out.append((line["step"], line["held_out"]["loss"]))
    if len(train) < 2:
        return []
    drawn = [Text(line) for line in draw_curve(train, held_out, width=width)]
    for row in drawn:
        row.highlight_regex(re.compile("[\u2801-\u28ff]+"), "cyan")
        row.highlight_regex(re.compile(DISC), "bold yellow")
    legend = Text.assemble("loss by step   ", ("⠤⠤", "cyan"), " training")
    if held_out:
        legend.append_text(Text.assemble("   ", (DISC, "bold yellow"), " held out"))
    return [*drawn, legend]


def next_commands(result: Result) -> list[Text]:
    """What to try next, with the folder's own name."""
    folder = shlex.quote(str(result.folder))
    again = shlex.quote(f"{result.folder}-2")
    trying = (
        f'everysum generate {folder} "Once upon a time"',
        f'everysum generate {folder} "Once upon a ti" --chances',
        f"everysum evaluate {folder} another.txt",
    )
    if result.task != "text":
        trying = (
            f'everysum translate {folder} "Wo wohnst du?"',
            f'everysum translate {folder} "Wo wohnst du?" --look',
            f"everysum evaluate {folder} --pairs test.de test.en",
        )
    commands = (
        *trying,
        f"everysum train --recipe {shlex.quote(str(result.folder / 'recipe.json'))} --seed 2 --out {again}",
    )
    first = (
        f"Saved in {result.folder} after {result.steps:,} steps, {duration(result.seconds)} in all. What to try next:"
    )
    return [Text(first), *(Text(f"  {command}", "cyan", no_wrap=True) for command in commands)]


def sample_block(text: str, width: int) -> list[Text]:
    """A text of the model's own, set apart."""
    inner = min(width, WIDEST) - 4
    lines = [part for line in printable(text).strip().splitlines() for part in textwrap.wrap(line, inner) or [""]]
    return [Text.assemble(("  │ ", "dim"), (line, "italic")) for line in lines]


def demonstration(folder: Path, width: int) -> list[Text]:
    """What the finished model makes of a prompt."""
    from everysum.model import load

    text = load(folder).generate(DEMO_PROMPT, tokens=DEMO_TOKENS, temperature=DEMO_TEMPERATURE, seed=1)
    options = f"--tokens {DEMO_TOKENS} --temperature {DEMO_TEMPERATURE} --seed 1"
    command = f'everysum generate {shlex.quote(str(folder))} "{DEMO_PROMPT}" {options}'
    return [
        Text(),
        Text(f"$ {command}", "cyan", no_wrap=True),
        *sample_block(DEMO_PROMPT + text, width),
    ]
