"""Characters, one-hot, embedding, and the window network that says "humpty dumpty sat on a wall"."""

from __future__ import annotations

from random import Random

import pytest
import torch
from plain_and_torch import assert_held_together, draw, gradients, plain, take_over, values
from small_networks import assert_same, randomized
from torch import nn
from torch.nn import functional

from everysum.layers.embedding import AsNumber, OneHot
from everysum.layers.embedding import Embedding as TorchEmbedding
from everysum.models import window as torch_window
from everysum.plain.characters import ALPHABET, LETTERS, SENTENCE, WINDOW, as_numbers, number_of, place_of, said, slid
from everysum.plain.characters import windows as windows_of
from everysum.plain.embedding import EmbeddedCharacters, Embedding, by_one_hot, random_embedding
from everysum.plain.linear import Linear
from everysum.plain.matrix import transposed
from everysum.plain.number import Number
from everysum.plain.one_hot import as_one_hot, one_hot
from everysum.plain.training import move, parameters
from everysum.plain.vector import total
from everysum.plain.window import WindowNetwork, learn, random_window_network


def test_a_is_one_b_is_two() -> None:
    assert [number.value for number in as_numbers("humpty")] == [8, 21, 13, 16, 20, 25]
    assert (number_of("a"), number_of("z"), number_of(" ")) == (1, 26, 27)
    assert (place_of("a"), place_of("h")) == (0, 7)


def test_26_outputs_cannot_say_the_space() -> None:
    assert (len(LETTERS), len(ALPHABET)) == (26, 27)
    with pytest.raises(ValueError, match="no ' ' in the alphabet 'abcdefghijklmnopqrstuvwxyz'"):
        place_of(" ", LETTERS)


@pytest.mark.parametrize("character", ["H", "ab", "", "ß"])
def test_what_is_not_one_character_of_the_alphabet_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        place_of(character)


def test_the_window_slides() -> None:
    assert slid("humpty dumpt", "y") == "umpty dumpty"
    pairs = windows_of(SENTENCE)
    assert pairs[:3] == [("humpty dumpt", "y"), ("umpty dumpty", " "), ("mpty dumpty ", "s")]
    assert len(pairs) == len(SENTENCE) - WINDOW == 15


def test_the_last_window_has_twelve_characters_and_not_the_thirteen_or_fifteen_of_the_article() -> None:
    assert windows_of(SENTENCE)[-1] == ("sat on a wal", "l")
    assert {len(window) for window, _ in windows_of(SENTENCE)} == {12}
    assert (len(" sat on a wal"), len(" sat on the wal")) == (13, 15)


def test_one_hot_is_one_at_its_place() -> None:
    assert [number.value for number in one_hot(2, 4)] == [0, 0, 1, 0]
    assert len(as_one_hot("humpty dumpt")) == 324
    for a, b in (("a", "b"), ("a", "z")):
        difference = values(as_one_hot(a)) - values(as_one_hot(b))
        assert difference.square().sum() == 2
    with pytest.raises(ValueError, match="no place 4 among 4"):
        one_hot(4, 4)


def test_one_hot_is_torchs() -> None:
    text = "humpty dumpt"
    ids = torch.tensor([place_of(character) for character in text])
    expected = functional.one_hot(ids, 27).double()
    assert_same(values(as_one_hot(text)), expected.flatten())


def test_looking_up_is_multiplying_by_one_hot() -> None:
    weight = draw(5, 3)
    embedding = Embedding(plain(weight))
    assert_held_together(embedding([4, 1, 4]), weight[[4, 1, 4]], [(embedding.weight, weight)])
    theirs = one_hot(3, 5)
    assert values(by_one_hot(embedding, theirs)).tolist() == values(embedding([3])).tolist()


def test_a_character_is_a_column_of_the_article_and_a_row_here() -> None:
    embedding = random_embedding(27, 10, Random(1))
    columns = transposed(embedding.weight)
    assert (len(columns), len(columns[0])) == (10, 27)
    assert [row[place_of("h")] for row in columns] == embedding([place_of("h")])[0]


def test_the_order_of_the_rows_is_arbitrary_as_long_as_it_stays() -> None:
    embedding = random_embedding(27, 10, Random(1))
    backwards = EmbeddedCharacters(Embedding(embedding.weight[::-1]), ALPHABET[::-1])
    assert backwards("humpty dumpt") == EmbeddedCharacters(embedding)("humpty dumpt")


def test_twelve_characters_of_ten_numbers_are_120_inputs_with_tied_rows() -> None:
    inputs = EmbeddedCharacters(random_embedding(27, 10, Random(1)))
    text = "humpty dumpt"
    vector = inputs(text)
    assert len(vector) == 120
    for repeated in "umpt":
        first, second = (place for place, character in enumerate(text) if character == repeated)
        assert vector[10 * first : 10 * first + 10] == vector[10 * second : 10 * second + 10]
    assert len(set(vector)) == 80


