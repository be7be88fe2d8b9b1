"""`everysum tokenize`: how a text is cut into tokens, and how each of them was put together."""

from __future__ import annotations

from collections.abc import Sequence
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
        typer.Argument(metavar="MODEL", help="A run folder, a model folder or a tokenizer.json.", show_default=False),
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
    json: Json = False,
) -> None:
    """Cut a text into tokens: the id, the bytes and the piece of each."""
    from everysum.tokenizers.files import load_tokenizer

    tokenizer = load_tokenizer(model)
    made_by = merges_of(tokenizer) if merges else {}
    text = read_input("the text") if text in (None, "-") else text
    assert text is not None
    ids = tokenizer.encode(text)
    if json:
        tokens = [values_of(token_id, tokenizer) for token_id in ids]
        for token in tokens if merges else ():
            token["merges"] = [merge_values(merge, tokenizer) for merge in history(token["id"], made_by)]
        write_json({"kind": tokenizer.kind, "vocabulary_size": tokenizer.vocabulary_size, "tokens": tokens})
        return
    id_width = len(str(tokenizer.vocabulary_size))
    rows = [(tokenizer.token_bytes(token_id).hex(" "), quoted(tokenizer.token_bytes(token_id))) for token_id in ids]
    bytes_width = min(36, max((len(spelled) for spelled, _ in rows), default=0))
    for token_id, (spelled, piece) in zip(ids, rows, strict=True):
        write(f"{token_id:>{id_width}}  {spelled:<{bytes_width}}  {piece}")
        for merge in history(token_id, made_by):
            write(" " * (id_width + 4) + told(merge, tokenizer))
    size = len(text.encode("utf-8", errors="surrogatepass"))
    say(f"{len(ids):,} tokens for {len(text):,} characters, {size:,} bytes; {tokenizer.kind}")


def merges_of(tokenizer: Tokenizer) -> dict[int, Merge]:
    """The merge that made each token; only byte-pair encoding has any."""
    from everysum.tokenizers.byte_pair import BytePairTokenizer

    if not isinstance(tokenizer, BytePairTokenizer):
        raise UsageError(
            f"a tokenizer of kind {tokenizer.kind} has no merges", wanted="byte_pair", advice="leave --merges out"
        )
    return {merge.token_id: merge for merge in tokenizer.merges}


def history(token_id: int, made_by: dict[int, Merge]) -> list[Merge]:
    """The merges behind one token, in the order in which they were learned."""
    needed: dict[int, Merge] = {}
    waiting = [token_id]
    while waiting:
        if merge := made_by.get(waiting.pop()):
            needed[merge.token_id] = merge
            waiting += merge.pair
    return [needed[made] for made in sorted(needed)]


def told(merge: Merge, tokenizer: Tokenizer) -> str:
    """A merge in words: which pair became what, when, and how often it stood in the text if that is known."""
    left, right = (quoted(tokenizer.token_bytes(part)) for part in merge.pair)
    often = "" if merge.count is None else f", {merge.count:,} times"
    return f"{left} + {right} → {quoted(merge.piece)}  (merge {merge_number(merge):,}{often})"


def merge_values(merge: Merge, tokenizer: Tokenizer) -> dict[str, Any]:
    pair: Sequence[dict[str, Any]] = [values_of(part, tokenizer) for part in merge.pair]
    return {"number": merge_number(merge), "pair": pair, "made": values_of(merge.token_id, tokenizer)} | (
        {} if merge.count is None else {"count": merge.count}
    )


def merge_number(merge: Merge) -> int:
    """The first merge learned is number 1; the 256 bytes come before it."""
    return merge.token_id - 255


def values_of(token_id: int, tokenizer: Tokenizer) -> dict[str, Any]:
    spelled = tokenizer.token_bytes(token_id)
    return {"id": token_id, "piece": spelled.decode("utf-8", errors="replace"), "bytes": spelled.hex(" ")}
