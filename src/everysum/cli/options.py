"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ModelFolder = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A run folder, a model folder, or the name of a model downloaded.", show_default=False
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps; auto takes the fastest here.")
]
Weights = Annotated[
    Literal["auto", "float32", "bf16", "int8", "int4"],
    typer.Option(
        "--weights",
        metavar="FORM",
        help="Pack the weights as float32, bf16, int8 or int4; fewer bits are faster, and a little less exact. auto "
        "keeps the bits of the file.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.", show_default=False)]
Errors = Annotated[
    Literal["strict", "replace"],
    typer.Option("--errors", metavar="strict|replace", help="Refuse bytes that are not UTF-8, or read them as U+FFFD."),
]
TopK = Annotated[int | None, typer.Option("--top-k", metavar="K", help="Choose among the K likeliest tokens only.")]
TopP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="P", help="Choose among the likeliest that are as likely as P together."),
]
Temperature = Annotated[
    float, typer.Option(metavar="T", help="Below 1 the likely becomes likelier; 0 always takes the likeliest.")
]
