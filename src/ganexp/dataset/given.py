"""Images that some program made, to be scored: an array, an npy or npz file, a folder or a zip of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import npy, picture
from ganexp.dataset.listing import list_pictures
from ganexp.dataset.place import log
from ganexp.dataset.zipped import MOST_BYTES, bound, unzipped, zipped_pictures
from ganexp.files.data_root import expanded
from ganexp.types import ImageShape
from ganexp.types.errors import DataError

Range = tuple[float, float]
BYTES: Range = (0.0, 255.0)

COLOUR = 8  # a picture whose channels differ by more is none in grey (lossy formats move grey by a few levels)
ROUNDING = 1e-6  # of the range: floats may lie so far outside
SMALL_SHARE = 0.5  # a range of which no more is used may be the wrong one


@dataclass(frozen=True)
class Given:
    """Images in the order in which they were given."""

    name: str  # in messages
    pixels: NDArray[Any]  # (N, C, H, W), uint8 or floating, perhaps memory-mapped
    range: Range  # the values of black and white

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def quantised(self) -> bool:
        """Whether they are 8-bit images."""
        return self.pixels.dtype == np.uint8

    def floats(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some of the images, float32 (len(indices), C, H, W) in [-1, 1]; `to_uint8` gives bytes back exactly."""
        low, high = self.range
        values = (self.pixels[indices].astype(np.float64) - low) * (2 / (high - low)) - 1
        return values.astype(np.float32)


def read_images(source: Any, shape: ImageShape, value_range: Range | None = None, array: str | None = None) -> Given:
    """Images of `shape` (C, H, W), all of them checked.

    Args:
        source: an array or tensor, (N, C, H, W), (N, H, W, C) or, of grey images, (N, H, W); or the path of an npy or
            npz file of such an array, or of a folder or a zip of pictures. A zip is read in memory.
        shape: what the images must have; nothing is resized.
        value_range: the values of black and white in floating images, which need it; in uint8 images 0 and 255.
        array: name of the array in an npz file; None: the only one that has the shape of such images.

    Raises:
        DataError: no such file, or anything else than at least 2 images of this shape and range.
    """
    if not isinstance(source, str | Path):
        return _checked("images", _as_numpy(source), shape, value_range)
    path = expanded("images", Path(source))
    if array is not None and path.suffix.lower() != ".npz":
        raise DataError(f"--array {array}: expected an .npz file, got {path}")
    if path.is_dir():
        listing = list_pictures("images", path)
        pictures = [path / name for name, _, _ in listing.pictures]
        return _checked(str(path), _decoded(path, pictures, shape, listing.skipped), shape, value_range)
    if path.suffix.lower() == ".npy":
        return _checked(str(path), npy.open_any(path), shape, value_range)
    if path.suffix.lower() == ".npz":
        return _checked(str(path), _from_npz(path, shape, array), shape, value_range)
    if path.suffix.lower() == ".zip":
        packed, skipped = zipped_pictures(path)
        return _checked(str(path), _decoded(path, packed, shape, skipped), shape, value_range)
    raise DataError(f"images: expected an .npy, .npz or .zip file or a folder of pictures, got {path}")


def _as_numpy(images: Any) -> NDArray[Any]:
    if hasattr(images, "detach"):  # a torch tensor, on whatever device; numpy has no bfloat16
        images = images.detach().cpu()
        images = images.float() if images.is_floating_point() else images
    return np.asarray(images)


