"""Tensors as the page shows them: their axes with what stands on them, and a part of them as raw numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from everysum.errors import InputError
from everysum.explain.picture import coarse

if TYPE_CHECKING:
    from torch import Tensor

    from everysum.explain import NamedTensor, Record
    from everysum.model import Model

MOST_LABELS = 60_000
MOST_NUMBERS = 4_200_000
"""Of one tile: about 17 MB."""

Numbers = npt.NDArray[np.float32]


def listed(record: Record) -> list[dict[str, Any]]:
    """Every named tensor of a pass in a line."""
    return [{**tensor.as_json(), "kind": kind_of(tensor)} for tensor in record.list()]


def tokens_of(model: Model, record: Record) -> dict[str, list[dict[str, Any]] | None]:
    """What was read: the `tokens` behind which something is predicted, and the `source` that an encoder read before."""
    *before, last = (record[name].tensor[0].tolist() for name in record.token_texts)
    told = [[{"id": token, "text": model.token_text(token)} for token in tokens] for tokens in (*before, last)]
    return {"tokens": told[-1], "source": told[0] if before else None}


def kind_of(tensor: NamedTensor) -> str:
    """For the page's diagram: a weight, an input, what a module returned, or a step on the way there."""
    what = tensor.what
    if what in ("weight", "buffer", "input", "constant"):
        return what
    return "output" if what.startswith("output") else "step"


def numbers_of(tensor: NamedTensor) -> Tensor:
    """A tensor's numbers as they lie, without copying them."""
    view = tensor.view
    return view.storage.at(tensor.time, view.dtype).as_strided(view.size, view.stride, view.offset).detach().cpu()


def described(tensor: NamedTensor, vocabulary: list[str]) -> dict[str, Any]:
    """A tensor with the texts of the tokens on its axes, and its smallest and largest number.

    `vocabulary` remembers the texts of all tokens from one tensor to the next.
    """
    low, high = extremes(numbers_of(tensor))
    tokens = [labels(tensor, axis, vocabulary) for axis in range(len(tensor.shape))]
    return {**tensor.as_json(), "tokens": tokens, "low": low, "high": high}


def extremes(numbers: Tensor) -> tuple[float, float]:
    """The smallest and the largest of the finite numbers."""
    if not numbers.numel():
        return 0.0, 0.0
    low, high = (float(edge) for edge in (numbers.min(), numbers.max()))
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = numbers[numbers.isfinite()]
    return (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 0.0)


def labels(tensor: NamedTensor, axis: int, vocabulary: list[str]) -> list[str] | None:
    size = tensor.shape[axis]
    if size > MOST_LABELS:
        return None
    if tensor.axes[axis] == "vocabulary" and len(vocabulary) == size:
        return vocabulary
    texts = tensor.tokens(axis)
    if tensor.axes[axis] == "vocabulary" and texts is not None:
        vocabulary[:] = texts
    return texts


def tile(tensor: NamedTensor, at: list[int], part: tuple[int, int, int, int], step: int) -> Numbers:
    """A rectangle of the matrix of the last two axes; of each block of `step` × `step` the number of largest size."""
    numbers = numbers_of(tensor)
    if len(at) != max(0, numbers.ndim - 2):
        raise InputError(
            f"{tensor.name} has {numbers.ndim} axes", wanted=f"{max(0, numbers.ndim - 2)} places before the last two"
        )
    for place, size in zip(at, numbers.shape, strict=False):
        if not 0 <= place < size:
            raise InputError(f"{tensor.name} has no place {place} there", wanted=f"0 to {size - 1}")
    matrix = numbers[tuple(at)]
    matrix = matrix.reshape(1, -1) if matrix.ndim < 2 else matrix
    row, column, rows, columns = part
    cut = matrix[row : row + rows, column : column + columns].float().numpy()
    if cut.size == 0 or cut.size / step**2 > MOST_NUMBERS:
        raise InputError("this part of the tensor cannot be shown", wanted=f"1 to {MOST_NUMBERS:,} numbers")
    return np.ascontiguousarray(cut if step == 1 else coarse(cut, step), dtype=np.float32)
