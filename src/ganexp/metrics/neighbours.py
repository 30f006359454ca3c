"""Generated images beside the training images nearest to them, for a person to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganexp.files.pictures import to_uint8
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.evaluator import Evaluator
from ganexp.metrics.extractor import cached_features
from ganexp.metrics.manifold import nearest
from ganexp.types import Sampler


def nearest_neighbours(
    evaluator: Evaluator, sample: Sampler, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first `count` samples, and for each the nearest of all training images in the classifier's features.

    The features of the training images are computed once for each dataset and classifier.

    Args:
        evaluator: of the dataset.
        sample: n -> float32 (n, C, H, W) in [-1, 1].
        count: number of samples, at least 1.

    Returns:
        Samples and neighbours, both uint8 (count, C, H, W).

    Raises:
        DataError: the dataset has no classifier and no labels to train one.
        Diverged: a sample is not finite.
    """
    dataset, extractor = evaluator.dataset, evaluator.extractor(classifier)
    samples = to_uint8(sample(count))
    training = cached_features(extractor, dataset.train, dataset.cache_dir, dataset.fingerprint)
    _, positions = nearest(extractor.features(samples), training)
    return samples, np.array(dataset.train[positions.numpy()])
