"""Other people's networks, tiny and random: what a record must explain without knowing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor, nn

VOCABULARY = 29


@dataclass
class Case:
    """A network and what it is called with."""

    network: nn.Module
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        return self.network(*self.arguments, **self.named)


def token_ids(batch: int = 2, length: int = 6, seed: int = 0) -> Tensor:
    return torch.randint(3, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def gpt2(attention: str = "eager", *, train: bool = False, **named: Any) -> Case:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=16,
        n_embd=16,
        n_layer=2,
        n_head=2,
        attn_implementation=attention,
        bos_token_id=1,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    return Case(transformers.GPT2LMHeadModel(config).train(train), (token_ids(),), named)


def gpt2_with_past() -> Case:
    """The second of two passes: keys and values of the first are in the cache."""
    case = gpt2("sdpa")
    with torch.no_grad():
        past = case.network(token_ids(), use_cache=True).past_key_values
    return Case(case.network, (token_ids(length=1, seed=1),), {"past_key_values": past, "use_cache": True})


def llama(attention: str = "eager", *, train: bool = False) -> Case:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        attn_implementation=attention,
        attention_dropout=0.2,
    )
    torch.manual_seed(0)
    return Case(transformers.LlamaForCausalLM(config).train(train), (token_ids(),))


def marian(*, train: bool = False) -> Case:
    config = transformers.MarianConfig(
        vocab_size=VOCABULARY,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        forced_eos_token_id=1,
    )
    torch.manual_seed(0)
    named = {"input_ids": token_ids(), "decoder_input_ids": token_ids(length=4)}
    return Case(transformers.MarianMTModel(config).train(train), (), named)


def torch_transformer(*, train: bool = False) -> Case:
    torch.manual_seed(0)
    network = nn.Transformer(16, 2, 2, 2, 24, batch_first=True).train(train)
    return Case(network, (torch.randn(2, 5, 16), torch.randn(2, 4, 16)))


FOREIGN: dict[str, Callable[[], Case]] = {
    "GPT-2, eager": gpt2,
    "GPT-2, eager, training": lambda: gpt2(train=True),
    "GPT-2, SDPA": lambda: gpt2("sdpa"),
    "GPT-2, SDPA, training with loss": lambda: gpt2("sdpa", train=True, labels=token_ids()),
    "GPT-2 without cache": lambda: gpt2(use_cache=False),
    "GPT-2 behind a cache": gpt2_with_past,
    "Llama, eager": llama,
    "Llama, eager, training": lambda: llama(train=True),
    "Llama, SDPA": lambda: llama("sdpa"),
    "Llama, SDPA, training": lambda: llama("sdpa", train=True),
    "Marian": marian,
    "Marian, training": lambda: marian(train=True),
    "torch.nn.Transformer": torch_transformer,
    "torch.nn.Transformer, training": lambda: torch_transformer(train=True),
}


# --- more architectures of transformers, not prepared for -------------------------------------------------------------

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}


def built(model: str, config: str, **values: Any) -> Case:
    torch.manual_seed(0)
    network = getattr(transformers, model)(getattr(transformers, config)(**values))
    return Case(network.eval(), (), {"input_ids": token_ids()})


def with_target(model: str, config: str, **values: Any) -> Case:
    case = built(model, config, **values)
    return Case(case.network, (), {**case.named, "decoder_input_ids": token_ids(length=4)})


ARCHITECTURES: dict[str, Callable[[], Case]] = {
    "Qwen3": lambda: built("Qwen3ForCausalLM", "Qwen3Config", **GROUPED, head_dim=4),
    "Gemma": lambda: built("GemmaForCausalLM", "GemmaConfig", **GROUPED, head_dim=4),
    "Mistral": lambda: built("MistralForCausalLM", "MistralConfig", **GROUPED, sliding_window=4),
    "Phi": lambda: built("PhiForCausalLM", "PhiConfig", **GROUPED),
    "GPT-NeoX": lambda: built("GPTNeoXForCausalLM", "GPTNeoXConfig", **SIZES),
    "OPT": lambda: built(
        "OPTForCausalLM",
        "OPTConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        word_embed_proj_dim=16,
        pad_token_id=0,
    ),
    "T5": lambda: with_target(
        "T5ForConditionalGeneration",
        "T5Config",
        vocab_size=VOCABULARY,
        d_model=16,
        d_kv=4,
        d_ff=24,
        num_layers=2,
        num_heads=4,
        pad_token_id=0,
        decoder_start_token_id=0,
    ),
    "BERT": lambda: built("BertForMaskedLM", "BertConfig", **SIZES),
    "Mamba": lambda: built(
        "MambaForCausalLM",
        "MambaConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        state_size=4,
        num_hidden_layers=2,
        time_step_rank=4,
        pad_token_id=0,
    ),
    "Mixtral": lambda: built(
        "MixtralForCausalLM", "MixtralConfig", **GROUPED, num_local_experts=4, num_experts_per_tok=2
    ),
}
