"""Named datasets: digits (bundled with scikit-learn), and those that torchvision knows where to get."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset import npy
from ganexp.dataset.fetch import FetchError, download, torchvision_dataset
from ganexp.dataset.load import ImageSize, Name, NumImages, Reference, load
from ganexp.dataset.place import open_regular
from ganexp.dataset.prepared import Source, Split
from ganexp.files.data_root import absolute_root
from ganexp.types import Dataset
from ganexp.types.errors import DataError

CIFAR10_TEST_IMAGES = 10_000
CHANNELS = {
    "cifar10": 3,
    "cifar100": 3,
    "digits": 1,
    "fashion_mnist": 1,
    "kmnist": 1,
    "mnist": 1,
}  # of the images of each


def digits(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "digits"
) -> Dataset:
    """The 1,797 handwritten digits (8 x 8, grey) bundled with scikit-learn: half to train on, half held out.

    Source: UCI "Optical Recognition of Handwritten Digits", test part. No network is needed.
    """
    source = _source("digits", name, decode_digits)
    half = Reference(None, 0.5, fraction_origin="fixed stratified half of the data")
    return load(source, half, root=root, image_size=image_size, num_images=num_images)


def mnist(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "mnist"
) -> Dataset:
    """MNIST: 60,000 training and 10,000 test digits, 28 x 28, grey (LeCun, Cortes and Burges 1998)."""
    source = _source("mnist", name, partial(decode_idx, "MNIST", root))
    return load(source, Reference(), root=root, image_size=image_size, num_images=num_images)


def fashion_mnist(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "fashion_mnist"
) -> Dataset:
    """FashionMNIST: 60,000 training and 10,000 test articles of clothing, 28 x 28, grey (Xiao et al. 2017)."""
    source = _source("fashion_mnist", name, partial(decode_idx, "FashionMNIST", root))
    return load(source, Reference(), root=root, image_size=image_size, num_images=num_images)


def kmnist(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "kmnist"
) -> Dataset:
    """Kuzushiji-MNIST: 60,000 training and 10,000 test hiragana, 28 x 28, grey (Clanuwat et al. 2018)."""
    source = _source("kmnist", name, partial(decode_idx, "KMNIST", root))
    return load(source, Reference(), root=root, image_size=image_size, num_images=num_images)


def cifar10(
    *, root: Path, image_size: ImageSize = 32, num_images: NumImages | None = None, name: Name = "cifar10"
) -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test pictures, 32 x 32, RGB (Krizhevsky 2009).

    Where the prepared test split has fewer than 10,000 images, a fixed stratified tenth of the training images is
    held out instead.
    """
    source = _source("cifar10", name, partial(decode_cifar, CIFAR10, root))
    return load(source, _whole_test_or_tenth(), root=root, image_size=image_size, num_images=num_images)


def cifar100(
    *, root: Path, image_size: ImageSize = 32, num_images: NumImages | None = None, name: Name = "cifar100"
) -> Dataset:
    """CIFAR-100: 50,000 training and 10,000 test pictures of 100 fine classes, 32 x 32, RGB (Krizhevsky 2009).

    Held out as `cifar10`.
    """
    source = _source("cifar100", name, partial(decode_cifar, CIFAR100, root))
    return load(source, _whole_test_or_tenth(), root=root, image_size=image_size, num_images=num_images)


def _whole_test_or_tenth() -> Reference:
    tenth = "fixed stratified tenth of the training data (test split incomplete)"
    return Reference(CIFAR10_TEST_IMAGES, 0.1, fraction_origin=tenth)


def _source(dataset: str, name: str, decode: Callable[[Path], Any]) -> Source:
    """The source of a named dataset; DataError where `name` is another one's, whose files hold other images."""
    if name in CHANNELS and name != dataset:
        raise DataError(
            f"dataset.name: expected {dataset!r} or a name of your own, got that of another dataset: {name!r}"
        )
    classes = CLASSES.get(dataset, NUM_CLASSES)
    return Source(name, name, decode, labelled=True, num_classes=classes, channels=CHANNELS[dataset])


NUM_CLASSES, CLASSES = 10, {"cifar100": 100}  # of every other dataset, and of these
UNSIGNED_BYTE = 8
IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Cifar(NamedTuple):
    """One of torchvision's two, whose pickles it opens only where their checksums are right."""

    name: str  # torchvision's
    folder: str
    archive: str
    files: tuple[str, ...]  # in `folder`, in words


CIFAR10 = Cifar(
    *("CIFAR10", "cifar-10-batches-py", "cifar-10-python.tar.gz"),
    files=("data_batch_1 ... data_batch_5", "test_batch", "batches.meta"),
)
CIFAR100 = Cifar("CIFAR100", "cifar-100-python", "cifar-100-python.tar.gz", files=("train", "test", "meta"))


