"""The real images that samples are judged by: two fixed halves of the reference, and a fixed part of training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.split import grouped, permutation
from ganexp.types import Dataset
from ganexp.types.errors import DataError


@dataclass(frozen=True)
class Halves:
    """Equally many images of both halves of the reference, and as many training images where there are so many.

    Attributes:
        a, b: uint8 (n, C, H, W): settings are chosen by half A, results are reported on half B.
        training: uint8 (min(n, N), C, H, W): a random subset of the training images.
        labels_a, labels_b: int64 (n,), where the data has labels.
    """

    a: NDArray[np.uint8]
    b: NDArray[np.uint8]
    training: NDArray[np.uint8]
    labels_a: NDArray[np.int64] | None = None
    labels_b: NDArray[np.int64] | None = None


def halve(dataset: Dataset, num_samples: int) -> Halves:
    """Split the reference in two halves of min(num_samples, half of it) images: the same ones every time.

    Raises:
        DataError: fewer than 4 reference images, which make halves of fewer than 2.
    """
    count = len(dataset.reference)
    n = min(num_samples, count // 2)
    if n < 2:
        raise DataError(
            f"metrics, dataset {dataset.name}: expected at least 4 held-out images and metrics.num_samples of at least "
            f"2, got {count} ({dataset.reference_origin}) and {num_samples}; choose metrics=none"
        )
    indices_a, indices_b = (np.sort(indices[:n]) for indices in half_indices(dataset))
    a, b = dataset.reference[indices_a], dataset.reference[indices_b]
    training = dataset.train[np.sort(permutation(len(dataset.train))[:n])]
    if dataset.reference_labels is None:
        return Halves(a, b, training)
    labels = np.asarray(dataset.reference_labels)
    return Halves(a, b, training, labels[indices_a], labels[indices_b])


def digest_of(*arrays: NDArray[np.uint8]) -> str:
    """Hex SHA-256 of shapes and pixels."""
    state = hashlib.sha256()
    for array in arrays:
        state.update(str(array.shape).encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()


def half_indices(dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the two halves, each in random order; stratified by label: of each class every other image."""
    order = permutation(len(dataset.reference))
    in_a = np.isin(order, grouped(order, dataset.reference_labels)[::2])
    return order[in_a], order[~in_a]
