"""`everysum train`: from texts to a model folder; or on with a run that was stopped; or just the recipe, shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from everysum.cli.options import Json
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import write
from everysum.cli.train_order import Order, folder_to_resume, held_out_pair, nothing_left_behind, wishes_of

WHAT, HOW, WHERE = "What to learn", "How", "Where"


def train(
    texts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TEXT",
            help="Files, folders (their .txt, .text and .md), or - for standard input.",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="SOURCE TARGET",
            help="Train a translator instead: two files, or folders of files, whose lines go together.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    valid: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TEXT",
            help="Text to measure on; may be repeated. With --pairs two: SOURCE TARGET.  "
            "[default: a tenth of TEXT, held out]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Train on the nursery stories that ship with everysum.", rich_help_panel=WHAT)
    ] = False,
    errors: Annotated[
        Literal["strict", "replace"] | None,
        typer.Option(
            metavar="strict|replace",
            help="Refuse bytes that are not UTF-8 (the default), or read them as U+FFFD.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="M", help="Time from this command to the finished folder.  [default: 5]", rich_help_panel=HOW
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="default, llama, gpt, article; for pairs transformer, separator; tiny-translator; or a run's "
            "recipe.json.",
            rich_help_panel=HOW,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one key of the recipe; may be repeated.", rich_help_panel=HOW
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Another run from the same recipe.", rich_help_panel=HOW)
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Go on from a model: a run, a model folder or a name on the hub. Its tokenizer is kept.",
            rich_help_panel=HOW,
        ),
    ] = None,
    print_recipe: Annotated[
        bool,
        typer.Option(
            "--print-recipe",
            help="Show the whole recipe, with what each key can be, and do not train.",
            rich_help_panel=HOW,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="The run's folder, a new one.  [default: runs/ and TEXT's name]", rich_help_panel=WHERE
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in RUN, as if never stopped.", rich_help_panel=WHERE)
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="auto, cpu, cuda or mps; auto takes the fastest here.  [default: auto]",
            rich_help_panel=WHERE,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Train a model on texts, or a translator on pairs. Ctrl-C saves the run, and --resume goes on with it.

    The folder it leaves is the run (recipe, log, checkpoints) and the model, opened by other programs too. Its name is
    printed on standard output when that is not a terminal.
    """
    if resume:
        asked: dict[str, object] = {
            "--pairs": pairs,
            "--valid": valid,
            "--demo": demo,
            "--errors": errors,
            "--minutes": minutes,
            "--recipe": recipe,
        }
        asked |= {
            "--from": base,
            "--set": assignments,
            "--seed": seed,
            "--device": device,
            "--print-recipe": print_recipe,
        }
        go_on(folder_to_resume(texts or [], out, asked), json)
        return
    wishes = wishes_of(
        recipe or "default", assignments or [], errors=errors, seed=seed, device=device, pairs=pairs is not None
    )
    if pairs is None:
        order = Order(tuple(texts or ()), tuple(valid or ()), out, minutes, wishes, demo, base=base)
    else:
        held_out = held_out_pair(valid or [], texts or [])
        order = Order(pairs[:1], held_out[:1], out, minutes, wishes, demo, pairs[1:], held_out[1:], base)
    if print_recipe:
        show_recipe(order, json)
    else:
        begin(order, json)


def begin(order: Order, as_json: bool) -> None:
    """A new run, told about while it goes."""
    from everysum.cli.train_events import listener

    folder = order.folder()
    with listener(as_json, order.promised_seconds) as progress, nothing_left_behind(folder):
        progress.stage("starting PyTorch")
        from everysum.training.run import train as train_run

        leave_if_asked()
        train_run(order.request(folder), progress)
        if order.demo:
            progress.demonstrate(folder)
    tell_folder(folder, as_json)


def go_on(folder: Path, as_json: bool) -> None:
    """A run that was stopped, told about like a new one."""
    from everysum import machine
    from everysum.cli.train_events import listener

    with listener(as_json, None) as progress:
        progress.stage("starting PyTorch")
        from everysum.training.run import resume as resume_run

        leave_if_asked()
        resume_run(folder, progress, machine.seconds_since_start())
    tell_folder(folder, as_json)


def show_recipe(order: Order, as_json: bool) -> None:
    """What a run would be, from measuring this machine and this text, or a text of a megabyte where none is given."""
    import json

    from everysum.cli.recipe_text import recipe_text

    recipe = order.resolved()
    write(json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False) if as_json else recipe_text(recipe))


def tell_folder(folder: Path, as_json: bool) -> None:
    """The folder's name as data, for programs: runs=$(everysum train book.txt)."""
    if not as_json and not sys.stdout.isatty():
        write(str(folder))
