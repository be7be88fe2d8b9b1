"""Training: start with random parameters, and move each a little, again and again, to where the loss gets smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from everysum.plain.deviation import mean
from everysum.plain.number import Number, gradient_by_nudging
from everysum.plain.vector import Vector

Example = TypeVar("Example")
Progress = Callable[[int, float], None]
"""Called after each step with how many steps are done, and the loss before the step."""
Rate = Callable[[int], float]
"""How far a step moves for each unit of gradient, at step 0, 1, 2, …"""


def parameters(network: object) -> Vector:
    """Every given number in a network, each once however often it is used: what training may move."""
    return list(dict.fromkeys(given(network)))


def given(part: object) -> Iterator[Number]:
    if isinstance(part, Number):
        yield from () if part.parents else (part,)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from given(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from given(getattr(part, field.name))


def gradients_by_nudging(loss: Number, movable: Sequence[Number]) -> list[float]:
    """Try each parameter a little higher and lower, all else unchanged: one long computation for every parameter."""
    return [gradient_by_nudging(loss, number) for number in movable]


def gradients(loss: Number, movable: Sequence[Number]) -> list[float]:
    """The same by formula: one pass back for all of them together; 0 for one that the loss does not depend on."""
    for number in movable:
        number.gradient = 0.0
    loss.backward()
    return [number.gradient for number in movable]


def steady(rate: float) -> Rate:
    return lambda _: rate


def falling(rate: float, steps: int) -> Rate:
    """Ever smaller down to nothing at the end: large steps to get near, small ones to settle."""
    return lambda step: rate * (1 - step / steps)


def move(movable: Sequence[Number], rate: float) -> None:
    """Each parameter a small step against its gradient: where that is positive, less of it makes the loss smaller."""
    for number in movable:
        number.value -= rate * number.gradient


def descend(
    loss_at: Callable[[int], Number],
    movable: Sequence[Number],
    *,
    steps: int,
    rate: Rate,
    progress: Progress | None = None,
) -> list[float]:
    """Gradient descent: `loss_at(step)`, its gradients, a move, and again. Returns each step's loss before its move."""
    losses = []
    for step in range(steps):
        loss = loss_at(step)
        gradients(loss, movable)
        move(movable, rate(step))
        losses.append(loss.value)
        if progress is not None:
            progress(step + 1, loss.value)
    return losses


def train(
    examples: Sequence[Example],
    loss_of: Callable[[Example], Number],
    movable: Sequence[Number],
    *,
    epochs: int,
    rate: float,
    progress: Progress | None = None,
) -> list[float]:
    """Once through all examples for each move ("epoch"), down the gradient of their average loss.

    A move that suits one example may harm another; one down the average serves them all.
    """

    def average(_: int) -> Number:
        return mean([loss_of(example) for example in examples])

    return descend(average, movable, steps=epochs, rate=steady(rate), progress=progress)
