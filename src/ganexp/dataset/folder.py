"""A user's own images: a folder or a zip of pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import picture
from ganexp.dataset.layout import Picture, classes_of, depth_below, layout_of
from ganexp.dataset.listing import Listing, list_pictures
from ganexp.dataset.load import Fraction, ImageSize, Name, NumImages, Reference, load, permutation
from ganexp.dataset.picture import Reading
from ganexp.dataset.place import log
from ganexp.dataset.prepared import Source, Split, digest_of
from ganexp.dataset.zipped import list_zip
from ganexp.files.data_root import expanded
from ganexp.types import Dataset
from ganexp.types.errors import DataError

DECODING = 2  # in names of prepared files that version 1, which took no choices, would have made otherwise

ADVICE = "; dataset.skip_bad=true leaves such pictures out"


@dataclass(frozen=True)
class _Part:
    """The pictures of one split."""

    listing: Listing
    pictures: tuple[Picture, ...]
    depth: int  # characters of the paths above the classes

    @property
    def classes(self) -> tuple[str, ...]:
        return classes_of(self.listing.top, self.pictures, self.depth)


def image_folder(
    *,
    root: Path,
    path: Path,
    reference_path: Path | None = None,
    reference_fraction: Fraction = 0.1,
    channels: Literal[1, 3] = 3,
    image_size: ImageSize | None = 32,
    alpha: Literal["drop", "white", "black"] = "drop",
    fit: Literal["stretch", "crop", "pad"] = "stretch",
    skip_bad: bool = False,
    num_images: NumImages | None = None,
    name: Name = "image_folder",
) -> Dataset:
    """The pictures in a folder or a zip and below; the names of its subfolders, if it has any, are the labels.

    Subfolders that are all named as splits (train, test, val ...) are splits, above the classes or in them. Pictures of
    one size are prepared at that size, others at `image_size`; None: all have one size. They are prepared in a fixed
    shuffled order, so that the first n are a mixture of classes, in `prepared/<name>-<hash of the listing>`; the name
    has a hash of the content.
    Held out are the pictures of the split test (or val), or of `reference_path`, with the same class folders, or else
    `reference_fraction` of all. There are 1 (grey) or 3 `channels` (RGB); `alpha`, `fit`: see `picture.Reading`.
    `skip_bad` leaves out pictures that cannot be decoded.
    """
    parts, origin, plain = _parts(path, reference_path)
    classes = parts["train"].classes
    _check_classes(parts, classes)
    chosen = {"alpha": alpha, "fit": fit, "skip_bad": skip_bad}
    folder = f"{name}-{_digest(parts, [channels, image_size], chosen, plain)}"
    reading = Reading(channels, alpha, fit, "" if skip_bad else ADVICE)

    def decode(home: Path) -> dict[str, Split]:
        return {split: _split(part, classes, reading, image_size, skip_bad) for split, part in parts.items()}

    source = Source(name, folder, decode, channels=channels, named_by_content=True, **_labelled_by(classes))
    reference = Reference.separate_or_share(origin, reference_fraction, stratified=bool(classes))
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def _labelled_by(classes: tuple[str, ...]) -> dict[str, Any]:
    return {"labelled": bool(classes), "num_classes": len(classes) or None, "class_names": classes or None}


def _digest(parts: dict[str, _Part], sizes: list[int | None], chosen: dict[str, Any], plain: bool) -> str:
    """What the prepared folder is told apart by; `plain`: version 1 read this layout, and does without choices too."""
    seen: list[Any] = [{split: (part.classes, part.pictures) for split, part in parts.items()}, *sizes]
    if plain and chosen == {"alpha": "drop", "fit": "stretch", "skip_bad": False}:
        return digest_of(seen)[:12]
    return f"{digest_of([*seen, chosen])[:12]}-v{DECODING}"


def _parts(path: Path, reference_path: Path | None) -> tuple[dict[str, _Part], str | None, bool]:
    """The splits; where the held-out ones come from, in words; whether version 1 read this layout in the same way."""
    listing = _listed("dataset.path", path)
    layout = layout_of(listing.top, listing.pictures)
    depth = len(layout.prefix)

    def part(pictures: tuple[Picture, ...]) -> _Part:
        if not layout.split or layout.in_classes:
            return _Part(listing, pictures, depth)
        return _Part(listing, pictures, depth_below(pictures, depth + pictures[0][0][depth:].index("/") + 1))

    parts, origin = {"train": part(layout.train)}, None
    if layout.left_aside:
        log.warning("%s: the split %s is left aside", listing.top, layout.left_aside)
    if layout.test and reference_path is None:
        parts["test"], origin = part(layout.test), "split of the folder"
    if reference_path is not None:
        held = _listed("dataset.reference_path", reference_path)
        _check_apart(listing.top, held.top)
        other = layout_of(held.top, held.pictures)
        if other.split:
            got = f"the splits in {held.top}"
            raise DataError(f"dataset.reference_path: expected one split, got {got}; name one of its folders")
        parts["test"], origin = _Part(held, other.train, len(other.prefix)), "separate reference folder"
        return parts, origin, not (layout.split or layout.prefix or other.prefix)
    return parts, origin, not (layout.split or layout.prefix)


def _listed(key: str, path: Path) -> Listing:
    path = expanded(key, path)
    suffix = path.suffix.lower()
    if suffix == ".zip" and path.is_file():
        return list_zip(path)
    if suffix in (".npy", ".npz"):
        raise DataError(f"{key}: expected a folder or a zip of pictures, got {path}; dataset=arrays reads it")
    return list_pictures(key, path)


def _check_apart(train: Path, reference: Path) -> None:
    folders = train.resolve(), reference.resolve()
    if folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0]):
        raise DataError(f"dataset.reference_path: expected a folder apart from dataset.path {train}, got {reference}")


def _check_classes(parts: dict[str, _Part], classes: tuple[str, ...]) -> None:
    for part in parts.values():
        if not set(part.classes) <= set(classes) or bool(classes) != bool(part.classes):
            got, expected = (", ".join(names) or "none" for names in (part.classes, classes))
            raise DataError(f"{part.listing.top}: expected the class folders {expected}, got {got}")


def _split(part: _Part, classes: tuple[str, ...], reading: Reading, image_size: int | None, skip_bad: bool) -> Split:
    part = _without_bad(part) if skip_bad else part
    listing, order = part.listing, permutation(len(part.pictures))
    names = [part.pictures[index][0] for index in order]
    files = [listing.file(name) for name in names]
    level = logging.WARNING if listing.skipped else logging.INFO
    log.log(level, "%s: %d pictures, %d other files skipped", listing.top, len(files), listing.skipped)
    number = {name: index for index, name in enumerate(classes)}
    labels = [number[name[part.depth :].split("/", 1)[0]] for name in names] if classes else None
    size, resize = _size(listing.top, picture.sizes_of(files, reading.advice), reading, image_size)
    blocks = picture.decoded(files, reading, size, resize=resize)
    return Split((len(files), reading.channels, *size), blocks, _int64(labels))


def _int64(labels: list[int] | None) -> NDArray[np.int64] | None:
    return None if labels is None else np.array(labels, dtype=np.int64)


def _size(top: Path, sizes: set[picture.Size], reading: Reading, image_size: int | None) -> tuple[picture.Size, bool]:
    """The size that pictures of these sizes are prepared at, and whether they must be brought to it."""
    height, width = next(iter(sizes))
    if len(sizes) == 1 and (reading.fit == "stretch" or height == width):
        return (height, width), False
    if image_size is None and len(sizes) > 1:
        raise DataError(f"dataset.image_size: expected a number, as {top} has {len(sizes)} sizes, got null")
    side = image_size or (min(height, width) if reading.fit == "crop" else max(height, width))
    return (side, side), True


def _without_bad(part: _Part) -> _Part:
    good = picture.good([part.listing.file(name) for name, _, _ in part.pictures])
    left = tuple(each for each, is_good in zip(part.pictures, good, strict=True) if is_good)
    if len(left) < len(good):
        log.warning("%s: %d of %d pictures are bad and left out", part.listing.top, len(good) - len(left), len(good))
    if not left:
        raise DataError(f"{part.listing.top}: expected pictures that can be read, got {len(good)} bad ones")
    return replace(part, pictures=left)
