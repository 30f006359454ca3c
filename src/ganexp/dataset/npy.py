"""npy files of images and labels: checked before they are mapped, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.place import open_regular
from ganexp.files.atomic import replacing
from ganexp.types.errors import DataError

BLOCK_BYTES = 16 * 2**20  # images are read, resized and written in blocks of about this size

MAX_CLASSES = 65_536  # where the number of classes is unknown, higher labels are an error


def open_images(path: Path) -> NDArray[np.uint8]:
    """Map the images in `path`: uint8 (N, C, H, W), N >= 1, C 1 or 3, read-only.

    Raises:
        DataError: no such file, not an npy file, another type or shape, or a length that differs from the header's.
    """
    shape, dtype = _checked_header(path)
    check_images(path, shape, dtype)
    return _mapped(path)


def open_labels(path: Path, count: int, classes: int | None) -> NDArray[Any]:
    """Map the labels in `path`: (count,), in 0 .. classes - 1 (None: unknown), read-only.

    DataError as `open_images`.
    """
    shape, dtype = _checked_header(path)
    if dtype != np.int64 or len(shape) != 1:
        raise DataError(f"{path}: expected int64 labels of shape ({count},), got {dtype} of shape {shape}")
    if shape != (count,):
        raise DataError(f"{path}: expected one label for each of {count} images, got {shape[0]} labels")
    labels = _mapped(path)
    check_labels(path, labels, count, classes)
    return labels


def check_images(where: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise DataError, naming `where`, unless these are uint8 images (N, C, H, W) with C 1 or 3 and none of them 0."""
    if dtype == np.uint8 and len(shape) == 4 and shape[1] in (1, 3) and min(shape) > 0:
        return
    hint = ""
    if dtype == np.uint8 and len(shape) == 4 and shape[3] in (1, 3):
        hint = "; channels last? images.transpose(0, 3, 1, 2) puts them second"
    elif dtype == np.uint8 and len(shape) == 3:
        hint = "; grey images without a channel axis? images[:, None] adds it"
    elif dtype == np.uint8 and len(shape) == 4 and (shape[1] == 4 or (shape[3] == 4 and shape[1] > 4)):
        first = "images" if shape[1] == 4 else "images.transpose(0, 3, 1, 2)"
        hint = f"; with an alpha channel? {first}[:, :3] drops it"
    elif dtype.kind == "f":
        hint = "; (255 * images.clip(0, 1)).round().astype('uint8') makes bytes of values in 0 .. 1"
    elif dtype == np.uint16:
        hint = "; (images / 257).round().astype('uint8') makes bytes of 16 bits"
    elif dtype.kind in "biu" and dtype != np.uint8:
        hint = "; images.astype('uint8') makes bytes of values in 0 .. 255"
    raise DataError(
        f"{where}: expected uint8 images of shape (N, C, H, W) with N at least 1 and C 1 or 3, "
        f"got {dtype} of shape {shape}{hint}"
    )


def check_labels(where: object, labels: NDArray[Any], count: int, classes: int | None) -> None:
    """Raise DataError, naming `where`, unless there is a label in 0 .. classes - 1 for each of `count` images."""
    if labels.shape != (count,):
        raise DataError(f"{where}: expected one label for each of {count} images, got shape {labels.shape}")
    lowest, highest = int(labels.min()), int(labels.max())
    limit = MAX_CLASSES if classes is None else classes
    if lowest < 0 or highest >= limit:
        raise DataError(f"{where}: expected labels in 0 .. {limit - 1}, got {lowest} .. {highest}")


def blocks(
    images: NDArray[np.uint8], step: int, indices: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """`images` (or `images[indices]`) in blocks of `step`, in order."""
    count = len(images) if indices is None else len(indices)
    for start in range(0, count, step):
        chosen = slice(start, start + step) if indices is None else indices[start : start + step]
        yield np.ascontiguousarray(images[chosen])


def block_length(image_shape: tuple[int, ...]) -> int:
    """How many uint8 images of this shape make a block; at least one."""
    return max(1, BLOCK_BYTES // max(1, int(np.prod(image_shape))))


def write(path: Path, shape: tuple[int, ...], dtype: str, parts: Iterable[NDArray[Any]]) -> None:
    """Write the array of this shape whose first axis `parts` make up, atomically and in bounded memory.

    `dtype` is numpy's string with the byte order, e.g. "<i8", so that files are the same on every machine.
    """
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            rows = 0
            for part in parts:
                if part.shape[1:] != shape[1:]:
                    raise DataError(f"{path}: expected images of shape {shape[1:]}, got {part.shape[1:]}")
                file.write(np.ascontiguousarray(part, dtype=dtype).data)
                rows += len(part)
        if rows != shape[0]:
            raise DataError(f"{path}: expected {shape[0]} images, got {rows} from the source")


Rows = TypeVar("Rows", bound=Sized)


def counted(parts: Iterable[Rows], done: Callable[[int], None]) -> Iterator[Rows]:
    """`parts`, with `done` told after each how many rows there were."""
    rows = 0
    for part in parts:
        yield part
        rows += len(part)
        done(rows)


def open_any(path: Path) -> NDArray[Any]:
    """Map the array in `path`, of whatever shape and type, read-only; DataError as `open_images`."""
    _checked_header(path)
    return _mapped(path)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in an npy file, which is read up to its data; any error where it is damaged."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _checked_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        with open_regular(path) as file:
            shape, dtype = read_header(file)
            start, length = file.tell(), path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: expected an npy file, got {error.strerror or error}") from None
    except Exception as error:  # a header is a literal that anything may be written into
        raise DataError(f"{path}: expected an npy file, got one whose header cannot be read ({error})") from None
    expected = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if dtype.hasobject or length != expected:
        got = "Python objects" if dtype.hasobject else f"{length} bytes"
        raise DataError(f"{path}: expected {expected} bytes of {dtype} {shape} as its header says, got {got}")
    return shape, dtype


def _mapped(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
