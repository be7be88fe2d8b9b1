"""A packed network's blocks as the native step takes them, and that step on PyTorch's tensors."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.generation.native import library as native
from everysum.generation.packed import PackedMatrix
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.attention import KeysAndValues, Visible
from everysum.layers.cache import BeamCache, Cache
from everysum.layers.normalization import LayerNorm, RMSNorm
from everysum.layers.positions import RotaryPositions

BENDS = ("relu", "gelu", "gelu_tanh", "silu")


class Stored:
    """Where all layers' keys and values are; each is (batch, key_value_heads, capacity, head_size)."""

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        self.tensors = [*keys, *values]
        self.keys, self.values = addresses(keys), addresses(values)
        self.capacity = keys[0].shape[2]

    def is_of(self, cache: Cache) -> bool:
        """Whether a cache still has the same tensors: it may have chosen rows, or made room."""
        return all(map(operator.is_, self.tensors, [*cache.keys, *cache.values]))


class NativeTower:
    """The blocks of one tower, laid out for `everysum_step`."""

    def __init__(
        self,
        library: native.Library,
        blocks: Sequence[nn.Module],
        matrices: Sequence[dict[str, PackedMatrix]],
        last: nn.Module | None,
        *,
        half: bool,
        rotary: RotaryPositions | None = None,
        window: int | None = None,
        ends: native.Ends | None = None,
    ) -> None:
        """`matrices` has each block's by name; `half` stores keys and values in bfloat16."""
        self.library, self.matrices, self.rotary, self.ends = library, matrices, rotary, ends
        self.parts = [blocks, last]
        first: Any = blocks[0]
        attention, feed_forward = first.attention, first.feed_forward
        laid_out = (native.Block * len(blocks))(*map(block_of, blocks, matrices))
        bends = {ACTIVATIONS[name]: number for number, name in enumerate(BENDS)}
        head_size, joined = attention.head_size, matrices[0]["attention_output"].inputs
        self.tower = native.Tower(
            width=matrices[0]["attention_output"].outputs,
            heads=joined // head_size,
            key_value_heads=(matrices[0]["query_key_value"].outputs - joined) // 2 // head_size,
            head_size=head_size,
            inner_width=matrices[0]["down"].inputs,
            blocks=len(blocks),
            bend=bends[feed_forward.activation],
            gated=hasattr(feed_forward, "gate"),
            post_norm=getattr(getattr(first, "wiring", None), "__name__", "pre_norm") == "post_norm",
            window=window or 0,
            rotary=rotary is not None,
            stored_half=half,
            block=laid_out,
            normalization=normalization_of(last),
        )
        self.turns: tuple[Tensor, Tensor] | None = None

    def step(
        self,
        hidden: Float[Tensor, "batch count width"],
        positions: Int[Tensor, "batch count"],
        stored: Stored,
        *,
        extent: int,
        first_place: int = -1,
        visible: Visible = None,
        sources: Sequence[KeysAndValues] = (),
        sources_visible: Visible = None,
    ) -> Float[Tensor, "batch count width"]:
        """The hidden states behind the tower; the new keys and values are written into those of the cache."""
        batch, count, _ = hidden.shape
        hidden, positions = hidden.contiguous(), positions.expand(batch, count).contiguous()
        given: dict[str, Any] = {}
        if visible is not None:
            given["mask"], given["mask_text_stride"], given["mask_row_stride"] = mask_of(visible)
        if sources:
            given["source_keys"], given["source_values"] = (
                addresses([pair[side] for pair in sources]) for side in (0, 1)
            )
            given["sources"] = sources[0][0].shape[2]
            if sources_visible is not None and sources_visible.shape[-1] > 1:
                given["source_mask"], given["source_mask_stride"], _ = mask_of(sources_visible)
        self.take(
            stored,
            batch=batch,
            count=count,
            hidden=hidden.data_ptr(),
            positions=positions.data_ptr(),
            extent=extent,
            first_place=first_place,
            **given,
        )
        return hidden

    def take(self, stored: Stored, *, extent: int, **given: Any) -> None:
        """One step by the library; `given` are fields of its `Step`."""
        cosine, sine = self.turns_up_to(extent)  # nothing stands behind that
        step = native.Step(
            cosine=native.address(cosine),
            sine=native.address(sine),
            keys=stored.keys,
            values=stored.values,
            capacity=stored.capacity,
            extent=extent,
            threads=native.threads(),
            **given,
        )
        self.library.step(self.tower, step)

    def cached_step(
        self,
        hidden: Float[Tensor, "batch count width"],
        positions: Int[Tensor, "batch count"],
        cache: Cache,
        **sources: Any,
    ) -> Float[Tensor, "batch count width"]:
        """The same with a cache, which has made room for these positions."""
        stored = self.match(cache)
        places: dict[str, Any] = {}
        if isinstance(cache, BeamCache):
            places = {"first_place": cache.extent - hidden.shape[1], "visible": cache.seen[:, None]}
        return self.step(hidden, positions, stored, extent=cache.extent, **places, **sources)

    def logits(self, token_ids: Int[Tensor, "batch count"], cache: Cache) -> Float[Tensor, "batch count vocabulary"]:
        """The logits behind tokens for which a cache has made room: from ids to logits in one call."""
        assert self.ends is not None
        (batch, count), token_ids = token_ids.shape, token_ids.contiguous()
        logits = torch.empty(batch, count, self.ends.head.outputs)
        self.take(
            self.match(cache),
            batch=batch,
            count=count,
            token_ids=token_ids.data_ptr(),
            lengths=cache.lengths.data_ptr(),
            logits=logits.data_ptr(),
            ends=ctypes.pointer(self.ends),
            extent=cache.extent,
            first_place=-1,
        )
        return logits

    def match(self, cache: Cache) -> Stored:
        """Where a cache has its tensors; one that PyTorch began in float32 goes on as this tower stores them."""
        known: Stored | None = cache.stored
        if known is not None and known.is_of(cache):
            return known
        form = torch.bfloat16 if self.tower.stored_half else torch.float32
        for tensors in (cache.keys, cache.values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = tensor.to(form).contiguous()
        cache.stored = found = Stored(cache.keys, cache.values)
        return found

    def turns_up_to(self, count: int) -> tuple[Tensor | None, Tensor | None]:
        """Cosine and sine of the angles at so many positions and more, kept for the next steps."""
        if self.rotary is None:
            return None, None
        if self.turns is None or len(self.turns[0]) < count:
            cosine, sine = self.rotary.angles(torch.arange(max(256, 2 * count))[None], torch.float32)
            self.turns = cosine[0, 0].contiguous(), sine[0, 0].contiguous()
        return self.turns


def ends_of(token_rows: Tensor, position_rows: Tensor | None, head: native.Matrix) -> native.Ends | None:
    """What tokens are read from and logits are made with; None for tables of other types than the step knows."""
    tables = [token_rows] if position_rows is None else [token_rows, position_rows]
    forms = {table.dtype for table in tables}
    if forms not in ({torch.float32}, {torch.bfloat16}) or not all(table.is_contiguous() for table in tables):
        return None
    half = token_rows.dtype == torch.bfloat16
    return native.Ends(token_rows.data_ptr(), native.address(position_rows), half, head)


def block_of(block: Any, matrices: dict[str, PackedMatrix]) -> native.Block:
    """One block's normalizations and matrices."""
    named = {name: native.described(matrix) for name, matrix in matrices.items()}
    return native.Block(
        attention_normalization=normalization_of(block.attention_normalization),
        query_normalization=normalization_of(block.attention.query_normalization),
        key_normalization=normalization_of(block.attention.key_normalization),
        cross_normalization=normalization_of(getattr(block, "cross_attention_normalization", None)),
        feed_forward_normalization=normalization_of(block.feed_forward_normalization),
        **named,
    )


def normalization_of(norm: nn.Module | None) -> native.Normalization:
    if norm is None:
        return native.Normalization()
    assert isinstance(norm, LayerNorm | RMSNorm)
    layer = isinstance(norm, LayerNorm)
    bias = norm.bias if isinstance(norm, LayerNorm) else None
    return native.Normalization(1 if layer else 2, norm.epsilon, norm.weight.data_ptr(), native.address(bias))


def addresses(tensors: Sequence[Tensor]) -> Any:
    """Where each tensor's numbers begin, as an array; a structure that it is put into keeps it."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def mask_of(visible: Tensor) -> tuple[int, int, int]:
    """Where a mask (batch, 1, count, key) begins, and the strides of its texts and rows in bytes."""
    text, _, row, key = visible.stride()
    assert key == 1 or visible.shape[-1] == 1
    return visible.data_ptr(), text if visible.shape[0] > 1 else 0, row if visible.shape[2] > 1 else 0
