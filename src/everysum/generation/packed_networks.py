"""Networks with packed weights: of the same classes, so that all of generation takes them as it takes the others.

Each computes as its class says, in PyTorch, until the native step is there; then whatever has a cache goes through it.
"""

from __future__ import annotations

import threading
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.generation.native.library import LOADING, Ends, Library, Matrix, described
from everysum.generation.native.tower import NativeTower, Stored, ends_of
from everysum.generation.packed import Form, PackedLinear, PackedMatrix
from everysum.layers.attention import KeysAndValues, Visible
from everysum.layers.cache import Cache
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.models.transformer import Memory, Transformer, everything

Matrices = list[dict[str, PackedMatrix]]
"""Of each block, under the names of the native step's fields."""


class Packed(Network):
    """What all packed networks have: a form, matrices, and the native step as soon as it has been built."""

    form: Form
    matrices: Matrices
    head_linear: PackedLinear
    head_matrix: Matrix
    """The head's as the native step takes it."""
    dtype = torch.float32
    """What flows between the matrices, whatever their form."""
    towers: dict[str, NativeTower]
    lock: threading.Lock

    def native(self) -> Library | None:
        """The library, if it is there; what only PyTorch needs is then let go."""
        library = LOADING.get()
        if library is not None and not self.towers:
            with self.lock:
                if not self.towers:
                    self.towers = self.laid_out(library)
                    for module in self.modules():
                        if isinstance(module, PackedLinear):
                            module.forget()
        return library

    def laid_out(self, library: Library) -> dict[str, NativeTower]:
        """The towers as the native step takes them."""
        half = self.form != "float32"
        rotary, window = getattr(self, "rotary_positions", None), getattr(self, "sliding_window", None)
        last = cast("nn.Module | None", self.normalization)
        return {
            "blocks": NativeTower(
                library,
                list(self.blocks),
                self.matrices,
                last,
                half=half,
                rotary=rotary,
                window=window,
                ends=self.ends(),
            )
        }

    def ends(self) -> Ends | None:
        """What the native step reads tokens from and makes logits with; None: PyTorch does both."""
        return None

    @property
    def head_weight(self) -> Float[Tensor, "vocabulary width"]:
        """The head's weights as they are packed, for measuring a loss; logits come from `head`."""
        return self.head_linear.matrix.unpacked()

    def head(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocabulary"]:
        library = self.native()
        if library is None:
            return cast(Tensor, self.head_linear(hidden.float()))
        return library.multiply(self.head_matrix, hidden.float())

    @property
    def bytes_a_token(self) -> int:
        """What is read of the weights for one token more: every matrix of the tower that writes, and the head."""
        blocks = sum(matrix.bytes for block in self.matrices for matrix in block.values())
        return blocks + self.head_linear.matrix.bytes

    @property
    def bits_a_weight(self) -> float:
        """Scales and what fills matrices up included."""
        matrices = [*(matrix for block in self.matrices for matrix in block.values()), self.head_linear.matrix]
        return 8 * self.bytes_a_token / sum(matrix.outputs * matrix.inputs for matrix in matrices)

    def logits_behind(
        self, token_ids: Int[Tensor, "batch position"], cache: Cache
    ) -> Float[Tensor, "batch position vocabulary"]:
        tower = self.towers["blocks"] if self.native() is not None else None
        if tower is None or tower.ends is None or type(cache) is not Cache or cache.capacity > self.context_length:
            return super().logits_behind(token_ids, cache)
        cache.begin(token_ids.shape[1])
        logits = tower.logits(token_ids, cache)
        cache.advance(token_ids.shape[1])
        return logits

    def continued(self, hidden: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """The native step behind what a cache holds, which has made room for it."""
        hidden = self.towers["blocks"].cached_step(hidden, positions, cache)
        cache.advance(positions.shape[1])
        return hidden


class PackedGPT(Packed, GPT):
    """A GPT with packed weights."""

    def ends(self) -> Ends | None:
        return ends_of(self.token_embedding.weight, self.position_embedding.weight, self.head_matrix)

    def forward(
        self, token_ids: Int[Tensor, "batch position"], visible: Visible = None, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        if cache is None or self.native() is None:
            return GPT.forward(self, token_ids, visible, cache)
        cache.begin(token_ids.shape[1])
        positions = cache.positions(token_ids.shape[1])
        return self.continued(self.embed(token_ids, positions), positions, cache)


class PackedLlama(Packed, Llama):
    """A Llama, or a relative of it, with packed weights."""

    def ends(self) -> Ends | None:
        return ends_of(self.token_embedding.weight, None, self.head_matrix)

    def forward(
        self, token_ids: Int[Tensor, "batch position"], visible: Visible = None, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        if cache is None or self.native() is None:
            return Llama.forward(self, token_ids, visible, cache)
        cache.begin(token_ids.shape[1])
        return self.continued(self.embed(token_ids), cache.positions(token_ids.shape[1]), cache)


class PackedTransformer(Packed, Transformer):
    """An encoder-decoder with packed weights; both towers go through the native step."""

    encoder_matrices: Matrices
    memory_linears: list[PackedLinear]
    """Each layer's keys and values of a source, as one matrix."""

    def laid_out(self, library: Library) -> dict[str, NativeTower]:
        half, last = self.form != "float32", self.encoder_normalization
        encoder = NativeTower(library, list(self.encoder_blocks), self.encoder_matrices, last, half=half)
        return {**Packed.laid_out(self, library), "encoder": encoder}

    def encode(
        self, source_ids: Int[Tensor, "batch source"], source_visible: Visible = None
    ) -> Float[Tensor, "batch source width"]:
        if self.native() is None:
            return Transformer.encode(self, source_ids, source_visible)
        batch, length = source_ids.shape
        positions = torch.arange(length)[None]
        table = self.token_embedding if self.source_embedding is None else self.source_embedding
        tower = self.towers["encoder"]
        shape = (batch, tower.tower.key_value_heads, length, tower.tower.head_size)
        form = torch.bfloat16 if tower.tower.stored_half else torch.float32
        stored = Stored(*([torch.empty(shape, dtype=form)] * len(self.encoder_blocks) for _ in range(2)))
        visible = cast(Tensor, everything(source_visible, source_ids)).expand(-1, -1, -1, length).contiguous()
        return tower.step(self.embed(table, source_ids, positions), positions, stored, extent=length, visible=visible)

    def remember(self, encoded: Float[Tensor, "batch source width"], source_visible: Visible = None) -> Memory:
        library = self.native()
        if library is None:
            return Transformer.remember(self, encoded, source_visible)
        half = self.form != "float32"
        layers = []
        for linear in self.memory_linears:
            joined = library.multiply(described(linear.matrix), encoded)
            if half:
                joined = joined.bfloat16()
            heads = joined.reshape(*joined.shape[:2], 2, -1, self.cache_shape[2]).permute(2, 0, 3, 1, 4).contiguous()
            layers.append((heads[0], heads[1]))
        return Memory(tuple(layers), everything(source_visible, encoded))

    def decode(
        self, target_ids: Int[Tensor, "batch position"], memory: Memory, cache: Cache | None = None
    ) -> Float[Tensor, "batch position width"]:
        if cache is None or self.native() is None:
            precise = tuple((key.to(self.dtype), value.to(self.dtype)) for key, value in memory.layers)
            return Transformer.decode(self, target_ids, Memory(precise, memory.visible), cache)
        cache.begin(target_ids.shape[1])
        positions = cache.positions(target_ids.shape[1])
        hidden = self.embed(self.token_embedding, target_ids, positions)
        tower = self.towers["blocks"]
        sources = [matched(pair, tower) for pair in memory.layers]
        hidden = tower.cached_step(hidden, positions, cache, sources=sources, sources_visible=memory.visible)
        cache.advance(target_ids.shape[1])
        return hidden


def matched(pair: KeysAndValues, tower: NativeTower) -> KeysAndValues:
    """A layer's memory in the form in which the tower stores keys and values."""
    form = torch.bfloat16 if tower.tower.stored_half else torch.float32
    return pair[0].to(form).contiguous(), pair[1].to(form).contiguous()
