"""`everysum open`: the page in the browser, served by this machine for this machine."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from everysum.cli.options import Json
from everysum.cli.stopping import Stopped, leave_if_asked
from everysum.cli.terminal import say, write, write_json
from everysum.errors import MachineError, UsageError

HIGHEST_PORT = 65_535


def open_page(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", help="Run folders or model folders to look into.", show_default=False),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the link, or only print it.", show_default=False)
    ] = True,
    port: Annotated[int, typer.Option(metavar="N", help="0 takes a free one.")] = 0,
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Where to listen. Beyond this machine only with a token of yours in EVERYSUM_TOKEN."
        ),
    ] = "127.0.0.1",
    json: Json = False,
) -> None:
    """Open the page: the chapters to work through by hand, and your models to look into.

    The link goes to standard output. Its token lets in whoever has it; Ctrl-C ends the page.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"--port cannot be {port}", wanted=f"0 to {HIGHEST_PORT}")
    refuse_missing(models or [])

    from everysum.server.guard import Admission
    from everysum.server.limits import Limits
    from everysum.server.listening import link, listen, server_of
    from everysum.web.app import page_application

    leave_if_asked()
    admission, limits = Admission.of(host, os.environ.get("EVERYSUM_TOKEN")), Limits()
    server = server_of(page_application(admission, limits, models or []), limits)
    bound = listen(host, port)
    address = link(bound, admission)
    write_json({"link": address}) if json else write(address)
    say("Ctrl-C closes the page")
    if browser:
        show(address)
    try:
        server.run(sockets=[bound])
    except Stopped as stopped:
        say("the page is closed")
        raise typer.Exit(128 + stopped.signal_number) from None
    finally:
        bound.close()
    if not server.started:
        raise MachineError("the server could not start")


def refuse_missing(models: list[Path]) -> None:
    """A folder that is not there, said before anything starts."""
    from everysum.errors import ModelFolderError

    for model in models:
        if not model.is_dir():
            raise ModelFolderError(f"there is no model folder {model}", wanted="a run folder or a model folder")


def show(address: str) -> None:
    """In the user's browser; where there is none, the printed link has to do."""
    try:
        shown = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        shown = False
    if not shown:
        say("no browser could be opened: open the link yourself")
