"""Do generated images lie nearer to training images than other real images do? As a number, and as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ganexp.files.png import to_uint8
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.evaluator import Evaluator
from ganexp.metrics.extractor import cached_features
from ganexp.metrics.metric import ImageSet, Metric, ScoringContext
from ganexp.metrics.precision_recall import nearest
from ganexp.types import Sampler


def memorization() -> Metric:
    """How much nearer generated images are to the training data than real images are; 0: no nearer, up to 1.

    The share of generated images that are nearer to training images than to unseen real ones, less the same share for
    unseen real images (those of the half that is reported on). Neighbours are nearest in the classifier's features,
    among a fixed random subset of the training images and as many images of the other half of the reference.
    """

    def compute(context: ScoringContext) -> float:
        return _share(context, context.generated, context.other) - _real_share(context)

    def floor(context: ScoringContext) -> float:
        # The other half in the generator's place: its neighbours are sought among the reported half.
        return _share(context, context.other, context.reference) - _real_share(context)

    identity = "ganexp.metrics.copies.memorization"
    return Metric(compute, "minimise", extractor=classifier, floor=floor, id=identity)


def nearer_share(points: Tensor, training: Tensor, unseen: Tensor) -> float:
    """Share of points (M, D) that are nearer to training (N, D) than to unseen (N, D); a tie counts half."""
    count = min(len(training), len(unseen))
    to_training = nearest(points, training[:count])[0]
    to_unseen = nearest(points, unseen[:count])[0]
    nearer = (to_training < to_unseen).double() + 0.5 * (to_training == to_unseen).double()
    return float(nearer.sum()) / len(points)


def _share(context: ScoringContext, images: ImageSet, unseen: ImageSet) -> float:
    return nearer_share(*map(context.features, (images, context.training, unseen)))


def _real_share(context: ScoringContext) -> float:
    return context.reference.once("nearer to training", lambda: _share(context, context.reference, context.other))


def nearest_neighbours(
    evaluator: Evaluator, sample: Sampler, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first `count` samples, and for each the nearest of all training images, in the classifier's features.

    The features are computed once for each dataset and classifier.
    """
    dataset, extractor = evaluator.dataset, evaluator.extractor(classifier)
    samples = to_uint8(sample(count))
    training = cached_features(extractor, dataset.train, dataset.cache_dir, dataset.fingerprint)
    _, positions = nearest(extractor.features(samples), training)
    return samples, np.array(dataset.train[positions.numpy()])
