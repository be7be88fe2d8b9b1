"""Byte-pair encoding: tokens learned by merging, again and again, the two neighbours that meet most often.

Start with bytes. Count each pair of neighbouring tokens inside the pieces of the text; merge the most frequent pair
into a new token, everywhere; count again. A token's id says when it was learned, and encoding repeats the merges in
that order. (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; on bytes: GPT-2.)

The functions here are the algorithm. `BytePairTokenizer` runs the same one through faster libraries (fast.py).
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from everysum.tokenizers import fast
from everysum.tokenizers.byte_characters import BYTE_IDS, BYTES
from everysum.tokenizers.patterns import split_pattern, utf8
from everysum.tokenizers.sample import even_sample
from everysum.tokenizers.vocabulary import Vocabulary, learned_size

Pair = tuple[int, int]

SMALLEST_COUNT = 2
"""A pair that stands in the text once is not worth a token."""


@dataclass(frozen=True)
class Merge:
    """One step of the training: these two tokens became this one."""

    pair: Pair
    token_id: int
    piece: bytes
    """The bytes of the new token: those of the pair, joined."""
    count: int | None = None
    """How often the pair stood in the text when it was merged; None where files and libraries do not tell."""


def learn_merges(pieces: Mapping[str, int], number: int) -> list[Merge]:
    """The first ``number`` merges, fewer if the text has no more, from pieces and how often each stands in the text.

    Of equally frequent pairs the one with the lower first id is merged, then the one with the lower second id.
    """
    words = [[BYTE_IDS[byte] for byte in utf8(piece)] for piece in pieces]
    weights = list(pieces.values())
    counts: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)  # pair → the words it may stand in, to look at these only
    for place, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += weights[place]
            places[pair].add(place)

    tokens, merges = list(BYTES), list[Merge]()
    while len(merges) < number and counts:
        pair = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
        if counts[pair] < SMALLEST_COUNT:
            break
        merge = Merge(pair, len(tokens), tokens[pair[0]] + tokens[pair[1]], counts[pair])
        merges.append(merge)
        tokens.append(merge.piece)
        for place in places.pop(pair):
            before = words[place]
            words[place] = after = merge_pair(before, pair, merge.token_id)
            for old in pairwise(before):
                counts[old] -= weights[place]
            for new in pairwise(after):
                counts[new] += weights[place]
                places[new].add(place)
        del counts[pair]
    return merges


def merge_pair(token_ids: Sequence[int], pair: Pair, token_id: int) -> list[int]:
    """The same tokens with each occurrence of the pair, from the left, replaced by one token."""
    merged, place = list[int](), 0
    while place < len(token_ids):
        if tuple(token_ids[place : place + 2]) == pair:
            merged.append(token_id)
            place += 2
        else:
            merged.append(token_ids[place])
            place += 1
    return merged


def encode_piece(piece: str, merges: Mapping[Pair, int]) -> list[int]:
    """The tokens of one piece: of all pairs in it, the one learned first is merged, until none is left.

    ``merges`` says for each pair which token it becomes; the lower this id, the earlier it was learned.
    """
    token_ids = [BYTE_IDS[byte] for byte in utf8(piece)]
    while known := [pair for pair in pairwise(token_ids) if pair in merges]:
        first = min(known, key=merges.__getitem__)
        token_ids = merge_pair(token_ids, first, merges[first])
    return token_ids


class BytePairTokenizer(Vocabulary):
    """The 256 bytes, then a token for each merge, in the order they were learned: the layout of GPT-2."""

    kind = "byte_pair"

    def __init__(self, merges: Iterable[Merge], pattern: str = "gpt2") -> None:
        self.merges = tuple(merges)
        super().__init__((merge.piece for merge in self.merges), split_pattern(pattern))

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self._encoder.encode(text)

    def history(self, token_id: int) -> list[tuple[int, Merge]]:
        """The merges behind one token as they were learned, each with its number; the 256 bytes have none."""
        needed: dict[int, Merge] = {}
        waiting = [token_id]
        while waiting:
            number = waiting.pop() - len(BYTES)
            if 0 <= number < len(self.merges):
                needed[number] = self.merges[number]
                waiting += self.merges[number].pair
        return [(number + 1, needed[number]) for number in sorted(needed)]

    @functools.cached_property
    def _encoder(self) -> fast.Encoder:
        return fast.Encoder([*BYTES, *self.learned], self.pattern)

    def _pairs(self) -> list[tuple[bytes, bytes]]:
        return [(self._tokens[left], self._tokens[right]) for left, right in (merge.pair for merge in self.merges)]


def merges_from_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> list[Merge]:
    """The merges that join these pairs of tokens, in this order; KeyError for a token that does not exist yet."""
    ids = {token: token_id for token_id, token in enumerate(BYTES)}
    merges = []
    for left, right in pairs:
        merge = Merge((ids[left], ids[right]), len(ids), left + right)
        if ids.setdefault(merge.piece, merge.token_id) != merge.token_id:
            raise ValueError(f"the token {merge.piece!r} is made twice")
        merges.append(merge)
    return merges


def train_byte_pair(texts: str | Iterable[str], vocabulary_size: int, pattern: str = "gpt2") -> BytePairTokenizer:
    """A vocabulary of this size learned from the texts (from an even sample of very long ones), or a smaller one if
    no pair stands in them twice any more."""
    number, cut = learned_size(vocabulary_size), split_pattern(pattern)
    return BytePairTokenizer(merges_from_pairs(fast.learn_pairs(even_sample(texts, cut), number, cut)), pattern)
