from __future__ import annotations

import torch
from small_networks import assert_same, randomized
from torch.nn import functional

from everysum.layers.embedding import Embedding


def test_looking_up_equals_multiplying_by_a_one_hot_vector() -> None:
    embedding = randomized(Embedding(5, 3))
    ids = torch.tensor([[4, 0, 0], [2, 1, 3]])
    assert_same(embedding(ids), functional.one_hot(ids, 5).double() @ embedding.weight, 0.0)


def test_only_the_rows_that_were_looked_up_learn() -> None:
    embedding = randomized(Embedding(4, 2))
    embedding(torch.tensor([1, 1, 3])).sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
