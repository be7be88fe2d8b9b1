"""The native step's functions and the layout of what is passed to them; tower.cpp says what each field means."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_char_p, c_float, c_int32, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from everysum.generation.native.build import Build, begun, found
from everysum.generation.packed import FORMS, PackedMatrix, packed_matrix, rounded_inputs


class Matrix(Structure):
    _fields_ = (
        ("form", c_int32), ("outputs", c_int32), ("inputs", c_int32), ("stride", c_int32),
        ("codes", c_void_p), ("scales", c_void_p), ("bias", c_void_p),
    )  # fmt: skip


class Normalization(Structure):
    _fields_ = (("kind", c_int32), ("epsilon", c_float), ("weight", c_void_p), ("bias", c_void_p))


class Block(Structure):
    _fields_ = (
        ("attention_normalization", Normalization), ("query_normalization", Normalization),
        ("key_normalization", Normalization), ("query_key_value", Matrix), ("attention_output", Matrix),
        ("cross_normalization", Normalization), ("cross_query", Matrix), ("cross_output", Matrix),
        ("feed_forward_normalization", Normalization), ("up", Matrix), ("down", Matrix),
    )  # fmt: skip


class Tower(Structure):
    _fields_ = (
        *((name, c_int32) for name in (
            "width", "heads", "key_value_heads", "head_size", "inner_width", "blocks", "bend", "gated", "post_norm",
            "window", "rotary", "stored_half",
        )),
        ("block", POINTER(Block)), ("normalization", Normalization),
    )  # fmt: skip


class Ends(Structure):
    _fields_ = (("token_rows", c_void_p), ("position_rows", c_void_p), ("rows_half", c_int32), ("head", Matrix))


class Step(Structure):
    _fields_ = (
        ("batch", c_int64), ("count", c_int64), ("hidden", c_void_p), ("positions", c_void_p), ("token_ids", c_void_p),
        ("lengths", c_void_p), ("logits", c_void_p), ("ends", POINTER(Ends)), ("cosine", c_void_p),
        ("sine", c_void_p), ("keys", POINTER(c_void_p)), ("values", POINTER(c_void_p)), ("capacity", c_int64),
        ("extent", c_int64), ("first_place", c_int64), ("mask", c_void_p), ("mask_text_stride", c_int64),
        ("mask_row_stride", c_int64), ("source_keys", POINTER(c_void_p)), ("source_values", POINTER(c_void_p)),
        ("sources", c_int64), ("source_mask", c_void_p), ("source_mask_stride", c_int64), ("threads", c_int32),
    )  # fmt: skip


OWN = threading.local()


def threads() -> int:
    """How many threads a step is shared out to: as many as PyTorch may use."""
    return getattr(OWN, "threads", None) or torch.get_num_threads()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, the cores are the native step's: PyTorch's own small operations take one.

    Its threads would wait busily for a millisecond after each of them, on the cores that the step wants next.
    """
    count = threads()
    OWN.threads = count
    torch.set_num_threads(1)
    try:
        yield
    finally:
        OWN.threads = None
        torch.set_num_threads(count)


class Library:
    """The functions of one built library."""

    def __init__(self, file: Path) -> None:
        built = ctypes.CDLL(str(file))
        self.step = built.everysum_step
        self.step.argtypes, self.step.restype = [POINTER(Tower), POINTER(Step)], None
        self.products = built.everysum_products
        self.products.argtypes = [POINTER(Matrix), c_void_p, c_int64, c_void_p, c_int32]
        self.products.restype = None
        built.everysum_abilities.restype = c_char_p
        self.abilities: str = built.everysum_abilities().decode()

    def multiply(self, matrix: Matrix, numbers: Tensor) -> Tensor:
        """Each row of numbers, (…, inputs) in float32, times the matrix."""
        numbers = numbers.contiguous()
        result = torch.empty(*numbers.shape[:-1], matrix.outputs)
        rows = numbers.numel() // matrix.inputs if matrix.inputs else 0
        self.products(matrix, numbers.data_ptr(), rows, result.data_ptr(), threads())
        return result


def described(matrix: PackedMatrix) -> Matrix:
    """A matrix as the library sees it; the tensors must live as long as that."""
    return Matrix(
        FORMS.index(matrix.form),
        matrix.outputs,
        matrix.inputs,
        matrix.stride,
        matrix.codes.data_ptr(),
        address(matrix.scales),
        address(matrix.bias),
    )


def address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def computes_right(library: Library) -> bool:
    """Whether a few products of each form are what PyTorch computes: a compiler or a processor may be at fault."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(6, 200, generator=generator)
    numbers = torch.randn(3, 200, generator=generator)
    for form in FORMS:
        matrix = packed_matrix(weight, None, form)
        expected = rounded_inputs(numbers, form) @ matrix.unpacked().T
        if not torch.allclose(library.multiply(described(matrix), numbers), expected, rtol=1e-3, atol=1e-2):
            return False
    return True


class Loading:
    """The library of this process: asked again and again, it answers as soon as it has been built."""

    def __init__(self) -> None:
        self.library: Library | None = None
        self.build: Build | None = None
        self.lock = threading.Lock()

    def get(self) -> Library | None:
        """The library, if it is there by now; the first question begins its building."""
        if self.library is None and (self.build is None or self.build.state == "building"):
            with self.lock:
                self.build = begun() if self.build is None else found()
                if self.build.state == "ready" and self.build.library is not None and self.library is None:
                    self.open(self.build.library)
        return self.library

    def open(self, file: Path) -> None:
        """Take what has been built into use, if it computes what it should."""
        try:
            library = Library(file)
        except OSError as problem:
            self.build = Build("failed", None, str(problem))
            return
        if computes_right(library):
            self.library = library
        else:
            self.build = Build("failed", None, "its products are not those of PyTorch")


LOADING = Loading()
"""One for the whole process: every network uses the same library."""
