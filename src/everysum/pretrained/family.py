"""A published family: how its tensors and its configuration are called, as data."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.models.network import Network

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Row:
    """One tensor of a published family and the parameters of ours that it holds.

    `{layer}` stands for each layer's number. Several of ours are joined along their outputs; `transposed` tables keep
    inputs first; `spare_rows` stand unused before the first row; `width_axes` are those axes of ours that count the
    network's width, in families that have it in another order.
    """

    theirs: str
    ours: tuple[str, ...]
    transposed: bool = False
    spare_rows: int = 0
    width_axes: tuple[int, ...] = ()

    def for_layer(self, layer: int) -> Row:
        ours = tuple(name.format(layer=layer) for name in self.ours)
        return replace(self, theirs=self.theirs.format(layer=layer), ours=ours)

    def in_order(self, tensor: Tensor, order: Tensor) -> Tensor:
        """The tensor with the numbers along its width taken in this order."""
        for axis in self.width_axes:
            tensor = tensor.index_select(axis, order)
        return tensor

    def refuse_misfit(self, tensor: Tensor, shapes: list[torch.Size]) -> None:
        """Refuse a tensor that cannot hold parameters of these shapes."""
        wanted = (self.spare_rows + sum(shape[0] for shape in shapes), *shapes[0][1:])
        wanted = wanted[::-1] if self.transposed else wanted
        if tensor.shape != wanted:
            raise ModelFolderError(
                f"the tensor {self.theirs!r} has another shape than config.json says",
                wanted=str(wanted),
                came=str(tuple(tensor.shape)),
            )
        if tensor.dtype not in FLOATS:
            raise ModelFolderError(
                f"the tensor {self.theirs!r} is stored in a form that everysum does not compute with",
                wanted=" or ".join(str(dtype).removeprefix("torch.") for dtype in FLOATS),
                came=str(tensor.dtype).removeprefix("torch."),
            )


@dataclass(frozen=True)
class Family:
    """A table of names, and the two translations of a configuration.

    `represents` says whether a network can be saved under these names. `network_from` takes a config.json's values and
    parts that none says, such as `engine` and `dropout`; it allocates and does not initialize.
    """

    architecture: str
    model_type: str
    rows: tuple[Row, ...]
    represents: Callable[[Network], bool]
    configuration_of: Callable[[Any], dict[str, Any]]
    network_from: Callable[..., Network]
    end_of_text_keys: tuple[str, ...] = ("bos_token_id", "eos_token_id")
    """What of a configuration is the end-of-text token, between and around texts."""

    def table(self, network: Network) -> Iterator[Row]:
        """The rows that this network needs, one for each layer where there is one a layer."""
        ours = set(network.state_dict())
        for row in self.rows:
            for layer in count():
                named = row.for_layer(layer)
                if not set(named.ours) <= ours:
                    break
                yield named
                if named == row:
                    break

    def outlines(self, network: Network, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same as `ours` for tensors without numbers, on the meta device: what fits, and how large it is."""
        return self.ours(network, tensors)

    def generation(self, network: Network) -> dict[str, Any] | None:
        """What other programs are to do when asked for a text without a word on how, if that is to be said."""
        return None

    def published(self, network: Network) -> dict[str, Tensor]:
        """The network's parameters under the family's names and in its layout."""
        state, tensors = network.state_dict(), {}
        for row in self.table(network):
            joined = torch.cat([state[name] for name in row.ours])
            if row.spare_rows:
                joined = torch.cat([joined.new_zeros(row.spare_rows, joined.shape[1]), joined])
            tensors[row.theirs] = (joined.T if row.transposed else joined).contiguous()
        return tensors

    def ours(self, network: Network, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published tensors under our names; refuses one that is missing or of another shape, by name.

        Files of a bare tower, saved without its head, leave out the first word of every name.
        """
        expected = network.state_dict()
        state: dict[str, Tensor] = {}
        for row in self.table(network):
            tensor = tensors.get(row.theirs, tensors.get(row.theirs.partition(".")[2]))
            if tensor is None:
                raise ModelFolderError(f"the weights have no tensor {row.theirs!r}", advice="get the file again")
            shapes = [expected[name].shape for name in row.ours]
            row.refuse_misfit(tensor, shapes)
            joined = (tensor.T if row.transposed else tensor)[row.spare_rows :]
            parts = joined.split_with_sizes([shape[0] for shape in shapes])
            # where a number stands in memory decides how a matrix product rounds: copies lie as in a new network
            copies = [part.clone(memory_format=torch.contiguous_format) for part in parts]
            state.update(zip(row.ours, copies, strict=True))
        return state


LARGEST_SIZE = 2**20
"""No published size reaches this; beyond it, even the number of a tensor's entries could not be counted."""
DEEPEST = 1_000
"""No published tower has as many layers; one that a broken file asks for would take hours to lay out."""


def setting(
    configuration: Mapping[str, Any], key: str, kind: type, default: Any = None, *, most: int = LARGEST_SIZE
) -> Any:
    """One number or word of a config.json, of this kind; refuses a missing or unfitting one by name.

    A whole number is a size, from 1 to `most`; any other number is positive and finite.
    """
    value = configuration.get(key)
    if value is None:
        value = default
    if kind is int:
        fits, wanted = type(value) is int and 1 <= value <= most, f"a whole number from 1 to {most}"
    elif kind is float:
        fits, wanted = type(value) in (int, float) and 0 < value <= sys.float_info.max, "a positive number"
    else:
        fits, wanted = isinstance(value, kind), f"a {kind.__name__}"
    if not fits:
        raise ModelFolderError(f"config.json: {key!r} cannot be used", wanted=wanted, came=reprlib.repr(value))
    return kind(value)


def refuse_unless(configuration: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse a configuration that asks for something which our network of this family does not compute."""
    for key, values in allowed.items():
        if key in configuration and configuration[key] not in values:
            raise ModelFolderError(
                f"config.json asks for a {key!r} that everysum does not compute for this family",
                wanted=" or ".join(map(repr, values)),
                came=reprlib.repr(configuration[key]),
            )


def name_of(table: Mapping[str, Any], part: Any) -> str:
    """Under which name a part stands in a table such as ACTIVATIONS."""
    return next(name for name, entry in table.items() if entry is part)
