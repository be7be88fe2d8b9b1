"""<SEP>: translating with a language model alone, and what is weak about it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.errors import UsageError
from everysum.lessons.blocks import Block, Curve, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.gpt import GPT, random_gpt
from everysum.plain.positions import placed, sines_and_cosines
from everysum.plain.separator import END, SENTENCE, SEPARATOR, TRANSLATION, contexts, joined, lost, place_of_the_last
from everysum.plain.softmax import likeliest
from everysum.plain.training import parameters, train
from everysum.plain.vector import numbers

if TYPE_CHECKING:
    from torch import Tensor

PAIRS = (
    (SENTENCE, TRANSLATION),
    (("Was", "isst", "du", "?"), ("What", "do", "you", "eat", "?")),
    (("Wo", "wohnt", "er", "?"), ("Where", "does", "he", "live", "?")),
)
TOKENS = list(dict.fromkeys([SEPARATOR, END, *(word for pair in PAIRS for side in pair for word in side)]))
CONTEXT = 12

FIGURES = (
    Figure("sentence", " ".join(SENTENCE), "what is to be translated, its tokens parted by spaces", "text", longest=40),
    Figure("translation", " ".join(TRANSLATION), "its translation", "text", longest=40),
    Figure("context", "8", "how many tokens the model sees at once", "count", 2, 24, 1),
    Figure("epochs", "40", "how long the small model below trains", "count", 1, 200, 1),
    Figure("seed", "1", "which random weights to start from", "count", 0, 9999, 1),
)


def check(given: Given) -> None:
    for name in ("sentence", "translation"):
        if not given.text(name).strip():
            raise UsageError(f"the figure {name} has no word", wanted="at least one", came=repr(given.text(name)))


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    sentence, translation = (tuple(given.text(name).split()) for name in ("sentence", "translation"))
    length = given.count("context")
    yield Text(
        "Can a GPT translate? It continues texts, and so we give it a text to continue: the sentence, then a token "
        "that "
        f'means "now in the other language", {SEPARATOR}, and then as much of the translation as there is. For each '
        f"word it sees the last {length} tokens:"
    )
    steps = contexts(sentence, translation, length)
    yield table(("next",), [row(" ".join(seen), [word]) for seen, word in steps])
    yield from learned(given, progress)
    yield Heading("Three weak points")
    gone = lost(sentence, translation, length)
    yield Text(
        f"First, the window slides. With {len(translation)} words written, {gone} of the {len(sentence)} words of the "
        "sentence can no longer be seen. Second, one network must learn both languages, and that at the separator "
        f"everything changes. Third, the same sentence is read again for each word, and its last word, "
        f"{sentence[-1]!r}, stands elsewhere as soon as the window slides:"
    )
    rows = []
    for count in range(len(translation) + 1):
        place = place_of_the_last(sentence, translation[:count], length)
        seen = len(joined(sentence, translation[:count])[-length:])
        rows.append(row(f"{count} written", [float(seen), "not seen" if place is None else float(place)]))
    yield table(("tokens seen", f"place of {sentence[-1]!r}"), rows)
    yield from other_numbers()
    yield Text("The transformer, next, was made for translation, and has none of the three.")
    yield Try(("context=20",), "A longer window loses nothing, and costs more.")
    yield Try(("sentence=Wo wohnst du denn jetzt ?",), "A longer sentence is lost sooner.")


def other_numbers() -> Iterator[Block]:
    yield Text(
        "With another place come other position numbers (the paper's waves here), so the network must work the "
        "sentence out anew. One word, (0.5, 1, −0.2, 0.3), at places 3 and 2:"
    )
    word, rows = numbers("0.5 1 −0.2 0.3"), sines_and_cosines(8, 4)
    yield sums(
        {
            f"place {place}, number {at}": number
            for place in (3, 2)
            for at, number in enumerate(placed([word], [rows[place]])[0], 1)
        }
    )
    both = [placed([word], [rows[place]])[0] for place in (3, 2)]
    yield compared("the vector at both places", in_torch, [word], both)


def learned(given: Given, progress: Progress) -> Iterator[Block]:
    yield Heading("It works")
    epochs = given.count("epochs")
    network = random_gpt(
        len(TOKENS), Random(given.count("seed")), context_length=CONTEXT, width=8, layers=1, heads=2, inner_width=16
    )
    lines = [as_ids([*joined(sentence, translation), END]) for sentence, translation in PAIRS]
    losses = train(
        lines,
        network.loss,
        parameters(network),
        epochs=epochs,
        rate=0.3,
        progress=lambda step, loss: progress(step, epochs, loss),
    )
    yield Text(
        f"A GPT of one block learns three such lines, {epochs} times each. Asked with the sentence and {SEPARATOR}:"
    )
    if len(losses) > 1:
        yield Curve("loss", "epoch", tuple(losses))
    yield table(
        ("it goes on",), [row(" ".join(sentence), [" ".join(said(network, sentence))]) for sentence, _ in PAIRS]
    )


def said(network: GPT, sentence: tuple[str, ...]) -> list[str]:
    """What the network writes behind the separator: always the likeliest, until the end."""
    token_ids = as_ids(joined(sentence, ()))
    start = len(token_ids)
    while len(token_ids) < CONTEXT and TOKENS[token_ids[-1]] != END:
        token_ids.append(likeliest(network(token_ids)[-1]))
    return [TOKENS[token_id] for token_id in token_ids[start:]]


def as_ids(words: list[str]) -> list[int]:
    return [TOKENS.index(word) for word in words]


def in_torch(word: Tensor) -> Tensor:
    import torch

    from everysum.layers.positions import FixedPositions, sines_and_cosines

    positions = FixedPositions(8, 4, sines_and_cosines).double()
    return word + positions(torch.tensor([3, 2]))


CHAPTER = Chapter(
    "separator",
    "Translating by going on",
    "a sentence, <SEP>, its translation; and three weak points",
    "The transformer architecture (the first part)",
    FIGURES,
    ("plain/separator.py", "plain/gpt.py"),
    teach,
    check,
)
