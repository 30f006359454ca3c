"""The evaluator: prepares everything before training, then scores generators during and after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.errors import ConfigError
from ganexp.metrics.extractor import Extractor, cached_features
from ganexp.metrics.metric import ExtractorSource, ImageSet, Metric, ScoringContext, columns_of, value_of
from ganexp.metrics.protocol import describe
from ganexp.metrics.reference import digest_of, halve
from ganexp.pictures import to_uint8
from ganexp.types import Dataset, ImageShape, Sampler, Scores

log = logging.getLogger("ganexp")


class _Real(NamedTuple):
    """The real images: reported by half b, chosen by half a; and a part of the training images."""

    a: ImageSet
    b: ImageSet
    training: ImageSet


class Evaluator:
    """Scores a generator against the reference of one dataset.

    Nothing is read, trained or downloaded before `prepare`.

    Args:
        dataset: the images.
        metrics: column -> metric; may be empty.
        num_samples: generated images to score, at most (`metrics.num_samples`); the halves of the reference bound it.
        objective: the column that settings are chosen by; None: nothing is chosen.
        device: where feature extractors run.

    Attributes:
        metrics: column -> metric, without those left out.
        left_out: column -> why the metric does not apply to the dataset.
        floors: column -> the same metric between half B and half A; filled by `prepare`.
        provenance: how values are made; filled by `prepare`.

    Raises:
        ConfigError: `objective` is no column, or one by which nothing may be chosen.
    """

    def __init__(
        self,
        dataset: Dataset,
        metrics: Mapping[str, Metric],
        *,
        num_samples: int,
        objective: str | None,
        device: torch.device | str = "cpu",
    ) -> None:
        check_objective(metrics, objective)
        self.dataset = dataset
        self.left_out = {n: reason for n, metric in metrics.items() if (reason := metric.applies(dataset)) is not None}
        self.metrics = {name: metric for name, metric in metrics.items() if name not in self.left_out}
        self.objective = objective if objective in self.metrics else None
        self.device = torch.device(device)
        self.floors: dict[str, float] = {}
        self.provenance: dict[str, Any] = {}
        self._num_samples = num_samples
        self._extractors: dict[ExtractorSource, Extractor] = {}
        self._real: _Real | None = None

    @property
    def columns(self) -> list[str]:
        """Every column that `evaluate` gives, in its order; complete once `prepare` has run."""
        return [*self.floors, *([f"{self.objective}_half_a"] if self.objective else [])]

    def prepare(self) -> None:
        """Load, train and cache all that scoring needs, and compute the floors; a second call does nothing.

        Raises:
            DataError: a metric cannot be had for this dataset on this machine; says what to use instead.
        """
        if self.provenance:
            return
        for name, reason in self.left_out.items():
            log.info("metric %s left out: %s", name, reason)
        if self.metrics:
            halves = halve(self.dataset, self._num_samples)
            for metric in self.metrics.values():
                self._extractor_of(metric)
            self._real = _Real(*(self._cached(images) for images in (halves.a, halves.b, halves.training)))
            self.floors = self._floors(self._real)
        self.provenance = self._describe()

    def evaluate(self, sample: Sampler) -> Scores:
        """Score the generator behind `sample`.

        Args:
            sample: n -> float32 (n, C, H, W) in [-1, 1]; deterministic and prefix-stable.

        Returns:
            Values on half B, and `<objective>_half_a`; floors; provenance.

        Raises:
            Diverged: an image or a value is not finite.
        """
        self.prepare()
        if self._real is None:
            return Scores({}, {}, self.provenance)
        a, b, _ = self._real
        unquantised = _Remembered(sample, self.dataset.image_shape)
        generated = ImageSet(to_uint8(unquantised(len(b))))
        values: dict[str, float] = {}
        for name, metric in self.metrics.items():
            values |= columns_of(name, metric.compute(self._context(metric, generated, b, a, unquantised)))
        if self.objective is not None:
            metric = self.metrics[self.objective]
            chosen_by = metric.compute(self._context(metric, generated, a, b, unquantised))
            values |= {f"{self.objective}_half_a": value_of(self.objective, chosen_by)}
        return Scores(values, dict(self.floors), self.provenance)

    def extractor(self, source: ExtractorSource) -> Extractor:
        """The extractor that `source` gives for this dataset, loaded (and trained or downloaded) once."""
        if source not in self._extractors:
            self._extractors[source] = source(self.dataset, self.device)
        return self._extractors[source]

    def _extractor_of(self, metric: Metric) -> Extractor | None:
        return None if metric.extractor is None else self.extractor(metric.extractor)

    def _floors(self, real: _Real) -> dict[str, float]:
        """Each metric between half B and the equally many real images of half A."""
        floors: dict[str, float] = {}
        for name, metric in self.metrics.items():
            context = self._context(metric, real.a, real.b, real.a, lambda count: _as_generated(real.a, count))
            floors |= columns_of(name, (metric.floor or metric.compute)(context))
        return floors

    def _describe(self) -> dict[str, Any]:
        a, b, _ = self._real or (None, None, None)
        count, digest = (0, "") if a is None or b is None else (len(b), digest_of(a.images, b.images))
        pairs = {name: (metric, self._extractor_of(metric)) for name, metric in self.metrics.items()}
        labelled = self.dataset.reference_labels is not None
        return {
            "num_samples": count,
            "num_samples_asked": self._num_samples,
            "reported_on": "half B",
            "chosen_on": "half A",
            "reference": {
                "origin": self.dataset.reference_origin,
                "images": len(self.dataset.reference),
                "halves": "fixed, stratified by label" if labelled else "fixed, at random",
                "digest": digest,
            },
            "left_out": self.left_out,
            **describe(pairs, self.objective, count, digest),
        }

    def _context(
        self,
        metric: Metric,
        generated: ImageSet,
        reference: ImageSet,
        other: ImageSet,
        unquantised: Callable[[int], Tensor],
    ) -> ScoringContext:
        assert self._real is not None
        training, extractor = self._real.training, self._extractor_of(metric)
        return ScoringContext(generated, reference, other, training, self.dataset, unquantised, extractor)

    def _cached(self, images: NDArray[np.uint8]) -> ImageSet:
        """Real images whose features are kept in the dataset's cache."""
        key, folder = digest_of(images), self.dataset.cache_dir
        return ImageSet(images, lambda extractor, pixels: cached_features(extractor, pixels, folder, key))


