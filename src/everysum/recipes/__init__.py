"""Named recipes: wishes for a run, as values. What a recipe does not say is chosen from the text and the time."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everysum.data.tiny_translator import sentence_pairs
from everysum.errors import UsageError
from everysum.files import make_folder, write_atomically
from everysum.training.material import TINY_TRANSLATOR_FILES
from everysum.training.wishes import read_recipe

RECIPES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "default": (
        "RoPE, RMSNorm, SwiGLU, normalized queries and keys (opens as Qwen 3); Muon for the matrices",
        {},
    ),
    "llama": (
        "the same without the norm of queries and keys (opens as Llama)",
        {"network": {"normalize_heads": False}},
    ),
    "gpt": (
        "GPT-2's network: learned positions, layer norm, GELU; AdamW for everything",
        {"network": {"kind": "gpt"}, "optimizer": {"matrices": "adamw", "matrix_rate": 0.001, "weight_decay": 0.1}},
    ),
    "article": (
        "the article's network: post-norm, ReLU (opens as OPT), a character at a time; AdamW",
        {
            "network": {"kind": "gpt", "wiring": "post_norm", "activation": "relu"},
            "tokenizer": {"kind": "characters"},
            "optimizer": {"matrices": "adamw", "matrix_rate": 0.001},
        },
    ),
    "transformer": (
        "a translator, for pairs: the paper's encoder and decoder, pre-norm (opens as Pegasus) or, with "
        "network.wiring=post_norm, post-norm (Marian)",
        {"network": {"kind": "transformer"}},
    ),
    "separator": (
        "a translator, for pairs: one tower on source <SEP> target (opens as Qwen 3)",
        {"network": {"kind": "llama"}},
    ),
    "tiny-translator": (
        "the transformer on German and English of our own that ships with everysum; needs no file",
        {
            "network": {"kind": "transformer", "width": 128, "heads": 4, "dropout": 0.1},
            "schedule": {"batch_size": 2048},
            "minutes": 2.0,
        },
    ),
}
"""Name: (what it is, its wishes)."""
FOR_PAIRS = ("transformer", "separator")
TINY_TRANSLATOR = "tiny-translator"


def named_or_file(recipe: str | Path) -> dict[str, Any]:
    """The wishes of a recipe by its name, or of a recipe file."""
    if str(recipe) in RECIPES:
        return {"name": str(recipe), **RECIPES[str(recipe)][1]}
    if Path(recipe).is_file():
        return read_recipe(Path(recipe))
    near = difflib.get_close_matches(str(recipe), RECIPES, 1)
    raise UsageError(
        f"there is no recipe {str(recipe)!r}",
        wanted=f"one of {', '.join(RECIPES)}, or a recipe file such as runs/book/recipe.json",
        advice=f"did you mean {near[0]!r}?" if near else None,
    )


def refuse_without_pairs(wishes: Mapping[str, Any], pairs: bool) -> None:
    """Refuse a recipe that learns from pairs of sentences where there are none."""
    if wishes.get("name") in FOR_PAIRS and not pairs and not wishes.get("text", {}).get("target_paths"):
        raise UsageError(
            f"the recipe {wishes['name']} learns from pairs of sentences",
            wanted="everysum train --pairs train.de train.en",
            advice=f"--recipe {TINY_TRANSLATOR} brings pairs of its own",
        )


def shipped_pairs(wishes: Mapping[str, Any], folder: Path) -> list[Path]:
    """The pairs that a recipe brings along, written into this folder: sources, targets, and held-out ones of both."""
    if wishes.get("name") != TINY_TRANSLATOR or wishes.get("text", {}).get("paths"):
        return []
    make_folder(folder)
    paths = [folder / name for name in TINY_TRANSLATOR_FILES]
    both = (*zip(*sentence_pairs("training"), strict=True), *zip(*sentence_pairs("held_out"), strict=True))
    for path, sentences in zip(paths, both, strict=True):
        write_atomically(path, "".join(f"{sentence}\n" for sentence in sentences))
    return paths