def decode_digits(home: Path) -> Mapping[str, Split]:
    """scikit-learn's digits, 8 x 8, their 17 grey levels spread over 0 .. 255."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    sixteenths = images.astype(np.int64).reshape(-1, 1, 8, 8)  # 0 .. 16
    pixels = ((sixteenths * 255 + 8) // 16).astype(np.uint8)
    return {"train": Split(pixels.shape, [pixels], labels.astype(np.int64))}


def decode_idx(torchvision_name: str, root: Path, home: Path) -> Mapping[str, Split]:
    """MNIST, FashionMNIST or KMNIST from IDX files under `root` or `home`, downloaded to `home` if there are none."""
    root, folder = absolute_root(root), f"{torchvision_name}/raw"
    names = [name for pair in IDX_FILES.values() for name in pair]
    complete = [base / folder for base in (root, home) if all((base / folder / name).exists() for name in names)]
    if not complete:
        try:
            download(torchvision_name, folder, [f"{folder}/{name}.gz" for name in names], (root, home), home)
        except FetchError as error:
            raise _nowhere(root, folder, names, torchvision_name, "1 x 28 x 28", error) from None
        complete = [home / folder]
    return {split: _idx_split(complete[0], *files) for split, files in IDX_FILES.items()}


def decode_cifar(kind: Cifar, root: Path, home: Path) -> Mapping[str, Split]:
    """CIFAR-10 or CIFAR-100 from torchvision's files under `root` or `home`, downloaded to `home` if there are none."""
    root = absolute_root(root)
    damaged = ""
    for base in (root, home):
        if (base / kind.folder).is_dir():
            try:
                return _cifar_splits(kind, base)
            except FetchError as error:
                damaged = f" ({base / kind.folder} is there, but: {error})"
    try:
        download(kind.name, kind.folder, [kind.archive], (root, home), home)
        return _cifar_splits(kind, home)
    except FetchError as error:
        reason = FetchError(f"{error}{damaged}")
        raise _nowhere(root, kind.folder, kind.files, kind.name, "3 x 32 x 32", reason) from None


def _nowhere(
    root: Path, folder: str, files: Sequence[str], torchvision_name: str, shape: str, error: FetchError
) -> DataError:
    """The error without files and network: it says which files go where."""
    prepared = {"FashionMNIST": "fashion_mnist"}.get(torchvision_name, torchvision_name.lower())
    return DataError(
        f"dataset.root: no {torchvision_name} under {root}, and it could not be downloaded: {error}.\n"
        f"Put torchvision's files into {root / folder}: {', '.join(files)};\n"
        f"or prepared files into {root / 'prepared' / prepared}: train_images.npy, test_images.npy "
        f"(uint8, N x {shape}), train_labels.npy, test_labels.npy (int64);\n"
        f"or set dataset.root or GANEXP_DATA to a folder that has them."
    )


def _idx_split(raw: Path, images_file: str, labels_file: str) -> Split:
    images, labels = read_idx(raw / images_file, 3)[:, None], read_idx(raw / labels_file, 1).astype(np.int64)
    npy.check_labels(raw / labels_file, labels, len(images), NUM_CLASSES)
    return Split.of(images, labels)


def _cifar_splits(kind: Cifar, base: Path) -> Mapping[str, Split]:
    splits = {}
    for split in ("train", "test"):
        dataset = torchvision_dataset(kind.name, base, train=split == "train")
        images = np.asarray(dataset.data).transpose(0, 3, 1, 2)  # (N, H, W, C), RGB
        labels = np.asarray(dataset.targets, dtype=np.int64)
        splits[split] = Split.of(images, labels)
    return splits


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Map an IDX file of unsigned bytes, the format of MNIST (yann.lecun.com/exdb/mnist, "FILE FORMATS"), read-only.

    Layout: two zero bytes, the type (8: unsigned byte), the number of `dimensions` (3 for images (N, H, W), 1 for
    labels (N,)), one big-endian 32-bit length for each dimension, then the bytes.

    Raises:
        DataError: unreadable, another magic number, a dimension of 0, or a length that differs from the header's.
    """
    start = 4 + 4 * dimensions
    try:
        length = path.stat().st_size
        with open_regular(path) as file:
            header = file.read(start)
    except OSError as error:
        raise DataError(f"{path}: expected an IDX file, got {error.strerror or error}") from None
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if header[:4] != magic:
        raise DataError(f"{path}: expected an IDX file with magic number 0x{magic.hex()}, got 0x{header[:4].hex()}")
    if len(header) < start:
        raise DataError(f"{path}: expected a header of {start} bytes, got {len(header)}")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    expected = start + int(np.prod(shape, dtype=object))
    if 0 in shape:
        raise DataError(f"{path}: expected at least 1 in every dimension, got {shape}")
    if length != expected:
        raise DataError(f"{path}: expected {expected} bytes for the shape {shape} in its header, got {length}")
    return np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=shape)
