"""The four named datasets: digits (bundled with scikit-learn), MNIST, FashionMNIST and CIFAR-10 (torchvision)."""

from __future__ import annotations

from pathlib import Path

from ganexp.dataset.load import Reference, load
from ganexp.dataset.parameters import ImageSize, Name, NumImages
from ganexp.dataset.prepared import Source
from ganexp.dataset.sources import NUM_CLASSES, decode_cifar10, decode_digits, decode_idx
from ganexp.types import Dataset
from ganexp.types.errors import DataError

CIFAR10_TEST_IMAGES = 10_000
NAMES = ("cifar10", "digits", "fashion_mnist", "mnist")


def digits(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "digits"
) -> Dataset:
    """The 1,797 handwritten digits (8 x 8, grey) that scikit-learn brings along: half to train on, half held out.

    Source: UCI "Optical Recognition of Handwritten Digits", test part. No network is needed.

    Args:
        root: data root.
        image_size: height and width, in pixels.
        num_images: use the first n training images; None: all.
        name: name of the dataset and of its prepared folder.

    Raises:
        DataError: the prepared files are damaged, too few images, or no place to write to.
    """
    _refuse_another(name, "digits")
    source = Source(name, name, decode_digits, labelled=True, num_classes=NUM_CLASSES, channels=1)
    half = Reference(None, 0.5, fraction_origin="fixed stratified half of the data")
    return load(source, half, root=root, image_size=image_size, num_images=num_images)


def mnist(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "mnist"
) -> Dataset:
    """MNIST: 60,000 training and 10,000 test digits, 28 x 28, grey (LeCun, Cortes and Burges 1998).

    Args:
        root: data root.
        image_size: height and width, in pixels.
        num_images: use the first n training images; None: all.
        name: name of the dataset and of its prepared folder.

    Raises:
        DataError: no data and no network, damaged files, too few images, or no place to write to.
    """
    _refuse_another(name, "mnist")
    source = _idx_source("MNIST", name, root)
    return load(source, Reference(), root=root, image_size=image_size, num_images=num_images)


def fashion_mnist(
    *, root: Path, image_size: ImageSize = 28, num_images: NumImages | None = None, name: Name = "fashion_mnist"
) -> Dataset:
    """FashionMNIST: 60,000 training and 10,000 test articles of clothing, 28 x 28, grey (Xiao et al. 2017).

    Args:
        root: data root.
        image_size: height and width, in pixels.
        num_images: use the first n training images; None: all.
        name: name of the dataset and of its prepared folder.

    Raises:
        DataError: no data and no network, damaged files, too few images, or no place to write to.
    """
    _refuse_another(name, "fashion_mnist")
    source = _idx_source("FashionMNIST", name, root)
    return load(source, Reference(), root=root, image_size=image_size, num_images=num_images)


def cifar10(
    *, root: Path, image_size: ImageSize = 32, num_images: NumImages | None = None, name: Name = "cifar10"
) -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test pictures, 32 x 32, RGB (Krizhevsky 2009).

    Where the prepared test split has fewer than 10,000 images, a fixed stratified tenth of the training images is
    held out instead.

    Args:
        root: data root.
        image_size: height and width, in pixels.
        num_images: use the first n training images; None: all.
        name: name of the dataset and of its prepared folder.

    Raises:
        DataError: no data and no network, damaged files, too few images, or no place to write to.
    """
    _refuse_another(name, "cifar10")
    source = Source(
        name, name, lambda home: decode_cifar10(root, home), labelled=True, num_classes=NUM_CLASSES, channels=3
    )
    tenth = "fixed stratified tenth of the training data (test split incomplete)"
    reference = Reference(CIFAR10_TEST_IMAGES, 0.1, fraction_origin=tenth)
    return load(source, reference, root=root, image_size=image_size, num_images=num_images)


def _refuse_another(name: str, own: str) -> None:
    """DataError where a dataset would be prepared under the name of another one, which then held the wrong images."""
    if name in NAMES and name != own:
        raise DataError(f"dataset.name: expected {own!r} or a name of your own, got that of another dataset: {name!r}")


def _idx_source(torchvision_name: str, name: str, root: Path) -> Source:
    return Source(
        name,
        name,
        lambda home: decode_idx(torchvision_name, root, home),
        labelled=True,
        num_classes=NUM_CLASSES,
        channels=1,
    )
