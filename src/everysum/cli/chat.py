"""`everysum chat`: questions and answers with a model that was trained for them."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from everysum.cli.options import Device, Json, ModelFolder, Temperature, TopK, TopP, Weights
from everysum.cli.stopping import Stopped, asked, leave_if_asked
from everysum.cli.terminal import say, write, write_json
from everysum.errors import InputError

if TYPE_CHECKING:
    from everysum.generation.chat import Chat
    from everysum.generation.sampling import Sampling

HELP = "/reset forgets what was said · /quit, or Ctrl-D, leaves · Ctrl-C stops an answer · // begins a message with /"


def chat(
    model: ModelFolder,
    system: Annotated[
        str | None, typer.Option("--system", metavar="TEXT", help="What the model is told before everything else.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", metavar="N", help="At most so many in each answer.")] = 500,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="The same seed gives the same answers; without one it is drawn."),
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="End answers before this; may be repeated.")
    ] = None,
    weights: Weights = "auto",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Talk with a model that has a chat template.

    Each line of standard input is a message; answers go to standard output as they are made. Lines that begin with /
    are commands: /reset forgets what was said, /quit leaves, /help tells this. Ctrl-C stops an answer, not the chat.
    When the context is full the oldest turns are left out, and said so; --system stays.
    """
    from everysum.generation.sampling import Sampling
    from everysum.model import load

    leave_if_asked()
    sampling = Sampling(temperature, top_k, top_p)
    opened = load(model, device=device, weights=weights)
    beginning = [] if system is None else [{"role": "system", "content": system}]
    talk = opened.conversation()
    talk.messages = [*beginning]
    number = secrets.randbelow(1_000_000) if seed is None else seed
    if sys.stdin.isatty():
        say(HELP)
    for line in lines():
        if line in ("/quit", "/exit"):
            return
        if line == "/reset":
            talk.messages = [*beginning]
        elif line == "/help":
            say(HELP)
        elif line.startswith("/") and not line.startswith("//"):
            say(f"there is no command {line.split()[0]}: {HELP}")
        elif line.strip():
            exchange(talk, line.removeprefix("/"), tokens, sampling, number, tuple(stop or ()), json)
            number += 1


def exchange(
    talk: Chat, line: str, tokens: int, sampling: Sampling, seed: int, stop: tuple[str, ...], as_json: bool
) -> None:
    """One message and its answer. On a terminal a message that cannot be is refused, and the chat goes on."""
    from everysum.generation.chat import as_values

    pieces: Generator[str, None, None] | None = None
    try:
        if not accepted(talk, line):
            return
        pieces = talk.answer(tokens=tokens, sampling=sampling, seed=seed, stop=stop)
        for piece in pieces:
            if not as_json:
                write(piece, end="")
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Stopped) and interrupt.signal_number != signal.SIGINT:
            raise
        asked.clear()
        say("(stopped)")
        if pieces is None:  # before a word was said: as if the message had not been written
            return
        pieces.close()
    if as_json:
        write_json(as_values(talk))
        return
    write("")
    if talk.ending == "tokens" and talk.tokens < tokens:
        say("(the context is full: the answer ends here)")


def accepted(talk: Chat, line: str) -> bool:
    """Put the message in; one that cannot be is refused, which ends the chat only where nobody can write another."""
    try:
        talk.say(line)
    except InputError as refusal:
        if not sys.stdin.isatty():
            raise
        say(str(refusal))
        return False
    if talk.left_out:
        say(talk.told_left_out())
    return True


def lines() -> Iterator[str]:
    """The messages: typed on a terminal, or the lines of standard input; InputError where these are not UTF-8."""
    if sys.stdin.isatty():
        yield from typed()
        return
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as problem:
            raise InputError(
                f"line {number} of standard input is not text in UTF-8",
                came=f"the byte 0x{problem.object[problem.start]:02x} at offset {problem.start}",
            ) from None


def typed() -> Iterator[str]:
    """Lines from a person, with the editing that the terminal offers."""
    if sys.stdout.isatty():
        import contextlib

        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # input() then knows arrow keys
    while True:
        try:
            if sys.stdout.isatty():
                yield input("> ")
            else:
                print("> ", end="", file=sys.stderr, flush=True)
                if not (line := sys.stdin.readline()):
                    return
                yield line.rstrip("\n")
        except EOFError:
            write("")
            return
