"""The likeliest continuations of a prompt as a tree, or as values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from everysum.cli.terminal import quoted

if TYPE_CHECKING:
    from everysum.generation.continuations import Branch, Continuation
    from everysum.tokenizers.tokenizer import Tokenizer


def as_tree(found: Sequence[Continuation], tokenizer: Tokenizer, prompt: str | None) -> str:
    """Beginnings that continuations share are drawn once; before each branch the probability of getting to its end."""
    from everysum.generation.continuations import tree

    beginning = "(the start of a text)" if prompt is None else prompt
    return "\n".join([beginning, *lines_of(tree(found), tokenizer, "")])


def lines_of(branches: Sequence[Branch], tokenizer: Tokenizer, indent: str) -> Iterator[str]:
    """A line for each branch, those that grow from it below it and further in."""
    for branch in branches:
        last = branch is branches[-1]
        text = text_of(branch.token_ids, tokenizer)
        yield f"{indent}{'└─' if last else '├─'} {branch.path_probability:7.2%}  {text}"
        yield from lines_of(branch.children, tokenizer, indent + ("   " if last else "│  "))


def as_values(continuation: Continuation, tokenizer: Tokenizer) -> dict[str, Any]:
    """A continuation for JSON: its text, its probability, and those of its tokens."""
    import math

    return {
        "text": spelled(continuation.token_ids, tokenizer).decode("utf-8", errors="replace"),
        "probability": continuation.probability,
        "ended": continuation.token_ids[-1] == tokenizer.end_of_text,
        "token_ids": list(continuation.token_ids),
        "token_probabilities": [math.exp(value) for value in continuation.log_probabilities],
    }


def text_of(token_ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """Tokens as one looks at them, with the end of a text said in words."""
    ended = bool(token_ids) and token_ids[-1] == tokenizer.end_of_text
    pieces = spelled(token_ids, tokenizer)
    return " ".join(part for part in (quoted(pieces) if pieces else "", "end of text" if ended else "") if part)


def spelled(token_ids: Sequence[int], tokenizer: Tokenizer) -> bytes:
    """The bytes of tokens behind a text, where a first space counts."""
    return b"".join(map(tokenizer.token_bytes, token_ids))