def test_a_row_that_is_used_twice_adds_up_both_gradients() -> None:
    embedding = random_embedding(27, 2, Random(1))
    weights = draw(24).tolist()
    vector = EmbeddedCharacters(embedding)("humpty dumpt")
    total(number * weight for number, weight in zip(vector, weights, strict=True)).backward()
    (row,) = embedding([place_of("u")])
    assert row[0].gradient == pytest.approx(weights[2 * 1] + weights[2 * 8])
    assert embedding([place_of("a")])[0][0].gradient == 0


def of_window(ours: WindowNetwork, theirs: torch_window.Window) -> list[tuple[object, torch.Tensor]]:
    hidden, output = theirs.network.layers
    return [*take_over(ours.hidden, hidden), *take_over(ours.output, output)]


@pytest.mark.parametrize("kind", ["number", "one_hot", "embedding"])
def test_the_window_network_is_torchs(kind: str) -> None:
    text = "humpty dumpt"
    width = {"number": 1, "one_hot": 27, "embedding": 10}[kind]
    tokens = {"number": AsNumber, "one_hot": lambda: OneHot(27), "embedding": lambda: TorchEmbedding(27, 10)}[kind]()
    theirs = randomized(
        torch_window.Window(
            tokens, width, window=12, hidden_width=6, vocabulary_size=27, activation=torch.relu, bias=True
        )
    )
    embedding = random_embedding(27, 10, Random(1))
    inputs = {"number": as_numbers, "one_hot": as_one_hot, "embedding": EmbeddedCharacters(embedding)}[kind]
    ours = random_window_network(inputs, Random(1), neurons=6)
    pairs = of_window(ours, theirs)
    if kind == "embedding":
        pairs += take_over(embedding, theirs.tokens)
    ids = torch.tensor([place_of(character) for character in text])
    assert_held_together(ours(text), theirs(ids), pairs)


def test_a_window_network_learns_the_sentence_and_says_it_from_its_beginning_alone() -> None:
    network = random_window_network(EmbeddedCharacters(random_embedding(27, 10, Random(1))), Random(1))
    assert said(network.next_character, "humpty dumpt", 15) != SENTENCE
    losses = learn(network, SENTENCE, epochs=25, rate=0.5)
    assert losses[-1] < 0.1 < losses[0]
    assert said(network.next_character, "humpty dumpt", 15) == SENTENCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "epochs", "rate"), [(as_numbers, 1000, 0.002), (as_one_hot, 60, 1.0)], ids=["numbers", "one_hot"]
)
def test_it_learns_the_sentence_from_other_inputs_too(inputs: object, epochs: int, rate: float) -> None:
    network = random_window_network(inputs, Random(1))
    learn(network, SENTENCE, epochs=epochs, rate=rate)
    assert said(network.next_character, "humpty dumpt", 15) == SENTENCE


def test_a_trained_embedding_serves_another_network() -> None:
    """The second network has fewer neurons and learns with the first one's rows, which do not move any more."""
    embedding = random_embedding(27, 10, Random(1))
    first = random_window_network(EmbeddedCharacters(embedding), Random(1))
    learn(first, SENTENCE, epochs=25, rate=0.5)
    before = values(embedding.weight)
    second = random_window_network(EmbeddedCharacters(embedding), Random(2), neurons=12)
    movable = parameters([second.hidden, second.output])
    assert set(movable).isdisjoint(parameters(embedding))
    for _ in range(40):
        loss = total(second.loss(example) for example in windows_of(SENTENCE)) / 15
        loss.backward()
        move(movable, 0.5)
    assert said(second.next_character, "humpty dumpt", 15) == SENTENCE
    assert values(embedding.weight).tolist() == before.tolist()


def test_an_embedding_is_moved_by_training_like_any_weight() -> None:
    embedding = random_embedding(27, 3, Random(1))
    network = random_window_network(EmbeddedCharacters(embedding), Random(1), neurons=4)
    before = values(embedding.weight)
    learn(network, SENTENCE, epochs=1, rate=0.5)
    moved = (values(embedding.weight) - before).reshape(27, 3).abs().sum(1) > 0
    seen = {character for window, _ in windows_of(SENTENCE) for character in window}
    assert [ALPHABET[place] for place in range(27) if moved[place]] == [*sorted(seen - {" "}), " "]


def test_a_linear_layer_finds_its_torch_twin() -> None:
    """`take_over`, on which all comparisons rest, reads weights by name and changes nothing."""
    module = nn.Linear(3, 2).double()
    ours = Linear(plain(draw(2, 3)), plain(draw(2)))
    pairs = take_over(ours, module)
    assert [values(numbers).tolist() for numbers, _ in pairs] == [
        module.weight.flatten().tolist(),
        module.bias.tolist(),
    ]
    assert gradients(ours.weight).tolist() == [0] * 6
    assert isinstance(ours.bias[0], Number)
