"""Pictures decoded, each failure naming its file, and images resized: with Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.npy import block_length, counted
from ganexp.files.raster import open_raster
from ganexp.types.doing import doing
from ganexp.types.errors import DataError
from ganexp.types.system import cores

if TYPE_CHECKING:
    from PIL.Image import Image

RESIZE_VERSION = 1  # in names of resized files and the fingerprint; raised when the resulting pixels change

T = TypeVar("T")


class Member(Protocol):
    """A picture inside another file."""

    def unpacked(self) -> BinaryIO:
        """Its content, in memory."""


File = Path | BinaryIO | Member  # messages name it by its `str`
Size = tuple[int, int]  # (height, width), in pixels

# Pillow's modes of at most 8 bits a channel, and those that `_eight_bits` scales.
MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"})
SIXTEEN = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})

MOST_NAMED = 20  # bad pictures in one message

MAX_PIXELS = 64 * 2**20  # a picture with more is taken for a decompression bomb

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


@dataclass(frozen=True)
class Reading:
    """How pictures become arrays."""

    channels: int  # 1: grey (ITU-R 601-2 luma); 3: RGB
    alpha: str = "drop"  # what is behind transparent pixels: white or black; drop: their hidden colours show
    fit: str = "stretch"  # how they get another size (bicubic, antialiased): stretch; crop the middle; pad with black
    advice: str = ""  # end of the message about bad pictures


def sizes_of(files: Sequence[File], advice: str = "") -> set[Size]:
    """The sizes that occur, from the headers alone; DataError names the files that are no acceptable pictures."""
    return {size for block in _in_threads(_size, files, 1024, advice) for size in block}


def good(files: Sequence[File]) -> list[bool]:
    """Which of the files can be decoded."""

    def whole(file: File) -> bool:
        try:
            with _opened(file) as picture:
                _eight_bits(file, picture).load()
        except DataError:
            return False
        return True

    with doing("looking for bad pictures", len(files)) as done:
        blocks = counted(_in_threads(whole, files, 1024), done)
        return [each for block in blocks for each in block]


def decoded(files: Sequence[File], reading: Reading, size: Size, *, resize: bool) -> Iterator[NDArray[np.uint8]]:
    """The pictures as uint8 blocks (b, channels, *size), in order; DataError names those that cannot be decoded.

    With `resize`, pictures are brought to `size`; without it, all have that size.
    """
    decode = partial(_pixels, reading=reading, size=size, resize=resize)
    for block in _in_threads(decode, files, min(1024, block_length((reading.channels, *size))), reading.advice):
        yield np.stack(block)


def _in_threads(work: Callable[[File], T], files: Sequence[File], step: int, advice: str = "") -> Iterator[list[T]]:
    """`work` of each file, `step` at a time (Pillow decodes outside the interpreter's lock).

    Raises:
        DataError: naming all for which `work` raises it, once every file was tried.
    """
    bad: list[DataError] = []

    def tried(file: File) -> T | None:
        try:
            return work(file)
        except DataError as error:
            bad.append(error)
            return None

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(files), step):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; sizes are checked here
                results = list(pool.map(tried, files[start : start + step]))
            if not bad:
                yield [each for each in results if each is not None]
    if bad:
        raise DataError(_all_of(sorted(map(str, bad))) + advice)


def _all_of(messages: Sequence[str]) -> str:
    if len(messages) == 1:
        return messages[0]
    more = [f"and {len(messages) - MOST_NAMED:,} more"] if len(messages) > MOST_NAMED else []
    return "\n  ".join([f"{len(messages):,} pictures cannot be used:", *messages[:MOST_NAMED], *more])


@contextmanager
def _opened(file: File) -> Iterator[Image]:
    """The picture in `file`, not decoded yet; any error inside becomes a DataError that names it."""
    try:
        content = file if isinstance(file, Path) or not hasattr(file, "unpacked") else file.unpacked()
        with open_raster(content) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{file}: expected at most {MAX_PIXELS} pixels, got {width} x {height}")
            if picture.mode not in MODES | SIXTEEN | {"F"}:
                raise DataError(f"{file}: expected 8 or 16 bits a channel or floats, got Pillow's mode {picture.mode}")
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


def _eight_bits(file: File, picture: Image) -> Image:
    """16 bits are divided by 257, so that 65535 becomes 255; floats in 0 .. 1 are multiplied by 255."""
    from PIL import Image

    if picture.mode in MODES:
        return picture
    values = np.asarray(picture).astype(np.float64)
    most, words = (1.0, "floats in 0 .. 1") if picture.mode == "F" else (65535.0, "integers in 0 .. 65535")
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= most:
        raise DataError(f"{file}: expected {words}, got {low:g} .. {high:g}; scale them and save it again")
    return Image.fromarray((values * (255 / most)).round().astype(np.uint8))


def _opaque(picture: Image, alpha: str) -> Image:
    from PIL import Image

    if alpha == "drop" or not picture.has_transparency_data:
        return picture
    behind = Image.new("RGBA", picture.size, alpha)
    return Image.alpha_composite(behind, picture.convert("RGBA")).convert("RGB")


def _pixels(file: File, reading: Reading, size: Size, resize: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    wanted, bicubic = (size[1], size[0]), Image.Resampling.BICUBIC

    with _opened(file) as picture:
        upright = picture if _orientation(picture) == 1 else ImageOps.exif_transpose(picture)
        plain = _opaque(_eight_bits(file, upright), reading.alpha).convert("L" if reading.channels == 1 else "RGB")
        if resize and reading.fit == "crop":
            plain = ImageOps.fit(plain, wanted, bicubic)
        elif resize and reading.fit == "pad":
            plain = ImageOps.pad(plain, wanted, bicubic, color="white" if reading.alpha == "white" else "black")
        elif resize:
            plain = plain.resize(wanted, bicubic)
        pixels = np.asarray(plain)
    if pixels.shape[:2] != size:
        raise DataError(f"{file}: expected {size[0]} x {size[1]} pixels, got {pixels.shape[0]} x {pixels.shape[1]}")
    return pixels[None] if reading.channels == 1 else pixels.transpose(2, 0, 1)


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
