"""What the losses of a run say, each of its sentences once."""

from __future__ import annotations

import pytest

from everysum.training.verdict import verdict


@pytest.mark.parametrize(
    ("train", "looks", "held_out", "said"),
    [
        (2.0, [], None, "Nothing was held out"),
        (6.5, [6.6], 6.4, "It has hardly learned: 6.40 on held-out text, 6.93 before training."),
        (
            1.0,
            [3.0, 2.5, 2.9],
            2.8,
            "It over-fits: in looks at the held-out text the loss was 2.50 and has risen to 2.90",
        ),
        (
            1.0,
            [3.0, 2.4],
            2.5,
            "It begins to learn the text by heart: 1.00 on what it was trained on, 2.50 on held-out",
        ),
        (2.3, [3.0, 2.5, 2.51], 2.6, "It does not over-fit: 2.30 on what it was trained on, 2.60 on held-out text."),
        (2.3, [], 2.6, "It does not over-fit"),
    ],
)
def test_each_end_of_a_run_has_its_sentence(
    train: float, looks: list[float], held_out: float | None, said: str
) -> None:
    assert verdict(train, looks, held_out, 6.93).startswith(said)


def test_every_verdict_that_finds_fault_says_what_to_try() -> None:
    for train, looks, held_out in ((6.5, [6.5], 6.5), (1.0, [2.5, 2.9], 2.9), (1.0, [2.5], 2.5)):
        assert any(word in verdict(train, looks, held_out, 6.93) for word in ("Give it", "Try", "help"))
