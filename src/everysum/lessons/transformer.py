"""The transformer: an encoder reads the sentence once, a decoder writes and asks it at every step."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Curve, Diagram, Heading, Progress, Text, Try, row, sums, sums_of, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared, flat
from everysum.lessons.figures import Figure, Given
from everysum.lessons.separator import PAIRS
from everysum.plain.attention import attention_weights, mix
from everysum.plain.heads import Attention
from everysum.plain.number import Number
from everysum.plain.residual import residual
from everysum.plain.training import parameters, train
from everysum.plain.transformer import DecoderBlock, Transformer, random_transformer, translate
from everysum.plain.vector import Matrix, Vector

if TYPE_CHECKING:
    from torch import Tensor

GERMAN = list(dict.fromkeys(word for sentence, _ in PAIRS for word in sentence))
START, END = "<START>", "<END>"
ENGLISH = [START, END, *dict.fromkeys(word for _, translation in PAIRS for word in translation)]
WIDTH = 8

FIGURES = (
    Figure("sentence", "1", "which of the three sentences to look into", "count", 1, len(PAIRS), 1),
    Figure("epochs", "60", "how long it trains", "count", 1, 200, 1),
    Figure("rate", "0.2", "how large a step is", "number", 0, 1, 0.01),
    Figure("layers", "1", "how many blocks in each tower", "count", 1, 3, 1),
    Figure("seed", "1", "which random weights to start from", "count", 0, 9999, 1),
)

DRAWING = (
    "        ENCODER                          DECODER",
    "                                     output ─ logits",
    "                                           │",
    "   add & norm                         add & norm",
    "   feed-forward                       feed-forward",
    "        │                                  │           ⎫",
    "   add & norm        keys, values     add & norm       ⎪",
    "   attention ──────┬───────────────── cross-attention  ⎬ × N",
    "   (everything)    │                       │           ⎪",
    "        │       once, for             add & norm       ⎭",
    "        │      every layer            attention",
    "        │                             (itself and before)",
    "  embedding + positions            embedding + positions",
    "  Wo wohnst du ?                   <START> Where do you live ?",
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    sentence, translation = PAIRS[given.count("sentence") - 1]
    yield Text(
        "The transformer has two towers. The encoder reads the sentence, all of it at once: every word may look at "
        "every other. The decoder writes the translation as a GPT would, and in each block it asks the encoded "
        "sentence as well, by cross-attention: its queries, the sentence's keys and values."
    )
    yield Diagram(DRAWING)
    network = random_transformer(
        len(GERMAN),
        len(ENGLISH),
        Random(given.count("seed")),
        context_length=8,
        width=WIDTH,
        layers=given.count("layers"),
        heads=2,
        inner_width=2 * WIDTH,
    )
    yield from trained(network, given, progress)
    source, target = as_ids(GERMAN, sentence), as_ids(ENGLISH, (START, *translation))
    encoded = network.encode(source)
    yield from once(encoded, sentence, given)
    yield from asking(network, encoded, source, target, given)
    yield from alone(network)
    yield Heading("The same in torch")
    yield compared(
        "the outputs after each written word",
        in_torch,
        [
            embedded(network, source, target),
            *in_torchs_order(network),
            network.output.weight,
            network.output.bias,
            len(source),
            given.count("layers"),
        ],
        network.decode(target, encoded),
    )
    yield Try(("sentence=3",), "Look into another sentence.")
    yield Try(("layers=2",), "Two blocks in each tower: slower, deeper.")


def as_ids(vocabulary: list[str], words: tuple[str, ...]) -> list[int]:
    return [vocabulary.index(word) for word in words]


def trained(network: Transformer, given: Given, progress: Progress) -> Iterator[Block]:
    epochs = given.count("epochs")
    yield Heading("It learns to translate")
    examples = [
        (as_ids(GERMAN, sentence), as_ids(ENGLISH, (START, *translation, END))) for sentence, translation in PAIRS
    ]
    losses = train(
        examples,
        lambda example: network.loss(*example),
        parameters(network),
        epochs=epochs,
        rate=given.number("rate"),
        progress=lambda step, loss: progress(step, epochs, loss),
    )
    yield Text(f"{len(parameters(network)):,} parameters, three sentences, {epochs} rounds; always the likeliest word:")
    if len(losses) > 1:
        yield Curve("loss", "epoch", tuple(losses))
    rows = []
    for (sentence, _), (source, _) in zip(PAIRS, examples, strict=True):
        written = translate(network, source, start=0, end=1, longest=7)
        rows.append(row(" ".join(sentence), [" ".join(ENGLISH[word] for word in written)]))
    yield table(("translation",), rows)


def once(encoded: Matrix, sentence: tuple[str, ...], given: Given) -> Iterator[Block]:
    yield Heading("Read once")
    yield Text(
        "The encoder runs up once, however many words are written. What comes out, a vector for each word that "
        "knows of all the others, goes to every block of the decoder: not layer by layer, but from the top to all "
        "of them. The first four numbers of each, the first one as its sum (Add & Norm: normalized, scaled, "
        "shifted):"
    )
    yield table(
        ("1", "2", "3", "4"),
        [row(word, vector[:4]) for word, vector in zip(sentence, encoded, strict=True)],
        alike=True,
    )
    yield sums({f"{sentence[0]}, number 1": encoded[0][0]}, depth=2)


def asking(
    network: Transformer, encoded: Matrix, source: list[int], target: list[int], given: Given
) -> Iterator[Block]:
    yield Heading("Asked at each word")
    block = network.blocks[0]
    hidden = block.attention_normalization(residual(network.embedded(network.token_embedding, target), block.attention))
    cross = block.cross_attention
    keys = [cross.heads(cross.key(vector)) for vector in encoded]
    rows = []
    for place, vector in enumerate(hidden):
        heads = cross.heads(cross.query(vector))
        weights = [
            sum(attention_weights(heads[head], [key[head] for key in keys], cross.score)[at].value for head in (0, 1))
            / 2
            for at in range(len(source))
        ]
        rows.append(row(f"after {ENGLISH[target[place]]}", weights))
    yield Text("Which words of the sentence each written word listens to in the first block, the mean of two heads:")
    yield table([GERMAN[word] for word in source], rows, alike=True)
    yield from one_answer(network, hidden[0], encoded, source)


def one_answer(network: Transformer, vector: Vector, encoded: Matrix, source: list[int]) -> Iterator[Block]:
    """Every sum on the way to the first number that head 1 brings home for the start of the translation."""
    cross = network.blocks[0].cross_attention
    query = cross.heads(cross.query(vector))[0]
    keys, values = ([cross.heads(way(other))[0] for other in encoded] for way in (cross.key, cross.value))
    scores = [cross.score(query, key) for key in keys]
    weights = attention_weights(query, keys, cross.score)
    words = [GERMAN[word] for word in source]
    yield Text(
        f"Head 1, asked after {START}, all of it: the query, a key, the scores, the weights, and what they bring."
    )
    yield sums({f"query, {at}": number for at, number in enumerate(query, 1)})
    yield sums({f"key of {words[0]}, {at}": number for at, number in enumerate(keys[0], 1)})
    yield sums({f"score of {word}": score for word, score in zip(words, scores, strict=True)}, depth=2)
    yield sums({f"weight of {word}": weight for word, weight in zip(words, weights, strict=True)}, depth=3)
    yield sums_of("result", mix(weights, values))


def alone(network: Transformer) -> Iterator[Block]:
    yield Heading("Each position by itself")
    block = network.blocks[0]
    vectors = [network.token_embedding.weight[2], network.token_embedding.weight[3]]
    together, apart = block.feed_forward(vectors), block.feed_forward(vectors[:1])
    yield Text(
        "Feed-forward meets each position alone, so no word can look ahead through it. One vector, with a neighbor and "
        "without:"
    )
    yield table(("1", "2", "3", "4"), [row("with", together[0][:4]), row("without", apart[0][:4])], alike=True)


def embedded(network: Transformer, source: list[int], target: list[int]) -> Matrix:
    return [*network.embedded(network.source_embedding, source), *network.embedded(network.token_embedding, target)]


def of_attention(attention: Attention) -> list[Number]:
    """An attention's parameters in the order of torch.nn.MultiheadAttention."""
    ways = (attention.query, attention.key, attention.value)
    weights = [number for way in ways for number in flat(way.weight)]  # type: ignore[attr-defined]
    biases = [number for way in ways for number in way.bias]  # type: ignore[attr-defined]
    output = attention.output
    return [*weights, *biases, *flat(output.weight), *output.bias]  # type: ignore[attr-defined]


