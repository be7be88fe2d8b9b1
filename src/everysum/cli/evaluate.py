"""`everysum evaluate`: how well a model predicts texts, or translates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from everysum.cli.counting import Counting
from everysum.cli.options import Device, Errors, Json, ModelFolder
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import write, write_json
from everysum.errors import UsageError

TRANSLATORS = "For translators"


def evaluate(
    model: ModelFolder,
    texts: Annotated[
        list[Path] | None,
        typer.Argument(metavar="TEXT", help="Files, folders, or - for standard input.", show_default=False),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            metavar="N",
            help="How far the window moves on: 1 gives each token the longest context, and takes longest.  "
            "[default: half the context]",
        ),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--pairs",
            metavar="SOURCES TARGETS",
            help="A file of sentences and one of their translations, line by line: BLEU, chrF and loss.",
            show_default=False,
            rich_help_panel=TRANSLATORS,
        ),
    ] = None,
    beams: Annotated[
        int,
        typer.Option("--beam", metavar="N", help="Beams to search translations with.", rich_help_panel=TRANSLATORS),
    ] = 5,
    length_penalty: Annotated[
        float,
        typer.Option("--length-penalty", metavar="X", help="Above 1 favors longer ones.", rich_help_panel=TRANSLATORS),
    ] = 1.0,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="FORM",
            help="Measure it with weights packed as bf16, int8 or int4.",
            show_default=False,
        ),
    ] = None,
    errors: Errors = "strict",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure how well a model predicts texts, or how well a translator translates.

    Loss, perplexity and bits per byte; every token is scored once, with the documents kept apart. With --pairs, BLEU
    and chrF as sacrebleu counts them, and the loss on the translations.
    """
    if pairs is not None:
        if texts or stride is not None:
            raise UsageError(f"{'TEXT' if texts else '--stride'} and --pairs do not go together", wanted="one of them")
        evaluate_pairs(model, pairs, beams, length_penalty, errors, device, weights, json)
        return
    if not texts:
        raise UsageError("there is nothing to measure on", wanted="texts, or --pairs for a translator")
    from everysum.cli.standard_input import with_spooled
    from everysum.model import load

    leave_if_asked()
    if stride is not None and stride < 1:
        raise UsageError(f"--stride cannot be {stride}", wanted="a whole number, 1 or more")
    opened = load(model, device=device, weights=weights)
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


def evaluate_pairs(
    model: Path,
    pairs: tuple[Path, Path],
    beams: int,
    length_penalty: float,
    errors: Literal["strict", "replace"],
    device: str,
    weights: str | None,
    as_json: bool,
) -> None:
    """How well a translator translates."""
    from everysum.generation.beam_search import Search
    from everysum.model import load

    leave_if_asked()
    search = Search(beams, length_penalty)
    counting = Counting("sentences", None)
    opened = load(model, device=device, weights=weights)
    found = opened.evaluate_pairs(*pairs, search=search, errors=errors, progress=counting.so_far)
    counting.clear()
    if as_json:
        write_json({"model": str(model), "pairs": [str(side) for side in pairs]} | found.as_json())
        return
    write(f"BLEU        {found.bleu.score:.2f}  {found.bleu.signature}")
    write(f"chrF        {found.chrf.score:.2f}  {found.chrf.signature}")
    write(f"loss        {found.loss.loss:.4f} nats a token of the targets, {found.loss.tokens:,} tokens")
    write(f"perplexity  {found.loss.perplexity:.2f}")
    passed_over = f", {found.passed_over:,} with an empty side passed over" if found.passed_over else ""
    write(f"sentences   {found.pairs:,}{passed_over}")
    write(f"speed       {found.sentences_per_second:.1f} sentences a second with {beams} beams")