def _checked(name: str, images: NDArray[Any], shape: ImageShape, value_range: Range | None) -> Given:
    """DataError unless these are 2 images or more of the shape, and their values in the range."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{name}: expected uint8 images, or floating ones and their range, got {images.dtype}")
    pixels = _channels_second(name, images, shape)
    if len(pixels) < 2:
        raise DataError(f"{name}: expected at least 2 images, got {len(pixels)}")
    if images.dtype == np.uint8 and value_range not in (None, BYTES):
        raise DataError(f"{name}: expected the range 0,255 or none, as the images are uint8, got {_words(value_range)}")
    lowest, highest = _extremes(pixels)
    if images.dtype != np.uint8 and value_range is None:
        got = f"none, and values in {lowest:g} .. {highest:g}"
        raise DataError(f"{name}: expected the range of floating images, e.g. --range 0,1 or --range -1,1, got {got}")
    low, high = value_range or BYTES
    margin = ROUNDING * (high - low)
    if not (low - margin <= lowest and highest <= high + margin):  # not so of NaN either
        got = "NaN" if math.isnan(lowest) else f"{lowest:g} .. {highest:g}"
        raise DataError(f"{name}: expected values in {low:g} .. {high:g}, got {got}")
    if highest - lowest <= SMALL_SHARE * (high - low):
        log.warning("%s: all values lie in %g .. %g, of %g .. %g: is that right?", name, lowest, highest, low, high)
    return Given(name, pixels, (low, high))


def _words(value_range: Range | None) -> str:
    return "none" if value_range is None else ",".join(f"{value:g}" for value in value_range)


def _channels_second(name: str, images: NDArray[Any], shape: ImageShape) -> NDArray[Any]:
    """A view (N, C, H, W) of images of this shape, whose channels may be last or, of grey images, missing."""
    axes = _layouts(shape).get(images.shape[1:])
    if axes is None:
        raise DataError(f"{name}: expected images of shape {_expected(shape)}, got shape {images.shape}")
    return images[:, None] if axes == "HW" else images.transpose(0, 3, 1, 2) if axes == "HWC" else images


def _layouts(shape: ImageShape) -> dict[tuple[int, ...], str]:
    channels, height, width = shape
    layouts: dict[tuple[int, ...], str] = {(height, width, channels): "HWC", shape: "CHW"}
    return {(height, width): "HW", **layouts} if channels == 1 else layouts


def _expected(shape: ImageShape) -> str:
    return " or ".join(str(("N", *sizes)).replace("'", "") for sizes in reversed(_layouts(shape)))


def _extremes(pixels: NDArray[Any]) -> Range:
    """The lowest and the highest value; NaN where there is one."""
    step = npy.block_length(pixels.shape[1:])
    parts = [pixels[start : start + step] for start in range(0, len(pixels), step)]
    return float(np.min([part.min() for part in parts])), float(np.max([part.max() for part in parts]))


def _decoded(path: Path, files: Sequence[picture.File], shape: ImageShape, skipped: int) -> NDArray[np.uint8]:
    """Pictures as (N, C, H, W); DataError unless all have this size, and colours where C is 3 and only there."""
    channels, height, width = shape
    note = f", {skipped} other files skipped" if skipped else ""
    log.info("reading %d pictures of %s%s", len(files), path, note)
    if len(files) * math.prod(shape) > MOST_BYTES:
        most = MOST_BYTES // math.prod(shape)
        raise DataError(f"{path}: expected at most {most} pictures, which are held in memory, got {len(files)}")
    if (sizes := picture.sizes_of(files)) != {(height, width)}:
        got = [f"{h} x {w}" for h, w in sorted(sizes)]
        listed = ", ".join(got[:5]) + (f" and {len(got) - 5} more" if len(got) > 5 else "")
        raise DataError(f"{path}: expected pictures of {height} x {width} pixels, got {listed}")
    images = np.empty((len(files), *shape), np.uint8)
    start, most_colour = 0, 0
    for block in picture.decoded(files, picture.Reading(3), (height, width), resize=False):
        most_colour = max(most_colour, int(np.ptp(block, axis=1).max()))
        images[start : start + len(block)] = block if channels == 3 else _luma(block)
        start += len(block)
    if channels == 1 and most_colour > COLOUR:
        raise DataError(f"{path}: expected grey pictures (1 channel), got pictures in colour")
    if channels == 3 and most_colour == 0:
        raise DataError(f"{path}: expected pictures in colour (3 channels), got grey ones only")
    return images


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 3, H, W) -> (N, 1, H, W), as Pillow's mode L: ITU-R 601-2 in 16-bit integers; grey stays as it is."""
    red, green, blue = (rgb[:, channel : channel + 1].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)


def _from_npz(path: Path, shape: ImageShape, array: str | None) -> NDArray[Any]:
    """The array of this name in an npz file, or its only one that has the shape of images."""
    with unzipped(path) as archive:
        entries = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        headers = {}
        for name, entry in entries.items():
            with archive.open(entry) as file:
                headers[name] = npy.read_header(file)
        chosen = _choose(path, headers, shape, array)
        sizes, dtype = headers[chosen]
        bound(f"{path}, array {chosen}", math.prod(sizes) * dtype.itemsize, MOST_BYTES)
        with archive.open(entries[chosen]) as file:
            images: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return images


def _choose(path: Path, headers: dict[str, tuple[tuple[int, ...], Any]], shape: ImageShape, array: str | None) -> str:
    there = ", ".join(f"{name} {sizes}" for name, (sizes, _) in headers.items()) or "no arrays"
    if array is not None:
        if array not in headers:
            raise DataError(f"{path}: expected an array named {array!r}, got {there}")
        return array
    fitting = [name for name, (sizes, _) in headers.items() if sizes[1:] in _layouts(shape)]
    if len(fitting) != 1:
        hint = "; name the one: --array NAME" if fitting else ""
        raise DataError(f"{path}: expected one array of images {_expected(shape)}, got {there}{hint}")
    return fitting[0]
