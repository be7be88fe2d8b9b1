"""German and English that ship with everysum: pairs of short sentences, made by a small grammar of ours."""

from __future__ import annotations

from everysum.data.tiny_translator.pairs import HELD_OUT_PAIRS, TRAINING_PAIRS, sentence_pairs

__all__ = ["HELD_OUT_PAIRS", "TRAINING_PAIRS", "sentence_pairs"]
