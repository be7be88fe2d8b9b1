"""Heat maps in notebooks: what they show is what the tensor holds."""

from __future__ import annotations

import base64
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from everysum.explain import record
from everysum.explain.picture import MOST, coarse, coloured, png


def decoded(image: bytes) -> np.ndarray:
    """The pixels of a PNG file as the specification says, read by hand."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, {}
    while place < len(image):
        (length,) = struct.unpack(">I", image[place : place + 4])
        kind, content = image[place + 4 : place + 8], image[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", image[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + content)
        found[kind], place = content, place + 12 + length
    width, height = struct.unpack(">II", found[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), dtype=np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_a_picture_can_be_read_back() -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    assert np.array_equal(decoded(png(pixels)), pixels)


def test_colours_say_sign_and_size() -> None:
    ((least, small, none, most, strange),) = coloured(
        np.array([[-2.0, -0.5, 0.0, 2.0, np.nan]], dtype=np.float32)
    ).tolist()
    assert least == [168, 60, 6]
    assert most == [11, 74, 163]
    assert none == [246, 244, 238]
    assert least[2] < small[2] < none[2]
    assert strange == [128, 128, 128]


def test_infinite_numbers_have_the_strongest_colours() -> None:
    ((low, _, high),) = coloured(np.array([[-np.inf, 1.0, np.inf]], dtype=np.float32)).tolist()
    assert (low, high) == ([168, 60, 6], [11, 74, 163])


def test_a_coarse_matrix_keeps_of_each_block_the_number_of_largest_size() -> None:
    numbers = torch.randn(11, 7, generator=torch.Generator().manual_seed(1)).numpy()
    found = coarse(numbers, 3)
    assert found.shape == (4, 3)
    for row in range(4):
        for column in range(3):
            block = numbers[3 * row : 3 * row + 3, 3 * column : 3 * column + 3].flatten()
            assert found[row, column] == block[np.abs(block).argmax()]


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (5,), (), (2 * MOST + 1, 3)])
def test_a_tensor_of_any_shape_shows_itself(shape) -> None:
    passed = record(nn.Identity(), torch.linspace(-1.0, 1.0, int(np.prod(shape))).reshape(shape))
    (tensor,) = [each for each in passed.list() if each.what == "input"][:1]
    shown = tensor._repr_html_()
    pixels = decoded(base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1]))
    rows, columns = (1, *shape)[-2:] if shape else (1, 1)
    step = max(1, -(-max(rows, columns) // MOST))
    assert pixels.shape == (-(-rows // step), -(-columns // step), 3)
    assert ("each point is the largest" in shown) == (step > 1)
