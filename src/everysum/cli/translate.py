"""`everysum translate`: sentences into another language, line by line, and what the model looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everysum.cli.counting import Counting
from everysum.cli.lines import DASH, Line, as_they_come, lines_of_files, together
from everysum.cli.options import Device, Json, ModelFolder, Weights
from everysum.cli.stopping import leave_if_asked
from everysum.cli.terminal import write, write_json
from everysum.errors import UsageError

if TYPE_CHECKING:
    from everysum.generation.translation import TranslatedText
    from everysum.model import Model

LINES_AT_ONCE = 512
LOOK = "Looking inside"
STOPPING = {"true": True, "false": False, "never": "never"}


def translate(
    model: ModelFolder,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help="A sentence; without one (or with -) every line of standard input.",
            show_default=False,
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="Translate each line of a file; may be repeated, - is stdin."),
    ] = None,
    beams: Annotated[
        int, typer.Option("--beam", metavar="N", help="Beginnings kept at each step; 1 is greedy, and fastest.")
    ] = 5,
    n_best: Annotated[
        int | None,
        typer.Option("--n-best", metavar="N", help="The best N translations of each sentence, with their scores."),
    ] = None,
    length_penalty: Annotated[
        float,
        typer.Option("--length-penalty", metavar="X", help="Above 1 favors longer translations, below 1 shorter ones."),
    ] = 1.0,
    early_stopping: Annotated[
        str,
        typer.Option(
            "--early-stopping",
            metavar="true|false|never",
            help="When a search ends; as in Hugging Face's generate.",
        ),
    ] = "false",
    look: Annotated[
        bool,
        typer.Option(
            "--look",
            help="Show which words of the sentence each word of the translation looked at.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    layer: Annotated[
        int | None,
        typer.Option("--layer", metavar="N", help="Of this layer of the decoder only, from 1.", rich_help_panel=LOOK),
    ] = None,
    weights: Weights = "auto",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Translate sentences with a model that was trained on pairs of them.

    One line out for each line in, as they are done; an empty line stays empty.
    """
    refuse_strange(text, files, beams, n_best, early_stopping, look, layer)

    from everysum.generation.beam_search import Search
    from everysum.generation.translation import Translator
    from everysum.model import load

    leave_if_asked()
    search = Search(beams, length_penalty, STOPPING[early_stopping])  # type: ignore[arg-type]
    count = n_best or 1
    opened = load(model, device=device, weights=weights)
    Translator.of(opened.network, opened.tokenizer)
    blocks, total = asked_for(text, files)
    counting = Counting("sentences", total)
    done = number = 0
    for block in blocks:
        names = ["the text" if line.number == 0 else line.name for line in block]
        before = done
        found = opened.translate_batch(
            [line.text for line in block],
            search=search,
            count=count,
            names=names,
            progress=lambda now, before=before: counting.so_far(before + now),  # type: ignore[misc]
        )
        done += len(block)
        counting.clear()
        for line, texts in zip(block, found, strict=True):
            number += 1
            tell(opened, line, number, texts, as_json=json, n_best=n_best, look=look, layer=layer)
    counting.clear()


def asked_for(text: str | None, files: list[Path] | None) -> tuple[Iterator[list[Line]], int | None]:
    """The lines to translate, some at a time, and how many there are where that is known."""
    if text is not None and text != "-":
        return iter([[Line(text, "the text", 0)]]), 1
    if files and files != [DASH]:
        lines = lines_of_files(files)
        return together(lines, LINES_AT_ONCE), len(lines)
    return as_they_come(LINES_AT_ONCE), None


def tell(
    model: Model,
    line: Line,
    number: int,
    texts: list[TranslatedText],
    *,
    as_json: bool,
    n_best: int | None,
    look: bool,
    layer: int | None,
) -> None:
    """A translation on a line; or the n best with their scores; or with what was looked at; or all of it as JSON."""
    values: dict[str, Any] = {"source": line.text, "translation": texts[0].text}
    if look and texts[0].token_ids:
        from everysum.cli.alignment import as_table, as_values
        from everysum.generation.alignment import align

        alignment = align(
            model.network, model.tokenizer, line.text.strip(), texts[0].token_ids, [layer] if layer else None
        )
        values["alignment"] = as_values(alignment)
        if not as_json:
            write(f"{line.text.strip()}\n{texts[0].text}\n")
            write(as_table(alignment, terminal_width()) + "\n")
            return
    if as_json:
        best = {"score": texts[0].score, "log_probability": texts[0].log_probability, "ended": texts[0].ended}
        write_json({"line": number} | values | best | ({"n_best": [vars(text) for text in texts]} if n_best else {}))
    elif n_best:
        for text in texts:
            write(f"{number}\t{text.score:.4f}\t{' '.join(text.text.splitlines())}")
    else:
        write(" ".join(texts[0].text.splitlines()))


def terminal_width() -> int:
    import shutil

    return min(120, shutil.get_terminal_size((80, 24)).columns)


def refuse_strange(
    text: str | None,
    files: list[Path] | None,
    beams: int,
    n_best: int | None,
    early_stopping: str,
    look: bool,
    layer: int | None,
) -> None:
    """Say which options cannot be, before torch is imported for nothing."""
    if text is not None and files:
        raise UsageError("TEXT and --file do not go together", wanted="one of them")
    if files and DASH in files and len(files) > 1:
        raise UsageError("standard input cannot be one of several files", wanted="files, or - alone")
    if beams < 1:
        raise UsageError(f"--beam cannot be {beams}", wanted="a whole number, 1 or more")
    if n_best is not None and not 1 <= n_best <= beams:
        raise UsageError(
            f"--n-best cannot be {n_best} with {beams} beams",
            wanted=f"a whole number from 1 to {beams}",
            advice=f"take more beams: --beam {max(n_best, 1)}",
        )
    if early_stopping not in STOPPING:
        raise UsageError(f"--early-stopping cannot be {early_stopping!r}", wanted=" or ".join(STOPPING))
    if layer is not None and not look:
        raise UsageError("--layer says of which layer --look shows the attention", wanted="--look with it")
    if look and n_best is not None:
        raise UsageError("--look and --n-best do not go together", wanted="one of them")
