"""A user's own images: `.npy` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganexp.dataset import npy
from ganexp.dataset.load import Fraction, ImageSize, Name, NumImages, Reference, load
from ganexp.dataset.prepared import Source, Split, digest_of
from ganexp.files.data_root import expanded
from ganexp.types import Dataset
from ganexp.types.errors import DataError


def arrays(
    *,
    root: Path,
    images: Path,
    labels: Path | None = None,
    reference_images: Path | None = None,
    reference_labels: Path | None = None,
    reference_fraction: Fraction = 0.1,
    image_size: ImageSize | None = None,
    num_images: NumImages | None = None,
    name: Name = "arrays",
) -> Dataset:
    """Images from `.npy` files: uint8 (N, C, H, W), C 1 or 3, values 0 .. 255.

    The prepared copy goes to `prepared/<name>-<hash of the files' listing>`; the dataset's name has a hash of its
    content added. Labels are integers in 0 .. K - 1. Without `reference_images`, the share `reference_fraction` of
    `images` is held out. `image_size` None keeps the images' own.
    """
    if reference_labels is not None and reference_images is None:
        raise DataError("dataset.reference_labels: expected reference_images beside it, got none")
    paths = {"images": images, "labels": labels}
    paths |= {"reference_images": reference_images, "reference_labels": reference_labels}
    files = {role: expanded(f"dataset.{role}", path) for role, path in paths.items() if path is not None}
    listing = {role: _listed(role, path) for role, path in files.items()}
    source = Source(name, f"{name}-{digest_of(listing)[:12]}", lambda home: _decode(files), named_by_content=True)
    separate = None if reference_images is None else "separate reference images"
    reference = Reference.separate_or_share(separate, reference_fraction, stratified=labels is not None)
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def _listed(role: str, path: Path) -> tuple[str, int, int]:  # name, size in bytes, time of change in nanoseconds
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"dataset.{role}: expected an npy file, got {path}: {error.strerror or error}") from None
    return path.name, status.st_size, status.st_mtime_ns


def _decode(files: Mapping[str, Path]) -> Mapping[str, Split]:
    splits = {"train": _split(files["images"], files.get("labels"))}
    if "reference_images" in files:
        splits["test"] = _split(files["reference_images"], files.get("reference_labels"))
    return splits


def _split(images_path: Path, labels_path: Path | None) -> Split:
    images = npy.open_images(images_path)
    labels = None
    if labels_path is not None:
        labels = npy.open_labels(labels_path, len(images), None, any_integer=True).astype(np.int64)
    return Split.of(images, labels)
