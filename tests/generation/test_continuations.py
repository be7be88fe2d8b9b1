from __future__ import annotations

import math

import pytest
import torch

from everysum.errors import InputError, UsageError
from everysum.generation.continuations import Branch, Continuation, continuations, tree
from everysum.generation.generate import generate
from everysum.generation.sampling import GREEDY
from everysum.generation.windows import window
from everysum.models.network import Network


def all_continuations(network: Network, prompt: list[int], length: int, end_of_text: int | None) -> list[Continuation]:
    """Every one there is, by asking the network without a cache."""
    growing, ended = [Continuation()], []
    for _ in range(length):
        grown = []
        for beginning in growing:
            text = [*prompt, *beginning.token_ids]
            hidden = network(torch.tensor([text[-window(len(text), network.context_length) :]]))
            after = network.head(hidden[0, -1]).log_softmax(-1).tolist()
            grown += [beginning.then(token_id, step) for token_id, step in enumerate(after)]
        ended += [one for one in grown if one.token_ids[-1] == end_of_text]
        growing = [one for one in grown if one.token_ids[-1] != end_of_text]
    return sorted(ended + growing, key=lambda one: -one.log_probability)


@pytest.mark.parametrize("kind", ["gpt", "llama"])
@pytest.mark.parametrize("end_of_text", [None, 2])
@pytest.mark.parametrize("prompt", [[3], [1, 0, 4, 2, 3]])
def test_a_beam_as_wide_as_all_beginnings_finds_the_likeliest(
    build, kind: str, end_of_text: int | None, prompt
) -> None:
    network = build(kind, vocabulary_size=5, context_length=6)
    expected = all_continuations(network, prompt, 3, end_of_text)
    assert math.fsum(one.probability for one in expected) == pytest.approx(1.0)
    found = continuations(network, prompt, count=len(expected), length=3, end_of_text=end_of_text, width=200)
    assert [one.token_ids for one in found] == [one.token_ids for one in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.log_probabilities == pytest.approx(theirs.log_probabilities, rel=1e-9)
    assert continuations(network, prompt, count=7, length=3, end_of_text=end_of_text, width=200) == found[:7]


def test_a_narrow_beam_finds_true_continuations_in_order(build) -> None:
    network = build("llama", vocabulary_size=5)
    expected = {one.token_ids: one.probability for one in all_continuations(network, [1], 4, None)}
    found = continuations(network, [1], count=2, length=4, width=2)
    assert [one.probability for one in found] == pytest.approx([expected[one.token_ids] for one in found])
    assert found[0].probability >= found[1].probability


def test_a_beam_of_one_is_greedy(network: Network) -> None:
    found = continuations(network, [4, 5, 6], count=1, length=12, width=1)
    assert found[0].token_ids == generate(network, [[4, 5, 6]], tokens=12, sampling=GREEDY)[0].token_ids


def test_a_continuation_that_ends_early_keeps_its_place(reciter) -> None:
    # from 1 the reciter goes 2, 3; each step as it would go has e / (e + 3), each other one 1 / (e + 3)
    found = continuations(reciter(4), [1], count=2, length=5, end_of_text=3)
    assert [one.token_ids for one in found] == [(2, 3), (3,)]
    assert [one.probability for one in found] == pytest.approx([(math.e / (math.e + 3)) ** 2, 1 / (math.e + 3)])


def test_a_search_ends_when_everything_has_ended(reciter) -> None:
    found = continuations(reciter(1), [0], count=1, length=50, end_of_text=0)
    assert found == [Continuation((0,), (0.0,))]


def with_chances(*tokens: tuple[int, float]) -> Continuation:
    return Continuation(tuple(token for token, _ in tokens), tuple(math.log(chance) for _, chance in tokens))


def test_common_beginnings_are_shared_in_the_tree() -> None:
    humpty = with_chances((7, 0.5), (1, 0.8), (2, 0.5), (9, 1.0))
    humble = with_chances((7, 0.5), (1, 0.8), (3, 0.25), (5, 0.5))
    hurry = with_chances((7, 0.5), (4, 0.125), (4, 0.5), (5, 0.5))
    alone = with_chances(
        (8, 0.25),
    )
    expected = (
        Branch(
            (7,),
            (0.5,),
            0.5,
            (
                Branch((1,), (0.8,), 0.4, (Branch((2, 9), (0.5, 1.0), 0.2, ()), Branch((3, 5), (0.25, 0.5), 0.05, ()))),
                Branch((4, 4, 5), (0.125, 0.5, 0.5), 1 / 64, ()),
            ),
        ),
        Branch((8,), (0.25,), 0.25, ()),
    )
    assert rounded(tree([humpty, alone, humble, hurry])) == rounded(expected)
    assert tree([]) == ()


def rounded(branches: tuple[Branch, ...]) -> list[object]:
    return [
        (
            one.token_ids,
            [round(p, 12) for p in one.probabilities],
            round(one.path_probability, 12),
            rounded(one.children),
        )
        for one in branches
    ]


def test_the_leaves_of_the_tree_are_the_continuations(network: Network) -> None:
    found = continuations(network, [1, 2], count=12, length=10, end_of_text=5)

    def leaves(branches: tuple[Branch, ...], before: tuple[int, ...] = ()) -> dict[tuple[int, ...], float]:
        here = {}
        for one in branches:
            path = before + one.token_ids
            here |= leaves(one.children, path) if one.children else {path: one.path_probability}
        return here

    assert leaves(tree(found)) == pytest.approx({one.token_ids: one.probability for one in found})


def test_a_long_tree_needs_no_deep_recursion() -> None:
    long = with_chances(*[(1, 0.9)] * 5_000)
    assert tree([long])[0].token_ids == long.token_ids


@pytest.mark.parametrize(
    "values", [{"count": 0, "length": 3}, {"count": 2, "length": 0}, {"count": 5, "length": 3, "width": 4}]
)
def test_nothing_to_search_for_is_refused(network: Network, values: dict[str, int]) -> None:
    with pytest.raises(UsageError) as refusal:
        continuations(network, [1], **values)
    assert str(refusal.value).startswith(
        "there is nothing to continue with\n"
        "  wanted: a count and a length of 1 or more, and a width not below the count\n"
        f"  came: count {values['count']}, length {values['length']}, width "
    )


def test_a_prompt_of_no_tokens_has_no_continuations(network: Network) -> None:
    with pytest.raises(InputError, match="the prompt has no tokens"):
        continuations(network, [], count=1, length=1)
