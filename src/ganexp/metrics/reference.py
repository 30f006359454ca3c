"""The real images that samples are compared with: fixed halves of the reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.load import grouped, permutation
from ganexp.types import Dataset
from ganexp.types.errors import DataError


@dataclass(frozen=True)
class Halves:
    """Equally many images n of both halves of the reference."""

    a: NDArray[np.uint8]  # settings are chosen by half A
    b: NDArray[np.uint8]  # results are reported on half B
    labels_a: NDArray[np.int64] | None = None
    labels_b: NDArray[np.int64] | None = None


def halve(dataset: Dataset, num_samples: int) -> Halves:
    """Halves of min(num_samples, half the reference) images, always the same; DataError of fewer than 4 images."""
    count = len(dataset.reference)
    n = min(num_samples, count // 2)
    if n < 2:
        raise DataError(
            f"metrics, dataset {dataset.name}: expected at least 4 held-out images and metrics.num_samples of at least "
            f"2, got {count} ({dataset.reference_origin}) and {num_samples}; choose metrics=none"
        )
    indices_a, indices_b = (np.sort(indices[:n]) for indices in half_indices(dataset))
    a, b = dataset.reference[indices_a], dataset.reference[indices_b]
    if dataset.reference_labels is None:
        return Halves(a, b)
    labels = np.asarray(dataset.reference_labels)
    return Halves(a, b, labels[indices_a], labels[indices_b])


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
