from __future__ import annotations

import pytest
import torch
from small_networks import assert_same, randomized
from torch import Tensor, nn
from torch.nn import functional

from everysum.errors import InputError
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.embedding import AsNumber, Embedding, OneHot
from everysum.layers.layer import initialize, parameter_count
from everysum.models.window import Window, continued, windows

RHYME = "humpty dumpty sat on a wall"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz "
INPUTS = {"numbers": lambda: (AsNumber(), 1), "one_hot": lambda: (OneHot(27), 27), "embedding": lambda: learned(10)}


def learned(width: int) -> tuple[nn.Module, int]:
    return Embedding(27, width, deviation=0.3), width


def ids(text: str) -> Tensor:
    """a is token 0 and the space is the last; as numbers that go in, a = 1 and the space = 27."""
    return torch.tensor([CHARACTERS.index(character) for character in text])


def text(token_ids: Tensor) -> str:
    return "".join(CHARACTERS[token_id] for token_id in token_ids.tolist())


def network(kind: str, **changes: object) -> Window:
    sizes = {"window": 12, "hidden_width": 20, "vocabulary_size": 27, "activation": torch.tanh}
    return Window(*INPUTS[kind](), **{**sizes, **changes})


def test_twelve_characters_become_twelve_numbers_or_a_hundred_and_twenty() -> None:
    assert AsNumber()(ids("humpty dumpt")).flatten().tolist() == [8, 21, 13, 16, 20, 25, 27, 4, 21, 13, 16, 20]
    sizes = {kind: network(kind).network.layers[0].weight.shape[1] for kind in INPUTS}
    assert sizes == {"numbers": 12, "one_hot": 12 * 27, "embedding": 120}


def test_windows_slide_over_the_text_by_one_character() -> None:
    seen, following = windows(ids(RHYME), 12)
    pairs = [(text(window), text(character[None])) for window, character in zip(seen, following, strict=True)]
    assert pairs[:3] == [("humpty dumpt", "y"), ("umpty dumpty", " "), ("mpty dumpty ", "s")]
    assert pairs[-1] == ("sat on a wal", "l")
    assert len(pairs) == len(RHYME) - 12


def test_an_embedding_is_the_one_hot_rows_times_its_table() -> None:
    embedding = randomized(Embedding(27, 10))
    assert_same(embedding(ids(RHYME)), OneHot(27)(ids(RHYME)).double() @ embedding.weight)
    assert OneHot(3)(torch.tensor([2, 0])).tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


@pytest.mark.parametrize("kind", INPUTS)
def test_a_window_network_agrees_with_the_same_sums_in_plain_torch(kind: str) -> None:
    ours = randomized(network(kind, activation=ACTIVATIONS["relu"]))
    seen, _ = windows(ids(RHYME), 12)
    first, last = ours.network.layers
    tables = {"numbers": torch.arange(1, 28)[:, None], "one_hot": torch.eye(27)}
    rows = (ours.tokens.weight if kind == "embedding" else tables[kind].double())[seen]
    inner = (rows.reshape(len(seen), -1) @ first.weight.T + first.bias).clamp(min=0)
    assert_same(ours(seen), inner @ last.weight.T + last.bias, 1e-11)


def test_a_character_that_stands_twice_gets_the_sum_of_both_gradients() -> None:
    """u, m, p and t stand twice in "humpty dumpt": their rows are tied."""
    ours, shown = randomized(network("embedding")), ids("humpty dumpt")
    rows = ours.tokens(shown).detach().requires_grad_()
    ours.network(rows.flatten())[CHARACTERS.index("y")].backward()
    ours(shown)[CHARACTERS.index("y")].backward()
    for character in set("humpty dumpt"):
        places = [place for place, shown_here in enumerate("humpty dumpt") if shown_here == character]
        assert len(places) == (2 if character in "umpt" else 1)
        assert_same(ours.tokens.weight.grad[CHARACTERS.index(character)], rows.grad[places].sum(dim=0), 1e-12)
    assert (ours.tokens.weight.grad[CHARACTERS.index("q")] == 0).all()


@pytest.mark.parametrize(("kind", "rate", "steps"), [("one_hot", 0.1, 150), ("embedding", 0.03, 200)])
def test_it_learns_the_rhyme_and_says_it_from_its_first_twelve_characters(kind: str, rate: float, steps: int) -> None:
    ours = network(kind)
    initialize(ours, 1)
    seen, following = windows(ids(RHYME), 12)
    optimizer = torch.optim.Adam(ours.parameters(), lr=rate)
    for _ in range(steps):
        loss = functional.cross_entropy(ours(seen), following)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert text(continued(ours, ids("humpty dumpt"), 15)) == RHYME


def test_a_trained_embedding_serves_another_network() -> None:
    embedding = randomized(Embedding(27, 10))
    first = Window(embedding, 10, window=12, hidden_width=20, vocabulary_size=27)
    other = Window(embedding, 10, window=5, hidden_width=8, vocabulary_size=27)
    assert first.tokens is other.tokens
    assert parameter_count(other) == 27 * 10 + 50 * 8 + 8 + 8 * 27 + 27


def test_a_window_that_is_too_long_or_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="a network with a window of 12 tokens was given 13"):
        network("embedding")(ids("humpty dumpty"))
    with pytest.raises(InputError, match="a network with a window of 12 tokens was given 6"):
        continued(network("embedding"), ids("humpty"), 3)
    with pytest.raises(InputError, match="a text of 12 tokens has no window of 12 with a token behind it"):
        windows(ids("humpty dumpt"), 12)
