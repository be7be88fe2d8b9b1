"""Small random models made by transformers, several of each family that everysum loads."""

from __future__ import annotations

from typing import Any

import torch
from small_networks import CONTEXT, VOCABULARY

GPT_SIZES: dict[str, Any] = {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
}
LLAMA_3_1 = {
    "rope_type": "llama3",
    "rope_theta": 50.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 6,
}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT_SIZES),
    "gpt2 with an inner width, gelu and a head of its own": (
        "GPT2",
        {**GPT_SIZES, "n_layer": 1, "n_head": 3, "n_inner": 30, "activation_function": "gelu"}
        | {"tie_word_embeddings": False},
    ),
    "opt, post-norm": (
        "OPT",
        {
            "hidden_size": 24,
            "ffn_dim": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": CONTEXT,
            "do_layer_norm_before": False,
        },
    ),
    "llama 1": ("Llama", {**SIZES, "num_key_value_heads": 4}),
    "llama 2, grouped": (
        "Llama",
        {**SIZES, "rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ),
    "llama 2, made longer": (
        "Llama",
        {**SIZES, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}},
    ),
    "llama 3.1": ("Llama", {**SIZES, "rope_parameters": LLAMA_3_1}),
    "llama 3.2, tied, with wide heads": (
        "Llama",
        {**SIZES, "rope_parameters": LLAMA_3_1, "tie_word_embeddings": True, "head_dim": 10},
    ),
    "llama with all biases": ("Llama", {**SIZES, "attention_bias": True, "mlp_bias": True}),
    "mistral 0.1, with a window": ("Mistral", {**SIZES, "sliding_window": 5}),
    "mistral 0.3": ("Mistral", {**SIZES, "sliding_window": None, "head_dim": 8}),
    "qwen2": ("Qwen2", {**SIZES, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    "qwen2, tied": ("Qwen2", {**SIZES, "tie_word_embeddings": True}),
    "qwen3, tied, with wide heads": ("Qwen3", {**SIZES, "head_dim": 10, "tie_word_embeddings": True}),
    "qwen3 with biases": ("Qwen3", {**SIZES, "head_dim": 6, "attention_bias": True}),
}


def their_model(kind: str, seed: int = 1, **changes: Any) -> Any:
    """One of KINDS in float64, with every parameter drawn anew, so that each of them matters; it never ends a text."""
    import transformers

    name, settings = KINDS[kind]
    model_class = getattr(transformers, {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM"))
    settings = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, **settings, **changes}
    torch.manual_seed(seed)  # transformers draws its first weights from it
    model = model_class(getattr(transformers, f"{name}Config")(**settings)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64), alpha=0.2)
    return model
