"""A tiny run on pairs for tests: an encoder-decoder, or one tower, on sentences of a made-up language."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiny import Listener, quietly, tiny

from everysum.training.prepare import Request
from everysum.training.progress import Progress, Result
from everysum.training.run import train
from everysum.training.wishes import merged

WORDS = {
    "der": "the", "Hund": "dog", "Katze": "cat", "ein": "a", "Ei": "egg", "saß": "sat", "rief": "called", "auf": "on",
    "unter": "under", "und": "and", "wieder": "again", "König": "king", "Pferd": "horse", "alle": "all",
}  # fmt: skip
TRANSFORMER: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 2, "context_length": 40, "dropout": 0.1}
WISHES: dict[str, dict[str, Any]] = {
    "transformer": {"network": {"kind": "transformer", **TRANSFORMER}},
    "post_norm": {"network": {"kind": "transformer", "wiring": "post_norm", "shared": False, **TRANSFORMER}},
    "separator": {"network": {"kind": "llama", "layers": 2, "context_length": 80, "dropout": 0.1}},
    "separator, gpt": {"network": {"kind": "gpt", "layers": 2, "context_length": 80, "dropout": 0.1}},
}


def wishes_of(kind: str, *over: Mapping[str, Any]) -> dict[str, Any]:
    """The wishes of a tiny run of this kind, and others over them."""
    base = tiny({"schedule": {"batch_size": 200}, "tokenizer": {"kind": "words", "vocabulary_size": 290}})
    base["network"] = {"width": 32, "heads": 2, "inner_width": 64}
    for more in (WISHES[kind], *over):
        base = merged(base, more)
    return base


def pairs(count: int = 160, seed: int = 1) -> list[tuple[str, str]]:
    chosen, words = random.Random(seed), list(WORDS)
    sources = [[chosen.choice(words) for _ in range(chosen.randint(2, 9))] for _ in range(count)]
    return [(" ".join(source) + ".", " ".join(WORDS[word] for word in source) + ".") for source in sources]


def write_pairs(folder: Path, count: int = 160, seed: int = 1, name: str = "train") -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.de", folder / f"{name}.en"
    for path, side in zip(paths, zip(*pairs(count, seed), strict=True), strict=True):
        path.write_text("".join(f"{sentence}\n" for sentence in side), encoding="utf-8")
    return paths


def train_tiny_pairs(
    both: tuple[Path, Path],
    out: Path,
    kind: str = "transformer",
    *over: Mapping[str, Any],
    held_out: tuple[Path, Path] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train the tiny run into `out`."""
    source, target = both
    others: tuple[list[Path], ...] = ([held_out[0]], [held_out[1]]) if held_out else ([], [])
    request = Request(
        [source], out, others[0], None, wishes_of(kind, *over), "cpu", targets=[target], held_out_targets=others[1]
    )
    with quietly(out.parent / "cache"):
        return train(request, progress or Listener())
