"""Pictures decoded, each failure naming its file, and images resized: with Pillow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.npy import block_length
from ganexp.files.raster import open_raster
from ganexp.types.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

RESIZE_VERSION = 1  # in names of resized files and the fingerprint; raised when the resulting pixels change

T = TypeVar("T")
File = Path | BinaryIO  # messages name it by its `str`
Size = tuple[int, int]  # (height, width), in pixels

# Pillow's modes of at most 8 bits a channel; others become bytes only with a choice of scale.
MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"})

MAX_PIXELS = 64 * 2**20  # a picture with more is taken for a decompression bomb

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


def sizes_of(files: Sequence[File]) -> set[Size]:
    """The sizes that occur, from the headers alone; DataError names a file that is no acceptable picture."""
    return {size for block in _in_threads(_size, files, 1024) for size in block}


def decoded(files: Sequence[File], channels: int, size: Size, *, resize: bool) -> Iterator[NDArray[np.uint8]]:
    """The pictures as uint8 blocks (b, channels, *size), in order; DataError names one that cannot be decoded.

    One channel is grey (ITU-R 601-2 luma), three are RGB; an alpha channel is dropped. With `resize`, pictures are
    stretched to `size` (bicubic, antialiased); without it, all have that size.
    """
    decode = partial(_pixels, channels=channels, size=size, resize=resize)
    for block in _in_threads(decode, files, min(1024, block_length((channels, *size)))):
        yield np.stack(block)


def _in_threads(work: Callable[[File], T], files: Sequence[File], step: int) -> Iterator[list[T]]:
    """`work` of each file, `step` at a time (Pillow decodes outside the interpreter's lock)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), step):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; sizes are checked here
                results = list(pool.map(work, files[start : start + step]))
            yield results


@contextmanager
def _opened(file: File) -> Iterator[Image]:
    """The picture in `file`, not decoded yet; any error inside becomes a DataError that names it."""
    try:
        with open_raster(file) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{file}: expected at most {MAX_PIXELS} pixels, got {width} x {height}")
            if picture.mode not in MODES:
                raise DataError(f"{file}: expected at most 8 bits a channel, got Pillow's mode {picture.mode}")
            yield picture
    except DataError:
        raise
    except Exception as error:  # decoders raise what they like on damaged input
        raise DataError(f"{file}: expected a picture that can be read, got {type(error).__name__}: {error}") from None


def _size(file: File) -> Size:
    with _opened(file) as picture:
        width, height = picture.size
        return (width, height) if _orientation(picture) in SIDEWAYS else (height, width)


def _orientation(picture: Image) -> int:
    """The EXIF orientation, 1 .. 8; not PNG's, which requires decoding the whole picture."""
    return 1 if picture.format == "PNG" else int(picture.getexif().get(0x0112, 1))


def _pixels(file: File, channels: int, size: Size, resize: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with _opened(file) as picture:
        upright = picture if _orientation(picture) == 1 else ImageOps.exif_transpose(picture)
        plain = upright.convert("L" if channels == 1 else "RGB")
        if resize:
            plain = plain.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        pixels = np.asarray(plain)
    if pixels.shape[:2] != size:
        raise DataError(f"{file}: expected {size[0]} x {size[1]} pixels, got {pixels.shape[0]} x {pixels.shape[1]}")
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


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
