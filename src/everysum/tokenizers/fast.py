"""Byte-pair encoding at size: learned by the tokenizers library, encoded by tiktoken.

Both do what byte_pair.py spells out, merge for merge and token for token (the tests hold them together). What is ours
is to keep their time in proportion to the text: tiktoken's expressions run out of stack on a million spaces, and its
merging of one very long piece needs many times the piece's memory.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from everysum.tokenizers.byte_characters import BYTES, to_bytes
from everysum.tokenizers.patterns import SplitPattern

if TYPE_CHECKING:
    import tiktoken

BLOCK_LENGTH = 2**16
"""Characters that are given to tiktoken at a time."""

OVERLAP = 64
"""Tokens that are taken back first where a long piece goes on; a few long tokens would do."""


def learn_pairs(texts: Sequence[str], number: int, pattern: SplitPattern) -> list[tuple[bytes, bytes]]:
    """The pairs that byte-pair training merges first, as `byte_pair.learn_merges` would find them."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern.expression), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=len(BYTES) + number,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    merges = json.loads(library.to_str())["model"]["merges"]
    return [(to_bytes(left), to_bytes(right)) for left, right in merges]


class Encoder:
    """Texts to token ids, with tiktoken; time in proportion to the text, whatever the text is."""

    def __init__(self, tokens: Sequence[bytes], pattern: SplitPattern) -> None:
        self._tokens = tokens
        self._pattern = pattern
        self._words = self._tiktoken(pattern.expression)

    def encode(self, text: str) -> list[int]:
        """The token ids of a text that can be written as UTF-8."""
        ids: list[int] = []
        for block in self._pattern.blocks(text, BLOCK_LENGTH):
            if len(block) <= 2 * BLOCK_LENGTH:
                ids.extend(self._words.encode_ordinary(block))
            else:
                for piece in self._pattern.pieces(block):
                    ids.extend(self._encode_piece(piece))
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        ids: list[int] = []
        for start in range(0, len(piece), BLOCK_LENGTH):
            self._go_on(ids, piece[start : start + BLOCK_LENGTH])
        return ids

    def _go_on(self, ids: list[int], more: str) -> None:
        """Turn the tokens of the beginning of a piece into those of the beginning and ``more``.

        The last tokens are taken back and encoded again together with ``more``. If the first of them comes out as it
        was, so do all before it: tokens are a piece's byte-pair encoding exactly when each two neighbours are the
        encoding of what they spell together, and every two neighbours here are. Otherwise, more are taken back.
        """
        back = OVERLAP
        while True:
            kept = self._character_start(ids, max(len(ids) - back, 0))
            again = self._whole.encode_ordinary(self._spell(ids[kept:]) + more)
            if kept == 0 or again[0] == ids[kept]:
                ids[kept:] = again
                return
            back *= 2

    def _character_start(self, ids: Sequence[int], place: int) -> int:
        """The last place up to this one where a token begins with the first byte of a character."""
        while place and self._tokens[ids[place]][0] & 0b1100_0000 == 0b1000_0000:
            place -= 1
        return place

    def _spell(self, ids: Sequence[int]) -> str:
        return b"".join(self._tokens[token_id] for token_id in ids).decode("utf-8")

    @functools.cached_property
    def _whole(self) -> tiktoken.Encoding:
        """The same merges with nothing cut before: all that it is given is one piece."""
        return self._tiktoken(r"[\s\S]+")

    def _tiktoken(self, expression: str) -> tiktoken.Encoding:
        import tiktoken

        ranks = {token: token_id for token_id, token in enumerate(self._tokens)}
        return tiktoken.Encoding("everysum", pat_str=expression, mergeable_ranks=ranks, special_tokens={})
