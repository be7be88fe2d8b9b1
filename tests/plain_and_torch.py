"""The same numbers in `everysum.plain` and in torch: taken over from one to the other, and held together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from small_networks import assert_same
from torch import Tensor, nn

from everysum.plain.number import Number
from everysum.plain.vector import total

TOLERANCE = 1e-9


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()


def plain(tensor: Tensor) -> Any:
    """A number, a list of numbers, a list of lists: given numbers with the tensor's values."""
    return Number(tensor.item()) if tensor.ndim == 0 else [plain(part) for part in tensor]


def flat(numbers: Any) -> Iterator[Number]:
    if isinstance(numbers, Number):
        yield numbers
    else:
        for part in numbers:
            yield from flat(part)


def values(numbers: Any) -> Tensor:
    """The values, as a tensor of one axis."""
    return torch.tensor([number.value for number in flat(numbers)], dtype=torch.float64)


def gradients(numbers: Any) -> Tensor:
    return torch.tensor([number.gradient for number in flat(numbers)], dtype=torch.float64)


def take_over(part: Any, module: nn.Module) -> list[tuple[Any, Tensor]]:
    """Give a plain network the weights that a module has under the same names; the pairs of both."""
    pairs = []
    for name, parameter in module.named_parameters():
        holder, (*path, last) = part, name.split(".")
        for step in path:
            holder = holder[int(step)] if step.isdigit() else getattr(holder, step)
        assert len(values(getattr(holder, last))) == parameter.numel(), name
        setattr(holder, last, plain(parameter))
        pairs.append((getattr(holder, last), parameter))
    return pairs


def assert_held_together(ours: Any, theirs: Tensor, pairs: Sequence[tuple[Any, Tensor]]) -> None:
    """The same values, and the same gradients of everything that went in; `pairs` has it from both sides."""
    assert_same(values(ours), theirs.detach().flatten(), TOLERANCE)
    directions = draw(*theirs.shape, seed=99).detach()
    for numbers, _ in pairs:
        for number in flat(numbers):
            number.gradient = 0.0
    total(number * weight for number, weight in zip(flat(ours), directions.flatten().tolist(), strict=True)).backward()
    expected = torch.autograd.grad(theirs, [tensor for _, tensor in pairs], directions)
    for (numbers, _), gradient in zip(pairs, expected, strict=True):
        assert_same(gradients(numbers), gradient.flatten(), TOLERANCE)
    assert any(gradient.abs().max() > 0 for gradient in expected)
