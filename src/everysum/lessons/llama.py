"""Llama: the same tower with today's parts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from everysum.errors import UsageError
from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, sums_of, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.activation import silu
from everysum.plain.feed_forward import GatedFeedForward
from everysum.plain.linear import Linear
from everysum.plain.llama import LLAMA_3_1_8B, parameter_count, random_llama, stretched
from everysum.plain.normalization import RMSNorm
from everysum.plain.positions import halves, speeds, turned
from everysum.plain.training import parameters
from everysum.plain.vector import numbers, weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("x", "1 −2 0.5 0.25", "what flows in", "numbers", -10, 10, 0.1, shortest=4, longest=4),
    Figure("position", "5", "where it stands", "count", 0, 131_071, 1),
    Figure("heads", "4", "how many query heads", "choice", choices=("1", "2", "4")),
    Figure("key_value_heads", "2", "how many key/value heads they share", "choice", choices=("1", "2", "4")),
    Figure("seed", "1", "which random weights", "count", 0, 9999, 1),
)
SIZES = {"width": 16, "layers": 2, "inner_width": 24}
TOKENS = [3, 1, 4, 1, 5]


def check(given: Given) -> None:
    heads, shared = given.count("heads"), given.count("key_value_heads")
    if heads % shared:
        raise UsageError(
            f"{heads} query heads cannot be dealt out to {shared} key/value heads",
            wanted="no more key/value heads than heads",
            came=f"heads={heads}, key_value_heads={shared}",
        )


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    x = given.vector("x")
    yield Text(
        "Llama 3.1 stands at the end of this road. It is a GPT, pre-norm, with some parts exchanged. Each is "
        "small, and you have met most of them already."
    )
    yield Heading("RMSNorm")
    yield Text("Each number divided by the root of the mean of all squares, and scaled; no mean is taken away.")
    yield sums_of("x", RMSNorm(numbers("1 1 1 1"))([x])[0], depth=2)
    yield from rotary(given)
    yield from gated(given)
    yield from grouped(given)
    yield from whole(given)
    yield Try(("position=0",), "At position 0 nothing is turned.")
    yield Try(("key_value_heads=1",), "All query heads share one key and value.")


def rotary(given: Given) -> Iterator[Block]:
    x, position = given.vector("x"), given.count("position")
    yield Heading("Rotary positions")
    yield Text(
        "Queries and keys are turned by their position, pair by pair, each pair at a speed of its own; number 1 "
        f"goes with number 3, and 2 with 4. At position {position}:"
    )
    turn = partial(turned, pairs=halves(4), turning=speeds(4))
    yield sums_of("x", turn(x, position), depth=1)
    key = numbers("0.5 1 −1 0.2")
    rows = [
        row(f"{ahead} ahead", [weighted_sum(turn(x, position + ahead), turn(key, position))]) for ahead in (0, 1, 2, 10)
    ]
    yield Text("Multiplied with a key (0.5, 1, −1, 0.2), it matters only how far ahead of it the query stands:")
    yield table(("query · key",), rows)
    yield Heading("128K tokens")
    yield Text(
        "Llama 3.1 was trained on texts of 8,192 tokens and then led on to 131,072. Pairs that turn slowly would "
        "come to angles never seen, so they turn eight times slower; quick ones, which tell neighbors apart, stay "
        "as they are:"
    )
    before = speeds(128, 500_000.0)
    after = stretched(before)
    places = (0, 20, 28, 30, 32, 36, 50, 63)
    yield table(
        ("speed", "stretched", "times slower"),
        [row(f"pair {at}", [before[at], after[at], before[at] / after[at]]) for at in places],
    )


def gated(given: Given) -> Iterator[Block]:
    yield Heading("SwiGLU")
    yield Text(
        "Feed-forward in three matrices: one half decides, number by number, how much of the other gets through. "
        "The bend is SiLU, x × logistic(x). With two inner neurons:"
    )
    x = given.vector("x")
    gate, up = (
        Linear([numbers("0.5 −0.2 0.1 0.4"), numbers("−0.3 0.2 0.6 0.1")]),
        Linear([numbers("0.2 0.1 −0.5 0.3"), numbers("0.4 −0.1 0.2 −0.6")]),
    )
    layer = GatedFeedForward(gate, up, Linear([numbers("1 0.5")]))
    yield sums({"gate 1": gate(x)[0], "bent": silu(gate(x)[0]), "up 1": up(x)[0], "through 1": layer.gated(x)[0]})
    yield sums({"out": layer([x])[0][0]}, depth=2)


def grouped(given: Given) -> Iterator[Block]:
    heads, shared = given.count("heads"), given.count("key_value_heads")
    yield Heading("Grouped queries")
    yield Text(
        "While a text is written, the keys and values of all its tokens are kept. To keep less, groups of query "
        f"heads share them: here {heads} query heads share {shared} of key and value. Llama 3.1 8B has 32 and 8, "
        "and keeps a quarter."
    )
    yield table(
        ("listens with",),
        [row(f"query head {head + 1}", [f"key and value {head // (heads // shared) + 1}"]) for head in range(heads)],
    )


def whole(given: Given) -> Iterator[Block]:
    yield Heading("All of it")
    heads, shared = given.count("heads"), given.count("key_value_heads")
    network = random_llama(9, Random(given.count("seed")), heads=heads, key_value_heads=shared, **SIZES)
    yield Text(
        f"There are no biases anywhere. A tiny one with random weights, {len(parameters(network)):,} parameters, "
        "reads five tokens; its first output is, as ever, a sum:"
    )
    outputs = network(TOKENS)
    yield sums({"output 1": outputs[-1][0]})
    yield compared("all outputs", in_torch, [parameters(network), heads, shared, TOKENS], outputs)
    sizes = {
        "vocabulary": LLAMA_3_1_8B["vocabulary_size"] * LLAMA_3_1_8B["width"] * 2,
        "everything": parameter_count(**LLAMA_3_1_8B),
    }
    yield Text(
        f"The published one has {LLAMA_3_1_8B['layers']} blocks of width {LLAMA_3_1_8B['width']:,} and "
        f"{sizes['everything']:,} parameters ({sizes['vocabulary']:,} of them for tokens, in and out). Every one is "
        "a weight in a sum like those above: from adding and multiplying to Llama, nothing was left out."
    )


def in_torch(weights: Tensor, heads: int, key_value_heads: int, token_ids: list[int]) -> Tensor:
    import torch

    from everysum.models.llama import Llama

    network = Llama(
        vocabulary_size=9, context_length=8, width=16, layers=2,
        inner_width=24, heads=heads, key_value_heads=key_value_heads,
    ).double()  # fmt: skip
    torch.nn.utils.vector_to_parameters(weights, network.parameters())
    return network.head(network(torch.tensor([token_ids])))


CHAPTER = Chapter(
    "llama",
    "Today's parts",
    "RMSNorm, rotary positions, SwiGLU, grouped queries",
    "Introduction (Llama 3.1, where the road leads)",
    FIGURES,
    ("plain/llama.py", "models/llama.py"),
    teach,
    check,
)
