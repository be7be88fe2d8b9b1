"""Formulas as people write them, with the names of the operation's arguments or of the numbers themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from everysum.explain.asked import Asked, Read
from everysum.explain.formulas import reads_of, scalar_argument, settled, settled_constant, unnamed
from everysum.explain.functions import FUNCTIONS
from everysum.explain.templates import Node

SUBSCRIPTS = {"k": "ₖ", "m": "ₘ", "b": "ᵦ", "d": "", "w": "", "g": ""}

Naming = Callable[[Read], str]
"""What a number that a formula reads is called."""


def figure(value: float) -> str:
    """A number with seven digits and a real minus."""
    if isinstance(value, bool):
        return str(int(value))
    text = f"{value}" if isinstance(value, (int, complex)) else f"{value:.7g}"
    return text.replace("-", "−").replace("inf", "∞").replace("nan", "not a number")


STRENGTH = {"add": 1, "subtract": 1, "negative": 2, "multiply": 2, "divide": 2, "remainder": 2, "power": 4}


class Writer:
    """Writes a formula as people do: with the arguments' names, or where `naming` is given with the numbers' own."""

    def __init__(self, asked: Asked, naming: Naming | None = None) -> None:
        self.asked, self.naming = asked, naming

    def formula(self, node: Node, factor: float = 1.0) -> str:
        if factor == 1.0:
            return self.written(unnamed(node, self.asked))
        text = self.written(node, 2)
        return f"−{text}" if factor == -1.0 else f"{figure(factor)} × {text}"

    def written(self, node: Node, around: int = 0) -> str:
        node = settled(node, self.asked)
        if "name" in node:
            return str(node["name"]).replace("_", " ")
        if "read" in node:
            return self.read(node)
        if "reduce" in node:
            return self.reduction(node, around)
        if "choose" in node:
            parts = (self.written(node[part]) for part in ("then", "choose", "else"))
            return "{} if {} else {}".format(*parts)
        constant = settled_constant(node, self.asked)
        if constant is not None:
            return figure(constant)
        return self.call(node, around) if "call" in node else str(next(iter(node.values())))

    def reduction(self, node: Node, around: int) -> str:
        sign = {"sum": "Σ", "prod": "Π"}.get(node["reduce"], str(node["reduce"]))
        over = SUBSCRIPTS.get(node["over"], "")
        spot = np.zeros((1,) * len(self.asked.shape), np.int64)
        # its variable runs: the numbers in it have no single name
        body = Writer(self.asked.with_variable(node["over"], spot)).written(node["of"], 2)
        if sign not in ("Σ", "Π"):
            return f"{sign}{over}({body})"
        return f"({sign}{over} {body})" if around > 2 else f"{sign}{over} {body}"

    def call(self, node: Node, around: int) -> str:
        name, strength = node["call"], STRENGTH.get(node["call"], 0)
        function = FUNCTIONS.get(name)
        if name == "converted":
            return self.written(node["of"][0], around)
        if function is not None and function.sign and len(node["of"]) == 2:
            first, second = node["of"]
            space = "" if name == "power" else " "
            text = f"{self.written(first, strength)}{space}{function.sign}{space}{self.written(second, strength + 1)}"
            return f"({text})" if around > strength else text
        if function is not None and function.sign and len(node["of"]) == 1:
            return f"{function.sign}{self.written(node['of'][0], 3)}"
        shown = [part for part in node["of"] if part.get("argument") not in ("dim", "keepdim")]
        return f"{name}({', '.join(self.written(part) for part in shown)})"

    def read(self, node: Node) -> str:
        constant = scalar_argument(node, self.asked)
        if constant is not None:
            return figure(constant)
        if self.naming is not None and (reads := reads_of(node, self.asked)):
            return self.naming(reads[-1])
        name = {"self": "x"}.get(node["read"], node["read"])
        places = [self.place(item) for item in node["at"] if "all" not in item or len(node["at"]) > 1]
        return f"{name}[{', '.join(places)}]" if places else str(name)

    def place(self, item: Node) -> str:
        if "variable" in item:
            return str(item["variable"])
        if "captured" in item or "all" in item:
            return "…"
        if "indices" in item:
            last = item["of"][-1] if item["of"] else {}
            return "indices" if item["indices"] == "looked_up" else str(last.get("variable", "…"))
        return Writer(self.asked).written(item)
