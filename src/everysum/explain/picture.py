"""A matrix as a picture for notebooks: blue above zero, rust below, the number of largest size in full colour."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from everysum.explain.writing import figure

if TYPE_CHECKING:
    from everysum.explain.tensors import NamedTensor

MOST = 512
"""Points in a row or column of a picture; where there are more numbers, a point stands for a block of them."""
ABOVE, BELOW, ZERO = np.array([11, 74, 163]), np.array([168, 60, 6]), np.array([246, 244, 238])
NARROWEST, WIDEST = 240, 720

Numbers = npt.NDArray[np.float32]


def coarse(numbers: Numbers, step: int) -> Numbers:
    """Of each block of `step` × `step` the number that is largest without its sign, with its sign."""
    down, across = (-(-size // step) for size in numbers.shape)
    padded = np.zeros((down * step, across * step), dtype=np.float32)
    padded[: numbers.shape[0], : numbers.shape[1]] = numbers
    blocks = padded.reshape(down, step, across, step)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    largest: Numbers = np.where(high >= -low, high, low)
    return largest


def heat_map_html(tensor: NamedTensor) -> str:
    """The matrix of the last two axes, the others at their first place, with what the axes count and the extremes."""
    numbers = tensor.tensor.float()
    matrix = numbers[(0,) * max(0, numbers.ndim - 2)]
    matrix = matrix.reshape(1, -1) if matrix.ndim < 2 else matrix
    step = max(1, -(-max(matrix.shape) // MOST))
    shown = matrix.numpy() if step == 1 else coarse(matrix.numpy(), step)
    axes = " · ".join(f"{name} {size}" for name, size in zip(tensor.axes, tensor.shape, strict=True))
    first = f"; the first of {', '.join(tensor.axes[:-2])}" if numbers.ndim > 2 else ""
    blocks = f"; each point is the largest of {step} × {step} numbers" if step > 1 else ""
    low, high = (figure(float(edge)) for edge in (matrix.min(), matrix.max())) if matrix.numel() else ("", "")
    width = min(WIDEST, max(NARROWEST, 24 * shown.shape[1]))
    picture = base64.b64encode(png(coloured(shown))).decode("ascii")
    title = html.escape(f"{tensor.name}: {axes}{first}{blocks}; from {low} to {high}")
    return (
        f'<figure class="everysum-heat-map"><img alt="{title}" src="data:image/png;base64,{picture}" '
        f'style="image-rendering:pixelated;width:{width}px;max-width:100%"><figcaption>{title}</figcaption></figure>'
    )


def coloured(numbers: Numbers) -> npt.NDArray[np.uint8]:
    """A colour for each number; grey for what is no number."""
    finite = np.where(np.isfinite(numbers), numbers, 0.0)
    extreme = float(np.abs(finite).max(initial=0.0)) or 1.0
    share = np.clip(np.nan_to_num(numbers, posinf=extreme, neginf=-extreme) / extreme, -1, 1)[..., None]
    strength = np.abs(share) ** 0.8
    colours = ZERO + np.where(share < 0, BELOW - ZERO, ABOVE - ZERO) * strength
    return np.where(np.isnan(numbers)[..., None], 128, colours).round().astype(np.uint8)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An image file of (height, width, 3) bytes (PNG specification, W3C)."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
