"""From prepared files to a Dataset: the held-out reference, the resized files, the fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from pydantic import StringConstraints

from ganexp.dataset import npy
from ganexp.dataset.picture import RESIZE_VERSION, resized
from ganexp.dataset.place import folder_of, homes, in_first_writable, once
from ganexp.dataset.prepared import Part, Source, classes_of, digest_of, ensure_prepared, open_split
from ganexp.files.data_root import absolute_root
from ganexp.types import Dataset
from ganexp.types.doing import doing
from ganexp.types.errors import DataError

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]  # is part of file names
ImageSize = Annotated[int, Ge(1), Le(1024)]
NumImages = Annotated[int, Ge(1)]
Fraction = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class Reference:
    """Where the held-out images come from: the test split, else a share of the training images, else an error."""

    test_images: int | None = 1  # the test split needs at least so many; None: it never serves
    fraction: float | None = None  # share of the training images
    test_origin: str = "test split"  # in words
    fraction_origin: str = ""  # in words

    @classmethod
    def separate_or_share(cls, separate: str | None, fraction: float, *, stratified: bool) -> Reference:
        """The user's separate images, in words, where there are any; else a share of the data."""
        share = f"fixed {'stratified ' if stratified else ''}share of {fraction:g} of the data"
        return cls(None if separate is None else 1, fraction, separate or "", share)


def load(
    source: Source, reference: Reference, *, root: Path, image_size: int | None, num_images: int | None
) -> Dataset:
    """Prepare `source` if needed, then map its images; `num_images` counts training images without the reference."""
    root = absolute_root(root)
    home = ensure_prepared(source, root)
    (train, held), origin = choose_reference(source, reference, home)
    size = image_size if image_size is not None else _own_size(source, train, held)
    if num_images is not None and num_images > len(train):
        raise DataError(f"dataset.num_images: expected at most {len(train)} for {source.name}, got {num_images}")
    count = num_images or len(train)
    resized_by = RESIZE_VERSION if any(p.images.shape[2:] != (size, size) for p in (train, held)) else None

    def assemble(cache_home: Path) -> Dataset:
        cache_dir = folder_of(cache_home, source.folder)
        digests = [train.digest(cache_dir), held.digest(cache_dir)]
        train_labels = train.chosen_labels()
        return Dataset(
            name=f"{source.name}-{digest_of(digests)[:8]}" if source.named_by_content else source.name,
            train=_at_size(train, size, cache_dir, "train", digests[0])[:count],
            train_labels=None if train_labels is None else train_labels[:count],
            reference=_at_size(held, size, cache_dir, "reference", digests[1]),
            reference_labels=held.chosen_labels(),
            reference_origin=origin,
            fingerprint=digest_of({"content": digests, "count": count, "image_size": size, "resize": resized_by}),
            num_classes=classes_of(source, train.labels),
            cache_dir=cache_dir,
            class_names=source.class_names,
        )

    return in_first_writable(homes(root) if home == root else (home,), source.folder, assemble)


def choose_reference(source: Source, reference: Reference, home: Path) -> tuple[tuple[Part, Part], str]:
    """The training part, the held-out part, and the latter's origin in words."""
    folder = folder_of(home, source.folder)
    train = open_split(source, home, "train", source.num_classes)
    if train is None:
        raise DataError(f"{folder / 'train_images.npy'}: expected prepared images, got no such file")
    test = open_split(source, home, "test", classes_of(source, train.labels))
    if test is not None and reference.test_images is not None and len(test.images) >= reference.test_images:
        channels = train.images.shape[1], test.images.shape[1]
        if channels[0] != channels[1]:
            raise DataError(f"{test.images_path}: expected {channels[0]} channels as in training, got {channels[1]}")
        return (train, test), reference.test_origin
    if reference.fraction is None:
        raise DataError(f"{folder / 'test_images.npy'}: expected the test split beside the training one, got none")
    if len(train.images) < 2:
        raise DataError(f"{source.name}: expected at least 2 images, so that one can be held out, got 1")
    mask = held_out(len(train.images), reference.fraction, train.labels)
    parts = replace(train, indices=np.flatnonzero(~mask)), replace(train, indices=np.flatnonzero(mask))
    return parts, reference.fraction_origin


def _own_size(source: Source, *parts: Part) -> int:
    sizes = {part.images.shape[2:] for part in parts}
    height, width = next(iter(sizes))
    if len(sizes) > 1 or height != width:
        got = " and ".join(f"{h} x {w}" for h, w in sorted(sizes))
        raise DataError(f"dataset.image_size: expected a number, as the images of {source.name} are {got}, got null")
    return int(height)


def _at_size(part: Part, size: int, cache_dir: Path, kind: str, digest: str) -> NDArray[np.uint8]:
    """The images of `part` at `size`, mapped: the prepared file itself, or one derived from it once."""
    images = part.images
    shape = (len(part), images.shape[1], size, size)
    if part.indices is None and images.shape == shape:
        return images
    name = f"{kind}_{size}px_v{RESIZE_VERSION}_{digest[:12]}.npy"
    beside = part.images_path.with_name(name)
    path = beside if beside.exists() else cache_dir / name
    step = npy.block_length((images.shape[1], max(size, images.shape[2]), max(size, images.shape[3])))

    def write(target: Path) -> None:
        blocks = npy.blocks(images, step, part.indices)
        same = images.shape[2:] == (size, size)
        with doing(f"{kind} images of {size} x {size} pixels, once", len(part)) as done:
            sized = blocks if same else (resized(block, size) for block in blocks)
            npy.write(target, shape, "|u1", npy.counted(sized, done))

    once(path, write)
    derived = npy.open_images(path)
    if derived.shape != shape:
        raise DataError(f"{path}: expected shape {shape}, got {derived.shape}; it is derived: delete it to remake it")
    return derived


SPLIT_SEED = 20140610  # of every fixed permutation (the date of the first GAN paper)


def permutation(count: int) -> NDArray[np.int64]:
    """A fixed permutation of 0 .. count - 1, from the sorted raw 64-bit stream of PCG64.

    numpy guarantees that stream in all versions and on all machines, but not `Generator.permutation` (NEP 19).
    """
    keys = np.random.PCG64(SPLIT_SEED).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def grouped(order: NDArray[np.int64], labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """`order`, stably sorted by label where there are labels: every n-th of it is a stratified sample."""
    return order if labels is None else order[np.argsort(np.asarray(labels)[order], kind="stable")]


def held_out(count: int, fraction: float, labels: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Mask (count,) of the held-out images: a fixed sample, stratified by label where there are labels.

    The images are put into the fixed permutation's order, then stably by label; of that sequence every
    (1 / fraction)-th is taken, so that the total is exact and each class has its share within one image. Of at least 2
    images, at least one is held out and at least one is left.
    """
    order = grouped(permutation(count), labels)
    wanted = min(max(1, round(count * fraction)), count - 1)
    position = np.arange(count, dtype=np.int64)
    mask = np.zeros(count, dtype=np.bool_)
    mask[order] = (position + 1) * wanted // count > position * wanted // count
    return mask