def check_objective(metrics: Mapping[str, Metric], objective: str | None) -> None:
    """Raise ConfigError unless `objective` is None or a column by which settings may be chosen."""
    if objective is None:
        return
    choices = ", ".join(name for name, metric in metrics.items() if metric.may_choose) or "null"
    if objective not in metrics:
        raise ConfigError(f"metrics.objective: expected one of {choices}, got {objective!r}")
    if not metrics[objective].may_choose:
        raise ConfigError(
            f"metrics.objective: {objective!r} is reported but nothing may be chosen by it: expected one of {choices}"
        )


class _Remembered:
    """A sampler that keeps its longest answer: shorter ones are its beginning."""

    def __init__(self, sample: Sampler, image_shape: ImageShape) -> None:
        self._sample, self._shape, self._longest = sample, image_shape, torch.empty(0, *image_shape)

    def __call__(self, count: int) -> Tensor:
        if count > len(self._longest):
            images = self._sample(count).detach().cpu()
            if images.shape != (count, *self._shape):
                raise ValueError(f"sampler: expected images {(count, *self._shape)}, got {tuple(images.shape)}")
            self._longest = images
        return self._longest[:count]


def _as_generated(images: ImageSet, count: int) -> Tensor:
    """Real images as a generator would give them: float32 in [-1, 1]; at most `count` of them."""
    return torch.from_numpy(images.images[:count]).to(torch.float32) / 127.5 - 1.0
