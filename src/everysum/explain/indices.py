"""The index functions of rules: which elements of its inputs an element of a result is made of.

`INDEX_FUNCTIONS` give the coordinates of an element of an input, `SIZE_FUNCTIONS` a single whole number or a constant.
Coordinates are arrays, one entry for each element that is asked for at the same time; all broadcast against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from everysum.explain.storage import Integers, View

if TYPE_CHECKING:
    from everysum.explain.asked import Asked

INDEX_FUNCTIONS: dict[str, Callable[..., list[Any]]] = {}
SIZE_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def index_function(function: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    INDEX_FUNCTIONS[function.__name__] = function
    return function


def size_function(function: Callable[..., Any]) -> Callable[..., Any]:
    SIZE_FUNCTIONS[function.__name__] = function
    return function


def axes_of(dim: Any, rank: int) -> list[int]:
    """The axes that an argument `dim` names: all of them for None and for an empty list."""
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return list(range(rank))
    return [int(axis) % rank for axis in (dim if isinstance(dim, (list, tuple)) else [dim])] if rank else []


def unravel(place: Any, sizes: Sequence[int]) -> list[Integers]:
    """The coordinates of the element number `place`, counted with the last axis running fastest."""
    coordinates = []
    for size in reversed(sizes):
        place, coordinate = np.divmod(place, max(size, 1))
        coordinates.append(coordinate)
    return coordinates[::-1]


def per_axis(value: Any, axes: int) -> list[int]:
    return list(value) * axes if len(value) == 1 else list(value)


def source(asked: Asked) -> View:
    """The tensor that most operations read: `self`, or `input`."""
    arguments = asked.operation.arguments
    view: View = arguments["self"] if isinstance(arguments.get("self"), View) else arguments["input"]
    return view


# --- which element ---------------------------------------------------------------------------------------------------


@index_function
def replaced(asked: Asked, dim: Any, place: Any) -> list[Any]:
    """The index of the result's element with its place on the axis `dim` replaced."""
    if not asked.index:
        return []
    index = list(asked.index)
    index[int(dim) % len(index)] = place
    return index


@index_function
def without(asked: Asked, dim: Any) -> list[Any]:
    """The index of the result's element without the axis `dim`."""
    index = list(asked.index)
    del index[int(dim) % len(index)]
    return index


@index_function
def over(asked: Asked, dim: Any, keepdim: Any, place: Any) -> list[Any]:
    """The element number `place` among those that a reduction over the axes `dim` takes together."""
    size = source(asked).size
    reduced = axes_of(dim, len(size))
    inner = dict(zip(reduced, unravel(place, [size[axis] for axis in reduced]), strict=True))
    outer = iter(c for axis, c in enumerate(asked.index) if not (keepdim and axis in reduced))
    return [inner[axis] if axis in inner else next(outer) for axis in range(len(size))]


@index_function
def chosen(asked: Asked, dim: Any, keepdim: Any, place: Any) -> list[Any]:
    """The element at `place` on the one axis `dim` that a reduction takes together."""
    return over(asked, dim, keepdim, place)


@index_function
def tail(asked: Asked, shape: Any, place: Any) -> list[Any]:
    """The index of the result's element with its last axes, as many as `shape` has, at element number `place`."""
    return [*asked.index[: len(asked.index) - len(shape)], *unravel(place, shape)]


@index_function
def of_channel(asked: Asked, view: View, place: Any) -> list[Any]:
    """Element number `place` of all that a tensor has in the channel of the result's element."""
    channel = asked.index[1] if len(asked.index) > 1 else asked.index[0]
    rest = unravel(place, [size for axis, size in enumerate(view.size) if axis != 1])
    return [rest[0], channel, *rest[1:]]


@index_function
def unraveled(asked: Asked, view: View, first: Any, place: Any) -> list[Any]:
    """Element number `place` of a tensor, counting only the axes from `first` on."""
    return unravel(place, view.size[int(first) :])


@index_function
def window(asked: Asked, stride: Any, padding: Any, dilation: Any, place: Any) -> list[Any]:
    """The places of the input that a convolution's kernel covers with its element number `place`."""
    spots = asked.captured["place"]
    axes, kernel = len(spots), asked.operation.arguments["weight"].size[2:]
    steps, pads, gaps = (per_axis(value, axes) for value in (stride, padding, dilation))
    inner = unravel(place, kernel)
    return [spots[axis] * steps[axis] - pads[axis] + inner[axis] * gaps[axis] for axis in range(axes)]


@index_function
def tiled(asked: Asked, view: View) -> list[Any]:
    """The element of a tensor that is repeated side by side."""
    own = asked.index[len(asked.index) - len(view.size) :]
    return [coordinate % size for coordinate, size in zip(own, view.size, strict=True)]


@index_function
def flipped(asked: Asked, dims: Any) -> list[Any]:
    """The element on the other side of each axis in `dims`."""
    size = source(asked).size
    turned = axes_of(dims, len(size))
    return [size[axis] - 1 - c if axis in turned else c for axis, c in enumerate(asked.index)]


@index_function
def rolled(asked: Asked, shifts: Any, dims: Any) -> list[Any]:
    """The element that was pushed here along each axis in `dims`."""
    size, index = source(asked).size, list(asked.index)
    if not dims:
        flat: Any = np.int64(0)
        for coordinate, length in zip(index, size, strict=True):
            flat = flat * length + coordinate
        return unravel((flat - shifts[0]) % max(math.prod(size), 1), size)
    for shift, axis in zip(shifts, axes_of(dims, len(size)), strict=True):
        index[axis] = (index[axis] - shift) % size[axis]
    return index


