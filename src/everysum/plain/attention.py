"""Attention: each word asks all words it may see, and takes a mix of their values, most from those whose keys fit best.

A word is a vector x here. Three matrices make three vectors of it: its query (what it looks for), its key (what it can
be found by) and its value (what it gives). They, and nothing about places, decide who listens to whom.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from everysum.plain.matrix import transposed
from everysum.plain.number import Number
from everysum.plain.softmax import softmax
from everysum.plain.vector import Matrix, Vector, weighted_sum

Score = Callable[[Sequence[Number], Sequence[Number]], Number]
Layer = Callable[[Vector], Vector]
"""From one vector to another: `partial(layer, weights=…)` or a `Linear`."""


def product_score(query: Sequence[Number], key: Sequence[Number]) -> Number:
    """How well a key fits a query, the article's way: q · k."""
    return weighted_sum(query, key)


def scaled_score(query: Sequence[Number], key: Sequence[Number]) -> Number:
    """The standard's: q · k / √head_size. Longer vectors have larger products, and softmax would harden with them."""
    return weighted_sum(query, key) * (1 / math.sqrt(len(query)))


def attention_weights(query: Sequence[Number], keys: Matrix, score: Score = scaled_score) -> Vector:
    """u: how much this query listens to each key. All are positive, and they add up to 1."""
    return softmax([score(query, key) for key in keys])


def mix(weights: Sequence[Number], values: Matrix) -> Vector:
    """Σ u · v: the values, each times its weight, added up. Its length is that of the values, whatever we choose."""
    return [weighted_sum(weights, column) for column in transposed(values)]


def attend(query: Sequence[Number], keys: Matrix, values: Matrix, score: Score = scaled_score) -> Vector:
    """What one query takes home."""
    return mix(attention_weights(query, keys, score), values)


def last_word_attention(words: Matrix, query: Layer, key: Layer, value: Layer, score: Score = product_score) -> Vector:
    """The article's self-attention: only the last word asks, for it is after the last word that the next one comes.

    Swap two words before it, and not one number changes: only the order of what is added up. Positions must be put in.
    """
    return attend(query(words[-1]), [key(word) for word in words], [value(word) for word in words], score)


def causal_attention(words: Matrix, query: Layer, key: Layer, value: Layer, score: Score = scaled_score) -> Matrix:
    """The standard's: every word asks, itself and those before it, so that one pass predicts after every word at once.

    Each word gets what `last_word_attention` would give it if the text ended there: no word sees a later one.
    """
    keys, values = [key(word) for word in words], [value(word) for word in words]
    return [attend(query(word), keys[: place + 1], values[: place + 1], score) for place, word in enumerate(words)]


def full_attention(words: Matrix, query: Layer, key: Layer, value: Layer, score: Score = scaled_score) -> Matrix:
    """Every word asks every word, later ones too: for a text that is there as a whole, as in an encoder."""
    return cross_attention(words, words, query, key, value, score)


def cross_attention(
    words: Matrix, others: Matrix, query: Layer, key: Layer, value: Layer, score: Score = scaled_score
) -> Matrix:
    """Words of one text ask those of another, such as the sentence that is being translated; nothing else changes."""
    keys, values = [key(other) for other in others], [value(other) for other in others]
    return [attend(query(word), keys, values, score) for word in words]
