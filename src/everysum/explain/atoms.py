"""What an axis counts, made of atoms that stay known when axes are laid together, and come apart again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everysum.explain.storage import View


@dataclass(frozen=True)
class Atom:
    """Something that is counted."""

    name: str
    size: int
    tokens_of: str = ""
    """For positions: the input whose tokens stand there."""
    start: int = 0


Axis = tuple[Atom, ...]
Axes = tuple[Axis, ...]


def unknown(size: int) -> Axis:
    return (Atom("", size),)


def blank(view: View) -> Axes:
    return tuple(unknown(size) for size in view.size)


def names_of(axes: Axes) -> tuple[str, ...]:
    """The axes' names; of two positions the first asks and the second is asked."""
    names = [" × ".join(atom.name for atom in axis if atom.name) for axis in axes]
    positions = [place for place, name in enumerate(names) if name == "position"]
    if len(positions) == 2:
        names[positions[0]], names[positions[1]] = "query", "key"
    return tuple(name or f"axis {place}" for place, name in enumerate(names))


def named(axis: Axis) -> bool:
    return any(atom.name for atom in axis)


def fitted(axis: Axis, size: int) -> Axis:
    """An axis with another number of places, as after putting tensors behind each other: its tokens are not known."""
    if math.prod(atom.size for atom in axis) == size:
        return axis
    return (Atom(axis[0].name, size),) if len(axis) == 1 and axis[0].size != 1 != size else unknown(size)


def permutation(name: str, arguments: dict[str, Any], rank: int) -> list[int]:
    order = list(range(rank))
    if name == "permute":
        return [int(place) % rank for place in arguments["dims"]]
    if name in ("t", "numpy_T", "mT"):
        return order[::-1] if name != "mT" else [*order[:-2], order[-1], order[-2]]
    first = int(arguments.get("dim0", arguments.get("axis0", 0))) % max(rank, 1)
    second = int(arguments.get("dim1", arguments.get("axis1", 0))) % max(rank, 1)
    if order:
        order[first], order[second] = order[second], order[first]
    return order


def regrouped(axes: Axes, sizes: Sequence[int]) -> Axes:
    """The same atoms dealt out to axes of other sizes, as a reshape does."""
    atoms = [atom for axis in axes for atom in axis]
    found: list[Axis] = []
    for size in sizes:
        group: list[Atom] = []
        count = 1
        if size == 1:
            found.append((atoms.pop(0),) if atoms and atoms[0].size == 1 else unknown(1))
            continue
        while count < size:
            if not atoms:
                return tuple(unknown(size) for size in sizes)
            atom = atoms.pop(0)
            if size % (count * atom.size) == 0:
                group.append(atom)  # one of size 1 as well: it may come apart again
                count *= atom.size
                continue
            need = size // count
            if size % count or atom.size % need:
                return tuple(unknown(size) for size in sizes)
            outer, inner = ("heads", "head_size") if atom.name in ("width", "features") else ("", "")
            group.append(Atom(outer, need))
            atoms.insert(0, Atom(inner, atom.size // need))
            count = size
        found.append(tuple(atom for atom in group if atom.size > 1 or atom.name) or tuple(group))
    return tuple(found)


def annotated(annotation: str, rank: int) -> tuple[str, ...] | None:
    """The axes that a shape in a signature names, such as Float[Tensor, "batch query width"]."""
    found = re.search(r'\w+\[[\w.]+, "([^"*#]+)"\]', annotation)
    names = tuple(found[1].split()) if found else ()
    return names if len(names) == rank and rank else None
