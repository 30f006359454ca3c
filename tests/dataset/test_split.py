from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ganexp.dataset.load import held_out, permutation


def test_permutation_is_one_and_never_changes() -> None:
    order = permutation(1000)
    assert np.array_equal(np.sort(order), np.arange(1000))
    assert permutation(8).tolist() == [4, 3, 0, 6, 5, 1, 7, 2]
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest().startswith("14db622eaa44cdc1")


@pytest.mark.parametrize(
    ("count", "fraction", "expected"), [(2, 0.01, 1), (2, 0.99, 1), (10, 0.1, 1), (1797, 0.5, 898)]
)
def test_held_out_count_is_exact_and_leaves_both_parts_something(count: int, fraction: float, expected: int) -> None:
    assert held_out(count, fraction, None).sum() == expected


def test_held_out_is_stratified() -> None:
    labels = np.repeat([2, 0, 1], [100, 300, 600]).astype(np.int64)
    mask = held_out(1000, 0.1, labels)
    assert np.bincount(labels[mask]).tolist() == [30, 60, 10]


def test_held_out_is_a_sample_not_every_nth() -> None:
    assert len(set(np.diff(np.flatnonzero(held_out(1000, 0.1, np.zeros(1000, np.int64)))))) > 5
