"""The same in PyTorch: a lesson's numbers go in, and what comes out must be what the lesson's own sums gave.

The code that a lesson shows is the code that ran.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from everysum.lessons.blocks import Comparison
from everysum.plain.number import Number

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-9
"""Both compute in float64, in another order: what differs further than this, for numbers around 1, is a mistake."""


def compared(
    what: str,
    in_torch: Callable[..., Tensor],
    inputs: Sequence[Any],
    plain: Any,
    *,
    gradients: bool = False,
) -> Comparison:
    """Give a function of torch the same numbers, and hold its result beside the plain one.

    Numbers of `plain/` among the inputs become tensors in float64; anything else is passed as it is. With `gradients`,
    the result being a single number, the gradients of every one of those numbers are compared as well.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these are small: several threads only wait for each other
    try:
        tensors = [tensor(each) if flat(each) else each for each in inputs]
        result = in_torch(*tensors).double()
        ours, theirs = [number.value for number in flat(plain)], result.detach().flatten().tolist()
        if gradients:
            result.backward()  # type: ignore[no-untyped-call]
            plain.backward()
            given = [number for each in inputs for number in flat(each)]
            theirs += [slope for each in tensors if isinstance(each, torch.Tensor) for slope in slopes(each)]
            ours += [number.gradient for number in given]
    finally:
        torch.set_num_threads(threads)
    if len(ours) != len(theirs):
        raise AssertionError(f"{what}: {len(ours)} numbers here and {len(theirs)} in torch")
    return beside(what, "torch", source_of(in_torch), ours, theirs)


def beside(what: str, library: str, code: str, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Two results side by side."""
    differences = [abs(one - other) for one, other in zip(ours, theirs, strict=True)]
    near = [difference <= TOLERANCE * max(1.0, abs(one)) for difference, one in zip(differences, ours, strict=True)]
    return Comparison(what, library, code, tuple(ours), tuple(theirs), max(differences), all(near))


def source_of(function: Callable[..., Any]) -> str:
    """A function as it is written, without what only the type checker reads."""
    source = inspect.getsource(function)
    body = source.splitlines()[ast.parse(source).body[0].body[0].lineno - 1 :]  # type: ignore[attr-defined]
    lines = [f"def {function.__name__}({', '.join(inspect.signature(function).parameters)}):", *body]
    return "\n".join(re.split(r"  # (?:type|fmt|noqa)", line)[0] for line in lines).rstrip()


def flat(part: Any) -> list[Number]:
    """The numbers in lists of lists; none in anything else."""
    if isinstance(part, Number):
        return [part]
    return [number for each in part for number in flat(each)] if isinstance(part, list) else []


def values(part: Any) -> Any:
    """The same lists with bare values."""
    return part.value if isinstance(part, Number) else [values(each) for each in part]


def tensor(part: Any) -> Tensor:
    import torch

    return torch.tensor(values(part), dtype=torch.float64, requires_grad=True)


def slopes(each: Tensor) -> list[float]:
    import torch

    found: list[float] = (torch.zeros_like(each) if each.grad is None else each.grad).flatten().tolist()
    return found
