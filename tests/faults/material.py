"""Bad files: cut off, lying about themselves, far larger than they look."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels(*shape: int) -> NDArray[np.uint8]:
    """Random images."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    """An IDX file of unsigned bytes."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(root: Path, train: int = 30, test: int = 10) -> Path:
    """MNIST's four files, with few images; gives their folder."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for prefix, count in (("train", train), ("t10k", test)):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pixels(count, 28, 28)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx((np.arange(count) % 10).astype(np.uint8)))
    return folder


def npy(array: Any, **options: Any) -> bytes:
    """The bytes of an npy file."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npy_header(text: str, version: int = 1, length: int | None = None, body: bytes = b"") -> bytes:
    """An npy file with any header, and a length of it that may be a lie."""
    literal = text.encode().ljust(117) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(literal) if length is None else length)
    return b"\x93NUMPY" + bytes((version, 0)) + size + literal + body


def png(width: int, height: int, body: bytes = b"\0" * 1000, *chunks: tuple[bytes, bytes]) -> bytes:
    """A small PNG file whose header promises any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def picture(size: int = 8, mode: str = "RGB") -> bytes:
    """A sound PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels(size, size, 3)).convert(mode).save(file, "PNG")
    return file.getvalue()


def gzip_bomb(gibibytes: int) -> bytes:
    """A gzip file of zeros, a thousandth of what comes out of it."""
    return gzip.compress(b"\0" * 2**24, 9) * (64 * gibibytes)
