from __future__ import annotations

import torch
from torch import Tensor

from everysum.layers.residual import WIRINGS, post_norm, pre_norm


def halve(x: Tensor) -> Tensor:
    return x / 2


def add_three(x: Tensor) -> Tensor:
    return x + 3


def test_pre_norm_adds_what_the_layer_makes_of_the_normalized_numbers() -> None:
    """10 + (10/2 + 3) = 18."""
    assert pre_norm(torch.tensor(10.0), halve, add_three).item() == 18.0


def test_post_norm_normalizes_the_sum() -> None:
    """(10 + (10 + 3)) / 2 = 11.5."""
    assert post_norm(torch.tensor(10.0), halve, add_three).item() == 11.5


def test_a_layer_that_adds_nothing_leaves_pre_norm_alone() -> None:
    hidden = torch.randn(4)
    assert torch.equal(pre_norm(hidden, halve, torch.zeros_like), hidden)


def test_wirings_go_by_their_names() -> None:
    assert {"pre_norm": pre_norm, "post_norm": post_norm} == WIRINGS
