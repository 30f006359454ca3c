import numpy as np
from squares import sampler_of

from ganexp.metrics import Evaluator, nearest_neighbours
from ganexp.types import Dataset


def test_a_training_image_is_its_own_neighbour_and_classes_agree(digits: Dataset) -> None:
    evaluator = Evaluator(digits, {}, num_samples=100, objective=None)
    samples, neighbours = nearest_neighbours(evaluator, sampler_of(np.asarray(digits.train[40:50])), 8)
    assert samples.dtype == neighbours.dtype == np.uint8
    np.testing.assert_array_equal(samples, digits.train[40:48])
    np.testing.assert_array_equal(neighbours, digits.train[40:48])
    unseen, nearest = nearest_neighbours(evaluator, sampler_of(np.asarray(digits.reference)), 100)
    assert digits.train_labels is not None and digits.reference_labels is not None
    labels = {image.tobytes(): label for image, label in zip(digits.train, digits.train_labels, strict=True)}
    found = np.array([labels[image.tobytes()] for image in nearest])
    assert (found == digits.reference_labels[:100]).mean() > 0.95
    assert not (unseen == nearest).all()
