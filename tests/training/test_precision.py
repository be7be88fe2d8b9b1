"""In 16 bits the sums are computed, in 32 bits is learned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from everysum.layers.layer import declared_parameters, initialize
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.training.loss import mean_loss
from everysum.training.precision import WorkingCopy


def build(kind: str) -> Network:
    sizes = {"vocabulary_size": 23, "context_length": 8, "width": 32, "layers": 2, "heads": 2, "inner_width": 48}
    network: Network = GPT(**sizes) if kind == "gpt" else Llama(**sizes, normalize_heads=True)
    initialize(network, 1)
    with torch.no_grad():
        for parameter in network.parameters():  # matrices that start at zero would hide what is before them
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.05)
    return network


def gradients_of(network: Network) -> tuple[float, dict[str, Tensor | None]]:
    """The loss on some batch, and the gradients that it leaves in the network that computes."""
    generator = torch.Generator().manual_seed(4)
    inputs, targets = (torch.randint(23, (4, 8), generator=generator) for _ in range(2))
    loss = mean_loss(network(inputs), network.head_weight, targets)
    loss.backward()
    return loss.item(), {name: parameter.grad for name, parameter in network.named_parameters()}


both = pytest.mark.parametrize("kind", ["gpt", "llama"])


def shares_numbers(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr()


@both
def test_in_the_originals_precision_no_number_is_copied(kind: str) -> None:
    network = build(kind)
    copy = WorkingCopy(network, torch.float32)
    originals = dict(network.named_parameters())
    for name, parameter in copy.network.named_parameters():
        assert shares_numbers(parameter, originals[name]), name
    with torch.no_grad():
        originals["token_embedding.weight"] += 1
    copy.refresh()
    inputs = torch.randint(23, (2, 8))
    torch.testing.assert_close(copy.network(inputs), network(inputs), rtol=0, atol=0)


@both
def test_embedding_and_head_are_shared_and_stay_in_32_bits(kind: str) -> None:
    network = build(kind)
    copy = WorkingCopy(network, torch.bfloat16)
    originals = dict(network.named_parameters())
    for name, parameter, declaration in declared_parameters(copy.network):
        shared = declaration.role in ("embedding", "head")
        assert shares_numbers(parameter, originals[name]) is shared, name
        assert parameter.dtype == (torch.float32 if shared else torch.bfloat16), name
        assert originals[name].dtype == torch.float32, name
    assert shares_numbers(copy.network.head_weight, network.head_weight)


@both
def test_gradients_of_several_copies_are_added_up(kind: str) -> None:
    network = build(kind)
    copies = [WorkingCopy(network, torch.float32) for _ in range(3)]
    expected = {name: 3 * gradient for name, gradient in gradients_of(build(kind))[1].items()}
    for copy in copies:
        gradients_of(copy.network)
    assert all(parameter.grad is None for parameter in network.parameters())
    for copy in copies:
        copy.hand_over_gradients()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


@both
def test_a_step_smaller_than_the_last_digit_of_16_bits_is_not_lost(kind: str) -> None:
    """One thousandth of a number near 1 is below bfloat16's 2⁻⁸; ten of them are not."""
    network = build(kind)
    copy = WorkingCopy(network, torch.bfloat16)
    original = network.blocks[0].attention_normalization.weight
    original.data.fill_(1.0)
    working = copy.network.blocks[0].attention_normalization.weight
    for _ in range(10):
        original.data.add_(0.001)
        copy.refresh()
    assert original[0].item() == pytest.approx(1.01)
    assert working[0].item() == torch.tensor(1.01).bfloat16().item() != 1.0


@both
def test_gradients_in_16_bits_are_those_in_32_nearly(kind: str) -> None:
    exact_loss, exact = gradients_of(build(kind))
    rounded = build(kind)
    copy = WorkingCopy(rounded, torch.bfloat16)
    loss, _ = gradients_of(copy.network)
    copy.hand_over_gradients()
    assert loss == pytest.approx(exact_loss, rel=0.01)
    whole = torch.cat([gradient.flatten() for gradient in exact.values()]).norm()
    for name, parameter in rounded.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        size = max(exact[name].norm(), whole / 100)  # a key's bias, which softmax takes away, has a gradient of 0
        assert (parameter.grad - exact[name]).norm() / size < 0.05, name
    assert all(working.grad is None for _, working in copy.pairs)


def test_gradients_are_handed_over_anew_each_time() -> None:
    network = build("llama")
    copy = WorkingCopy(network, torch.bfloat16)
    found = []
    for _ in range(2):
        for parameter in network.parameters():
            parameter.grad = None
        gradients_of(copy.network)
        copy.hand_over_gradients()
        found.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
