"""What else might have come at a step ("m or u?"), as a small table or as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everysum.cli.terminal import bar, quoted

if TYPE_CHECKING:
    from everysum.generation.chances import Candidate, Chances
    from everysum.tokenizers.tokenizer import Tokenizer

SHOWN = 40


def as_table(step: Chances, tokenizer: Tokenizer, so_far: str) -> str:
    """The candidates with their probabilities as bars; an arrow shows the one taken."""
    rows = list(step.candidates)
    if step.taken not in rows:
        rows.append(step.taken)
    names = [name_of(candidate, tokenizer) for candidate in rows]
    width = max(map(len, names))
    end = repr(so_far[-SHOWN:])[1:-1]
    lines = [f"after {'…' if len(so_far) > SHOWN else ''}{end}" if so_far else "at the start of a text"]
    for name, candidate in zip(names, rows, strict=True):
        arrow = "→" if candidate == step.taken else " "
        lines.append(f"{arrow} {name:<{width}}  {candidate.probability:7.2%}  {bar(candidate.probability)}".rstrip())
    return "\n".join(lines)


def as_values(step: Chances, tokenizer: Tokenizer) -> dict[str, Any]:
    """The same as values for JSON."""
    candidates = [values_of(candidate, tokenizer) for candidate in step.candidates]
    return {"taken": values_of(step.taken, tokenizer), "candidates": candidates}


def values_of(candidate: Candidate, tokenizer: Tokenizer) -> dict[str, Any]:
    piece = tokenizer.token_bytes(candidate.token_id).decode("utf-8", errors="replace")
    return {"id": candidate.token_id, "piece": piece, "probability": candidate.probability}


def name_of(candidate: Candidate, tokenizer: Tokenizer) -> str:
    if candidate.token_id == tokenizer.end_of_text:
        return "end of text"
    if special := special_name(candidate.token_id, tokenizer):
        return special
    return quoted(tokenizer.token_bytes(candidate.token_id))


def special_name(token_id: int, tokenizer: Tokenizer) -> str | None:
    """How files write this token if it is a special one, which stands for no text."""
    return next((text for text, its_id in tokenizer.special_tokens.items() if its_id == token_id), None)
