"""The translators of benchmarks/decoding.py: five beams through packed weights, and transformers' generate.

Both turn lines into lines, as in `translation_decoding`; transformers is given batches of 32 sorted by length, which is
faster for it than the order of the file.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from decoding_ours import built
from taking_turns import Missing

import everysum
from everysum.generation.beam_search import Search

BEAMS = 5


class OurTranslator:
    """everysum with its weights in one of the forms."""

    def __init__(self, folder: Path, weights: str, threads: int, device: str = "cpu") -> None:
        built()
        torch.set_num_threads(threads)
        self.model = everysum.load(folder, device=device, weights=weights)

    def translate(self, sentences: Sequence[str]) -> dict[str, Any]:
        """Seconds, and the translations."""
        began = time.perf_counter()
        found = self.model.translate_batch(sentences, search=Search(BEAMS))
        texts = [translations[0].text for translations in found]
        return {"seconds": time.perf_counter() - began, "texts": texts}


class TheirTranslator:
    """transformers in "float32" or "bfloat16"."""

    def __init__(self, folder: Path, dtype: str, threads: int) -> None:
        try:
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
            from transformers import logging as their_logging
        except ImportError:
            raise Missing("transformers is not installed: pip install transformers") from None
        torch.set_num_threads(threads)
        their_logging.set_verbosity_error()
        their_logging.disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.network = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        self.longest = min(self.network.config.max_position_embeddings, 100)

    def translate(self, sentences: Sequence[str]) -> dict[str, Any]:
        """Seconds, and the translations."""
        from translation_decoding import theirs

        began = time.perf_counter()
        texts = theirs(self.network, self.tokenizer, sentences, self.longest, by_length=True)
        return {"seconds": time.perf_counter() - began, "texts": texts}
