"""What every number of a pass can say of itself, whether it stood in a tensor or is a part of a formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from everysum.explain.tolerance import EXACT, Tolerance

if TYPE_CHECKING:
    from everysum.explain.explanation import Explanation
    from everysum.explain.parts import Terms
    from everysum.explain.record import Record

Kind = Literal[
    "sum",
    "product",
    "function",
    "largest",
    "choice",
    "copy",
    "look-up",
    "constant",
    "given",
    "drawn",
    "left over",
    "opaque",
]
"""How a number came to be. "given": a weight, an input or a constant of the program; "opaque": no formula is known."""


class Number:
    """A number: what it is, and the terms whose sum, product or function it is, each a number again."""

    record: Record
    value: float
    """As it was recorded."""

    @property
    def name(self) -> str:
        """What it is called: the tensor's name and the place in it, or the formula that it is."""
        raise NotImplementedError

    @property
    def kind(self) -> Kind:
        raise NotImplementedError

    @property
    def recomputed(self) -> float | None:
        """The same in float64 from the recorded numbers in its formula; None where it has no formula."""
        raise NotImplementedError

    @property
    def terms(self) -> Terms:
        """What it is made of; those of a sum by size, the largest first."""
        raise NotImplementedError

    @property
    def formula(self) -> str:
        """How it is computed, with the names of the operation's arguments."""
        raise NotImplementedError

    @property
    def magnitude(self) -> float:
        """The formula with every term taken without its sign: rounding errors are a share of this."""
        return abs(self.value)

    @property
    def tolerance(self) -> Tolerance:
        return EXACT

    @property
    def difference(self) -> float | None:
        """How far the recomputed value lies from the recorded one."""
        if self.recomputed is None:
            return None
        return 0.0 if same(self.value, self.recomputed) else self.recomputed - self.value

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance; a number without a formula cannot disagree."""
        if self.recomputed is None:
            return True
        pair = np.asarray(self.value), np.asarray(self.recomputed), np.asarray(self.magnitude)
        return bool(self.tolerance.allows(*pair))

    def explain(self, depth: int = 1, *, shown: int = 20) -> Explanation:
        """What made this number, for `depth` operations back; of a long sum the `shown` largest terms."""
        from everysum.explain.explanation import Explanation

        return Explanation(self, depth, shown)

    def path(self) -> list[Number]:
        """From this number always on to its largest term, down to a token, a weight or a constant."""
        from everysum.explain.path import path_from

        return path_from(self)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"{self.name} = {self.value:.7g}"


def same(one: float, other: float) -> bool:
    return one == other or (not isinstance(one, complex) and math.isnan(one) and math.isnan(other))
