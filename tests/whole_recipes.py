"""Recipes that say all that a recipe must, one for each kind of network, and what becomes of others."""

from __future__ import annotations

from typing import Any

import pytest

from everysum.errors import UsageError
from everysum.training.wishes import validated

LLAMA: dict[str, Any] = {
    "text": {"paths": ["a.txt"]},
    "tokenizer": {},
    "network": {
        "kind": "llama",
        "width": 32,
        "layers": 2,
        "heads": 4,
        "key_value_heads": 2,
        "head_size": 8,
        "inner_width": 64,
        "context_length": 16,
    },
    "optimizer": {"matrix_rate": 0.1, "embedding_rate": 0.1, "head_rate": 0.1, "vector_rate": 0.1},
    "schedule": {"steps": 10, "batch_size": 4, "evaluate_every": 2, "sample_every": 5},
    "engine": {},
}
GPT = {
    **LLAMA,
    "network": {"kind": "gpt", "width": 32, "layers": 2, "heads": 4, "inner_width": 64, "context_length": 16},
}
TRANSFORMER = {
    **LLAMA,
    "network": {
        "kind": "transformer",
        "width": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "heads": 4,
        "inner_width": 64,
        "context_length": 16,
    },
}


def nested(path: str, value: Any) -> Any:
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as refusal:
        validated(values)
    return str(refusal.value)
