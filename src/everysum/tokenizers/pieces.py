"""Tokens that are whole pieces of text: the mechanism that characters and words share."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable

from everysum.tokenizers.byte_characters import BYTE_IDS, BYTES
from everysum.tokenizers.patterns import SplitPattern, utf8
from everysum.tokenizers.vocabulary import Vocabulary


class PieceTokenizer(Vocabulary):
    """A piece that is in the vocabulary is one token; any other is spelled, one token for each byte."""

    def __init__(self, pieces: Iterable[str], pattern: SplitPattern) -> None:
        learned = list(pieces)
        super().__init__((utf8(piece) for piece in learned), pattern)
        self._ids = {chr(byte): token_id for byte, token_id in BYTE_IDS.items() if byte < 0x80}
        self._ids |= {piece: token_id for token_id, piece in enumerate(learned, start=len(BYTES))}

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The token ids of a text; never ``end_of_text``."""

    def encode_pieces(self, pieces: Iterable[str]) -> list[int]:
        """The token ids of pieces, one after the other."""
        ids: list[int] = []
        for piece in pieces:
            token_id = self._ids.get(piece)
            if token_id is not None:
                ids.append(token_id)
            else:
                ids.extend(BYTE_IDS[byte] for byte in piece.encode("utf-8"))
        return ids


def most_frequent(counts: Counter[str], number: int | None) -> list[str]:
    """The pieces of more than one byte, most frequent first (equally frequent: in the order of their characters)."""
    longer = [piece for piece in counts if len(piece) > 1 or not piece.isascii()]
    return sorted(longer, key=lambda piece: (-counts[piece], piece))[:number]
