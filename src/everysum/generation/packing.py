"""Packing: a network's copy that computes with packed weights, and which networks can have one."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from everysum.errors import UsageError
from everysum.generation.native.library import described
from everysum.generation.native.tower import BENDS
from everysum.generation.packed import FORMS, Form, PackedLinear, PackedMatrix, packed_together
from everysum.generation.packed_networks import Packed, PackedGPT, PackedLlama, PackedTransformer
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.attention import Attention
from everysum.layers.embedding import Embedding
from everysum.layers.feed_forward import FeedForward, GatedFeedForward
from everysum.layers.linear import Linear
from everysum.layers.positions import FixedPositions
from everysum.memory import HugePages, available_memory
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.models.transformer import Transformer

CLASSES: dict[type[Network], type[Packed]] = {GPT: PackedGPT, Llama: PackedLlama, Transformer: PackedTransformer}


def can_pack(network: Network) -> bool:
    """Whether a network can be packed: a GPT, a Llama or a translator of standard parts, on a CPU."""
    if type(network) not in CLASSES or network.device.type != "cpu":
        return False
    bends = [ACTIVATIONS[name] for name in BENDS]
    return all(
        type(module) in (FeedForward, GatedFeedForward) and module.activation in bends
        for module in network.modules()
        if isinstance(module, FeedForward | GatedFeedForward)
    )


def usual_form(network: Network) -> Form | None:
    """The form in which a network's weights are packed when none is wished for: their own bits, if that can be."""
    form = {torch.float32: FORMS[0], torch.bfloat16: FORMS[1]}.get(network.dtype)
    size = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    left = available_memory()
    return form if can_pack(network) and (left is None or left > 2 * size) else None


def pack(network: Network, form: str) -> Packed:
    """A network of the same class that computes with packed weights; the given one stays as it is.

    Raises UsageError for a network of other parts, on another device, or in float64.
    """
    chosen = next((known for known in FORMS if known == form), None)
    if chosen is None:
        raise UsageError(f"weights cannot be packed as {form!r}", wanted=" or ".join(FORMS))
    if not can_pack(network) or network.dtype == torch.float64:
        raise UsageError(
            f"the weights of this {type(network).__name__} cannot be packed",
            wanted="a GPT, a Llama, one of its relatives or a translator, on the CPU, in at most 32 bits",
            came=f"{type(network).__name__} in {str(network.dtype).removeprefix('torch.')} on {network.device}",
            advice="leave --weights out",
        )
    packed = cast(Any, copied(network))
    packed.__class__ = CLASSES[type(network)]
    room = HugePages()
    packed.form, packed.towers, packed.lock = chosen, {}, threading.Lock()
    packed.matrices = [pack_block(block, chosen, room) for block in packed.blocks]
    if isinstance(packed, PackedTransformer):
        packed.encoder_matrices = [pack_block(block, chosen, room) for block in packed.encoder_blocks]
        packed.memory_linears = [pack_memory(cast(Any, block).cross_attention, chosen, room) for block in packed.blocks]
    bias = getattr(network, "head_bias", None)  # Marian's
    _, (packed.head_linear,) = packed_together([(network.head_weight, bias)], chosen, room)
    packed.head_matrix = described(packed.head_linear.matrix)
    return cast(Packed, packed.eval())


def copied(module: nn.Module) -> nn.Module:
    """A copy with the same numbers: vectors in float32, matrices and tables not copied."""
    clone = copy.copy(module)
    modules = {name: None if child is None else copied(child) for name, child in module._modules.items()}
    keep = isinstance(module, Embedding | Linear)
    parameters = {
        name: None if parameter is None else parameter if keep else nn.Parameter(parameter.detach().float(), False)
        for name, parameter in module._parameters.items()
    }
    clone.__dict__.update(_modules=modules, _parameters=parameters, _buffers=dict(module._buffers))
    if isinstance(clone, FixedPositions):
        clone.rows = clone.exact_rows.float()
    return clone


def pack_block(block: Any, form: Form, room: HugePages) -> dict[str, PackedMatrix]:
    """Pack a block's linear layers, in place."""
    attention, feed_forward = block.attention, block.feed_forward
    matrices = {
        "query_key_value": put(attention, ("query", "key", "value"), form, room),
        "attention_output": put(attention, ("output",), form, room),
    }
    if (cross := getattr(block, "cross_attention", None)) is not None:
        matrices |= {
            "cross_query": put(cross, ("query",), form, room),
            "cross_output": put(cross, ("output",), form, room),
        }
    gated = ("gate", "up") if hasattr(feed_forward, "gate") else ("up",)
    return matrices | {"up": put(feed_forward, gated, form, room), "down": put(feed_forward, ("down",), form, room)}


def pack_memory(attention: Attention, form: Form, room: HugePages) -> PackedLinear:
    """Pack what makes the keys and values of a source, in place."""
    return PackedLinear(put(attention, ("key", "value"), form, room))


def put(module: nn.Module, names: Sequence[str], form: Form, room: HugePages) -> PackedMatrix:
    """Linear layers of a module as one matrix; in the module, each becomes a view of it."""
    linears = [cast(Linear, getattr(module, name)) for name in names]
    matrix, views = packed_together([(linear.weight, linear.bias) for linear in linears], form, room)
    for name, view in zip(names, views, strict=True):
        module._modules[name] = view
    return matrix
