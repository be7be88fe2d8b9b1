"""What a translator looked at: the network's own weights, and words made of them without losing any."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from small_translators import translator, vocabulary

from everysum.errors import ModelFolderError, UsageError
from everysum.generation.alignment import END, align, cross_attention, words_of
from everysum.models.transformer import DecoderBlock, Transformer

SOURCE = "wo wohnst du?"
TARGET = "where do you live?"


def test_the_weights_are_those_that_the_network_mixed_by() -> None:
    """A plain loop over the second layer: its input, its queries, its keys, and softmax."""
    network, tokenizer = translator("transformer")
    assert isinstance(network, Transformer)
    source, target, end = tokenizer.encode(SOURCE), tokenizer.encode(TARGET), tokenizer.end_of_text
    weights = cross_attention(network, [*source, end], target, end)
    assert weights.shape == (2, 2, len(target) + 1, len(source) + 1)

    block = cast(DecoderBlock, network.blocks[1])
    seen: list[torch.Tensor] = []
    block.cross_attention.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.tensor([[*source, end]]), torch.tensor([[end, *target]]))
        encoded = network.encode(torch.tensor([[*source, end]]))[0]
        query = block.cross_attention.query(seen[0][0])
        key = block.cross_attention.key(encoded)
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            for place in range(len(target) + 1):
                products = torch.stack([query[place, part] @ key[asked, part] for asked in range(len(source) + 1)])
                torch.testing.assert_close(weights[1, head, place], (products / 8**0.5).softmax(0))


def test_looking_changes_nothing() -> None:
    network, tokenizer = translator("transformer")
    assert isinstance(network, Transformer)
    engines = [cast(DecoderBlock, block).cross_attention.engine for block in network.blocks]
    network.train()
    align(network, tokenizer, SOURCE, tokenizer.encode(TARGET))
    assert [cast(DecoderBlock, block).cross_attention.engine for block in network.blocks] == engines
    assert network.training


def test_words_get_all_of_the_attention_of_their_tokens() -> None:
    network, tokenizer = translator("transformer")
    assert isinstance(network, Transformer)
    found = align(network, tokenizer, SOURCE, tokenizer.encode(TARGET))
    assert found.source == ("wo", "wohnst", "du", "?", END)
    assert found.target == ("where", "do", "you", "live", "?", END)
    assert (found.layers, found.heads) == ((1, 2), 2)
    assert [sum(row) for row in found.weights] == pytest.approx([1.0] * 6)
    source, target, end = tokenizer.encode(SOURCE), tokenizer.encode(TARGET), tokenizer.end_of_text
    tokens = cross_attention(network, [*source, end], target, end).mean((0, 1))
    assert found.weights[-1][-1] == pytest.approx(float(tokens[-1, -1]))
    _, places = words_of(source, tokenizer)
    first_word = [place for place, word in enumerate(places.tolist()) if word == 0]
    assert found.weights[-1][0] == pytest.approx(float(tokens[-1, first_word].sum()))


def test_one_layer_can_be_looked_at_alone() -> None:
    network, tokenizer = translator("transformer")
    one, two, both = (align(network, tokenizer, "ja", tokenizer.encode("ja"), layers) for layers in ([1], [2], None))
    assert one.layers == (1,)
    mean = [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(one.weights, two.weights, strict=True)]
    assert [list(row) for row in both.weights] == [pytest.approx(row) for row in mean]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wo wohnst du?", ("wo", "wohnst", "du", "?")),
        ("Mir geht's gut.", ("Mir", "geht's", "gut", ".")),
        ("  das  haus", ("das", "haus")),
        ("хочу 😀 日本語", ("хочу", "😀", "日本語")),
        ("?!", ("?", "!")),
        ("", ()),
        (" ", ()),
    ],
)
def test_every_token_belongs_to_a_word(text: str, words: tuple[str, ...]) -> None:
    tokenizer = vocabulary()
    token_ids = tokenizer.encode(text)
    found, places = words_of(token_ids, tokenizer)
    assert found == (*words, END)
    assert len(places) == len(token_ids) + 1
    assert places.tolist() == sorted(places.tolist())
    assert set(places[:-1].tolist()) == set(range(len(words))) or not words
    assert places[-1] == len(words)


def test_what_has_no_cross_attention_or_not_this_layer_is_refused() -> None:
    with pytest.raises(ModelFolderError, match="this translator has no cross-attention to look at"):
        align(*translator("separator"), "ja", [1])
    with pytest.raises(UsageError, match="the decoder has no layer 3"):
        align(*translator("transformer"), "ja", [1], [3])
