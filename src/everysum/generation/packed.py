"""Weights packed for decoding: in 32, 16, 8 or 4 bits, laid out as one step reads them.

A network reads all of its weights for every token, so that decoding is as fast as memory is read: half the bits, twice
the tokens. The networks in `models/` know nothing of it: `pack` returns one of the same class whose linear layers hold
packed weights. Computed by PyTorch it is the definition; where `native/` can, the same sums run there, several times
faster.

* float32: as it is.
* bf16: weights, and the numbers that meet them, are rounded to bfloat16; sums are in float32.
* int8, int4: each group of 64 weights of an output is whole numbers of −127 to 127 or −8 to 7 times a scale of its own,
  and the numbers that meet them are 8-bit codes in the same way: 8.25 and 4.25 bits a weight, scales included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from everysum.memory import HugePages

Form = Literal["float32", "bf16", "int8", "int4"]
FORMS: tuple[Form, ...] = ("float32", "bf16", "int8", "int4")

GROUP = 64
"""How many weights share a scale."""
ROWS = 32
"""How many outputs lie side by side."""
TOGETHER = {"float32": 1, "bf16": 2, "int8": 4, "int4": 8}
"""For so many inputs the weights of all these outputs stand together."""
SHRINKINGS = torch.linspace(0.7, 1.0, 16).tolist()
"""With 4 bits, a scale that cuts the largest weights off may fit the others better; these are tried."""
ROWS_AT_ONCE = 128 * ROWS


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix of weights in one of the forms, and its bias.

    Outputs are filled up with zeros to a whole number of 32, inputs to one of groups, or of what stands together.
    """

    form: Form
    outputs: int
    inputs: int
    codes: Tensor
    """(outputs / 32, inputs / together, 32, together) in float32 or bfloat16; as code + 128 in bytes; or as code + 8,
    the first four in the lower halves of four bytes and the next four in the upper."""
    scales: Tensor | None
    """(outputs / 32, groups, 32) in bfloat16, for 8 and 4 bits."""
    bias: Tensor | None

    @property
    def stride(self) -> int:
        """Inputs, and the zeros that fill a row up."""
        return self.codes.shape[1] * TOGETHER[self.form]

    @property
    def bytes(self) -> int:
        """What one reading of the matrix reads."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.codes, self.scales) if tensor is not None)

    def unpacked(self, first: int = 0, last: int | None = None) -> Float[Tensor, "outputs inputs"]:
        """The weights that it holds of some outputs, in float32."""
        last = self.outputs if last is None else last
        blocks = slice(first // ROWS, -(-last // ROWS))
        codes = self.codes[blocks]
        if self.form == "int4":
            codes = torch.stack([codes & 15, codes >> 4], dim=3).flatten(3)
        rows = codes.transpose(1, 2).flatten(2).float()
        if self.scales is not None:
            offset = 128 if self.form == "int8" else 8
            scales = self.scales[blocks].transpose(1, 2).float()
            rows = (in_groups(rows - offset, GROUP) * scales[..., None]).flatten(2)
        start = first % ROWS
        return rows.flatten(0, 1)[start : start + last - first, : self.inputs]


def packed_matrix(
    weight: Float[Tensor, "outputs inputs"], bias: Tensor | None, form: Form, room: HugePages | None = None
) -> PackedMatrix:
    """A matrix in one of the forms, made in pieces, so that little more than the result is ever in memory."""
    (outputs, inputs), whole = weight.shape, GROUP if form in ("int8", "int4") else TOGETHER[form]
    stride, blocks = -(-inputs // whole) * whole, -(-outputs // ROWS)
    together, kinds = TOGETHER[form], {"float32": torch.float32, "bf16": torch.bfloat16}
    shape = (blocks, stride // together, ROWS, together // 2 if form == "int4" else together)
    room = room or HugePages()
    codes = room.empty(shape, kinds.get(form, torch.uint8))
    scales = None if form in kinds else room.empty((blocks, stride // GROUP, ROWS), torch.bfloat16)
    for first in range(0, blocks * ROWS, ROWS_AT_ONCE):
        rows = weight.detach()[first : first + ROWS_AT_ONCE].float()
        rows = nn.functional.pad(rows, (0, stride - inputs, 0, -len(rows) % ROWS))
        place = slice(first // ROWS, (first + len(rows)) // ROWS)
        if scales is not None:
            groups = in_groups(rows, GROUP)
            own = scales_of(groups, form)
            scales[place] = own.reshape(-1, ROWS, own.shape[1]).transpose(1, 2)
            lowest, highest = (-127, 127) if form == "int8" else (-8, 7)
            rows = quantized(groups, own, lowest, highest).flatten(1) - (-128 if form == "int8" else -8)
        rows = in_groups(rows.reshape(-1, ROWS, stride), together).transpose(1, 2)
        if form == "int4":
            halves = in_groups(rows.to(torch.uint8), 4)
            rows = halves[:, :, :, 0] | halves[:, :, :, 1] << 4
        codes[place] = rows.to(codes.dtype)
    return PackedMatrix(form, outputs, inputs, codes, scales, None if bias is None else bias.detach().float())


def scales_of(groups: Float[Tensor, "outputs groups members"], form: Form) -> Tensor:
    """Each group's scale, in bfloat16: with 8 bits its largest weight is the largest code; with 4 the squares of what
    is lost are as small as can be.
    """
    largest = groups.gather(2, groups.abs().argmax(2, keepdim=True))[..., 0]
    if form == "int8":
        return (largest.abs() / 127).bfloat16()
    best = torch.full_like(largest, torch.inf)
    scales = torch.zeros_like(largest, dtype=torch.bfloat16)
    for shrinking in SHRINKINGS:
        tried = (largest * (shrinking / -8)).bfloat16()  # there is a code −8 and no 8: the largest weight takes it
        errors = (quantized(groups, tried, -8, 7) * tried.float()[..., None] - groups).square().sum(2)
        better = errors < best
        best, scales = torch.where(better, errors, best), torch.where(better, tried, scales)
    return scales


def in_groups(numbers: Tensor, size: int) -> Tensor:
    """The last axis cut into groups of this size: (…, groups, size)."""
    return numbers.reshape(*numbers.shape[:-1], -1, size)


def quantized(groups: Tensor, scales: Tensor, lowest: int, highest: int) -> Tensor:
    """The nearest whole numbers of scales; of a group without a scale, zeros."""
    scales = scales.float()[..., None]
    codes: Tensor = torch.where(scales == 0, 0, groups / scales)
    return codes.round().clamp(lowest, highest)


def rounded_inputs(inputs: Float[Tensor, "*batch inputs"], form: Form) -> Float[Tensor, "*batch inputs"]:
    """What the numbers become that meet weights of this form."""
    if form == "float32":
        return inputs
    if form == "bf16":
        return inputs.bfloat16().float()
    groups = in_groups(nn.functional.pad(inputs, (0, -inputs.shape[-1] % GROUP)), GROUP)
    largest = groups.abs().amax(-1, keepdim=True)
    codes = (groups * torch.where(largest == 0, 0, 127 / largest)).round()
    return (codes * (largest / 127)).flatten(-2)[..., : inputs.shape[-1]]


class PackedLinear(nn.Module):
    """A linear layer of packed weights, as PyTorch computes it: the definition of what each form means."""

    def __init__(self, matrix: PackedMatrix, first: int = 0, last: int | None = None) -> None:
        """Some of a matrix's outputs, or all."""
        super().__init__()
        self.matrix, self.first, self.last = matrix, first, matrix.outputs if last is None else last
        self.unpacked: Tensor | None = None

    def forward(self, inputs: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        if self.unpacked is None:
            self.unpacked = self.matrix.unpacked(self.first, self.last)
        bias = None if self.matrix.bias is None else self.matrix.bias[self.first : self.last]
        return nn.functional.linear(rounded_inputs(inputs, self.matrix.form), self.unpacked, bias)

    def forget(self) -> None:
        """Free what PyTorch computes with; it is unpacked again when it is needed."""
        self.unpacked = None


Layers = list[tuple[Tensor, Tensor | None]]
"""Weights (outputs, inputs) and bias of linear layers."""


def packed_together(layers: Layers, form: Form, room: HugePages) -> tuple[PackedMatrix, list[PackedLinear]]:
    """Layers that read the same numbers as one matrix, and each of them as a view of it."""
    bias = None
    if any(bias is not None for _, bias in layers):
        bias = torch.cat([weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in layers])
    matrix = packed_matrix(torch.cat([weight for weight, _ in layers]), bias, form, room)
    views, first = [], 0
    for weight, _ in layers:
        views.append(PackedLinear(matrix, first, first + len(weight)))
        first += len(weight)
    return matrix, views
