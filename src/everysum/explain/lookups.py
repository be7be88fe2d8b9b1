"""The index functions of rules for look-ups, writes by index and order: their places are numbers of the pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from everysum.explain.indices import (
    INDEX_FUNCTIONS,
    SIZE_FUNCTIONS,
    extent,
    index_function,
    over,
    replaced,
    size_function,
    source,
    unravel,
)
from everysum.explain.storage import Integers, View

if TYPE_CHECKING:
    from everysum.explain.asked import Asked


def index_arrays(asked: Asked, indices: Any) -> list[tuple[int, Any]]:
    """For each axis that is indexed by a tensor: the axis and the tensor; of a mask the places where it is true."""
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


__all__ = ["INDEX_FUNCTIONS", "SIZE_FUNCTIONS"]  # complete only with what is in this file
