"""The translators of benchmarks/decoding.py: five beams through packed weights, and transformers' generate.

Both turn lines into lines, as in `translation_decoding`; transformers is given batches of 32 sorted by length, which is
faster for it than the order of the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import translation_decoding
from decoding_ours import opened


class Translator:
    """Turns sentences into sentences, and says how long it took."""

    translate: Callable[[Sequence[str]], list[str]]

    def batch(self, sentences: Sequence[str]) -> dict[str, Any]:
        began = time.perf_counter()
        texts = self.translate(sentences)
        return {"seconds": time.perf_counter() - began, "texts": texts}


class OurTranslator(Translator):
    """everysum with its weights in one of `decoding_ours.FORMS`."""

    def __init__(self, folder: Path, weights: str, threads: int, device: str = "cpu") -> None:
        model = opened(folder, weights, threads, device)
        self.translate = lambda sentences: translation_decoding.ours(model, sentences)


class TheirTranslator(Translator):
    """transformers in "float32" or "bfloat16"."""

    def __init__(self, folder: Path, dtype: str, threads: int) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        torch.set_num_threads(threads)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        network = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        longest = min(network.config.max_position_embeddings, 100)
        self.translate = lambda sentences: translation_decoding.theirs(
            network, tokenizer, sentences, longest, by_length=True
        )
