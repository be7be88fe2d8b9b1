"""A folder as Helsinki-NLP lays its translators out, its two sentencepiece models trained on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def opus_mt_folder(pairs: Path, folder: Path) -> Path:
    """The tokenizer's side of such a folder: source.spm, target.spm, vocab.json and tokenizer_config.json."""
    import sentencepiece

    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for name, language in (("source", "en"), ("target", "de")):
        sentencepiece.SentencePieceTrainer.train(
            input=str(pairs / f"val.{language}"),
            model_prefix=str(folder / name),
            vocab_size=300,
            minloglevel=2,
            hard_vocab_limit=False,
        )
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        model = sentencepiece.SentencePieceProcessor()
        model.Load(str(folder / f"{name}.spm"))
        for at in range(3, model.get_piece_size() - 20):  # some pieces have no id: those are unknown
            pieces.setdefault(model.id_to_piece(at), len(pieces))
    pieces[">>deu<<"] = len(pieces)
    pieces["<pad>"] = len(pieces)
    config = {"source_lang": "en", "target_lang": "de", "tokenizer_class": "MarianTokenizer"}
    for file, value in (("vocab.json", pieces), ("tokenizer_config.json", config)):
        (folder / file).write_text(json.dumps(value), encoding="utf-8")
    return folder


def with_exact_positions(model: Any) -> Any:
    """The model with sines and cosines in float64; transformers makes them in float32, also where it reads a file."""
    import torch

    from everysum.layers.positions import sines_and_cosines

    waves = sines_and_cosines(64, 32)
    for side in (model.model.encoder, model.model.decoder):
        side.embed_positions.weight.data = torch.cat([waves[:, 0::2], waves[:, 1::2]], dim=1)
    return model.eval()


def opus_mt_translator(pairs: Path, folder: Path) -> Path:
    """The whole folder, with random weights in every part; padding is a token of its own, as in all published ones, and
    the likeliest one."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    opus_mt_folder(pairs, folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    padding = vocabulary["<pad>"]
    torch.manual_seed(4)
    sizes = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64}
    sizes |= {f"{side}_attention_heads": 4 for side in ("encoder", "decoder")}
    sizes |= {f"{side}_ffn_dim": 48 for side in ("encoder", "decoder")}
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            decoder_vocab_size=len(vocabulary),
            **sizes,
            activation_function="swish",
            scale_embedding=True,
            pad_token_id=padding,
            eos_token_id=0,
            decoder_start_token_id=padding,
            forced_eos_token_id=None,
        )
    ).double()
    positions = {id(model.get_parameter(f"model.{side}.embed_positions.weight")) for side in ("encoder", "decoder")}
    with torch.no_grad():
        for parameter in model.parameters():
            if id(parameter) not in positions:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
        model.final_logits_bias[0, padding] = 20.0
    with_exact_positions(model).save_pretrained(folder)
    return folder
