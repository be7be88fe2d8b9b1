"""`everysum download`: fetch a model of the Hugging Face hub once; every other command then opens it by its name."""

from __future__ import annotations

from typing import Annotated

import typer

from everysum.cli.options import Json
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import say, write, write_json


def download(
    name: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The model's name on the hub.", show_default=False)],
    revision: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="A branch, a tag or a commit.  [default: the newest]"),
    ] = None,
    json: Json = False,
) -> None:
    """Download a model of the Hugging Face hub; no other command ever does.

    Configuration, weights in safetensors and the tokenizer are fetched, no code. The name then stands for the commit
    that was fetched, until it is downloaded again. The folder is printed on standard output.
    """
    from everysum.pretrained.hub import published

    leave_if_asked()
    found = published(name, download=True, revision=revision)
    if json:
        write_json({"name": found.name, "commit": found.commit, "folder": str(found.folder)})
        return
    write(str(found.folder))
    say(f"{found.name} at commit {found.commit}; open it with: everysum generate {name}")