def in_torchs_order(network: Transformer) -> list[list[Number]]:
    """The parameters as torch.nn.TransformerEncoder and torch.nn.TransformerDecoder have them."""
    encoder: list[Number] = []
    for block in network.encoder_blocks:
        encoder += [*of_attention(block.attention), *parameters(block.feed_forward)]  # type: ignore[arg-type]
        encoder += parameters([block.attention_normalization, block.feed_forward_normalization])
    decoder: list[Number] = []
    for each in network.blocks:
        decoder += [*of_attention(each.attention), *of_attention(each.cross_attention)]  # type: ignore[arg-type]
        decoder += [*parameters(each.feed_forward), *norms_of(each)]
    return [encoder, decoder]


def norms_of(block: DecoderBlock) -> list[Number]:
    return parameters(
        [block.attention_normalization, block.cross_attention_normalization, block.feed_forward_normalization]
    )


def in_torch(
    embedded: Tensor, encoder: Tensor, decoder: Tensor, output: Tensor, bias: Tensor, source: int, layers: int
) -> Tensor:
    from torch import nn

    floor = nn.TransformerEncoderLayer(8, 2, 16, dropout=0)
    upper = nn.TransformerDecoderLayer(8, 2, 16, dropout=0)
    reads = nn.TransformerEncoder(floor, layers, None, False).double()
    writes = nn.TransformerDecoder(upper, layers).double()
    nn.utils.vector_to_parameters(encoder, reads.parameters())
    nn.utils.vector_to_parameters(decoder, writes.parameters())
    sentence, written = embedded[:source], embedded[source:]
    ahead = nn.Transformer.generate_square_subsequent_mask(len(written))
    hidden = writes(written, reads(sentence), tgt_mask=ahead.double())
    return nn.functional.linear(hidden, output, bias)


CHAPTER = Chapter(
    "transformer",
    "Two towers",
    "encoder and decoder: a sentence is read once, asked often",
    "The transformer architecture",
    FIGURES,
    ("plain/transformer.py", "layers/attention.py", "models/transformer.py"),
    teach,
)
