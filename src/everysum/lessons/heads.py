"""Heads: several attentions side by side, the article's way and the standard one, and that they are equal."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Diagram, Heading, Progress, Text, Try, matrix_table, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.attention import attention_weights, product_score
from everysum.plain.heads import SharedThenPerHead, shared_heads, standard
from everysum.plain.linear import Linear
from everysum.plain.vector import Matrix, numbers

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("humpty", "1.0 0.2 −0.4 0.7", "the vector of humpty", "numbers", -5, 5, 0.1, shortest=4, longest=4),
    Figure("dumpty", "0.4 1.5 0.3 −0.8", "the vector of dumpty", "numbers", -5, 5, 0.1, shortest=4, longest=4),
    Figure("sat", "−0.5 0.8 1.1 0.2", "the vector of sat", "numbers", -5, 5, 0.1, shortest=4, longest=4),
    Figure("seed", "1", "which random weights", "count", 0, 9999, 1),
)
WORDS = ("humpty", "dumpty", "sat")

DRAWING = (
    "           ┌─ head 1: query, key, value ─ attention ─ 2 numbers ─┐",
    "4 numbers ─┤                                                     ├─ 4 numbers",
    "           └─ head 2: query, key, value ─ attention ─ 2 numbers ─┘",
)


def rounded_layer(rows: int, columns: int, random: Random) -> Linear:
    """Random weights with one decimal, so that they can be followed by hand."""
    return Linear([numbers(round(random.uniform(-1, 1), 1) for _ in range(columns)) for _ in range(rows)])


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    words, random = given.matrix(*WORDS), Random(given.count("seed"))
    yield Text(
        "One attention listens for one thing. A word may need several: who did it, and when, and where. So several run "
        "side by side, called heads, each on a few numbers of its own, and what they bring home is laid side by side."
    )
    yield Diagram(DRAWING)
    query, key, value = (SharedThenPerHead(rounded_layer(4, 4, random), rounded_layer(4, 4, random)) for _ in range(3))
    article = shared_heads(query, key, value, 2)
    yield Heading("The article's way")
    yield Text(
        "All heads share one query, one key and one value; each head puts a linear layer of its own on top of "
        "them. Rows 1 and 2 of that second layer are head 1's, rows 3 and 4 head 2's. For sat:"
    )
    shared = query.shared(words[-1])
    yield sums({f"shared query, {at}": number for at, number in enumerate(shared, 1)})
    own = query.per_head(shared)
    yield sums({f"head {1 + at // 2}, query {1 + at % 2}": number for at, number in enumerate(own)})
    yield from listening(words, query, key)
    yield Text("What sat takes home, the two numbers of head 1, then those of head 2:")
    brought = article(words)
    yield table(("1", "2", "3", "4"), [row(word, one) for word, one in zip(WORDS, brought, strict=True)], alike=True)
    yield from folded_together(words, query, key, value)
    yield Heading("The same in torch")
    ways = [way.shared.weight for way in (query, key, value)] + [way.per_head.weight for way in (query, key, value)]
    yield compared("what all three words take home", in_torch, [words, *ways], brought)
    yield Try(("seed=2",), "Other weights, and the two ways are equal again.")


def listening(words: Matrix, query: SharedThenPerHead, key: SharedThenPerHead) -> Iterator[Block]:
    asked, found = query(words[-1]), [key(word) for word in words]
    rows = []
    for head in (0, 1):
        here = slice(2 * head, 2 * head + 2)
        rows.append(
            row(f"head {head + 1}", attention_weights(asked[here], [one[here] for one in found], product_score))
        )
    yield Text("Each head scores the keys with its own two numbers, so each listens to other words:")
    yield table(WORDS, rows, alike=True)


def folded_together(
    words: Matrix, query: SharedThenPerHead, key: SharedThenPerHead, value: SharedThenPerHead
) -> Iterator[Block]:
    yield Heading("The standard way, and why it is the same")
    yield Text(
        "There is no bend between the shared layer and the head's own, and two layers without a bend are one "
        "(chapter network): the product of their matrices. So each head may as well have its own query, key and "
        "value matrix from the start, which is how it is usually written. The first weight of head 1's query, made "
        "of the two layers:"
    )
    yield sums({"weight 1, 1": query.folded().weight[0][0]})
    yield matrix_table("query row", query.folded().weight)
    equal = standard(query, key, value, 2)(words)
    yield table(("1", "2", "3", "4"), [row(word, one) for word, one in zip(WORDS, equal, strict=True)], alike=True)
    yield Text(
        "The standard then mixes what the heads bring home by one more matrix, the output matrix (here it leaves "
        "all as it is), and divides each score by the root of the head's size, as in the chapter attention."
    )


def in_torch(
    words: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_heads: Tensor,
    key_heads: Tensor,
    value_heads: Tensor,
) -> Tensor:
    from everysum.layers.heads import SharedHeads, standard

    article = SharedHeads(4, 2, head_size=2).double()
    matrices = [query, query_heads, key, key_heads, value, value_heads]
    for weight, matrix in zip(article.parameters(), matrices, strict=True):
        weight.data = matrix
    return standard(article)(words[None])


CHAPTER = Chapter(
    "heads",
    "Listening for several things",
    "heads side by side; the article's equal the standard's",
    "Multi-head Attention",
    FIGURES,
    ("plain/heads.py", "layers/heads.py", "layers/attention.py"),
    teach,
)
