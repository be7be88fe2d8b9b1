"""`everysum evaluate`: how well a model predicts texts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from everysum.cli.options import Device, Errors, Json, ModelFolder
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import write, write_json
from everysum.errors import UsageError


def evaluate(
    model: ModelFolder,
    texts: Annotated[
        list[Path],
        typer.Argument(metavar="TEXT", help="Files, folders, or - for standard input.", show_default=False),
    ],
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            metavar="N",
            help="How far the window moves on: 1 gives each token the longest context, and takes longest.  "
            "[default: half the context]",
        ),
    ] = None,
    errors: Errors = "strict",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure how well a model predicts texts.

    Loss, perplexity and bits per byte; every token is scored once, with the documents kept apart.
    """
    from everysum.cli.standard_input import with_spooled
    from everysum.model import load

    leave_if_asked()
    if stride is not None and stride < 1:
        raise UsageError(f"--stride cannot be {stride}", wanted="a whole number, 1 or more")
    opened = load(model, device=device)
    with tempfile.TemporaryDirectory() as folder:
        found = opened.evaluate(*with_spooled(texts, Path(folder)), stride=stride, errors=errors)
    if json:
        write_json({"model": str(model), "texts": [str(text) for text in texts]} | found.as_json())
        return
    write(f"loss           {found.loss:.4f} nats a token")
    write(f"perplexity     {found.perplexity:.2f}")
    write(f"bits per byte  {found.bits_per_byte:.4f}")
    write(f"tokens         {found.tokens:,}, in windows of {found.window:,} that move on by {found.stride:,}")
    write(f"bytes          {found.bytes:,}")
