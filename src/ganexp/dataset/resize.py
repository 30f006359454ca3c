"""Antialiased resizing of uint8 images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESIZE_VERSION = 1
"""Part of the names of resized files and of the fingerprint: raised when the pixels that come out change."""


def resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images (B, C, H, W) at (B, C, size, size).

    Pillow's bicubic filter, whose support grows with the reduction (antialiased), in integer arithmetic. Height and
    width are scaled each on its own: what is not square is stretched.
    """
    from PIL import Image

    result = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
    planes = images.reshape(-1, *images.shape[2:])
    for plane, target in zip(planes, result.reshape(-1, size, size), strict=True):
        target[...] = np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC))
    return result
