"""A user's own images: `.npy` and `.npz` files. MedMNIST's are such."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import npy
from ganexp.dataset.labels import Labels, plain_labels
from ganexp.dataset.load import Fraction, ImageSize, Name, NumImages, Reference, load
from ganexp.dataset.place import log
from ganexp.dataset.prepared import Source, Split, digest_of
from ganexp.dataset.zipped import MOST_ON_DEMAND, bound, unzipped
from ganexp.files.data_root import absolute_root, expanded
from ganexp.types import Dataset
from ganexp.types.errors import DataError

DECODING = 2  # in names of prepared files that version 1 has otherwise: labels with gaps, validation as held-out images

# Names of the arrays in an npz, in capitals or not: MedMNIST's, Keras's, numpy.savez's. Validation is held out where
# there is no test.
VALIDATION = ("val_images", "x_val")
IMAGES = {"train": ("train_images", "x_train", "images", "x", "arr_0"), "test": ("test_images", "x_test", *VALIDATION)}
LABELS = {
    "train": ("train_labels", "y_train", "labels", "y", "arr_1"),
    "test": ("test_labels", "y_test"),
    "val": ("val_labels", "y_val"),
}

ROLES = ("images", "labels", "reference_images", "reference_labels")  # keys that name a file


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
    """Images from `.npy` or `.npz` files: uint8 (N, C, H, W), C 1 or 3, values 0 .. 255.

    In an npz, channels may be last, before the number of images as in SVHN, or, of grey images, missing; it may hold
    labels and held-out images too, under the names that MedMNIST and Keras give them. The prepared copy goes to
    `prepared/<name>-<hash of the files' listing>`; the dataset's name has a hash of its content added. Labels: see
    `ganexp.dataset.labels`. Without held-out images, the share `reference_fraction` of `images` is held out.
    `image_size` None keeps the images' own.
    """
    if reference_labels is not None and reference_images is None:
        raise DataError("dataset.reference_labels: expected reference_images beside it, got none")
    paths = dict(zip(ROLES, (images, labels, reference_images, reference_labels), strict=True))
    files = {role: expanded(f"dataset.{role}", path) for role, path in paths.items() if path is not None}
    listing = {role: _listed(role, path) for role, path in files.items()}
    train = _labels_of(files.get("labels"), files["images"], "train")
    place = files.get("reference_images", files["images"])
    within = None if "reference_images" in files else _name_in(place, IMAGES["test"])
    has_test = "reference_images" in files or within is not None
    held = _labels_of(files.get("reference_labels"), place, _role(files), train) if has_test else None
    _tell_gaps(files["images"], train)
    later = (train is not None and train.gaps) or str(within).lower() in VALIDATION
    folder = f"{name}-{digest_of(listing)[:12]}" + (f"-v{DECODING}" if later else "")
    splits = {"train": (files["images"], "train", train)} | ({"test": (place, _role(files), held)} if has_test else {})
    source = Source(name, folder, _decoding(splits, place), named_by_content=True, class_names=train and train.names)
    separate = "separate reference images" if reference_images is not None else "test split" if has_test else None
    reference = Reference.separate_or_share(separate, reference_fraction, stratified=train is not None)
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def medmnist(
    *,
    root: Path,
    file: Path,
    image_size: ImageSize | None = None,
    num_images: NumImages | None = None,
    name: Name = "medmnist",
) -> Dataset:
    """One 2D set of MedMNIST v2 (Yang et al. 2023), from its npz: train is trained on, test held out, val left aside.

    `file` (`pathmnist`, or `pathmnist.npz`) is looked for in `root`, in `root/medmnist`, and as it stands; the `name`
    "medmnist" stands for the file's. Sets with several labels an image (chestmnist) need `arrays` and one of them.
    """
    file = expanded("dataset.file", file)
    if not file.name:
        raise DataError(f"dataset.file: expected the name of a file, such as pathmnist.npz, got '{file}'")
    file = file if _is_npz(file) else file.with_name(f"{file.name}.npz")
    places = [base / file for base in (absolute_root(root), absolute_root(root) / "medmnist", Path())]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(
            f"dataset.file: expected MedMNIST's {file.name} in {places[0].parent} or its folder medmnist, or in "
            "the current folder, got no such file; https://zenodo.org/records/10519652 has those of all sets and sizes "
            "(pathmnist.npz, breastmnist_64.npz ...), with their licences"
        )
    name = path.stem if name == "medmnist" else name
    return arrays(root=root, images=path, image_size=image_size, num_images=num_images, name=name)


def _tell_gaps(path: Path, labels: Labels | None) -> None:
    if labels is not None and labels.gaps:
        log.warning("%s: labels %s are made 0 .. %d", path, _some(labels.names), len(labels.names or ()) - 1)


def _decoding(splits: Mapping[str, tuple[Path, str, Labels | None]], place: Path) -> Callable[[Path], dict[str, Split]]:
    def decode(home: Path) -> dict[str, Split]:
        _tell_aside(place)
        return {split: _split(*each) for split, each in splits.items()}

    return decode


def _tell_aside(path: Path) -> None:
    held, validation = _name_in(path, IMAGES["test"]), _name_in(path, VALIDATION)
    if held is not None and validation not in (None, held):
        log.warning("%s: %s is left aside", path, validation)


def _role(files: Mapping[str, Path]) -> str:
    """Under which names the held-out images are looked for first: those of a file of their own are its only ones."""
    return "train" if "reference_images" in files else "test"


def _listed(role: str, path: Path) -> tuple[str, int, int]:  # name, size in bytes, time of change in nanoseconds
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"dataset.{role}: expected an npy or npz file, got {path}: {error.strerror or error}") from None
    if path.is_dir() or path.suffix.lower() == ".zip":
        raise DataError(f"dataset.{role}: expected an npy or npz file, got {path}; dataset=image_folder reads pictures")
    return path.name, status.st_size, status.st_mtime_ns


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _split(path: Path, role: str, labels: Labels | None) -> Split:
    images = _images_in(path, role) if _is_npz(path) else npy.open_images(path)
    npy.check_images(path, images.shape, images.dtype)
    if labels is not None and len(labels.numbers) != len(images):
        got = len(labels.numbers)
        raise DataError(f"{labels.where}: expected one label for each of {len(images)} images, got {got}")
    return Split.of(images, labels.numbers if labels is not None else None)


def _images_in(path: Path, role: str) -> NDArray[Any]:
    name = _name_in(path, IMAGES[role])
    if name is None:
        there = ", ".join(f"{each} {shape}" for each, (shape, _) in _headers(path).items()) or "no arrays"
        raise DataError(
            f"{path}: expected images under one of the names {', '.join(IMAGES[role])}, got {there}; "
            "numpy.savez(path, images=..., labels=...) gives them"
        )
    images = array_in(path, name)
    if images.ndim == 3:
        return images[:, None]
    channels = [place for place, size in enumerate(images.shape) if place > 0 and size in (1, 3)]
    order = {2: (3, 2, 0, 1), 3: (0, 3, 1, 2)}
    return images.transpose(order[channels[-1]]) if images.ndim == 4 and channels and 1 not in channels else images


def _labels_of(path: Path | None, images: Path, role: str, like: Labels | None = None) -> Labels | None:
    """The labels in a file of their own, or beside the images in an npz."""
    if path is None:
        validation = role == "test" and str(_name_in(images, IMAGES[role])).lower() in VALIDATION
        name = _name_in(images, LABELS["val" if validation else role])
        return None if name is None else plain_labels(f"{images}, {name}", array_in(images, name), like)
    if not _is_npz(path):
        return plain_labels(path, np.asarray(npy.open_any(path)), like)
    name = _name_in(path, (*LABELS["train"], "arr_0"))
    if name is None:
        raise DataError(f"{path}: expected labels under one of the names {', '.join(LABELS['train'])}, got none")
    return plain_labels(path, array_in(path, name), like)


def _name_in(path: Path, names: Sequence[str]) -> str | None:
    """The first of `names` that an npz has, as it is written there; None where it is no npz."""
    there = {name.lower(): name for name in reversed(_headers(path))} if _is_npz(path) else {}
    return next((there[name] for name in names if name in there), None)


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], Any]]:
    headers = {}
    with unzipped(path) as archive:
        for entry in archive.namelist():
            if entry.endswith(".npy"):
                with archive.open(entry) as file:
                    headers[entry.removesuffix(".npy")] = npy.read_header(file)
    return headers


def array_in(path: Path, name: str) -> NDArray[Any]:
    """The array of this name in an npz file; DataError where there is none."""
    headers = _headers(path)
    if name not in headers:
        raise DataError(f"{path}: expected an array named {name}, got {', '.join(headers) or 'none'}")
    shape, dtype = headers[name]
    bound(f"{path}, {name}", prod(shape) * dtype.itemsize, MOST_ON_DEMAND)
    with unzipped(path) as archive, archive.open(f"{name}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _some(names: Sequence[str] | None) -> str:
    return ", ".join((names or ())[:5]) + (" ..." if len(names or ()) > 5 else "")