@index_function
def unpadded(asked: Asked, pad: Any) -> list[Any]:
    """The element of a tensor to which `pad` elements were added before and behind, the last axis first."""
    index = list(asked.index)
    for number in range(len(pad) // 2):
        index[-1 - number] = index[-1 - number] - pad[2 * number]
    return index


# --- sizes and places ------------------------------------------------------------------------------------------------


@size_function
def size(asked: Asked, view: View, dim: Any) -> Any:
    """How many places an axis of a tensor has."""
    return view.size[int(dim)] if view.size else 1


@size_function
def rank(asked: Asked, view: View) -> Any:
    """How many axes a tensor has."""
    return len(view.size)


@size_function
def extent(asked: Asked, view: View, dim: Any) -> Any:
    """How many elements a reduction over the axes `dim` takes together."""
    return math.prod(view.size[axis] for axis in axes_of(dim, len(view.size)))


@size_function
def extent_from(asked: Asked, view: View, first: Any) -> Any:
    """How many elements a tensor has on its axes from `first` on."""
    return math.prod(view.size[int(first) :])


@size_function
def channel(asked: Asked) -> Any:
    """The channel of the result's element: its place on the second axis, or on its only one."""
    return asked.index[1] if len(asked.index) > 1 else asked.index[0]


@size_function
def channel_extent(asked: Asked, view: View) -> Any:
    """How many elements a tensor has in a channel."""
    return math.prod(size for axis, size in enumerate(view.size) if axis != 1)


@size_function
def product(asked: Asked, sizes: Any) -> Any:
    """The product of a list."""
    return math.prod(sizes)


@size_function
def given(asked: Asked, value: Any) -> Any:
    """1 if the operation was given this argument, otherwise 0."""
    return int(value is not None)


@size_function
def place(asked: Asked, dim: Any) -> Any:
    """The place of the result's element on an axis."""
    return asked.index[int(dim)] if asked.index else 0


def piece_ends(tensors: Any, dim: Any) -> Integers:
    # an empty tensor of one axis may stand in a list for nothing at all
    return np.cumsum([0 if view.size == (0,) else view.size[int(dim)] for view in tensors])


@size_function
def piece(asked: Asked, tensors: Any, dim: Any) -> Any:
    """Which of the tensors that were put behind each other the element comes from."""
    return np.searchsorted(piece_ends(tensors, dim), asked.index[int(dim)], side="right")


@size_function
def place_in_piece(asked: Asked, tensors: Any, dim: Any) -> Any:
    """The element's place on the axis in the tensor that it comes from."""
    ends = piece_ends(tensors, dim)
    starts = np.concatenate([[0], ends[:-1]])
    return asked.index[int(dim)] - starts[piece(asked, tensors, dim)]


@size_function
def group_start(asked: Asked, view: View, weight: View, groups: Any) -> Any:
    """The first channel of the input that an output channel of a grouped convolution reads."""
    return asked.index[1] // (weight.size[0] // int(groups)) * weight.size[1]


@size_function
def inside(asked: Asked, stride: Any, padding: Any, dilation: Any, spot: Any) -> Any:
    """1 where a convolution's kernel lies on the input, 0 where it lies on the padding."""
    sizes = asked.operation.arguments["input"].size[2:]
    places = window(asked, stride, padding, dilation, spot)
    within_all: Any = np.True_
    for coordinate, length in zip(places, sizes, strict=True):
        within_all = within_all & (coordinate >= 0) & (coordinate < length)
    return np.asarray(within_all).astype(np.int64)


@size_function
def within(asked: Asked, view: View, pad: Any) -> Any:
    """1 where an element comes from the tensor, 0 where it is padding."""
    inner: Any = np.True_
    for coordinate, length in zip(unpadded(asked, pad), view.size, strict=True):
        inner = inner & (coordinate >= 0) & (coordinate < length)
    return np.asarray(inner).astype(np.int64)


@size_function
def start_of(asked: Asked, view: View, dim: Any, start: Any) -> Any:
    """Where a slice begins, counted from 0."""
    return slice(start, None).indices(view.size[int(dim)])[0]


@size_function
def within_slice(asked: Asked, view: View, dim: Any, start: Any, end: Any, step: Any) -> Any:
    """1 where an element lies in the slice, otherwise 0."""
    first, last, stride = slice(start, end, step).indices(view.size[int(dim)])
    spot = asked.index[int(dim)]
    return ((spot >= first) & (spot < last) & ((spot - first) % stride == 0)).astype(np.int64)


@size_function
def correction_of(asked: Asked, correction: Any, unbiased: Any) -> Any:
    """How many are taken off the count in a variance: 1 where nothing else is said."""
    if correction is not None:
        return correction
    return 1 if unbiased is None else int(unbiased)


@size_function
def infinity(asked: Asked) -> Any:
    """Larger than every number."""
    return np.inf


@size_function
def largest(asked: Asked) -> Any:
    """The largest number of the result's type."""
    return torch.finfo(asked.output.dtype).max


@size_function
def smallest(asked: Asked) -> Any:
    """The smallest number of the result's type."""
    return torch.finfo(asked.output.dtype).min


@size_function
def epsilon(asked: Asked, view: View) -> Any:
    """The distance from 1 to the next number of a tensor's type."""
    return torch.finfo(view.dtype).eps
