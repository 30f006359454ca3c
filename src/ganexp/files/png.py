"""Images as 8-bit pixels, as grids, and as PNG files. Torch is not imported here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganexp.files.atomic import replacing
from ganexp.types.errors import Diverged

if TYPE_CHECKING:
    from torch import Tensor

READABLE_PIXELS = 64  # small images are scaled up while their longer side stays within this

BACKGROUND = 255  # grey value between the images of a grid: white, because generated digits have black borders


def to_float(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1], as feature extractors take them."""
    return images.float() / 127.5 - 1.0


def to_training_float(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1], as networks are trained on them: other last bits than `to_float`."""
    return images.float().sub_(127.5).div_(127.5)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Quantise images to 8 bits: `clamp(round((x + 1) * 127.5), 0, 255)`, halves rounded to even.

    Inverts `x = v / 127.5 - 1`, so that every 8-bit value v is restored exactly. Takes floating (N, C, H, W), on any
    device; values outside [-1, 1] are clamped. Returns uint8 (N, C, H, W).

    Raises:
        ValueError: not four dimensions, or not floating.
        Diverged: an image holds NaN.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"expected floating images (N, C, H, W), got {images.dtype} {tuple(images.shape)}")
    pixels = (images.detach().float() + 1).mul_(127.5).round_().clamp_(0, 255)
    if bool(pixels.isnan().any()):
        raise Diverged("generated images: expected values in [-1, 1], got NaN")
    array: NDArray[np.uint8] = pixels.byte().cpu().numpy()
    return array


def grid(images: NDArray[np.uint8], columns: int, scale: int = 1, padding: int = 2) -> NDArray[np.uint8]:
    """Lay images out row by row on a white background.

    Args:
        images: uint8 (N, C, H, W), N >= 1, C 1 or 3.
        columns: images per row; fewer images than that make a narrower grid.
        scale: pixels of the grid per pixel of an image (nearest neighbour).
        padding: width of the gaps and of the border, in pixels of the grid.

    Returns:
        uint8 (rows * (H * scale + padding) + padding, columns * (W * scale + padding) + padding, C).

    Raises:
        ValueError: images of another type or shape, or a layout that is not positive.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[0] == 0 or images.shape[1] not in (1, 3):
        raise ValueError(f"expected uint8 images (N >= 1, 1 or 3, H, W), got {images.dtype} {images.shape}")
    if columns < 1 or scale < 1 or padding < 0:
        raise ValueError(f"expected columns, scale >= 1 and padding >= 0, got {columns}, {scale}, {padding}")
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    height, width = height * scale, width * scale
    cells = np.full((rows * columns, height + padding, width + padding, channels), BACKGROUND, np.uint8)
    pixels = images.transpose(0, 2, 3, 1)
    cells[:count, padding:, padding:] = pixels.repeat(scale, axis=1).repeat(scale, axis=2) if scale > 1 else pixels
    tiled = cells.reshape(rows, columns, height + padding, width + padding, channels).swapaxes(1, 2)
    tiled = tiled.reshape(rows * (height + padding), columns * (width + padding), channels)
    return np.pad(tiled, ((0, padding), (0, padding), (0, 0)), constant_values=BACKGROUND)


def save_png(path: Path | str, array: NDArray[np.uint8]) -> None:
    """Write a uint8 picture, (H, W), (H, W, 1) or (H, W, 3), as PNG, atomically; equal arrays give equal bytes."""
    picture = Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", compress_level=3)


def save_grid(path: Path | str, images: NDArray[np.uint8], columns: int = 8) -> None:
    """Write images, uint8 (N, C, H, W), C 1 or 3, as one grid; small ones are scaled up (28x28 and 32x32: twice)."""
    scale = max(1, READABLE_PIXELS // max(images.shape[2:]))
    save_png(path, grid(images, columns, scale))
