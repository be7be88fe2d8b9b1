"""What every layer here can say of itself: which role each of its numbers plays, and how it starts.

Constructors only allocate, so that a network can be laid out on torch's `meta` device without memory;
`initialize(network, seed)` then fills each parameter from (seed, its name) alone. Adding a layer to a network therefore
changes no other layer's start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Role = Literal["matrix", "embedding", "head", "vector"]
"""What a parameter is to an optimizer: a matrix inside the network, the table that tokens are looked up in, the matrix
that gives logits, or a vector of scales or biases."""


@dataclass(frozen=True)
class Declaration:
    """A parameter's role and its start: normally distributed numbers of this mean and deviation."""

    role: Role
    mean: float
    deviation: float


class Layer(nn.Module):
    """A module that declares its parameters: shape, role and start."""

    __call__: Callable[..., Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.declarations: dict[str, Declaration] = {}

    def declare(self, name: str, shape: tuple[int, ...], role: Role, *, mean: float = 0.0, deviation: float) -> None:
        """Allocate the parameter `name`; deviation 0 starts all of it at `mean`."""
        self.declarations[name] = Declaration(role, mean, deviation)
        self.register_parameter(name, nn.Parameter(torch.empty(shape)))


def declared_parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter, Declaration]]:
    """Each parameter of a network with its full name and its declaration, in the order of construction."""
    for path, module in network.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not isinstance(module, Layer):
                raise TypeError(
                    f"{path or 'the network'} has a parameter {name!r} but is no Layer: it cannot say its role"
                )
            yield f"{path}.{name}" if path else name, parameter, module.declarations[name]


@torch.no_grad()
def initialize(network: nn.Module, seed: int) -> None:
    """Fill every parameter with its start, a function of the seed and the parameter's name only.

    The numbers are drawn in float32 on the CPU, so that every device and precision starts from the same ones.
    """
    for name, parameter, declaration in declared_parameters(network):
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
        start = torch.empty(parameter.shape, dtype=torch.float32, device="cpu")
        start.normal_(declaration.mean, declaration.deviation, generator=generator)
        parameter.copy_(start)


def parameter_count(network: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())
