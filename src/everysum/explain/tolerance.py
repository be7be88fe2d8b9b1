"""How far a recomputed number may lie from the recorded one: as far as the narrowest type in its making rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from everysum.explain.operations import Operation, narrowest
from everysum.explain.storage import Values, View

RELATIVE = {torch.float64: 1e-12, torch.complex128: 1e-12, torch.float32: 1e-5, torch.complex64: 1e-5}
"""Of the sum of the absolute terms. In narrower types it is the step from 1 to the next number."""


@dataclass(frozen=True)
class Tolerance:
    """`relative` of the sum of the absolute terms; `dtype` is the type that it is due to."""

    relative: float
    dtype: str
    smallest: float = 0.0
    """The type's smallest normal number: below it digits are lost whatever the terms are."""

    def allows(self, recorded: Values, recomputed: Values, magnitude: Values) -> Values:
        """Which of these recomputed numbers are near enough to the recorded ones."""
        with np.errstate(all="ignore"):
            scale = np.maximum(np.where(np.isfinite(magnitude), magnitude, 0), np.abs(recorded))
            near = np.abs(recorded - recomputed) <= self.relative * scale + self.smallest
            same = (recorded == recomputed) | (np.isnan(recorded) & np.isnan(recomputed))
            return np.asarray(
                near | same | ((np.sign(recorded) == np.sign(recomputed)) & self.over(recorded, recomputed))
            )

    def over(self, recorded: Values, recomputed: Values) -> Values:
        """Which are infinite only because the type cannot hold them."""
        if not self.dtype.startswith(("float", "bfloat")):
            return np.zeros(np.shape(recorded), dtype=bool)
        most = torch.finfo(getattr(torch, self.dtype)).max
        return np.isinf(recorded) & (np.abs(recomputed) >= most * (1 - self.relative))


EXACT = Tolerance(0.0, "whole numbers")


def tolerance_of(operation: Operation, output: View) -> Tolerance:
    """The tolerance of a result of an operation; whole numbers and truth values must be exact."""
    dtype = narrowest(operation, output)
    if dtype is None or not (output.dtype.is_floating_point or output.dtype.is_complex):
        return EXACT
    facts = torch.finfo(dtype)
    return Tolerance(RELATIVE.get(dtype, facts.eps), str(dtype).removeprefix("torch."), facts.tiny)
