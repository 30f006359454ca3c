"""IDX files, the format of MNIST and its successors (yann.lecun.com/exdb/mnist, "FILE FORMATS")."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.place import open_regular
from ganexp.types.errors import DataError

UNSIGNED_BYTE = 8


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Map an IDX file of unsigned bytes.

    Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, one big-endian 32-bit length for
    each dimension, then the bytes.

    Args:
        path: an uncompressed IDX file.
        dimensions: 3 for images (N, H, W), 1 for labels (N,).

    Returns:
        Read-only uint8 array.

    Raises:
        DataError: unreadable, another magic number, a dimension of 0, or a length that differs from the header's.
    """
    start = 4 + 4 * dimensions
    try:
        length = path.stat().st_size
        with open_regular(path) as file:
            header = file.read(start)
    except OSError as error:
        raise DataError(f"{path}: expected an IDX file, got {error.strerror or error}") from None
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if header[:4] != magic:
        raise DataError(f"{path}: expected an IDX file with magic number 0x{magic.hex()}, got 0x{header[:4].hex()}")
    if len(header) < start:
        raise DataError(f"{path}: expected a header of {start} bytes, got {len(header)}")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    expected = start + int(np.prod(shape, dtype=object))
    if 0 in shape:
        raise DataError(f"{path}: expected at least 1 in every dimension, got {shape}")
    if length != expected:
        raise DataError(f"{path}: expected {expected} bytes for the shape {shape} in its header, got {length}")
    return np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=shape)
