"""Optimizers: how a gradient becomes a step. Each parameter is served by its role.

AdamW (Loshchilov & Hutter, 2017) divides each number's average gradient by its usual size. Muon (Jordan et al., 2024)
takes a whole matrix's average gradient and makes it as good as orthogonal, so that a step turns all directions equally.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from everysum.layers.layer import declared_parameters
from everysum.training.recipe import Optimizer as OptimizerRecipe

ORTHOGONALIZING = (
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196736706015, -2.488488034314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)
"""Coefficients a, b, c of rounds X ← aX + bXXᵀX + cXXᵀXXᵀX that bring singular values close to 1: the last four of
"Polar Express" (Amsel et al., 2025), which take values from 0.01 to 1.99 to between 0.87 and 1.13."""
LONGEST = 1.9
"""What the length of a matrix, which no singular value exceeds, is brought to before the rounds."""


def orthogonalized(matrices: Float[Tensor, "count rows columns"]) -> Float[Tensor, "count rows columns"]:
    """For each matrix U·S·Vᵀ nearly U·Vᵀ, with nothing but matrix products; needs rows ≤ columns to be cheap."""
    lengths = matrices.flatten(1).norm(dim=1)[:, None, None]
    x = (matrices * (LONGEST / (lengths + 1e-7))).to(torch.bfloat16)
    for a, b, c in ORTHOGONALIZING:
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    result: Tensor = x.to(matrices.dtype)
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal. All matrices of one shape are worked on together, tall ones lying on their side."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; a matrix with more rows than columns steps √(rows/columns) further: outputs change alike."""
        for group in self.param_groups:
            for matrices in same_shape(group["params"]):
                self.step_together(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def step_together(self, matrices: list[nn.Parameter], rate: float, momentum: float, decay: float) -> None:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        averages = [self.average_of(matrix) for matrix in matrices]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        # Nesterov: look from where the momentum is about to carry us
        ahead = torch._foreach_lerp(gradients, averages, momentum)
        directions = orthogonalized(torch.stack([flat(gradient) for gradient in ahead]))
        if decay:
            torch._foreach_mul_([*matrices], 1 - rate * decay)
        for matrix, direction in zip(matrices, directions, strict=True):
            rows, columns = matrix.shape
            step = direction.T if rows > columns else direction
            matrix.add_(step, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def average_of(self, matrix: nn.Parameter) -> Tensor:
        """The running average of this matrix's gradients."""
        state = self.state[matrix]
        if "average" not in state:
            state["average"] = torch.zeros_like(matrix)
        average: Tensor = state["average"]
        return average


def flat(matrix: Tensor) -> Tensor:
    """The matrix, or its transpose, whichever has no more rows than columns."""
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def same_shape(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Matrices grouped by their two sizes, whichever comes first; in a fixed order."""
    groups: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
    for parameter in parameters:
        groups[tuple(sorted(parameter.shape))].append(parameter)
    return [groups[shape] for shape in sorted(groups)]


def optimizers_for(network: nn.Module, recipe: OptimizerRecipe, workers: int = 1) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe, for each worker those of its own parameters; groups know their full rate."""
    optimizers: list[torch.optim.Optimizer] = []
    parameters = sorted(declared_parameters(network), key=lambda named: (named[2].role, named[1].shape))
    for worker in range(workers):
        roles: dict[str, list[nn.Parameter]] = defaultdict(list)
        for _, parameter, declaration in parameters[worker::workers]:
            roles[declaration.role].append(parameter)
        optimizers += optimizers_of_roles(roles, recipe)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_rate"] = group["lr"]
    return optimizers


def optimizers_of_roles(
    roles: Mapping[str, list[nn.Parameter]], recipe: OptimizerRecipe
) -> Iterator[torch.optim.Optimizer]:
    """Muon or AdamW for the matrices, AdamW for everything else; only the matrices are made to decay."""
    rates = {"embedding": recipe.embedding_rate, "head": recipe.head_rate, "vector": recipe.vector_rate}
    groups: list[dict[str, Any]] = [
        {"params": roles[role], "lr": rate, "weight_decay": 0.0} for role, rate in rates.items() if role in roles
    ]
    matrices, decay = roles.get("matrix"), recipe.weight_decay
    if matrices and recipe.matrices == "muon":
        yield Muon(matrices, lr=recipe.matrix_rate, momentum=recipe.momentum, weight_decay=decay)
    elif matrices:
        groups.append({"params": matrices, "lr": recipe.matrix_rate, "weight_decay": decay})
    if groups:
        yield torch.optim.AdamW(groups, betas=(recipe.beta1, recipe.beta2), eps=1e-8, fused=True)


def set_rate(optimizers: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Let every group step with this share of its full rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["full_rate"] * share
