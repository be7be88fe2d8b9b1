"""Attention: three words, every score, weight and sum between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, sums_of, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.attention import (
    attention_weights,
    causal_attention,
    cross_attention,
    last_word_attention,
    mix,
    product_score,
    scaled_score,
)
from everysum.plain.network import layer
from everysum.plain.vector import Matrix, Vector, numbers

if TYPE_CHECKING:
    from torch import Tensor

WORDS = ("humpty", "dumpty", "sat")
PAIR = ("first", "second")

FIGURES = (
    Figure("humpty", "1.0 0.2", "the vector of humpty", "numbers", -20, 20, 0.1, PAIR),
    Figure("dumpty", "0.4 1.5", "the vector of dumpty", "numbers", -20, 20, 0.1, PAIR),
    Figure("sat", "−0.5 0.8", "the vector of sat, the last word", "numbers", -20, 20, 0.1, PAIR),
    Figure(
        "query", "0.5 1.0 −1.0 2.0", "two rows: what a word looks for", "numbers", -20, 20, 0.1, shortest=4, longest=4
    ),
    Figure("key", "1.0 0.3 0.2 1.0", "two rows: what it is found by", "numbers", -20, 20, 0.1, shortest=4, longest=4),
    Figure(
        "value", "2.0 0.0 1.0 1.0 0.0 −1.0", "three rows: what it gives", "numbers", -20, 20, 0.1, shortest=6, longest=6
    ),
)


def rows(given: Given, name: str) -> Matrix:
    vector = given.vector(name)
    return [vector[start : start + 2] for start in range(0, len(vector), 2)]


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    words = given.matrix(*WORDS)
    yield Text(
        "Which word comes next depends on the words before, and on some of them far more than on others. Which ones, "
        "cannot be fixed weights for fixed places: the word that matters may stand anywhere. So the weights themselves "
        "must be computed, from the words."
    )
    yield Text(
        "After humpty, dumpty, sat a fourth word is wanted. Each word is a vector, of two numbers here. If we knew how "
        "much each matters, we could mix them: half of the first and a quarter of each other, say."
    )
    half = numbers("0.5 0.25 0.25")
    yield sums_of("mixed", mix(half, words))

    query, key, value = (partial(layer, weights=rows(given, name)) for name in ("query", "key", "value"))
    keys, values = [key(word) for word in words], [value(word) for word in words]
    asked = query(words[-1])
    yield from three_vectors(words, keys, asked, values)
    yield from scores(asked, keys, values)
    yield from blind(words, query, key, value)
    yield from standard(words, query, key, value)
    yield Heading("The same in torch")
    yield compared(
        "what humpty, dumpty and sat take home, the standard way",
        in_torch,
        [words, rows(given, "query"), rows(given, "key"), rows(given, "value")],
        causal_attention(words, query, key, value),
    )
    yield Try(("sat=0 0",), "A last word that asks nothing: all keys fit alike, and it listens to all evenly.")
    yield Try(("query=5 10 -10 20",), "A question ten times as loud: nearly all weight falls on one word.")


def three_vectors(words: Matrix, keys: Matrix, asked: Vector, values: Matrix) -> Iterator[Block]:
    yield Heading("Query, key and value")
    yield Text(
        "The last word asks, for it is after the last word that we must go on. Three matrices, which are trained "
        "like all weights, make three vectors. The query of the last word says what it looks for:"
    )
    yield sums_of("query of sat,", asked)
    yield Text("The key of each word says what it can be found by:")
    yield sums(
        {
            f"key of {word}, {at}": number
            for word, one in zip(WORDS, keys, strict=True)
            for at, number in enumerate(one, 1)
        }
    )
    yield Text("And its value is what it gives to those who listen. It may have any length; here it has three numbers.")
    yield sums(
        {
            f"value of {word}, {at}": number
            for word, one in zip(WORDS, values, strict=True)
            for at, number in enumerate(one, 1)
        }
    )


def scores(asked: Vector, keys: Matrix, values: Matrix) -> Iterator[Block]:
    yield Heading("Who listens to whom")
    yield Text(
        "How well does a key fit the query? Multiply them number by number and add up (a dot product): the score. "
        "Softmax makes weights of the scores, which are positive and add up to 1."
    )
    found = [product_score(asked, key) for key in keys]
    weights = attention_weights(asked, keys, product_score)
    yield sums({f"score of {word}": score for word, score in zip(WORDS, found, strict=True)})
    yield sums({f"weight of {word}": weight for word, weight in zip(WORDS, weights, strict=True)}, depth=4)
    yield table(("weight",), [row(word, [weight]) for word, weight in zip(WORDS, weights, strict=True)], bars=0)
    yield Text("What sat takes home: each value times its weight, added up. That is attention.")
    yield sums_of("result", mix(weights, values))


def blind(words: Matrix, query: Layer, key: Layer, value: Layer) -> Iterator[Block]:
    yield Heading("Blind to order")
    humpty, dumpty, sat = words
    before = last_word_attention([humpty, dumpty, sat], query, key, value)
    after = last_word_attention([dumpty, humpty, sat], query, key, value)
    yield Text(
        "Let humpty and dumpty change places. The same sums are made in another order; not one number changes. So "
        "words must be told where they stand: see the chapter positions."
    )
    yield table(("1", "2", "3"), [row("humpty dumpty sat", before), row("dumpty humpty sat", after)], alike=True)


def standard(words: Matrix, query: Layer, key: Layer, value: Layer) -> Iterator[Block]:
    yield Heading("As it is done today")
    yield Text(
        "Two things are different in practice. The score is divided by the root of its length, √2 here, because longer "
        "vectors have larger products and softmax would harden. And every word asks, not only the last, each seeing "
        "itself and those before it: so the network learns from every word of a text at once, and none sees ahead."
    )
    keys = [key(word) for word in words]
    lines = []
    for place, word in enumerate(words):
        weights = attention_weights(query(word), keys[: place + 1])
        lines.append(row(f"{WORDS[place]} listens to", [*weights, *["·"] * (2 - place)]))
    yield table(WORDS, lines, alike=True)
    yield sums({"score of sat, divided": scaled_score(query(words[-1]), keys[-1])}, depth=2)
    yield Heading("Asking another sentence")
    others = [numbers("0.7 −0.3"), numbers("−1.0 0.4")]
    yield Text(
        "Keys and values may come from another text than the query: cross-attention. A translator's words ask the "
        "sentence that is being translated, here two words of it, (0.7, −0.3) and (−1.0, 0.4). Nothing else changes."
    )
    taken = cross_attention(words[-1:], others, query, key, value, product_score)[0]
    yield sums_of("result", taken)


Layer = partial[Vector]


def in_torch(words: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    from everysum.layers.attention import attention_weights

    queries, keys = words @ query.T, words @ key.T
    weights = attention_weights(queries[None, None], keys[None, None], None)
    return weights[0, 0] @ words @ value.T


CHAPTER = Chapter(
    "attention",
    "Listening to other words",
    "query, key, value: which earlier words matter, computed",
    "Self Attention",
    FIGURES,
    ("plain/attention.py", "layers/attention.py"),
    teach,
)
