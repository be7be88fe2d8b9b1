"""Embedding: the numbers that stand for a character are parameters too, and training finds better ones than we would.

Each character gets several numbers, a vector; all of them side by side are the embedding matrix. Here each is a row, as
in PyTorch; the article draws them as columns (`matrix.transposed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from everysum.plain.characters import ALPHABET, place_of
from everysum.plain.linear import random_matrix
from everysum.plain.matrix import vector_times
from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector


@dataclass
class Embedding:
    """A row for each token. The same token is the same row wherever it stands: its gradients from all places add up.

    A trained embedding can be used in another network: give it the same one.
    """

    weight: Matrix

    def __call__(self, token_ids: Sequence[int]) -> Matrix:
        """A vector for each token: its row, looked up."""
        return [self.weight[token_id] for token_id in token_ids]


def random_embedding(entries: int, width: int, random: Random, deviation: float = 1.0) -> Embedding:
    return Embedding(random_matrix(entries, width, random, deviation))


def by_one_hot(embedding: Embedding, token: Sequence[Number]) -> Vector:
    """Looking up, as a product: one-hot numbers times the matrix leave exactly one row."""
    return vector_times(token, embedding.weight)


@dataclass
class EmbeddedCharacters:
    """A text as the vectors of its characters, side by side: 12 characters of 10 numbers are 120 inputs."""

    embedding: Embedding
    alphabet: str = ALPHABET

    def __call__(self, text: str) -> Vector:
        rows = self.embedding([place_of(character, self.alphabet) for character in text])
        return [number for row in rows for number in row]
