"""A folder as Helsinki-NLP lays its translators out, its two sentencepiece models trained on the spot."""

from __future__ import annotations

import json
from pathlib import Path


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
