"""Each parameter is served by its role; Muon makes a matrix's step orthogonal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from everysum.layers.layer import declared_parameters, initialize
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.training import optimizers
from everysum.training.optimizers import Muon, optimizers_for, orthogonalized, set_rate
from everysum.training.recipe import Optimizer

SIZES = {"vocabulary_size": 23, "context_length": 8, "width": 16, "layers": 2, "heads": 2, "inner_width": 24}
RATES = Optimizer(matrix_rate=0.1, embedding_rate=0.2, head_rate=0.3, vector_rate=0.4, weight_decay=0.05)
SHAPES = [(8, 12), (12, 8), (8, 8), (8, 12), (12, 8), (6, 20)]


def random(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(step: int) -> list[Tensor]:
    return [random(*shape, seed=100 * step + place) for place, shape in enumerate(SHAPES)]


# --- Muon -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(32, 32), (32, 96), (8, 200)])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_singular_values_come_between_0_8_and_1_2(shape: tuple[int, int], size: float) -> None:
    """Those that are at least a fiftieth of the largest, that is; smaller ones grow, but may stay behind."""
    left, right = torch.linalg.qr(random(shape[0], shape[0]))[0], torch.linalg.qr(random(shape[1], shape[0]))[0]
    values = torch.logspace(0, -1.7, shape[0])
    found = torch.linalg.svdvals(orthogonalized((size * left @ values.diag() @ right.T)[None])[0])
    assert found.min() > 0.8
    assert found.max() < 1.2


def test_the_turned_matrix_points_where_the_exact_one_does() -> None:
    matrix = random(16, 40)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalized(matrix[None])[0]
    assert torch.cosine_similarity(found.flatten(), (left @ right).flatten(), dim=0) > 0.99


def test_a_gradient_of_zeros_moves_nothing() -> None:
    matrix = nn.Parameter(random(4, 6))
    before = matrix.detach().clone()
    matrix.grad = torch.zeros(4, 6)
    Muon([matrix], lr=0.1).step()
    assert torch.equal(matrix, before)


def test_working_on_equal_shapes_together_is_working_on_them_one_by_one() -> None:
    together = [nn.Parameter(random(*shape)) for shape in SHAPES]
    alone = [nn.Parameter(matrix.detach().clone()) for matrix in together]
    everyone = [Muon(together, lr=0.1), *(Muon([matrix], lr=0.1) for matrix in alone)]
    for step in range(3):
        for parameters in (together, alone):
            for parameter, gradient in zip(parameters, gradients(step), strict=True):
                parameter.grad = gradient
        for optimizer in everyone:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)  # sums in bf16, in another order


def test_a_tall_matrix_steps_as_its_transpose_but_further_by_the_root_of_its_shape() -> None:
    wide, tall = nn.Parameter(torch.zeros(8, 18)), nn.Parameter(torch.zeros(18, 8))
    wide.grad = random(8, 18)
    tall.grad = wide.grad.T.clone()
    Muon([wide], lr=0.1).step()
    Muon([tall], lr=0.1).step()
    torch.testing.assert_close(tall.T, wide * (18 / 8) ** 0.5)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32)])
def test_with_torchs_coefficients_it_is_torchs_muon(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Average, Nesterov's look ahead, decay and the factor for tall matrices are torch's; only coefficients differ.

    torch takes five rounds with one set of them, from a matrix of length 1.
    """
    monkeypatch.setattr(optimizers, "ORTHOGONALIZING", ((3.4445, -4.7750, 2.0315),) * 5)
    monkeypatch.setattr(optimizers, "LONGEST", 1.0)
    ours, theirs = (nn.Parameter(random(*shape)) for _ in range(2))
    both = (
        Muon([ours], lr=0.05, momentum=0.9, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True),
    )
    for step in range(6):
        before = ours.detach().clone()
        for parameter, optimizer in zip((ours, theirs), both, strict=True):
            parameter.grad = random(*shape, seed=step) + 0.5
            optimizer.step()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2.5e-3)  # the rounding of bf16 through five rounds
        moved = [parameter.detach() - before for parameter in (ours, theirs)]
        assert torch.cosine_similarity(*(step.flatten() for step in moved), dim=0) > 0.99
        theirs.data.copy_(ours)


# --- roles ------------------------------------------------------------------------------------------------------------


def networks() -> list[Network]:
    found: list[Network] = [Llama(**SIZES, normalize_heads=True), Llama(**SIZES, tied=True), GPT(**SIZES)]
    for network in found:
        initialize(network, 1)
    return found


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
@pytest.mark.parametrize("network", networks(), ids=["llama", "tied llama", "gpt"])
def test_every_parameter_is_served_once_at_the_rate_of_its_role(network: Network, matrices: str) -> None:
    recipe = RATES.model_copy(update={"matrices": matrices})
    served = {
        id(parameter): (type(optimizer), group["lr"], group["full_rate"], group["weight_decay"])
        for optimizer in optimizers_for(network, recipe)
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    kind = Muon if matrices == "muon" else torch.optim.AdamW
    expected = {
        "matrix": (kind, 0.1, 0.1, 0.05),
        "embedding": (torch.optim.AdamW, 0.2, 0.2, 0.0),
        "head": (torch.optim.AdamW, 0.3, 0.3, 0.0),
        "vector": (torch.optim.AdamW, 0.4, 0.4, 0.0),
    }
    for name, parameter, declaration in declared_parameters(network):
        assert served.pop(id(parameter)) == expected[declaration.role], name
    assert not served


def test_a_share_of_the_rate_is_of_the_full_rate_each_time() -> None:
    found = optimizers_for(networks()[0], RATES)
    for share in (0.5, 0.1, 1.0):
        set_rate(found, share)
        rates = sorted(group["lr"] for optimizer in found for group in optimizer.param_groups)
        assert rates == pytest.approx([0.1 * share, 0.2 * share, 0.3 * share, 0.4 * share])


def test_adamws_first_step_by_hand() -> None:
    """The average over its own size is ±1, so every number moves by its rate; matrices shrink by decay · rate."""
    network = networks()[2]
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.01)
    for optimizer in optimizers_for(network, RATES.model_copy(update={"matrices": "adamw"})):
        optimizer.step()
    rates = {"matrix": 0.1, "embedding": 0.2, "head": 0.3, "vector": 0.4}
    for name, parameter, declaration in declared_parameters(network):
        kept = 1 - 0.1 * 0.05 if declaration.role == "matrix" else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * kept - rates[declaration.role])
