"""Prepared files: a source decoded once into npy files; later loads read only those."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import npy
from ganexp.dataset.npy import BLOCK_BYTES
from ganexp.dataset.place import folder_of, homes, in_first_writable, locked, log, once
from ganexp.files.atomic import write_json
from ganexp.types.doing import doing
from ganexp.types.errors import DataError


@dataclass(frozen=True)
class Split:
    """Decoded images, not written yet."""

    shape: tuple[int, ...]  # (N, C, H, W)
    blocks: Iterable[NDArray[np.uint8]]  # uint8 (b, C, H, W), in order
    labels: NDArray[np.int64] | None  # int64 (N,)

    @classmethod
    def of(cls, images: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> Split:
        """The split of an array of images (N, C, H, W)."""
        return cls(images.shape, npy.blocks(images, npy.block_length(images.shape[1:])), labels)


@dataclass(frozen=True)
class Source:
    """How a dataset is made."""

    name: str  # the user's name for it
    folder: str  # name of the folder of its prepared files
    decode: Callable[[Path], Mapping[str, Split]]  # writable root (for downloads) -> "train", perhaps "test"
    labelled: bool = False  # labels must be there
    num_classes: int | None = None  # where it is known beforehand
    channels: int | None = None  # where it is known beforehand
    class_names: tuple[str, ...] | None = None  # of the labels 0, 1, ...
    named_by_content: bool = False  # the dataset's name gets the first 8 digits of the content's digest


@dataclass(frozen=True)
class Part:
    """The prepared images of one split, mapped; or some of them."""

    images_path: Path
    images: NDArray[np.uint8]  # uint8 (N, C, H, W), original size
    labels_path: Path  # need not exist
    labels: NDArray[np.int64] | None  # int64 (N,)
    indices: NDArray[np.int64] | None = None  # of the images in this part; None: all

    def __len__(self) -> int:
        return len(self.images) if self.indices is None else len(self.indices)

    def chosen_labels(self) -> NDArray[np.int64] | None:
        """int64 (len(self),), or None."""
        return self.labels if self.labels is None or self.indices is None else self.labels[self.indices]

    def digest(self, cache_dir: Path) -> str:
        """Digest of the images and labels of this part, independent of where the files lie."""
        labels = None if self.labels is None else file_digest(self.labels_path, self.labels, cache_dir)
        indices = None if self.indices is None else array_digest(self.indices)
        images = file_digest(self.images_path, self.images, cache_dir)
        return digest_of({"images": images, "labels": labels, "indices": indices})


def ensure_prepared(source: Source, root: Path) -> Path:
    """Prepare the source if needed; returns the root above the files: `root`, or its stand-in."""
    for home in homes(root):
        if home is not None and _marker(home, source).exists():
            if home != root:
                log.warning("%s holds no prepared %s: read from %s", root, source.name, folder_of(home, source.folder))
            return home
    return in_first_writable(homes(root), source.folder, lambda home: _prepare(source, home))


def open_split(source: Source, home: Path, split: str, classes: int | None) -> Part | None:
    """Map the prepared files of "train" or "test", labels in 0 .. classes - 1; None if that split has no images."""
    folder = folder_of(home, source.folder)
    images_path, labels_path = folder / f"{split}_images.npy", folder / f"{split}_labels.npy"
    if split != "train" and not images_path.exists():
        return None
    images = npy.open_images(images_path)
    if source.channels not in (None, images.shape[1]):
        raise DataError(f"{images_path}: expected {source.channels} channels ({source.name}), got {images.shape[1]}")
    if labels_path.exists():
        return Part(images_path, images, labels_path, npy.open_labels(labels_path, len(images), classes))
    if source.labelled:
        raise DataError(f"{labels_path}: expected int64 labels beside {images_path.name}, got no such file")
    return Part(images_path, images, labels_path, None)


def classes_of(source: Source, train_labels: NDArray[np.int64] | None) -> int | None:
    """Number of classes: known beforehand, or one more than the highest training label; None for unlabelled data."""
    if source.num_classes is not None or train_labels is None:
        return source.num_classes
    return int(train_labels.max()) + 1


def _marker(home: Path, source: Source) -> Path:
    """The file that is written last: where it exists, the dataset is prepared."""
    return folder_of(home, source.folder) / "train_images.npy"


def _prepare(source: Source, home: Path) -> Path:
    def write_all(marker: Path) -> None:
        with doing(f"preparing {source.name} in {marker.parent}, once"):
            splits = source.decode(home)
        classes = classes_of(source, splits["train"].labels)
        for name in sorted(splits):  # test, then train: the marker comes last
            _write_split(f"{source.name}, {name}", marker.parent, name, splits[name], classes)

    once(_marker(home, source), write_all, "train_labels.npy", "test_images.npy", "test_labels.npy")
    return home


def _write_split(where: str, folder: Path, name: str, split: Split, classes: int | None) -> None:
    npy.check_images(f"{where} images", split.shape, np.dtype(np.uint8))
    labels_path, images_path = folder / f"{name}_labels.npy", folder / f"{name}_images.npy"
    if split.labels is not None:
        npy.check_labels(f"{where} labels", split.labels, split.shape[0], classes)
        npy.write(labels_path, split.labels.shape, "<i8", [split.labels])
    with doing(f"writing the images of {where}", split.shape[0]) as done:
        npy.write(images_path, split.shape, "|u1", npy.counted(split.blocks, done))


CACHE = "digests.json"


def digest_of(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def array_digest(array: NDArray[Any]) -> str:
    """Hex SHA-256 of type, shape and elements, in C order and little-endian."""
    little = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str} {tuple(array.shape)}\n".encode())
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], dtype=little).data)
    return digest.hexdigest()


def file_digest(path: Path, array: NDArray[Any], cache_dir: Path) -> str:
    """`array_digest` of the array that is mapped from `path`, once for each (path, size, time, inode).

    The digests are kept in `digests.json` in `cache_dir`, a folder that can be written.
    """
    status = path.stat()
    key = [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
    entry = _cached(cache_dir).get(str(path), {})
    if entry.get("key") != key:
        with locked(cache_dir):
            entries = _cached(cache_dir)
            entry = entries.get(str(path), {})
            if entry.get("key") != key:
                entries[str(path)] = entry = {"key": key, "sha256": array_digest(array)}
                write_json(cache_dir / CACHE, entries)
    return str(entry["sha256"])


def _cached(cache_dir: Path) -> dict[str, dict[str, Any]]:
    """The cached digests that are well-formed; a missing or damaged cache is an empty one."""
    try:
        cached = json.loads((cache_dir / CACHE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    entries = cached.items() if isinstance(cached, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, dict) and {"key", "sha256"} <= set(entry)}
