"""The Parzen-window log-likelihood of the first GAN paper: a historical replication, never an objective.

Images of k-means centroids score better than real images do (Theis et al. 2016), so nothing is chosen by it.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from torch import Tensor

from ganexp.metrics.metric import Estimate, Metric, ScoringContext
from ganexp.metrics.numerics import each_block, one_thread
from ganexp.types import Dataset

SIGMAS = np.logspace(-1, 0, 10).tolist()
TAIL, VALIDATION = 10_000, 1_000
BLOCK = 250


def parzen_ll(*, samples: Annotated[int, Ge(1), Le(100_000)] = 10_000) -> Metric:
    """Mean log-likelihood of the test images under Gaussian windows around generated ones, in nats per image.

    Protocol of Goodfellow et al. 2014, section 5 (after Breuleux et al. 2011): unquantised samples in [0, 1]; the
    window's sigma is the one of logspace(-1, 0, 10) with the highest mean on the first 1,000 of the last 10,000
    training images (of smaller training sets: the last fifth); then mean and standard error over the whole reference,
    both halves. The paper trained on the first 50,000 images of MNIST, `dataset.num_images=50000`; the 10,000 that
    sigma is chosen on are then the last of those. The floor is the same figure for as many training images, taken from
    those before the last 10,000.
    """

    def compute(context: ScoringContext) -> Estimate:
        return score((_flat(context.unquantised(samples)) + 1.0) / 2.0, context.dataset)

    def floor(context: ScoringContext) -> Estimate:
        return score(training_sample(context.dataset, samples), context.dataset)

    settings = {"samples": samples, "sigmas": [round(sigma, 6) for sigma in SIGMAS], "reference": "both halves"}
    identity = "ganexp.metrics.parzen.parzen_ll"
    return Metric(
        compute,
        "maximise",
        settings=settings,
        applies=_grey_only,
        floor=floor,
        may_choose=False,
        unquantised=samples,
        id=identity,
    )


def score(samples: Tensor, dataset: Dataset) -> Estimate:
    """The protocol for samples (M, D) in [0, 1], float64: sigma by the training tail, then the whole reference."""
    tail = dataset.train[len(dataset.train) - tail_length(dataset) :]
    validation = log_likelihoods(samples, _pixels(tail[:VALIDATION]), SIGMAS).mean(dim=1)
    sigma = SIGMAS[int(validation.argmax())]
    values = log_likelihoods(samples, _pixels(dataset.reference), [sigma])[0]
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def log_likelihoods(samples: Tensor, images: Tensor, sigmas: list[float]) -> Tensor:
    """Log density (len(sigmas), N) of images (N, D) under the mean of Gaussians around samples (M, D), in nats.

    log p(x) = logsumexp_m(-|x - s_m|^2 / (2 sigma^2)) - log M - D log(sigma sqrt(2 pi)), in float64.
    """
    count, dim = samples.shape
    with one_thread():
        norms = samples.square().sum(dim=1)

    def work(start: int) -> Tensor:
        rows = images[start : start + BLOCK]
        squares = torch.addmm(norms, rows, samples.T, alpha=-2.0).add_(rows.square().sum(dim=1, keepdim=True))
        squares.clamp_min_(0.0)
        sums = [(squares / (-2.0 * sigma**2)).logsumexp(dim=1) for sigma in sigmas]
        constants = [dim * math.log(sigma * math.sqrt(2.0 * math.pi)) for sigma in sigmas]
        return torch.stack([a - math.log(count) - b for a, b in zip(sums, constants, strict=True)])

    return torch.cat(each_block(work, len(images), BLOCK), dim=1)


def training_sample(dataset: Dataset, count: int) -> Tensor:
    """At most `count` fixed random training images, none of them from the tail: float64 (M, D) in [0, 1]."""
    head = len(dataset.train) - tail_length(dataset)
    chosen = np.sort(np.argsort(np.random.PCG64(TAIL).random_raw(head), kind="stable")[:count])
    return _pixels(dataset.train[chosen])


def tail_length(dataset: Dataset) -> int:
    """How many of the last training images sigma may be chosen on: 10,000, or a fifth of fewer than 50,000."""
    return min(TAIL, max(1, len(dataset.train) // 5))


def _grey_only(dataset: Dataset) -> str | None:
    channels = dataset.image_shape[0]
    return None if channels == 1 else f"defined for grey images, got {channels} channels"


def _pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, C, H, W) -> float64 (N, D) in [0, 1]."""
    return _flat(torch.from_numpy(np.array(images))) / 255.0


def _flat(images: Tensor) -> Tensor:
    return images.flatten(start_dim=1).to(torch.float64)
