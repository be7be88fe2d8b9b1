"""A logit as the sum of what every part of a network added to the residual stream.

From the logit back: the head is a weighted sum of the last hidden numbers; a normalization, with its scale held as it
was in this pass, is a weighted sum too; an addition passes each weight on to both of its sides. So every vector that
was added to the stream (an embedding, an attention head, a feed-forward layer, a bias) contributes its own weighted
sum, and these add up to the logit within rounding. The structure is found in the recorded operations, not in the
model's class.

What is held: how a part changes the scales of the normalizations behind it is not counted as its contribution
("direct logit attribution", Elhage et al., 2021, A Mathematical Framework for Transformer Circuits).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from everysum.explain.recorded import RecordedNumber
from everysum.explain.words import described
from everysum.explain.writing import figure

Kind = Literal["embedding", "attention", "feed-forward", "bias", "other"]


@dataclass(frozen=True)
class Contribution:
    """What one part of the network adds to the logit."""

    kind: Kind
    name: str
    """Such as "blocks.0.attention, head 2"."""
    value: float

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "value": self.value}


@dataclass
class Residual:
    """A logit and its contributions, in the order in which the network makes them."""

    number: RecordedNumber
    contributions: list[Contribution] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    """Normalizations whose scale is held as it was in the pass."""

    @property
    def total(self) -> float:
        return float(np.sum([part.value for part in self.contributions]))

    @property
    def difference(self) -> float:
        """How far the sum lies from the recorded logit: rounding, and nothing else."""
        return self.total - self.number.value

    @property
    def magnitude(self) -> float:
        return float(np.sum([abs(part.value) for part in self.contributions]))

    def by_size(self) -> list[Contribution]:
        return sorted(self.contributions, key=lambda part: -abs(part.value))

    def __str__(self) -> str:
        lines = [f"{described(self.number)} = {figure(self.number.value)}, through the residual stream:"]
        shown = self.by_size()
        width = max([len(part.name) for part in shown] + [1])
        lines += [f"{figure(part.value):>14}  {part.name:<{width}}  {part.kind}" for part in shown]
        difference = f"{self.difference:.1e}".replace("-", "−")
        lines.append(f"  together {figure(self.total)}, difference {difference}")
        if self.held:
            lines.append(f"  held as in this pass: the scale of {', '.join(dict.fromkeys(self.held))}")
        return "\n".join(lines)

    __repr__ = __str__

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number.name,
            "value": self.number.value,
            "contributions": [part.as_json() for part in self.contributions],
            "total": self.total,
            "difference": self.difference,
            "held": list(dict.fromkeys(self.held)),
        }
