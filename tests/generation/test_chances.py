from __future__ import annotations

import pytest
import torch

from everysum.generation.chances import Candidate, chances
from everysum.generation.generate import steps
from everysum.generation.sampling import GREEDY, Sampling


def test_the_candidates_of_a_step_by_hand() -> None:
    shown = chances(torch.tensor([0.125, 0.5, 0.25, 0.125]).log(), taken=3, count=2)
    assert [candidate.token_id for candidate in shown.candidates] == [1, 2]
    assert [candidate.probability for candidate in shown.candidates] == pytest.approx([0.5, 0.25])
    assert shown.taken.token_id == 3
    assert shown.taken.probability == pytest.approx(0.125)


def test_more_candidates_than_tokens_are_all_tokens() -> None:
    assert sorted(candidate.token_id for candidate in chances(torch.zeros(3), 0, 10).candidates) == [0, 1, 2]


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.5, top_k=2)])
def test_chances_are_the_models_own_whatever_is_made_of_them(network, sampling: Sampling) -> None:
    text = [4, 5]
    for step in steps(network, [[4, 5]], tokens=5, sampling=sampling):
        expected = network.head(network(torch.tensor([text]))[0, -1]).softmax(-1).tolist()
        shown = chances(step.logits[0], step.token_ids[0], count=23)
        assert sum(candidate.probability for candidate in shown.candidates) == pytest.approx(1.0)
        for candidate in (*shown.candidates, shown.taken):
            assert candidate.probability == pytest.approx(expected[candidate.token_id], rel=1e-9)
        assert shown.taken in shown.candidates[: 1 if sampling is GREEDY else 2]
        text.append(step.token_ids[0])


def test_chances_of_bfloat16_logits_are_exact_numbers() -> None:
    assert chances(torch.zeros(4, dtype=torch.bfloat16), 2, 1).taken == Candidate(2, 0.25)
