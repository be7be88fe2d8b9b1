"""The language of rules: how an element of a result is computed, as text that becomes plain data.

    out[i, j] = sum(self[i, k] * mat2[k, j] for k in range(size(self, 1)))

says of a matrix product that its element at (i, j) is a sum over k. `compiled` turns such text into nested
dictionaries, lists, strings and numbers, which any program can evaluate; `everysum.explain.evaluate` is one that does.

    {"constant": 2}                                  a number or a text
    {"argument": "alpha"}                            an argument of the operation that is no tensor
    {"variable": "k"}                                a place on an axis
    {"read": "self", "at": [index, …]}               an element of a tensor, or of a list of tensors with "piece": node
    {"call": "exp", "of": [node, …]}                 a function of FUNCTIONS, or of the evaluator's sizes
    {"reduce": "sum", "over": "k", "count": node, "of": node, "depth": 1}    depth: 1 + the reductions inside of it
    {"choose": node, "then": node, "else": node}
    {"name": "mean", "of": node}                     a piece that people have a word for: written named(mean, …)

An index is a node, {"all": true} for the whole index of the element, {"captured": "batch"} for what `*batch` in the
result's pattern stands for, or {"indices": "replaced", "of": [node, …]}, a function that gives several indices.
Reading broadcasts as PyTorch does: aligned on the right, an axis of size 1 is read at 0.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

Node = dict[str, Any]
"""A piece of a rule: see above."""

REDUCTIONS = {"sum", "max", "min", "prod", "any", "all"}
BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
}
UNARY = {ast.USub: "negative", ast.Not: "not", ast.Invert: "bitwise_not"}
COMPARED = {
    ast.Eq: "equal",
    ast.NotEq: "unequal",
    ast.Lt: "less",
    ast.LtE: "at_most",
    ast.Gt: "greater",
    ast.GtE: "at_least",
}


@cache
def compiled(text: str) -> tuple[Node, ...]:
    """One {"result": name, "index": pattern, "value": node, …} for each line `name[pattern] = formula`.

    "depth" says how many reductions lie inside each other, "together" over how many of them one piece runs at once.
    """
    statements = []
    for statement in ast.parse(text.strip()).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Subscript):
            raise ValueError(f"a rule reads result[index] = formula, not {ast.unparse(statement)}")
        target = statement.targets[0]
        pattern = [captured(item) for item in items(target.slice)]
        value = node_of(statement.value)
        statements.append(
            {
                "result": name_of(target.value),
                "index": pattern,
                "value": value,
                "depth": depth_of(value),
                "together": len(max(running_in(value), key=len)),
            }
        )
    return tuple(statements)


def items(index: ast.expr) -> list[ast.expr]:
    return list(index.elts) if isinstance(index, ast.Tuple) else [index]


def captured(item: ast.expr) -> Node:
    """A part of the result's pattern: `...`, `*batch` or a variable."""
    if isinstance(item, ast.Constant) and item.value is ...:
        return {"all": True}
    if isinstance(item, ast.Starred):
        return {"captured": name_of(item.value)}
    return {"variable": name_of(item)}


def name_of(item: ast.expr) -> str:
    if not isinstance(item, ast.Name):
        raise ValueError(f"a name was expected, not {ast.unparse(item)}")
    return item.id


def index_of(item: ast.expr, bound: frozenset[str]) -> Node:
    """A part of the index of a read."""
    if isinstance(item, ast.Constant) and item.value is ...:
        return {"all": True}
    if isinstance(item, ast.Starred) and isinstance(item.value, ast.Call):
        call = item.value
        return {"indices": name_of(call.func), "of": [node_of(argument, bound) for argument in call.args]}
    if isinstance(item, ast.Starred):
        return {"captured": name_of(item.value)}
    return node_of(item, bound)


def node_of(tree: ast.expr, bound: frozenset[str] = frozenset()) -> Node:  # noqa: PLR0911
    """The data of a formula; `bound` are the variables of the sums around it."""
    match tree:
        case ast.Constant(value=value):
            return {"constant": value}
        case ast.Name(id=name):
            # a result's own variables have one letter; arguments have names
            return {"variable": name} if name in bound or len(name) == 1 else {"argument": name}
        case ast.Subscript():
            return read_of(tree, bound)
        case ast.BinOp(left=left, op=operator, right=right):
            return {"call": BINARY[type(operator)], "of": [node_of(left, bound), node_of(right, bound)]}
        case ast.UnaryOp(op=operator, operand=operand):
            return {"call": UNARY[type(operator)], "of": [node_of(operand, bound)]}
        case ast.BoolOp(op=operator, values=values):
            name = "and" if isinstance(operator, ast.And) else "or"
            return {"call": name, "of": [node_of(value, bound) for value in values]}
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return {"call": COMPARED[type(operator)], "of": [node_of(left, bound), node_of(right, bound)]}
        case ast.IfExp(test=test, body=body, orelse=other):
            return {"choose": node_of(test, bound), "then": node_of(body, bound), "else": node_of(other, bound)}
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as generator]) if name in REDUCTIONS:
            return reduction_of(name, generator, bound)
        case ast.Call(func=ast.Name(id="named"), args=[word, piece]):
            return {"name": name_of(word), "of": node_of(piece, bound)}
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return {"call": name, "of": [node_of(argument, bound) for argument in arguments]}
    raise ValueError(f"the language of rules has no {ast.unparse(tree)}")


def read_of(tree: ast.Subscript, bound: frozenset[str]) -> Node:
    """`self[i, k]`, or `tensors[p][i, k]` for one of a list of tensors."""
    at = [index_of(item, bound) for item in items(tree.slice)]
    if isinstance(tree.value, ast.Subscript):
        return {"read": name_of(tree.value.value), "piece": node_of(tree.value.slice, bound), "at": at}
    return {"read": name_of(tree.value), "at": at}


def reduction_of(name: str, generator: ast.GeneratorExp, bound: frozenset[str]) -> Node:
    """`sum(formula for k in range(count))`."""
    (loop,) = generator.generators
    if not isinstance(loop.iter, ast.Call) or name_of(loop.iter.func) != "range":
        raise ValueError(f"a sum runs over range(count), not {ast.unparse(loop.iter)}")
    over = name_of(loop.target)
    count, body = node_of(loop.iter.args[0], bound), node_of(generator.elt, bound | {over})
    depth = 1 + max(depth_of(count), depth_of(body))
    return {"reduce": name, "over": over, "count": count, "of": body, "depth": depth}


def depth_of(node: Any) -> int:
    """How many reductions lie inside each other at most: as many axes the evaluator needs."""
    if isinstance(node, list):
        return max(map(depth_of, node), default=0)
    if not isinstance(node, dict):
        return 0
    return int(node["depth"]) if "reduce" in node else max(map(depth_of, node.values()), default=0)


def running_in(node: Any, bound: frozenset[str] = frozenset()) -> list[frozenset[str]]:
    """For a formula, first, and for everything in it: the variables of reductions around it that it runs over."""
    if isinstance(node, list):
        found = [running_in(part, bound) for part in node]
        return [frozenset().union(*(each[0] for each in found)), *(one for each in found for one in each)]
    if not isinstance(node, dict):
        return [frozenset()]
    if "variable" in node:
        return [frozenset({node["variable"]}) & bound]
    over = frozenset({node["over"]} if "reduce" in node else ())
    inner = running_in(list(node.values()), bound | over)
    return [inner[0] - over, *inner]
