"""A layer of neurons without activation: every output is a weighted sum of all inputs, plus a bias if it has one."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from everysum.layers.layer import Layer, Role


class Linear(Layer):
    """output = weight · input + bias.

    `deviation` is the spread of the starting weights; 1/√inputs (the default) keeps the size of what flows through.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = False, role: Role = "matrix", deviation: float | None = None
    ) -> None:
        super().__init__()
        self.declare("weight", (outputs, inputs), role, deviation=inputs**-0.5 if deviation is None else deviation)
        if bias:
            self.declare("bias", (outputs,), "vector", deviation=0.0)
        else:
            self.bias = None

    def forward(self, inputs: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        return functional.linear(inputs, self.weight, self.bias)
