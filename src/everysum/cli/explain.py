"""`everysum explain`: which sum made a number of a model's pass over a prompt, and what moves when one is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from everysum.cli.explain_views import show_numbers, show_prediction, show_replay, show_tensors
from everysum.cli.options import Device, Json, ModelFolder
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import read_input, say, write, write_json
from everysum.errors import UsageError

if TYPE_CHECKING:
    from everysum.model import Model

INSTEAD = "Instead of the prediction"


def explain(
    model: ModelFolder,
    prompt: Annotated[
        str,
        typer.Argument(metavar="PROMPT", help="What the model reads; - reads standard input.", show_default=False),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TEXT",
            help="For a translator, which reads PROMPT: its translation so far.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="NUMBER",
            help="A number of the pass, such as 'logits[-1, \"y\"]'; may be repeated.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    depth: Annotated[
        int, typer.Option("--depth", metavar="N", help="With --at: how many operations back.", rich_help_panel=INSTEAD)
    ] = 1,
    tensors: Annotated[
        bool,
        typer.Option("--list", help="Every tensor of the pass: name, axes, what made it.", rich_help_panel=INSTEAD),
    ] = False,
    nudge: Annotated[
        list[str] | None,
        typer.Option(
            "--nudge",
            metavar="NUMBER=VALUE",
            help="Run the pass once more with this number changed; may be repeated.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    slope: Annotated[
        list[str] | None,
        typer.Option(
            "--slope",
            metavar="NUMBER",
            help="How fast the loss grows with this number, by formula and by nudging.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    verify: Annotated[
        int | None,
        typer.Option(
            "--verify",
            metavar="N",
            help="Recompute N numbers of the pass from their explanations.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE.html",
            help="Write it all into one page, to be opened from disk.",
            rich_help_panel=INSTEAD,
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", help="How many of the likeliest tokens to show.")] = 5,
    shown: Annotated[int, typer.Option("--shown", metavar="N", help="How many terms of a long sum to show.")] = 20,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="TYPE", help="Compute in float32 or float64 instead of the model's own type."),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Open a prediction up: every number with the sum that made it.

    The likeliest next tokens, and where the logit of the first comes from: its last sum, what each part of the network
    added to it, and the way back along the largest terms. A translator's prompt is the sentence to translate.
    """
    refuse_several(
        {
            "--at": at,
            "--list": tensors,
            "--nudge": nudge,
            "--slope": slope,
            "--verify": verify is not None,
            "--save": save,
        }
    )
    for option, number in {"--depth": depth, "--count": count, "--shown": shown, "--verify": verify}.items():
        if number is not None and number < 1:
            raise UsageError(f"{option} cannot be {number}", wanted="a whole number, 1 or more")
    changes = [change_of(assignment) for assignment in nudge or ()]
    if dtype not in (None, "float32", "float64"):
        raise UsageError(f"--dtype cannot be {dtype!r}", wanted="float32 or float64")
    text = read_input("the prompt").removesuffix("\n") if prompt == "-" else prompt

    from everysum.model import load

    leave_if_asked()
    opened = load(model, device=device, dtype=dtype)
    if save is not None:
        write_page(opened, text, target, save, model.resolve().name, json)
        return
    record = opened.record(text, target=target)
    if tensors:
        show_tensors(record, json)
    elif at:
        show_numbers([record.number(where) for where in at], depth, shown, json)
    elif changes:
        show_replay(record, {record.number(where): value for where, value in changes}, count, json)
    elif slope:
        slopes = [record.gradient("loss", of=record.number(where)) for where in slope]
        write_json({"slopes": [found.as_json() for found in slopes]}) if json else write("\n\n".join(map(str, slopes)))
    elif verify is not None:
        verdict = record.verify(verify)
        write_json(verdict.as_json()) if json else write(str(verdict))
    else:
        show_prediction(record.prediction(count=count), shown, json)


def write_page(model: Model, prompt: str, target: str | None, path: Path, title: str, as_json: bool) -> None:
    """The pass in one file."""
    from everysum.files import readable_size
    from everysum.web.saved import save_page

    save_page(model, prompt, path, title, target=target)
    size = path.stat().st_size
    write_json({"page": str(path), "bytes": size}) if as_json else write(str(path))
    say(f"{readable_size(size)}, with all numbers inside: open it in any browser")


def change_of(assignment: str) -> tuple[str, float]:
    """The number and the value that NUMBER=VALUE says."""
    where, equals, value = assignment.rpartition("=")
    try:
        if not equals or not where:
            raise ValueError
        return where.strip(), float(value.replace("−", "-"))
    except ValueError:
        raise UsageError(
            f"--nudge {assignment!r} changes nothing",
            wanted="NUMBER=VALUE, such as 'blocks.0.attention.query.weight[3,5]=0.18'",
        ) from None


def refuse_several(asked: dict[str, object]) -> None:
    """One question at a time."""
    given = [option for option, value in asked.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} do not go together", wanted="one of them")
