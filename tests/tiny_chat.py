"""A tiny model that can be talked with: random weights, a tokenizer with chat tokens, and a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chat_templates
import torch
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as LibraryTokenizer

TRAINING = ["Humpty Dumpty sat on a wall. Good morning, how are you? The king's men said yes, yes and no."] * 3


def make(
    folder: Path, template: str | None = chat_templates.CHATML, *, context_length: int = 160, seed: int = 3
) -> Any:
    """Write a Llama of transformers' with this template into a folder, and return it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    library = LibraryTokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(TRAINING, trainer)
    library.add_special_tokens([AddedToken(text) for text in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    library.save(str(folder / "tokenizer.json"))
    config = {"eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    size = library.get_vocab_size()
    ends = [library.token_to_id(text) for text in ("<|im_end|>", "<|endoftext|>")]
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context_length,
            initializer_range=0.4,
            bos_token_id=None,
            eos_token_id=ends[0],
        )
    )
    model.generation_config.eos_token_id = ends
    model.generation_config.pad_token_id = ends[0]
    model.save_pretrained(folder)
    return model.eval()
