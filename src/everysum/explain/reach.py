"""On what a piece of a formula depends: which places of the element that is asked for, and which variables around it.

A largest number or a total that a whole row has in common is computed once for the row, not for each of its elements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from everysum.explain.indices import axes_of
from everysum.explain.storage import Integers
from everysum.explain.templates import Node

if TYPE_CHECKING:
    from everysum.explain.asked import Asked

FIXED = {"size", "rank", "extent", "extent_from", "channel_extent", "product", "given", "correction_of"}
FIXED |= {"infinity", "largest", "smallest", "epsilon", "start_of"}
"""Size functions that do not look at the place of the element."""


class Reach(NamedTuple):
    places: frozenset[int]
    """Axes on which the element's own place matters."""
    variables: frozenset[str]


NOWHERE = Reach(frozenset(), frozenset())


def in_common(node: Node, asked: Asked) -> tuple[Asked, Integers] | None:
    """For a reduction that several of the elements have in common: one element of each kind, and of which kind each is.

    None where every element has its own.
    """
    if len(asked.index) == 0 or asked.shape[0] == 1 or asked.reads is not None:
        return None
    places, variables = reach_of(node, asked)
    if variables or len(places) == len(asked.index):
        return None
    keys: Any = np.zeros(asked.shape[0], dtype=np.int64)
    for axis in sorted(places):
        keys = keys * asked.output.size[axis] + asked.index[axis].reshape(-1)
    _, first, kinds = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(keys):
        return None
    few = asked.at([coordinate[first] for coordinate in asked.index])
    few.shape = (len(first), *asked.shape[1:])
    return few, kinds


def reach_of(node: Node, asked: Asked) -> Reach:
    """What a node of a rule depends on."""
    everywhere = frozenset(range(len(asked.index)))
    if "variable" in node:
        return Reach(frozenset(), frozenset({node["variable"]}))
    if "all" in node or "captured" in node:
        return Reach(everywhere, frozenset())
    inner = [reach_of(part, asked) for part in parts_of(node)]
    places = own_places(node, asked, everywhere).union(*(reach.places for reach in inner))
    variables = NOWHERE.variables.union(*(reach.variables for reach in inner))
    return Reach(places, variables - {node.get("over", "")})


def own_places(node: Node, asked: Asked, everywhere: frozenset[int]) -> frozenset[int]:
    """The places of the element that a function looks at by itself."""
    if "indices" in node:
        return everywhere - frozenset(replaced_places(node["indices"], given(node, asked), len(everywhere)))
    if "call" in node:
        from everysum.explain.lookups import SIZE_FUNCTIONS  # which needs what stands above in this folder

        return everywhere if node["call"] in SIZE_FUNCTIONS.keys() - FIXED else frozenset()
    return frozenset()


def replaced_places(name: str, arguments: list[Any], rank: int) -> list[int]:
    """The places of the element's own that an index function does not use."""
    if name in ("replaced", "without"):
        return axes_of(arguments[0], rank)
    if name == "tail":
        return list(range(rank - len(arguments[0]), rank))
    return list(range(rank)) if name == "unraveled" else []


def given(node: Node, asked: Asked) -> list[Any]:
    """The arguments of an index function that are known without an element."""
    return [part.get("constant", asked.operation.arguments.get(part.get("argument"))) for part in node["of"]]


def parts_of(node: Node) -> list[Node]:
    if "read" in node:
        return [*node["at"], node["piece"]] if "piece" in node else node["at"]
    if "reduce" in node:
        return [node["count"], node["of"]]
    if "choose" in node:
        return [node["choose"], node["then"], node["else"]]
    of = node.get("of", [])
    return of if isinstance(of, list) else [of]
