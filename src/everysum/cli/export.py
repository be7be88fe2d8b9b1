"""`everysum export`: a model for other programs, as a folder or as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from everysum.cli.options import Json, ModelFolder
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import say, write, write_json
from everysum.errors import OutputError, UsageError


def export(
    model: ModelFolder,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="A folder to make, for Hugging Face's programs.", show_default=False),
    ] = None,
    gguf: Annotated[Path | None, typer.Option("--gguf", metavar="FILE", help="A file to write, for llama.cpp.")] = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="FORM", help="float32, bfloat16 or float16 for the weights; else as they are."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a model for other programs: a folder for Hugging Face's, or a GGUF file for llama.cpp.

    A run that is not finished gives its newest good checkpoint. GGUF is for models with byte-pair tokenizers of the
    kinds gpt (with norms before each part) and llama, and for published ones of these kinds.
    """
    if folder is None and gguf is None:
        raise UsageError("nothing to write", wanted="a FOLDER, or --gguf FILE")
    if folder is not None and (folder.is_file() or (folder.is_dir() and any(folder.iterdir()))):
        raise OutputError(f"{folder} is taken", wanted="a folder that is new or empty", advice="choose another name")
    if gguf is not None and gguf.exists():
        raise OutputError(f"{gguf} is taken", advice="choose another name, or remove it first")

    from everysum.model import load

    leave_if_asked()
    opened = load(model, device="cpu", dtype=dtype)
    written = {}
    if gguf is not None:
        opened.save_gguf(gguf)
        written["gguf"] = str(gguf)
    if folder is not None:
        opened.save(folder)
        written["folder"] = str(folder)
    if json:
        write_json(written | {"dtype": str(opened.network.dtype).removeprefix("torch.")})
        return
    for name, place in written.items():
        write(place)
        size = sum(path.stat().st_size for path in ([Path(place)] if name == "gguf" else Path(place).iterdir()))
        say(f"{size:,} bytes")
