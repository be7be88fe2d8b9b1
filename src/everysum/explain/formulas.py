"""Taking a rule's formula apart for one element: the terms of a sum, the factors of a product, the words for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from everysum.explain.asked import Asked, Read
from everysum.explain.evaluate import evaluate, level, opened, raw
from everysum.explain.functions import FUNCTIONS
from everysum.explain.lookups import SIZE_FUNCTIONS
from everysum.explain.storage import Values
from everysum.explain.templates import Node

TermGroup = tuple[Asked, Node, float, str | None, Values]
"""What an element is asked with, the terms' formula, what each is multiplied by, the variable that runs, the values."""


def constant_of(node: Node, asked: Asked) -> float | None:
    """The value of a formula that reads no number: a constant, an argument, a size."""
    if "read" in node:
        return scalar_argument(node, asked)
    if "reduce" in node or "choose" in node or "name" in node:
        return None
    computed = "call" in node and node["call"] not in SIZE_FUNCTIONS
    if computed and (node["call"] not in FUNCTIONS or any(constant_of(part, asked) is None for part in node["of"])):
        return None
    value = np.asarray(evaluate(node, asked)[0])
    if value.size != 1 or value.dtype.kind not in "bif":
        return None
    return float(value.reshape(-1)[0])


def scalar_argument(node: Node, asked: Asked) -> float | None:
    """What a read gives where the operation was called with a plain number instead of a tensor."""
    value = asked.operation.arguments.get(node["read"])
    return float(value) if isinstance(value, (int, float)) else None


def settled(node: Node, asked: Asked) -> Node:
    """A formula without the choices that the operation's arguments decide, and without factors of 1 and terms of 0."""
    while True:
        if "choose" in node and decided(node["choose"], asked):
            node = node["then"] if np.all(np.asarray(evaluate(node["choose"], asked)[0])) else node["else"]
        elif node.get("call") in ("multiply", "add") and (less := without_neutral(node, asked)) is not None:
            node = less
        else:
            return node


def without_neutral(node: Node, asked: Asked) -> Node | None:
    neutral = 1.0 if node["call"] == "multiply" else 0.0
    first, second = node["of"]
    for one, other in ((first, second), (second, first)):
        # a number that was recorded stays a term, whatever it is
        if settled_constant(one, asked) == neutral:
            return other  # type: ignore[no-any-return]
    return None


def settled_constant(node: Node, asked: Asked) -> float | None:
    if "choose" in node and decided(node["choose"], asked):
        chosen = node["then"] if np.all(np.asarray(evaluate(node["choose"], asked)[0])) else node["else"]
        return settled_constant(chosen, asked)
    return constant_of(node, asked)


def decided(node: Node, asked: Asked) -> bool:
    """Whether a condition depends on the operation's arguments only, and on no recorded number."""
    if "read" in node:
        return scalar_argument(node, asked) is not None
    if "reduce" in node or "name" in node:
        return False
    return node.get("call") != "ranked" and all(decided(part, asked) for part in node.get("of", ()))


def groups_of(node: Node, asked: Asked, factor: float) -> list[TermGroup]:
    """The terms of a sum in groups of one form; nothing for a formula that is no sum."""
    node = unnamed(node, asked)
    return spread_sum(node, asked, factor) if is_sum(node, asked) else []


def unnamed(node: Node, asked: Asked) -> Node:
    """A settled formula without the word for it."""
    node = settled(node, asked)
    return unnamed(node["of"], asked) if "name" in node else node


def is_sum(node: Node, asked: Asked) -> bool:
    """Whether a formula is a sum, or a constant times a sum."""
    node = settled(node, asked)
    if node.get("call") in ("add", "subtract") or node.get("reduce") == "sum":
        return True
    if node.get("call") == "multiply":
        first, second = node["of"]
        return (settled_constant(first, asked) is not None and is_sum(second, asked)) or (
            settled_constant(second, asked) is not None and is_sum(first, asked)
        )
    if node.get("call") == "divide":
        return settled_constant(node["of"][1], asked) is not None and is_sum(node["of"][0], asked)
    return node.get("call") == "negative" and is_sum(node["of"][0], asked)


