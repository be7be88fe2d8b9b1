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
    from everysum.explain.evaluate import Asked

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


# --- look-ups and writes by index ------------------------------------------------------------------------------------


def index_arrays(asked: Asked, indices: Any) -> list[tuple[int, Any]]:
    """For each axis that is indexed by a tensor: the axis, and the tensor; a mask becomes the places where it is true."""
    found: list[tuple[int, Any]] = []
    axis = 0
    for view in indices:
        if view is None:
            axis += 1
        elif view.dtype in (torch.bool, torch.uint8):
            mask = asked.whole(view)
            for places in np.nonzero(mask):
                found.append((axis, places))
                axis += 1
        else:
            found.append((axis, view))
            axis += 1
    return found


def layout(asked: Asked, indices: Any) -> tuple[list[tuple[int, Any]], int, int]:
    """The indexed axes, how many axes their tensors have together, and where those stand in the result."""
    arrays = index_arrays(asked, indices)
    width = max((len(item.size) if isinstance(item, View) else item.ndim) for _, item in arrays)
    axes = [axis for axis, _ in arrays]
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    return arrays, width, axes[0] if together else 0


@index_function
def looked_up(asked: Asked, indices: Any) -> list[Any]:
    """The element that tensors of places choose, as `tensor[places, …]` does."""
    view = source(asked)
    arrays, width, start = layout(asked, indices)
    inner = asked.index[start : start + width]
    rest = iter([*asked.index[:start], *asked.index[start + width :]])
    chosen_at = dict(arrays)
    index = []
    for axis, length in enumerate(view.size):
        if axis not in chosen_at:
            index.append(next(rest))
            continue
        item = chosen_at[axis]
        spot = asked.read(item, inner) if isinstance(item, View) else item[inner[-1] if item.size > 1 else 0]
        index.append(np.where(spot < 0, spot + length, spot))
    return index


def targets(asked: Asked, indices: Any) -> tuple[Any, Integers, Integers, tuple[int, ...], list[int]]:
    """For each asked element the first and one past the last that were written to it, in the order of `sorting`."""
    view = source(asked)
    arrays, _, _ = layout(asked, indices)
    values = [(axis, asked.whole(item) if isinstance(item, View) else item) for axis, item in arrays]
    shape = np.broadcast_shapes(*(item.shape for _, item in values))
    keys: Any = np.zeros(shape, dtype=np.int64)
    wanted: Any = np.int64(0)
    for axis, item in values:
        keys = keys * view.size[axis] + np.where(item < 0, item + view.size[axis], item)
        wanted = wanted * view.size[axis] + asked.index[axis]
    flat = keys.reshape(-1)
    sorting = np.argsort(flat, kind="stable")
    ordered = flat[sorting]
    first, last = np.searchsorted(ordered, wanted, "left"), np.searchsorted(ordered, wanted, "right")
    return sorting, first, last, shape, [axis for axis, _ in values]


@size_function
def hits(asked: Asked, indices: Any) -> Any:
    """How many values were written to this element."""
    _, first, last, _, _ = targets(asked, indices)
    return last - first


@index_function
def hit(asked: Asked, indices: Any, number: Any) -> list[Any]:
    """The value that was written to this element as the how-manieth."""
    sorting, first, _, shape, axes = targets(asked, indices)
    _, _, start = layout(asked, indices)
    place_in_order = np.clip(first + number, 0, max(len(sorting) - 1, 0))
    inner = unravel(sorting[place_in_order] if len(sorting) else np.zeros_like(place_in_order), shape)
    rest = [coordinate for axis, coordinate in enumerate(asked.index) if axis not in axes]
    return [*rest[:start], *inner, *rest[start:]]


def matches(asked: Asked, dim: Any, index: View) -> Any:
    """Elements × places: whether a scatter's index sends the value at a place to the element."""
    axis, count = int(dim) % max(len(index.size), 1), index.size[int(dim)] if index.size else 1
    flat = [np.broadcast_to(c, asked.shape).reshape(-1, 1) for c in asked.index]
    inner = np.ones(flat[0].shape if flat else (1, 1), dtype=bool)
    for other, coordinate in enumerate(flat):
        if other != axis:
            inner &= coordinate < index.size[other]
    spots = [np.minimum(c, max(index.size[a] - 1, 0)) for a, c in enumerate(flat)]
    if flat:
        spots[axis] = np.arange(count)[None]
    return (asked.read(index, spots) == flat[axis]) & inner


@size_function
def scatters(asked: Asked, dim: Any, index: View) -> Any:
    """How many values a scatter sends to this element."""
    return matches(asked, dim, index).sum(axis=1).reshape(asked.shape)


@index_function
def scattered(asked: Asked, dim: Any, index: View, number: Any) -> list[Any]:
    """The value that a scatter sends to this element as the how-manieth."""
    sent = matches(asked, dim, index)
    order = np.argsort(~sent, axis=1, kind="stable")
    elements = np.arange(len(order)).reshape(asked.shape)
    spot = order[elements, np.clip(number, 0, order.shape[1] - 1)]
    return replaced(asked, dim, spot)


@size_function
def copies(asked: Asked, index: View, spot: Any) -> Any:
    """How often a row of places names this one."""
    row = asked.whole(index).reshape(-1)
    return (row == np.asarray(spot)[..., None]).sum(axis=-1)


@size_function
def nth_place(asked: Asked, index: View, spot: Any, number: Any) -> Any:
    """Where a row of places names this one for the how-manieth time."""
    row = asked.whole(index).reshape(-1)
    order = np.argsort(row != np.broadcast_to(spot, asked.shape).reshape(-1, 1), axis=1, kind="stable")
    elements = np.arange(len(order)).reshape(asked.shape)
    return order[elements, np.clip(number, 0, len(row) - 1)]


@size_function
def last_place(asked: Asked, index: View, spot: Any) -> Any:
    """The last place at which a row of places names this one."""
    row = asked.whole(index).reshape(-1)
    return len(row) - 1 - np.argmax((row == np.asarray(spot)[..., None])[..., ::-1], axis=-1)


@size_function
def ranked(asked: Asked, view: View, dim: Any, keepdim: Any, number: Any, descending: Any) -> Any:
    """The place of the largest (or smallest) element on the axis `dim`, or the one after `number` others.

    Of equal elements the one is taken that the pass took.
    """
    count = extent(asked, view, None) if dim is None else (view.size[int(dim)] if view.size else 1)
    flat = [np.broadcast_to(c, asked.shape).reshape(-1, 1) for c in asked.index]
    spots = np.arange(count)[None]
    if dim is None:
        row = np.broadcast_to(asked.read(view, unravel(spots, view.size)), (math.prod(asked.shape), count))
    else:
        inner = asked.at(flat)
        row = asked.read(view, over(inner, dim, keepdim, spots))
    order = np.argsort(-row if descending else row, axis=1, kind="stable")
    elements = np.arange(len(row))
    wanted = order[elements, np.broadcast_to(number, asked.shape).reshape(-1)]
    own = asked.own().reshape(-1)
    inside_row = (own >= 0) & (own < count)
    same = row[elements, np.where(inside_row, own, 0)] == row[elements, wanted]
    return np.where(inside_row & same, own, wanted).reshape(asked.shape)
