"""Mixed precision: sums are computed with 16-bit copies of the weights, steps are added to the 32-bit originals.

A step is often smaller than the last digit that bfloat16 keeps; added to a 16-bit weight it would be lost.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from everysum.layers.layer import declared_parameters
from everysum.models.network import Network


class WorkingCopy:
    """A network that computes with the weights of the original and collects gradients of its own.

    Matrices and vectors are copied in `dtype`. Embedding and head stay as precise as they are: the gradient of a common
    token's row is a sum of hundreds of small ones. What keeps its precision is not copied: its numbers are shared.
    """

    def __init__(self, original: Network, dtype: torch.dtype) -> None:
        self.network = copy.deepcopy(original)
        self.pairs: list[tuple[Tensor, Tensor]] = []
        originals = dict(original.named_parameters())
        for name, _, declaration in list(declared_parameters(self.network)):
            shared = declaration.role in ("embedding", "head")
            numbers = originals[name].detach()
            working = nn.Parameter(numbers if shared else numbers.to(dtype))
            module, _, last = name.rpartition(".")
            setattr(self.network.get_submodule(module), last, working)
            self.pairs.append((originals[name], working))

    @torch.no_grad()
    def hand_over_gradients(self) -> None:
        """Add what this copy has collected to the gradients of the originals, and let it collect anew."""
        for original, working in self.pairs:
            if working.grad is None:  # there were fewer rows than workers
                continue
            gradient = working.grad.to(original.dtype)
            original.grad = gradient if original.grad is None else original.grad.add_(gradient)
            working.grad = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the originals into the copies, after a step."""
        copied = [pair for pair in self.pairs if pair[0].data_ptr() != pair[1].data_ptr()]
        if copied:
            originals, working = zip(*copied, strict=True)
            torch._foreach_copy_(list(working), list(originals))