def spread_sum(node: Node, asked: Asked, factor: float) -> list[TermGroup]:
    """The terms of a sum, those of the sums in it included."""
    node = settled(node, asked)
    if not is_sum(node, asked):
        value = np.asarray(evaluate(node, asked)[0], dtype=np.float64).reshape(-1)[:1] * factor
        return [(asked, node, factor, None, value)]
    if "reduce" in node:
        inner, _ = opened(node, asked)
        count = inner.variables[node["over"]].size
        values = np.broadcast_to(evaluate(node["of"], inner)[0], widened_shape(asked, node, count))
        return [(asked, node["of"], factor, node["over"], values.reshape(-1).astype(np.float64) * factor)]
    first, *rest = node["of"]
    if node["call"] == "negative":
        return spread_sum(first, asked, -factor)
    second = rest[0]
    if node["call"] in ("add", "subtract"):
        sign = factor if node["call"] == "add" else -factor
        return spread_sum(first, asked, factor) + spread_sum(second, asked, sign)
    scale = settled_constant(second, asked)
    if node["call"] == "divide":
        return spread_sum(first, asked, factor / (scale or np.nan))
    if scale is None:
        first, scale = second, settled_constant(first, asked)
    return spread_sum(first, asked, factor * (1.0 if scale is None else scale))


def widened_shape(asked: Asked, node: Node, count: int) -> tuple[int, ...]:
    form = list(asked.shape)
    form[level(node, asked)] = count
    return tuple(form)


def factors_of(node: Node, asked: Asked, factor: float) -> list[tuple[Node, float]]:  # noqa: PLR0911
    """The parts of a formula that is no sum: the factors of a product, the arguments of a function."""
    node = unnamed(node, asked)
    scale = [] if factor == 1.0 else [({"constant": factor}, 1.0)]
    if scale:
        return [*factors_of_product(node, asked), *scale]
    if "reduce" in node:
        inner, _ = opened(node, asked)
        # every candidate with its place fixed
        return [(fixed(node["of"], node["over"], place), 1.0) for place in range(inner.variables[node["over"]].size)]
    if "choose" in node:
        taken = "then" if np.all(np.asarray(evaluate(node["choose"], asked)[0])) else "else"
        return [(node[taken], 1.0), (node["choose"], 1.0)]
    if node.get("call") == "multiply":
        return factors_of_product(node, asked)
    if node.get("call") == "ranked":
        return ranked_over(node, asked)
    if "call" in node and node["call"] not in SIZE_FUNCTIONS:
        return [(part, 1.0) for part in node["of"]]
    return []


def factors_of_product(node: Node, asked: Asked) -> list[tuple[Node, float]]:
    node = settled(node, asked)
    if node.get("call") != "multiply":
        return [(node, 1.0)]
    return [factor for part in node["of"] for factor in factors_of_product(part, asked)]


def reads_of(node: Node, asked: Asked) -> list[Read]:
    """What one read touches: first the numbers that chose the element, such as a token id, and last the element."""
    noted = asked.noting()
    evaluate(node, noted)
    return noted.reads or []


def ranked_over(node: Node, asked: Asked) -> list[tuple[Node, float]]:
    """The numbers among which an operation looked for the largest or smallest."""
    view, dim, keepdim = (raw(argument, asked) for argument in node["of"][:3])
    count = view.count if dim is None else view.size[int(dim)] if view.size else 1
    name = node["of"][0]["argument"]
    parts = []
    for place in range(count):
        spot: Node = {"constant": place}
        at: list[Node] = (
            [{"indices": "unraveled", "of": [{"argument": name}, {"constant": 0}, spot]}]
            if dim is None
            else [{"indices": "over", "of": [{"argument": "dim"}, {"constant": bool(keepdim)}, spot]}]
        )
        parts.append(({"read": name, "at": at}, 1.0))
    return parts


def fixed(node: Any, variable: str, place: int) -> Any:
    """A formula with a variable replaced by a place."""
    if isinstance(node, list):
        return [fixed(item, variable, place) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("variable") == variable:
        return {"constant": place}
    return {key: fixed(value, variable, place) for key, value in node.items()}


def kind_of(node: Node, asked: Asked, factor: float) -> Any:
    """In a word how a formula makes its number."""
    node = unnamed(node, asked)
    if is_sum(node, asked):
        return "sum"
    if factor != 1.0 or node.get("call") == "multiply":
        return "product"
    if settled_constant(node, asked) is not None:
        return "constant"
    if "read" in node or node.get("call") == "converted":
        return "look-up" if "read" in node and len(reads_of(node, asked)) > 1 else "copy"
    if "reduce" in node or node.get("call") == "ranked":
        return "largest" if node.get("reduce") in ("max", "min") or "call" in node else "function"
    return "choice" if "choose" in node else "function"
