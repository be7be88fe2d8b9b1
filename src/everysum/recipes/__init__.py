"""Named recipes: wishes for a run, as values. What a recipe does not say is chosen from the text and the time."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everysum.errors import UsageError
from everysum.training.recipe import read_recipe

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
}
"""Name: (what it is, its wishes)."""


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
