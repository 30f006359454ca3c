"""The four named datasets: digits (bundled with scikit-learn), MNIST, FashionMNIST and CIFAR-10 (torchvision)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ganexp.dataset.load import ImageSize, Name, NumImages, Reference, load
from ganexp.dataset.prepared import Source
from ganexp.dataset.sources import NUM_CLASSES, decode_cifar10, decode_digits, decode_idx
from ganexp.types import Dataset
from ganexp.types.errors import DataError

CIFAR10_TEST_IMAGES = 10_000
NAMES = ("cifar10", "digits", "fashion_mnist", "mnist")


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


def cifar10(
    *, root: Path, image_size: ImageSize = 32, num_images: NumImages | None = None, name: Name = "cifar10"
) -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test pictures, 32 x 32, RGB (Krizhevsky 2009).

    Where the prepared test split has fewer than 10,000 images, a fixed stratified tenth of the training images is
    held out instead.
    """
    source = _source("cifar10", name, partial(decode_cifar10, root), channels=3)
    tenth = "fixed stratified tenth of the training data (test split incomplete)"
    reference = Reference(CIFAR10_TEST_IMAGES, 0.1, fraction_origin=tenth)
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def _source(dataset: str, name: str, decode: Callable[[Path], Any], channels: int = 1) -> Source:
    """The source of a named dataset; DataError where `name` is another one's, whose files hold other images."""
    if name in NAMES and name != dataset:
        raise DataError(
            f"dataset.name: expected {dataset!r} or a name of your own, got that of another dataset: {name!r}"
        )
    return Source(name, name, decode, labelled=True, num_classes=NUM_CLASSES, channels=channels)
