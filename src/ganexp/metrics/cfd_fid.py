"""Fréchet distance between Gaussians fitted to features: cfd in the classifier's, rfd in random, fid in Inception's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ganexp.metrics.classifiers import classifier, why_none
from ganexp.metrics.inception import Inception, pool_features
from ganexp.metrics.metric import Estimate, ExtractorSource, ImageSet, Metric, ScoringContext
from ganexp.metrics.numerics import one_thread
from ganexp.metrics.random_features import random_features
from ganexp.types import Dataset
from ganexp.types.errors import DataError, Diverged


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian with mean (D,) and covariance factor^T factor, factor (K, D), K <= D; float64.

    The factor, not the covariance, is stored: it is as exact as the data, and may have any rank.
    """

    mean: Tensor
    factor: Tensor


def cfd() -> Metric:
    """Classifier Fréchet distance: comparable within ganexp only, for one dataset and one classifier."""
    return replace(_frechet("ganexp.metrics.frechet.cfd", classifier, lambda features: features), applies=why_none)


def rfd(*, always: bool = False) -> Metric:
    """Fréchet distance in features that no label trained; comparable within ganexp only, for one dataset.

    It is left out where there is cfd, unless `always`.
    """

    def applies(dataset: Dataset) -> str | None:
        if always or why_none(dataset) is not None:
            return None
        return f"{dataset.name} has labels, and so cfd; metrics.scores.rfd.always=true computes both"

    return replace(_frechet("ganexp.metrics.frechet.rfd", random_features, lambda features: features), applies=applies)


def fid(*, weights: Path | None = None) -> Metric:
    """Fréchet Inception distance (Heusel et al. 2017, equation 6); comparable at equal sample counts only."""
    return _frechet("ganexp.metrics.frechet.fid", Inception(weights), pool_features)


def _frechet(identity: str, extractor: ExtractorSource, select: Callable[[Tensor], Tensor]) -> Metric:
    """The distance in the part of the extractor's features (N, D) that `select` takes."""

    def compute(context: ScoringContext) -> Estimate:
        def fitted(images: ImageSet) -> Gaussian:
            return images.once(("gaussian", context.space), lambda: fit(select(context.features(images))))

        drawn, reference = fitted(context.generated), fitted(context.reference)
        distance = frechet_distance(drawn, reference)
        features = select(context.features(context.generated))
        return Estimate(distance, standard_error(features, reference, context.generated.labels))

    return Metric(compute, "minimise", extractor=extractor, id=identity)


def fit(features: Tensor) -> Gaussian:
    """The Gaussian with the sample mean and the sample covariance (N - 1) of features (N, D), N >= 2, in float64.

    With X the centred features, X / sqrt(N - 1) = Q R gives the covariance as R^T R.
    """
    if len(features) < 2:
        raise DataError(f"metrics.num_samples: expected at least 2 images, got {len(features)}")
    with one_thread():
        exact = features.to(torch.float64)
        mean = exact.mean(dim=0)
        factor = torch.linalg.qr((exact - mean) / (len(features) - 1) ** 0.5, mode="r").R
    return Gaussian(mean, factor)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians, >= 0 (Dowson and Landau 1982, equation 4).

    |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)). With C = R^T R the trace of the root is the sum of the singular
    values of R_a R_b^T, which needs no square root of a matrix, is real at every rank, and loses no digits.

    Raises:
        Diverged: a feature was not finite; max(0, NaN) would be the best distance there is.
    """
    if not all(values.isfinite().all() for values in (a.mean, a.factor, b.mean, b.factor)):
        raise Diverged("Fréchet distance: expected finite features, got NaN or infinite ones")
    with one_thread():
        means = (a.mean - b.mean).square().sum()
        traces = a.factor.square().sum() + b.factor.square().sum()
        root = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    return max(0.0, float(means + traces - 2 * root))


def standard_error(features: Tensor, reference: Gaussian, labels: Tensor | None = None) -> float:
    """Standard error of the distance from generated features (N, D) to `reference`, over draws of as many images.

    By the delta method: with T the optimal transport from the one Gaussian to the other, an image at d from the mean
    m_a moves the distance by (2 (m_a - m_b) d + d^T (I - T) d) / N. Where the images have `labels` (N,), these are
    drawn stratified, and only the spread within each label counts.
    """
    with one_thread():
        exact = features.to(torch.float64)
        mean = exact.mean(dim=0)
        away = exact - mean
        whitened, factor = torch.linalg.qr(away / (len(away) - 1) ** 0.5, mode="reduced")
        left, _, right = torch.linalg.svd(factor @ reference.factor.T, full_matrices=False)
        carried = (len(away) - 1) ** 0.5 * whitened @ left @ right @ reference.factor  # T d of each image
        moves = 2 * away @ (mean - reference.mean) + (away * (away - carried)).sum(dim=1)
        groups = torch.zeros(len(moves), dtype=torch.int64) if labels is None else labels.cpu().long()
        counts = torch.bincount(groups)
        means = torch.bincount(groups, weights=moves) / counts.clamp_min(1)
        free = max(1, len(moves) - int(counts.count_nonzero()))
        return float(((moves - means[groups]).square().sum() / free / len(moves)).sqrt())
