"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), block by block.

All four see a set of images as the union of balls around its feature vectors, each reaching to the vector's k-th
nearest neighbour in the same set. Distances are Euclidean, in float64. Balls are open, as in the authors' package
`prdc`: a point at the radius, or a copy of an image that k others equal, is outside. Features that are not finite raise
Diverged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from ganexp.metrics.metric import ImageSet, Metric, ScoringContext
from ganexp.metrics.numerics import each_block, one_thread
from ganexp.metrics.random_features import classifier_or_random
from ganexp.types.errors import DataError, Diverged

BLOCK = 500  # rows of distances at a time, fewer against more than 10,000 images: 40 MB for each thread

TIE = 1e-11  # squared distances are equal within this share of the squared norms; rounding stays below 1e-13

Neighbours = Annotated[int, Gt(0), Lt(2**31)]


class Balls(NamedTuple):
    """A set of images as balls around its feature vectors."""

    centres: Tensor  # (N, D)
    squared_radii: Callable[[], Tensor]  # (N,), computed once for each set


def precision(*, k: Neighbours = 3) -> Metric:
    """Share of generated images within the real manifold (Kynkäänniemi et al. 2019, equations 1 and 2)."""
    return _metric("precision", k, lambda real, fake: share_inside(fake.centres, real.centres, real.squared_radii()))


def recall(*, k: Neighbours = 3) -> Metric:
    """Share of real images within the generated manifold (Kynkäänniemi et al. 2019, equations 1 and 2)."""
    return _metric("recall", k, lambda real, fake: share_inside(real.centres, fake.centres, fake.squared_radii()))


def density(*, k: Neighbours = 5) -> Metric:
    """How many real balls hold a generated image, on average, over k (Naeem et al. 2020, equation 3)."""
    return _metric("density", k, lambda real, fake: balls_around(fake.centres, real.centres, real.squared_radii()) / k)


def coverage(*, k: Neighbours = 5) -> Metric:
    """Share of real balls that hold a generated image (Naeem et al. 2020, equation 4)."""
    return _metric(
        "coverage", k, lambda real, fake: share_of_balls_hit(fake.centres, real.centres, real.squared_radii())
    )


def _metric(name: str, k: int, measure: Callable[[Balls, Balls], float]) -> Metric:
    def compute(context: ScoringContext) -> float:
        def balls(images: ImageSet) -> Balls:
            features = context.features(images)
            return Balls(features, lambda: images.once(("radii", k, context.space), lambda: squared_radii(features, k)))

        return measure(balls(context.reference), balls(context.generated))

    identity = f"ganexp.metrics.manifold.{name}"
    return Metric(compute, "maximise", extractor=classifier_or_random, settings={"k": k}, id=identity)


def squared_radii(points: Tensor, k: int) -> Tensor:
    """Squared distances float64 (N,) from points (N, D) to their k-th nearest other point; DataError if N <= k."""
    if len(points) <= k:
        raise DataError(
            f"metrics.num_samples: expected more than k={k} images, got {len(points)} for k-th nearest neighbours"
        )
    points = _centred(points, points)
    norms = points.square().sum(dim=1)

    def work(start: int) -> Tensor:
        rows = slice(start, start + BLOCK)
        block = torch.addmm(norms, points[rows], points.T, alpha=-2.0)  # squared distances less the row's own norm
        block.diagonal(start).fill_(torch.inf)
        return block.topk(k, dim=1, largest=False).values[:, -1] + norms[rows]

    return torch.cat(each_block(work, len(points), BLOCK)).clamp_min_(0.0)


def share_inside(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of points (M, D) that lie in any ball around centres (N, D) with squared radii (N,)."""
    inside = _excess(points, centres, radii, lambda excess: (excess.amin(dim=1) < 0).sum(), TIE)
    return int(torch.stack(inside).sum()) / len(points)


def balls_around(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Mean number of balls around centres (N, D) with squared radii (N,) that a point of points (M, D) lies in."""
    pairs = _excess(points, centres, radii, lambda excess: (excess < 0).count_nonzero(), TIE)
    return int(torch.stack(pairs).sum()) / len(points)


def share_of_balls_hit(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of the balls around centres (N, D) with squared radii (N,) that hold any of points (M, D)."""
    closest = _excess(points, centres, radii, lambda excess: excess.amin(dim=0), TIE)
    return int((torch.stack(closest).amin(dim=0) < 0).sum()) / len(centres)


def nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """For each of points (M, D) its nearest of others (N, D): squared distances float64 (M,), positions int64 (M,)."""
    blocks = _excess(points, others, torch.zeros(len(others)), lambda squares: torch.stack(squares.min(dim=1)))
    squares, positions = torch.cat(blocks, dim=1)
    return squares.clamp_min(0.0), positions.long()


def nearest_distances(points: Tensor, others: Tensor, k: int) -> Tensor:
    """Distances float64 (M, min(k, N)), rising, from each of points (M, D) to its k nearest of others (N, D)."""
    k = min(k, len(others))
    zeros = torch.zeros(len(others))
    blocks = _excess(points, others, zeros, lambda squares: squares.topk(k, dim=1, largest=False).values)
    return torch.cat(blocks).clamp_min(0.0).sqrt()


def _excess(
    points: Tensor, centres: Tensor, radii: Tensor, reduce: Callable[[Tensor], Tensor], tie: float = 0.0
) -> list[Tensor]:
    """`reduce` of each block (rows, N) of squared distances from points to centres, less the squared radii.

    Each value is raised by `tie` times the squared norms, so that equal ones are not below 0 by rounding.
    """
    points, centres = _centred(points, centres), _centred(centres, centres)
    offsets = centres.square().sum(dim=1) * (1 + tie) - radii
    size = min(BLOCK, max(1, BLOCK * 10_000 // len(centres)))

    def work(start: int) -> Tensor:
        rows = points[start : start + size]
        block = torch.addmm(offsets, rows, centres.T, alpha=-2.0)
        return reduce(block.add_(rows.square().sum(dim=1, keepdim=True) * (1 + tie)))

    return each_block(work, len(points), size)


def _centred(points: Tensor, others: Tensor) -> Tensor:
    """Points (M, D) in float64 less the mean of others (N, D): squares of small numbers lose fewer digits."""
    with one_thread():
        centred = points.to(torch.float64) - others.to(torch.float64).mean(dim=0)
    if not centred.isfinite().all():
        raise Diverged("distances between features: expected finite ones, got NaN or infinite ones")
    return centred
