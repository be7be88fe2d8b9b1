"""`everysum generate`: text from a model as it comes, what else might have come, or the likeliest ways to go on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everysum.cli.options import Device, Json, ModelFolder, Temperature, TopK, TopP, Weights
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import read_input, say, write, write_json
from everysum.errors import InputError, UsageError

if TYPE_CHECKING:
    from everysum.generation.sampling import Sampling
    from everysum.model import Model

TOKENS, STEPS_OF_CHANCES = 200, 10
PROMPTS_AT_ONCE = 16

LOOKS = "Instead of a text"


def generate(
    model: ModelFolder,
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to go on from; - reads it from standard input (without its last line end). "
            "Without one the model starts a new text.",
            show_default=False,
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option("--tokens", metavar="N", help=f"At most so many  [default: {TOKENS}, --chances: 10]"),
    ] = None,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="The same seed gives the same text; without one it is drawn and told."
        ),
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="End before this text; may be repeated.")
    ] = None,
    chances: Annotated[
        int | None,
        typer.Option(
            "--chances",
            metavar="[N]",
            help="For each step the N likeliest tokens with their probabilities (5 when N is left out).",
            rich_help_panel=LOOKS,
        ),
    ] = None,
    continuations: Annotated[
        int | None,
        typer.Option(
            "--continuations", metavar="N", help="The N likeliest ways to go on, as a tree.", rich_help_panel=LOOKS
        ),
    ] = None,
    length: Annotated[
        int, typer.Option("--length", metavar="N", help="Tokens in each continuation.", rich_help_panel=LOOKS)
    ] = 8,
    prompts: Annotated[
        str | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            help="Go on from each line of a file (or - for standard input); each takes the next seed.",
            rich_help_panel=LOOKS,
        ),
    ] = None,
    weights: Weights = "auto",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Let a model go on from a prompt.

    Prompt and text go to standard output, as they are made.
    """
    refuse_together(
        {"--chances": chances, "--continuations": continuations, "--prompts": prompts},
        {"PROMPT": prompt and prompts, "--stop": stop and (chances or continuations)},
    )
    lines = None if prompts is None else lines_of(prompts)
    prompt = read_input("the prompt").removesuffix("\n") if prompt == "-" else prompt

    from everysum.generation.sampling import Sampling
    from everysum.model import load

    leave_if_asked()
    sampling, stops = Sampling(temperature, top_k, top_p), tuple(stop or ())
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    count = tokens if tokens is not None else TOKENS if chances is None else STEPS_OF_CHANCES
    opened = load(model, device=device, weights=weights)
    if continuations is not None:
        show_continuations(opened, prompt, continuations, length, json)
        return
    if chances is not None:
        show_chances(opened, prompt, count, chances, sampling, drawn, json)
    elif lines is not None or json:
        write_batch(opened, [prompt] if lines is None else lines, count, sampling, drawn, stops, json)
    else:
        stream(opened, prompt, count, sampling, drawn, stops)
    if seed is None and not json and temperature > 0:
        say(f"--seed {drawn} gives the same again")


def stream(model: Model, prompt: str | None, tokens: int, sampling: Sampling, seed: int, stop: Sequence[str]) -> None:
    """The prompt, and behind it the text, piece by piece."""
    from everysum.generation.text import stream_text

    ids = model.token_ids(prompt)
    pieces = stream_text(model.network, model.tokenizer, ids, tokens=tokens, sampling=sampling, seed=seed, stop=stop)
    write(prompt or "", end="", strong=True)
    try:
        for piece in pieces:
            write(piece, end="")
    finally:
        write("")


def write_batch(
    model: Model,
    prompts: Sequence[str | None],
    tokens: int,
    sampling: Sampling,
    seed: int,
    stop: Sequence[str],
    as_json: bool,
) -> None:
    """A text for each prompt: a JSON line, or a block with an empty line behind it."""
    from everysum.generation.generate import refuse_unusable
    from everysum.generation.speed import Stopwatch, as_values

    refuse_unusable(model.network, [model.token_ids(prompt) for prompt in prompts], tokens)
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        some = prompts[start : start + PROMPTS_AT_ONCE]
        seeds = [seed + start + place for place in range(len(some))]
        stopwatch = Stopwatch()
        texts = model.generate_batch(
            some, tokens=tokens, sampling=sampling, seed=seeds, stop=stop, watch=stopwatch.watch
        )
        speed = as_values(stopwatch, model.decoding, len(some)) if as_json else {}
        for prompt, text, its_seed in zip(some, texts, seeds, strict=True):
            if as_json:
                made = {
                    "text": text.text,
                    "tokens": len(text.token_ids),
                    "ending": text.ending,
                    "seed": its_seed,
                    "speed": speed,
                }
                write_json({"prompt": prompt} | made)
            else:
                write(f"{prompt or ''}{text.text}\n")


def show_chances(
    model: Model, prompt: str | None, tokens: int, count: int, sampling: Sampling, seed: int, as_json: bool
) -> None:
    """What might have come at each step, beside what was taken."""
    from everysum.cli.chances import as_table, as_values

    refuse_below_one("--chances", count)
    steps = model.chances(
        prompt,
        tokens=tokens,
        count=count,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        seed=seed,
    )
    if as_json:
        write_json({"prompt": prompt, "seed": seed, "steps": [as_values(step, model.tokenizer) for step in steps]})
        return
    so_far = prompt or ""
    for step in steps:
        write(as_table(step, model.tokenizer, so_far) + "\n")
        so_far += model.tokenizer.token_bytes(step.taken.token_id).decode("utf-8", errors="replace")


def show_continuations(model: Model, prompt: str | None, count: int, length: int, as_json: bool) -> None:
    """The likeliest ways to go on, with what they share drawn once."""
    from everysum.cli.branches import as_tree, as_values

    found = model.continuations(prompt, count=count, length=length)
    if as_json:
        write_json({"prompt": prompt, "continuations": [as_values(each, model.tokenizer) for each in found]})
    else:
        write(as_tree(found, model.tokenizer, prompt))


def lines_of(source: str) -> list[str]:
    """The prompts in a file, one a line; InputError names an empty line."""
    if source == "-":
        text = read_input("prompts, one a line,")
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except OSError as problem:
            raise InputError(f"{source} cannot be read: {problem.strerror}") from None
        except UnicodeDecodeError as problem:
            byte = problem.object[problem.start]
            raise InputError(
                f"{source} is not text in UTF-8", came=f"the byte 0x{byte:02x} at offset {problem.start}"
            ) from None
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            raise InputError(f"line {number} of the prompts is empty", wanted="a prompt on each line")
    return lines


def refuse_together(alternatives: dict[str, Any], others: dict[str, Any]) -> None:
    """Say which options do not go together."""
    asked = [name for name, value in alternatives.items() if value is not None]
    asked += [name for name, value in others.items() if value]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} do not go together", wanted="one of them")


def refuse_below_one(option: str, number: int) -> None:
    if number < 1:
        raise UsageError(f"{option} cannot be {number}", wanted="a whole number, 1 or more")
