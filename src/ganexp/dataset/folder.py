"""A user's own images: a folder of pictures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import picture
from ganexp.dataset.listing import Listing, list_pictures
from ganexp.dataset.load import Fraction, ImageSize, Name, NumImages, Reference, load, permutation
from ganexp.dataset.place import log
from ganexp.dataset.prepared import Source, Split, digest_of
from ganexp.files.data_root import expanded
from ganexp.types import Dataset
from ganexp.types.errors import DataError


def image_folder(
    *,
    root: Path,
    path: Path,
    reference_path: Path | None = None,
    reference_fraction: Fraction = 0.1,
    channels: Literal[1, 3] = 3,
    image_size: ImageSize | None = 32,
    num_images: NumImages | None = None,
    name: Name = "image_folder",
) -> Dataset:
    """The pictures in a folder and below it; the names of its subfolders, if it has any, are the labels.

    Pictures of one size are prepared at that size, pictures of mixed sizes at `image_size`; with None for it, all are
    of one size and square. They are prepared in a fixed shuffled order, so that the first n are a mixture of all
    classes, in `prepared/<name>-<hash of the folder's listing>`. The name has a hash of the dataset's content added.

    Held out are the pictures of `reference_path`, which has the same class folders, or else `reference_fraction` of
    those of `path`. There are 1 (grey) or 3 `channels` (RGB).
    """
    listings = {"train": list_pictures("dataset.path", expanded("dataset.path", path))}
    if reference_path is not None:
        key = "dataset.reference_path"
        listings["test"] = list_pictures(key, expanded(key, reference_path))
        _check_apart(listings["train"].top, listings["test"].top)
    classes = listings["train"].classes
    seen = {split: (listing.classes, listing.pictures) for split, listing in listings.items()}
    source = Source(
        name,
        f"{name}-{digest_of([seen, channels, image_size])[:12]}",
        lambda home: {split: _split(listing, classes, channels, image_size) for split, listing in listings.items()},
        labelled=bool(classes),
        num_classes=len(classes) or None,
        channels=channels,
        named_by_content=True,
    )
    separate = None if reference_path is None else "separate reference folder"
    reference = Reference.separate_or_share(separate, reference_fraction, stratified=bool(classes))
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def _check_apart(train: Path, reference: Path) -> None:
    folders = train.resolve(), reference.resolve()
    if folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0]):
        raise DataError(f"dataset.reference_path: expected a folder apart from dataset.path {train}, got {reference}")


def _split(listing: Listing, classes: tuple[str, ...], channels: int, image_size: int | None) -> Split:
    order = permutation(len(listing.pictures))
    files = [listing.top / listing.pictures[index][0] for index in order]
    level = logging.WARNING if listing.skipped else logging.INFO
    log.log(level, "%s: %d pictures, %d other files skipped", listing.top, len(files), listing.skipped)
    labels = _labels(listing, classes, order)
    sizes = picture.sizes_of(files)
    if len(sizes) == 1:
        size, mixed = next(iter(sizes)), False
    elif image_size is not None:
        size, mixed = (image_size, image_size), True
    else:
        raise DataError(f"dataset.image_size: expected a number, as {listing.top} has {len(sizes)} sizes, got null")
    blocks = picture.decoded(files, channels, size, resize=mixed)
    return Split((len(files), channels, *size), blocks, labels)


def _labels(listing: Listing, classes: tuple[str, ...], order: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The index of each picture's class folder among `classes`, in `order`; None where there are none."""
    if not set(listing.classes) <= set(classes) or bool(classes) != bool(listing.classes):
        got = ", ".join(sorted(listing.classes)) or "none"
        expected = ", ".join(classes) or "none"
        raise DataError(f"{listing.top}: expected the class folders {expected}, got {got}")
    if not classes:
        return None
    number = {name: index for index, name in enumerate(classes)}
    folders = [listing.pictures[index][0].split("/", 1)[0] for index in order]
    return np.array([number[folder] for folder in folders], dtype=np.int64)
