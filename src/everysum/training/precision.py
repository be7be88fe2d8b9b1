"""Mixed precision: sums are computed with 16-bit copies of the weights, steps are added to the 32-bit originals.

A step is often smaller than the last digit that bfloat16 keeps; added to a 16-bit weight it would be lost.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from everysum.layers.layer import declared_parameters
from everysum.models.network import Network


class WorkingCopy:
    """The network that computes (`network`), and the originals that learn.

    Matrices and vectors are copied in `dtype`. Embedding and head stay as precise as they are: the gradient of a common
    token's row is a sum of hundreds of small ones. In the originals' own precision nothing is copied.
    """

    def __init__(self, original: Network, dtype: torch.dtype) -> None:
        self.network = original
        self.pairs: list[tuple[Tensor, Tensor]] = []
        if dtype == original.dtype:
            return
        self.network = copy.deepcopy(original)
        originals = {name: parameter for name, parameter, _ in declared_parameters(original)}
        for name, parameter, declaration in declared_parameters(self.network):
            if declaration.role in ("embedding", "head"):
                module, _, last = name.rpartition(".")
                setattr(self.network.get_submodule(module), last, originals[name])
            else:
                parameter.data = parameter.data.to(dtype)
                self.pairs.append((originals[name], parameter))

    @torch.no_grad()
    def hand_over_gradients(self) -> None:
        """Give the originals the gradients that the copies have collected, and let the copies collect anew."""
        for original, working in self.pairs:
            assert working.grad is not None
            original.grad = working.grad.to(original.dtype)
            working.grad = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the originals into the copies, after a step."""
        if self.pairs:
            originals, working = zip(*self.pairs, strict=True)
            torch._foreach_copy_(list(working), list(originals))
