from dataclasses import replace

import numpy as np
import pytest
from squares import MakeDataset

from ganexp.metrics.reference import digest_of, half_indices, halve, permutation
from ganexp.types.errors import DataError


def test_the_permutation_is_fixed_for_all_time() -> None:
    assert permutation(12).tolist() == [4, 3, 0, 11, 6, 10, 5, 1, 8, 7, 9, 2]
    assert sorted(permutation(1000)) == list(range(1000))


def test_halves_are_equal_disjoint_and_stratified(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(reference=61)
    a, b = half_indices(dataset)
    assert sorted([*a, *b]) == list(range(61))
    assert dataset.reference_labels is not None
    for label in range(3):
        assert (
            abs(int((dataset.reference_labels[a] == label).sum()) - (dataset.reference_labels[b] == label).sum()) <= 1
        )
    halves = halve(dataset, 10_000)
    assert len(halves.a) == len(halves.b) == 30


def test_num_samples_bounds_both_halves(make_dataset: MakeDataset) -> None:
    halves = halve(make_dataset(), 7)
    assert len(halves.a) == len(halves.b) == 7


def test_fewer_samples_are_not_of_one_class_only(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(train=12, reference=300)
    assert dataset.reference_labels is not None
    a, _ = half_indices(dataset)
    assert set(dataset.reference_labels[a[:20]]) == {0, 1, 2}


def test_number_of_training_images_leaves_the_halves_as_they_are(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    fewer = replace(dataset, train=dataset.train[:40], fingerprint="other")
    assert digest_of(halve(dataset, 50).b) == digest_of(halve(fewer, 50).b)


def test_unlabelled_images_are_halved_too(make_dataset: MakeDataset) -> None:
    halves = halve(make_dataset(reference_labels=None), 10_000)
    assert len(halves.a) == len(halves.b) == 30


def test_too_few_images_are_refused(make_dataset: MakeDataset) -> None:
    with pytest.raises(DataError, match=r"at least 4 held-out images.*got 3 \(made for the test\).*metrics=none"):
        halve(make_dataset(reference=3), 100)


def test_digest_sees_shape_and_pixels() -> None:
    image = np.zeros((2, 1, 2, 2), np.uint8)
    changed = image.copy()
    changed[1, 0, 1, 1] = 1
    assert (
        len({digest_of(image), digest_of(changed), digest_of(image.reshape(1, 1, 2, 4)), digest_of(image, image)}) == 4
    )
