"""GPT: all blocks together, trained on a few rhymes here and now, in plain Python."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Curve, Diagram, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.characters import visible
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.gpt import GPT
from everysum.plain.loss import cross_entropy
from everysum.plain.positions import placed
from everysum.plain.rhymes import ALPHABET, RHYMES, as_token_ids, learn_rhymes, recite
from everysum.plain.softmax import softmax
from everysum.plain.training import parameters
from everysum.plain.vector import Matrix, Vector

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("steps", "1500", "how many steps it trains", "count", 1, 5000, 1),
    Figure("seed", "4", "which random weights to start from", "count", 0, 9999, 1),
    Figure("prompt", "a little ", "how the rhyme begins", "text", shortest=2, longest=16, alphabet=ALPHABET),
    Figure("characters", "120", "how many characters to say", "count", 1, 500, 1),
    Figure("temperature", "0.3", "below 1 bolder, above 1 more daring", "number", 0.05, 20, 0.05),
)

DRAWING = (
    "tokens ─ token embedding ──(+)─ block ─ block ─ … ─ norm ─ output ─ logits",
    "positions ─ their embedding ─┘",
    "",
    "block:  x ─┬─ norm ─ attention ──(+)─┬─ norm ─ feed-forward ──(+)─ x",
    "           └─────────────────────┘   └────────────────────────┘",
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    yield Text(
        "Nothing new is needed any more. A GPT is the blocks of the last chapters, put together: tokens become "
        "vectors, positions are added, then blocks of attention and feed-forward, each with a sum around it and a "
        "normalization, and in the end an output for each token."
    )
    yield Diagram(DRAWING)
    yield Text(
        "Feed-forward is the network of the first chapter, two layers with a bend between, at each position by "
        "itself. This is today's block, pre-norm. The article's is post-norm: attention, add, norm, feed-forward, "
        "add, norm. Both are in the code, and differ only in where the norm stands."
    )
    network = yield from trained(given, progress)
    yield from looked_into(network, given.text("prompt"))
    yield Text(
        "The models that you have talked to are this, with more of everything: GPT-2 has 12 such blocks and a "
        "width of 768, its larger relatives a hundred times that."
    )
    yield Try(("steps=100",), "Too little training: letters, hardly words.")
    yield Try(("temperature=2",), "It dares more, and stumbles.")


def trained(given: Given, progress: Progress) -> Generator[Block, None, GPT]:
    yield Heading("It learns a few rhymes")
    yield Diagram(tuple(RHYMES.strip().splitlines()))
    steps, losses = given.count("steps"), list[float]()

    def watch(step: int, loss: float) -> None:
        losses.append(loss)
        progress(step, steps, loss)

    network = learn_rhymes(steps=steps, seed=given.count("seed"), progress=watch)
    count = len(parameters(network))
    yield Text(
        f"{len(ALPHABET)} characters as tokens, a context of {network.context_length}, a width of 16, one block "
        f"with two heads: {count:,} parameters. Each of {steps:,} steps shows it {network.context_length + 1} "
        f"characters from somewhere in the rhymes, and it learns at all {network.context_length} positions at once "
        "what comes next."
    )
    if len(losses) > 1:
        yield Curve("loss", "step", tuple(losses))
    prompt, temperature = given.text("prompt"), given.number("temperature")
    said = recite(network, prompt, given.count("characters"), temperature=temperature)
    yield Text(f"From {prompt!r}, at a temperature of {temperature:g}, it goes on:")
    yield Diagram(tuple(said.splitlines()))
    return network


def looked_into(network: GPT, prompt: str) -> Iterator[Block]:
    yield Heading(f"From the last character of {prompt!r} to the next")
    token_ids = as_token_ids(prompt)
    last = len(token_ids) - 1
    hidden = placed(network.token_embedding(token_ids), network.position_embedding.weight)
    yield Text("The vector of its token plus that of its position (the first of 16 numbers):")
    yield sums({"embedded": hidden[last][0]})
    yield from through_the_block(network, hidden, prompt)
    logits = network(token_ids)
    chances = softmax(logits[last])
    best = sorted(range(len(ALPHABET)), key=lambda at: -chances[at].value)[:5]
    yield Text("At the top each token's output is a sum of all 16 numbers; softmax makes chances of all of them:")
    yield sums({f"output {visible(ALPHABET[best[0]]).replace(chr(10), '⏎')}": logits[last][best[0]]})
    yield table(
        ("output", "chance"),
        [row(visible(ALPHABET[at]).replace("\n", "⏎"), [logits[last][at], chances[at]]) for at in best],
        bars=1,
    )
    yield sums({"its loss, if right": cross_entropy(logits[last], best[0])})
    yield compared("all outputs at the last position", in_torch, [parameters(network), token_ids], logits[last])


def through_the_block(network: GPT, hidden: Matrix, prompt: str) -> Iterator[Block]:
    block, last = network.blocks[0], len(hidden) - 1
    normed = block.attention_normalization(hidden)
    yield Text("Normalized for attention:")
    yield sums({"normalized": normed[last][0]}, depth=2)
    yield Text("Whom each of the two heads listens to, the newest six characters:")
    attention = block.attention
    queries, keys = (
        [attention.heads(way(vector)) for vector in normed]  # type: ignore[attr-defined]
        for way in (attention.query, attention.key)  # type: ignore[attr-defined]
    )
    first = max(0, last - 5)
    rows = []
    for head in (0, 1):
        weights = heard(queries[last][head], [key[head] for key in keys], attention.score)  # type: ignore[attr-defined]
        rows.append(row(f"head {head + 1}", weights[first:]))
    yield table([visible(c).replace("\n", "⏎") for c in prompt[first:]], rows, alike=True)
    added = attention(normed)
    yield Text("What attention brings is added to what flowed past it; then feed-forward does the same:")
    after = [[x + y for x, y in zip(one, other, strict=True)] for one, other in zip(hidden, added, strict=True)]
    yield sums({"after attention": after[last][0]}, depth=1)
    beyond = block.feed_forward(block.feed_forward_normalization(after))
    yield sums({"after feed-forward": after[last][0] + beyond[last][0]}, depth=1)


def heard(query: Vector, keys: Sequence[Vector], score: object) -> Vector:
    from everysum.plain.attention import attention_weights

    return attention_weights(query, list(keys), score)  # type: ignore[arg-type]


def in_torch(weights: Tensor, token_ids: list[int]) -> Tensor:
    import torch

    from everysum.models.gpt import GPT

    network = GPT(
        vocabulary_size=len(ALPHABET), context_length=16, width=16, heads=2,
        layers=1, inner_width=32, activation="relu", tied=False,
    ).double()  # fmt: skip
    torch.nn.utils.vector_to_parameters(weights, network.parameters())
    hidden = network(torch.tensor([token_ids]))
    return network.head(hidden)[0, -1]


CHAPTER = Chapter(
    "gpt",
    "All of it together",
    "a GPT of one block learns rhymes, here and now",
    "The GPT architecture",
    FIGURES,
    ("plain/gpt.py", "plain/rhymes.py", "plain/feed_forward.py", "models/gpt.py"),
    teach,
)
