"""`everysum tokenize`: how a text is cut into tokens, and how each of them was put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everysum.cli.options import Json
from everysum.cli.terminal import quoted, read_input, say, write, write_json
from everysum.errors import UsageError

if TYPE_CHECKING:
    from everysum.tokenizers.byte_pair import Merge
    from everysum.tokenizers.tokenizer import Tokenizer


def tokenize(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A run folder, a model folder or a tokenizer's file.", show_default=False),
    ],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="What to cut; without it, or as -, standard input is read.", show_default=False
        ),
    ] = None,
    merges: Annotated[
        bool, typer.Option("--merges", help="Byte-pair encoding: show the merges that made each piece.")
    ] = False,
    special: Annotated[
        bool, typer.Option("--special", help="Read the texts of special tokens, such as </s>, as these tokens.")
    ] = False,
    json: Json = False,
) -> None:
    """Cut a text into tokens: the id, the bytes and the piece of each.

    A text that reads like a special token is text all the same, unless --special is given.
    """
    from everysum.pretrained.hub import NAME, folder_of
    from everysum.tokenizers.files import load_tokenizer
    from everysum.tokenizers.tokenizer import special_parts

    tokenizer = load_tokenizer(folder_of(model) if not model.exists() and NAME.fullmatch(str(model)) else model)
    history = history_of(tokenizer) if merges else lambda _: []
    text = read_input("the text") if text in (None, "-") else text
    assert text is not None
    ids = tokenizer.encode_parts(special_parts(text, tokenizer.special_tokens) if special else [text])
    if json:
        tokens = [values_of(token_id, tokenizer) for token_id in ids]
        for token in tokens if merges else ():
            token["merges"] = [merge_values(*numbered, tokenizer) for numbered in history(token["id"])]
        write_json({"kind": tokenizer.kind, "vocabulary_size": tokenizer.vocabulary_size, "tokens": tokens})
        return
    id_width = len(str(tokenizer.vocabulary_size))
    names = {token_id: text for text, token_id in tokenizer.special_tokens.items()}
    spelled = [tokenizer.token_bytes(token_id) for token_id in ids]
    rows = [(piece.hex(" "), names.get(at) or quoted(piece)) for at, piece in zip(ids, spelled, strict=True)]
    bytes_width = min(36, max((len(in_bytes) for in_bytes, _ in rows), default=0))
    for token_id, (in_bytes, piece) in zip(ids, rows, strict=True):
        write(f"{token_id:>{id_width}}  {in_bytes:<{bytes_width}}  {piece}")
        for numbered in history(token_id):
            write(" " * (id_width + 4) + told(*numbered, tokenizer))
    size = len(text.encode("utf-8", errors="surrogatepass"))
    say(f"{len(ids):,} tokens for {len(text):,} characters, {size:,} bytes; {tokenizer.kind}")


def history_of(tokenizer: Tokenizer) -> Callable[[int], list[tuple[int, Merge]]]:
    """What tells the merges behind a token; only byte-pair encoding has any."""
    from everysum.tokenizers.merging import Merging

    if not isinstance(tokenizer, Merging) or tokenizer.kind != "byte_pair":
        raise UsageError(
            f"a tokenizer of kind {tokenizer.kind} has no merges", wanted="byte_pair", advice="leave --merges out"
        )
    return tokenizer.history


def told(number: int, merge: Merge, tokenizer: Tokenizer) -> str:
    """A merge in words: which pair became what, when, and how often it stood in the text if that is known."""
    left, right = (quoted(tokenizer.token_bytes(part)) for part in merge.pair)
    often = "" if merge.count is None else f", {merge.count:,} times"
    return f"{left} + {right} → {quoted(merge.piece)}  (merge {number:,}{often})"


def merge_values(number: int, merge: Merge, tokenizer: Tokenizer) -> dict[str, Any]:
    pair: Sequence[dict[str, Any]] = [values_of(part, tokenizer) for part in merge.pair]
    return {"number": number, "pair": pair, "made": values_of(merge.token_id, tokenizer)} | (
        {} if merge.count is None else {"count": merge.count}
    )


def values_of(token_id: int, tokenizer: Tokenizer) -> dict[str, Any]:
    spelled, special = tokenizer.token_bytes(token_id), tokenizer.special_tokens
    name = next((text for text, its_id in special.items() if its_id == token_id), None)
    values = {"id": token_id, "piece": spelled.decode("utf-8", errors="replace"), "bytes": spelled.hex(" ")}
    return values if name is None else values | {"special": name}
