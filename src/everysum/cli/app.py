"""The commands of everysum, and the way from a command line to one of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from everysum.cli.chat import chat
from everysum.cli.doctor import doctor
from everysum.cli.download import download
from everysum.cli.evaluate import evaluate
from everysum.cli.explain import explain
from everysum.cli.export import export
from everysum.cli.generate import generate
from everysum.cli.help import USAGE_ERROR, Command, Group, in_our_words
from everysum.cli.lesson import lesson
from everysum.cli.open import open_page
from everysum.cli.terminal import prepare_streams, say
from everysum.cli.tokenize import tokenize
from everysum.cli.train import train
from everysum.cli.translate import translate
from everysum.version import __version__

EPILOG = """
\b
Start here:
  everysum train my_book.txt --minutes 5 --out runs/book
  everysum generate runs/book "Once upon a time"

\b
Exit codes:
  0    done
  1    something that nobody foresaw
  2    an option, a recipe's key or a size that cannot be
  3    a text or a prompt that cannot be used
  4    a model folder, run or checkpoint that is missing or damaged
  5    a folder that cannot be written to or is taken, or a full disk
  6    a training run that cannot go on
  7    a device or a library that is not here
  130  Ctrl-C, and 143 SIGTERM: a run in training is saved first
  141  nobody reads the output any more

Data goes to standard output, talk to standard error; --json makes both JSON.
NO_COLOR is respected.
"""

EXAMPLES: dict[Callable[..., None], str] = {
    train: """
\b
Examples:
  everysum train my_book.txt                  five minutes, into runs/my_book
  everysum train letters/ notes.md --minutes 20 --out runs/mine
  everysum train --demo --minutes 1.5         nursery stories that come along
  everysum train book.txt --recipe gpt --set network.layers=6
  everysum train mine.txt --from runs/book    on from any model
  everysum train --resume --out runs/book     after Ctrl-C, bit for bit
  everysum train --recipe runs/book/recipe.json --seed 2
  everysum train --pairs train.de train.en --valid val.de val.en
  everysum train --recipe tiny-translator     German and English of our own
  zcat logs.gz | everysum train - --json | jq .loss
""",
    generate: """
\b
Examples:
  everysum generate runs/book "Once upon" --tokens 200 --temperature 0.8
  everysum generate runs/book "Humpty Dump" --chances
  everysum generate runs/book "Humpty" --continuations 8
  everysum generate runs/book --prompts prompts.txt --json
""",
    chat: """
\b
Examples:
  everysum chat models/Llama-3.2-1B-Instruct --system "Answer in one sentence."
  everysum chat models/mine --temperature 0 --json < questions.txt | jq .content
""",
    evaluate: """
\b
Examples:
  everysum evaluate runs/book other.txt
  everysum evaluate runs/book chapters/ --stride 1 --json | jq .bits_per_byte
  everysum evaluate runs/de-en --pairs test.de test.en
""",
    translate: """
\b
Examples:
  everysum translate runs/de-en "Wo wohnst du?"
  everysum translate runs/de-en --file book.de > book.en
  everysum translate runs/de-en "Wo wohnst du?" --look
  everysum translate runs/de-en --beam 10 --n-best 3 --json < book.de
""",
    export: """
\b
Examples:
  everysum export runs/book models/book             what Hugging Face's programs open
  everysum export runs/book --gguf book.gguf        what llama.cpp opens
  everysum export runs/book --gguf book.gguf --dtype float16
""",
    tokenize: """
\b
Examples:
  everysum tokenize runs/book "Humpty Dumpty"
  everysum tokenize runs/book "Humpty Dumpty" --merges
  everysum tokenize tokenizer.json --json < book.txt
  everysum tokenize models/Llama-2/tokenizer.model "<s> Hello" --special
""",
    download: """
\b
Examples:
  everysum download HuggingFaceTB/SmolLM2-135M
  everysum download Qwen/Qwen3-0.6B --revision main --json | jq -r .commit
""",
    lesson: """
\b
Examples:
  everysum lesson                             all chapters
  everysum lesson network
  everysum lesson network --set "object=241 200 4 59.5" --set bias=1
  everysum lesson attention --json | jq '.blocks[].kind'
""",
    open_page: """
\b
Examples:
  everysum open                               the article's chapters
  everysum open runs/book                     and your model, opened up
  everysum open --no-browser --port 8000
""",
    explain: """
\b
Examples:
  everysum explain runs/book "Humpty Dumpt"
  everysum explain runs/book "Humpty Dumpt" --at 'logits[-1, "y"]' --depth 2
  everysum explain runs/book "Humpty Dumpt" --list
  everysum explain runs/book "Humpty" --nudge 'blocks.0.attention[-1,3]=0.18'
  everysum explain runs/book "Humpty Dumpt" --verify 20000
  everysum explain runs/de-en "Wo wohnst du?" --target "Where do"
  everysum explain runs/book "Humpty Dumpt" --save page.html
""",
    doctor: """
\b
Example:
  everysum doctor --json | jq .precision
""",
}

NAMES: dict[Callable[..., None], str] = {open_page: "open"}
"""Commands whose name is a word that Python has taken."""

app = typer.Typer(cls=Group, epilog=EPILOG, rich_markup_mode=None, add_completion=False)
for command, examples in EXAMPLES.items():
    app.command(NAMES.get(command), cls=Command, epilog=examples)(command)


def tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"everysum {__version__}")
        raise typer.Exit


@app.callback()
def everysum(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=tell_version, help="Show the version and leave.")
    ] = False,
) -> None:
    """Language models you can see every sum of: train one on your own text, generate from it, measure it."""


def execute(arguments: list[str]) -> int:
    """Run the command that the arguments ask for and return its exit code; without arguments show the help."""
    prepare_streams()
    warnings.showwarning = lambda message, *_: say(str(message))
    group = typer.main.get_command(app)
    try:
        with group.make_context("everysum", arguments or ["--help"]) as context:
            group.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except USAGE_ERROR as problem:
        raise in_our_words(problem) from None
    return 0
