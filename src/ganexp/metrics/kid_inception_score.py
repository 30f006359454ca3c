"""Kernel Inception distance and Inception score, through torchmetrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le
from torch import nn

from ganexp.files.drawing import import_matplotlib
from ganexp.metrics.inception import Inception, logits, pool_features, quiet
from ganexp.metrics.metric import Metric, ScoringContext
from ganexp.metrics.numerics import one_thread, seeded

SUBSET_SEED = 20140610


def kid(
    *,
    subsets: Annotated[int, Gt(0), Le(10_000)] = 100,
    subset_size: Annotated[int, Ge(2), Le(100_000)] = 1000,
    weights: Path | None = None,
) -> Metric:
    """Kernel Inception distance (Binkowski et al. 2018): unbiased MMD^2 with a cubic kernel, mean over random subsets.

    Fewer images than `subset_size` make one subset of all of them.
    """

    def compute(context: ScoringContext) -> float:
        import_matplotlib()  # which torchmetrics imports
        from torchmetrics.image.kid import KernelInceptionDistance

        size = min(subset_size, len(context.reference))
        with quiet():
            metric = KernelInceptionDistance(nn.Identity(), subsets=subsets, subset_size=size)
        metric.update(pool_features(context.features(context.reference)).double(), real=True)
        metric.update(pool_features(context.features(context.generated)).double(), real=False)
        with seeded(SUBSET_SEED), one_thread(), quiet():
            return float(metric.compute()[0])

    identity, settings = "ganexp.metrics.inception.kid", {"subsets": subsets, "subset_size": subset_size}
    return Metric(compute, "minimise", extractor=Inception(weights), settings=settings, id=identity)


def inception_score(*, splits: Annotated[int, Gt(0), Le(10_000)] = 10, weights: Path | None = None) -> Metric:
    """Inception score (Salimans et al. 2016, section 4): exp(mean KL(p(y|x) || p(y))), mean over splits."""

    def compute(context: ScoringContext) -> float:
        import_matplotlib()  # which torchmetrics imports
        from torchmetrics.image.inception import InceptionScore

        with quiet():
            metric = InceptionScore(nn.Identity(), splits=splits)
        metric.update(logits(context.features(context.generated)).double())
        with seeded(SUBSET_SEED), one_thread(), quiet():
            return float(metric.compute()[0])

    identity = "ganexp.metrics.inception.inception_score"
    return Metric(compute, "maximise", extractor=Inception(weights), settings={"splits": splits}, id=identity)
