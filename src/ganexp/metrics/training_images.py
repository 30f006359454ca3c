"""Are generated images copies of training images? As a number, and as pictures."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.files.png import to_uint8
from ganexp.metrics.evaluator import Evaluator
from ganexp.metrics.extractor import Extractor, cached_features
from ganexp.metrics.metric import ImageSet, Metric, ScoringContext
from ganexp.metrics.precision_recall import nearest, nearest_distances
from ganexp.metrics.random_features import classifier_or_random
from ganexp.types import Dataset, Sampler

NEIGHBOURS = 50  # nearest training images whose mean distance says how densely they lie there

COPY = 0.5  # a copy lies nearer to a training image than this share of what is the median for unseen real images

FREQUENCIES = 4  # periods across the image; higher ones tell noise more than content


def memorization() -> Metric:
    """Share of generated images that are copies of training images; unseen real images: 0, verbatim copies: 1.

    Of each image: the distance to the nearest of all training images, over the mean distance to the 50 nearest (as in
    Carlini et al. 2023). It is a copy where that ratio is below half the median ratio of the real images
    that it is compared with, which nobody trained on. Their own share s of such images is taken off: (share - s) /
    (1 - s). Images are compared by the amplitudes of their low spatial frequencies, which shifts and faint noise hardly
    change; no classifier and no labels are needed.
    """

    def compute(context: ScoringContext) -> float:
        unseen = _ratios(context, context.reference)
        return excess_of_copies(_ratios(context, context.generated), unseen)

    identity = "ganexp.metrics.copies.memorization"
    return Metric(compute, "minimise", extractor=spectrum, id=identity)


def spectrum(dataset: Dataset, device: torch.device) -> Extractor:
    """Amplitudes of each channel's spatial frequencies up to 4 periods across the image, the mean left out.

    The amplitudes of the discrete Fourier transform are the same for an image that is shifted and wraps around.
    """
    channels, height, width = dataset.image_shape
    most = min(FREQUENCIES, (min(height, width) - 1) // 2)
    rows = torch.arange(-most, most + 1, device=device)

    def amplitudes(images: Tensor) -> Tensor:
        spectra = torch.fft.rfft2(images.float(), norm="ortho").abs()[..., rows, : most + 1]
        spectra[..., most, 0] = 0.0
        flat: Tensor = spectra.flatten(1)
        return flat

    digest = hashlib.sha256(f"spectrum {most}".encode()).hexdigest()
    return Extractor("spectrum", digest, amplitudes, channels * len(rows) * (most + 1), device=device)


def nearness(points: Tensor, training: Tensor) -> Tensor:
    """Ratios float64 (M,) in [0, 1], 0 at a training point.

    The distance from points (M, D) to the nearest of training (N, D), over the mean to the `NEIGHBOURS` nearest.
    """
    distances = nearest_distances(points, training, NEIGHBOURS)
    return distances[:, 0] / distances.mean(dim=1).clamp_min(torch.finfo(torch.float64).tiny)


def excess_of_copies(ratios: Tensor, unseen: Tensor) -> float:
    """Share of `ratios` (M,) below `COPY` medians of `unseen` (N,), which counts as 0 where it is as among unseen.

    At most half of `unseen` lie below, so the result is within [-1, 1].
    """
    limit = COPY * unseen.median()
    share, expected = (float((values < limit).double().mean()) for values in (ratios, unseen))
    return (share - expected) / (1 - expected)


def _ratios(context: ScoringContext, images: ImageSet) -> Tensor:
    return images.once(
        ("nearness", context.space), lambda: nearness(*map(context.features, (images, context.training)))
    )


def nearest_neighbours(
    evaluator: Evaluator, sample: Sampler, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first `count` samples, and for each the nearest of all training images, in the same features.

    The features are computed once for each dataset and extractor.
    """
    dataset, extractor = evaluator.dataset, evaluator.extractor(classifier_or_random)
    samples = to_uint8(sample(count))
    training = cached_features(extractor, dataset.train, dataset.cache_dir, dataset.fingerprint)
    _, positions = nearest(extractor.features(samples), training)
    return samples, np.array(dataset.train[positions.numpy()])
