"""A recipe is a value: every key can be said, and what it says cannot be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from whole_recipes import GPT, LLAMA, TRANSFORMER, nested, refused

from everysum.training.recipe import Recipe
from everysum.training.wishes import keys_of, merged, overrides_from, read_recipe, validated

BASES = {
    "network.activation": GPT,
    "network.wiring": GPT,
    **dict.fromkeys(("network.encoder_layers", "network.decoder_layers", "network.shared"), TRANSFORMER),
}
WORDS: dict[str, tuple[Any, ...]] = {  # what a key can say that is neither a number nor a truth
    "name": ("mine",),
    "minutes": (2.5,),
    "text.paths": (("b.txt",),),
    "text.target_paths": (("b.txt",),),
    "text.held_out_paths": (("c.txt",),),
    "text.held_out_target_paths": (("c.txt",),),
    "text.errors": ("strict", "replace"),
    "text.sha256": ("ab",),
    "tokenizer.kind": ("characters", "words", "byte_pair"),
    "tokenizer.pattern": ("gpt2", "llama3"),
    "network.activation": ("gelu_tanh", "gelu", "relu"),
    "network.wiring": ("pre_norm", "post_norm"),
    "optimizer.matrices": ("muon", "adamw"),
    "schedule.shape": ("line", "inverse_square_root"),
    "engine.device": ("cpu", "cuda", "mps"),
    "engine.dtype": ("float32", "bfloat16"),
    "engine.attention": ("written_out", "fused"),
}


def at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize("key", sorted(set(keys_of(Recipe)) - {"network.kind"}))
def test_every_key_can_be_set(key: str) -> None:
    base = BASES.get(key, LLAMA)
    before = at(validated(base).model_dump(), key)
    for value in others(key, before):
        recipe = validated(merged(base, overrides_from([f"{key}={json.dumps(value)}"])))
        assert at(recipe.model_dump(), key) == value != before
        assert merged(recipe.model_dump(), nested(key, before)) == validated(base).model_dump()


def others(key: str, before: Any) -> list[Any]:
    """Values other than the one that the key has."""
    if key in WORDS:
        return [value for value in WORDS[key] if value != before]
    if isinstance(before, bool):
        return [not before]
    return [before + 1] if isinstance(before, int) else [before / 2 or 0.25]


def test_the_kind_of_the_network_decides_which_keys_it_has() -> None:
    assert validated(GPT).network.kind == "gpt"
    assert validated(LLAMA).network.kind == "llama"
    values = merged(GPT, {"network": {"normalize_heads": True}})
    assert refused(values) == ("a network of kind gpt has no normalize_heads\n  do: leave network.normalize_heads out")


def test_a_recipe_cannot_be_changed() -> None:
    recipe = validated(LLAMA)
    for section, key in ((recipe, "seed"), (recipe.network, "width"), (recipe.schedule, "steps")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, key, 3)


@pytest.mark.parametrize("base", [LLAMA, GPT], ids=["llama", "gpt"])
def test_a_recipe_written_and_read_is_the_same(base: dict[str, Any], tmp_path: Path) -> None:
    recipe = validated(merged(base, {"minutes": 0.1, "optimizer": {"matrix_rate": 0.1 + 0.2}}))
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe.model_dump()))
    assert validated(read_recipe(path)) == recipe
