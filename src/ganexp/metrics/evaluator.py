"""The evaluator: prepares everything before training, then scores generators during and after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.config.own_code import own_line
from ganexp.files.png import to_float, to_uint8
from ganexp.metrics.classifiers import LEAST_ACCURACY, LEAST_OVER_CHANCE, classifier, is_trained_first, is_weak
from ganexp.metrics.extractor import Extractor, cached_features
from ganexp.metrics.metric import ExtractorSource, ImageSet, Metric, ScoringContext, columns_of, value_of
from ganexp.metrics.protocol import describe
from ganexp.metrics.random_features import TRAINED, random_features
from ganexp.metrics.reference import digest_of, halve
from ganexp.types import Dataset, ImageShape, LabelledSampler, Sampler, Scores
from ganexp.types.errors import ConfigError, Diverged, Refused

log = logging.getLogger("ganexp")

DEFAULT_OBJECTIVES = ("cfd", "rfd")  # with labels, and without


class Evaluator:
    """Scores a generator against the reference of one dataset.

    Nothing is read, trained or downloaded before `prepare`, which fills the floors (column -> the same metric between
    half B and half A) and the provenance (how values are made). The halves of the reference bound `num_samples`.
    `metrics` may be empty; those that do not apply to the dataset are in `left_out`, with the reason. `objective` is
    the column that settings are chosen by; None: as in `choose_objective`. Feature extractors run on `device`.

    Raises:
        ConfigError: as of `choose_objective`.
    """

    def __init__(
        self,
        dataset: Dataset,
        metrics: Mapping[str, Metric],
        *,
        num_samples: int,
        objective: str | None,
        device: torch.device | str = "cpu",
        conditional: bool = False,
    ) -> None:
        self.dataset = dataset
        self.left_out = left_out(metrics, dataset, conditional=conditional)
        self.metrics = {name: metric for name, metric in metrics.items() if name not in self.left_out}
        self.objective = choose_objective(metrics, objective, self.left_out)
        self.marked: dict[str, str] = {}  # columns whose values say little, and why
        self._all, self._asked = metrics, objective
        self.device = torch.device(device)
        self.floors: dict[str, float] = {}
        self.provenance: dict[str, Any] = {}
        self._num_samples = num_samples
        self._extractors: dict[ExtractorSource, Extractor] = {}
        self._floors: dict[str, dict[str, float]] = {}
        self._real: ScoringContext | None = None  # half A in the generator's place, against half B

    @property
    def columns(self) -> list[str]:
        """Every column that `evaluate` gives, in its order; complete once `prepare` has run."""
        return [*self.floors, *([f"{self.objective}_half_a"] if self.objective else [])]

    def prepare(self) -> None:
        """Load, train and cache all that scoring needs, and compute the floors; a second call does nothing.

        DataError where a metric cannot be computed for this dataset on this machine; it says what to use instead.
        """
        self._prepare(self.metrics)
        if not self.provenance:
            self._heed_accuracy()
            self._prepare(self.metrics)
            for name, reason in self.left_out.items():
                log.info("metric %s left out: %s", name, reason)
            self.floors = {column: floor for name in self.metrics for column, floor in self._floors[name].items()}
            self.provenance = self._describe()

    def check(self) -> None:
        """As `prepare`, but where a classifier would be trained first, the metrics that need it wait for `prepare`."""
        waiting = TRAINED if is_trained_first(self.dataset) else ()
        ready = {name: metric for name, metric in self.metrics.items() if metric.extractor not in waiting}
        if len(ready) == len(self.metrics):
            return self.prepare()
        self._prepare(ready)
        if self._real is not None:  # in other features, as those of a stand-in: is there enough of everything?
            stand_in = self.extractor(random_features)
            for name in self.metrics.keys() - ready.keys():
                _floor(name, self.metrics[name], replace(self._real, extractor=stand_in))

    def _prepare(self, metrics: Mapping[str, Metric]) -> None:
        halves = halve(self.dataset, self._num_samples) if self.metrics and self._real is None else None
        for metric in metrics.values():
            self._extractor_of(metric)
        if halves is not None:
            a, b = self._cached(halves.a, halves.labels_a), self._cached(halves.b, halves.labels_b)
            training = self._cached(self.dataset.train, key=self.dataset.fingerprint)

            def real_samples(count: int) -> Tensor:
                return to_float(torch.from_numpy(a.images[:count]))

            self._real = ScoringContext(a, b, a, training, self.dataset, real_samples)
        for name, metric in metrics.items():
            if name not in self._floors and self._real is not None:
                self._floors[name] = _floor(name, metric, self._in_space(metric, self._real))

    def _heed_accuracy(self) -> None:
        """Mark cfd, and choose by rfd instead, where the classifier is right too seldom."""
        details = self._extractors[classifier].details if classifier in self._extractors else {}
        share, classes = float(details.get("test_accuracy", 1.0)), self.dataset.num_classes or 1
        if "cfd" not in self.metrics or not is_weak(share, classes):
            return
        least = max(LEAST_ACCURACY, LEAST_OVER_CHANCE / classes)
        right = f"its classifier of {classes} classes is right for {share:.0%} of held-out images, under {least:.0%}"
        self.marked["cfd"] = right
        if self._asked is None and "rfd" in self._all:
            del self.left_out["rfd"]
            self.metrics = {name: metric for name, metric in self._all.items() if name not in self.left_out}
            self.objective = "rfd"
        log.warning("cfd says little of %s: %s; chosen by %s", self.dataset.name, right, self.objective)

    def evaluate(self, sample: Sampler) -> Scores:
        """Score the generator behind `sample`; DataError as of `prepare`, Diverged if a value is not finite."""
        self.prepare()
        if self._real is None:
            return Scores({}, {}, self.provenance)
        unquantised = _Remembered(sample, self.dataset.image_shape)
        count = len(self._real.reference)
        labels = sample.labels(count) if isinstance(sample, LabelledSampler) else None
        generated = ImageSet(to_uint8(unquantised(count)), labels=labels)
        on_b = replace(self._real, generated=generated, unquantised=unquantised)
        values: dict[str, float] = {}
        for name, metric in self.metrics.items():
            values |= columns_of(name, metric.compute(self._in_space(metric, on_b)))
        if self.objective is not None:
            metric, on_a = self.metrics[self.objective], replace(on_b, reference=on_b.other, other=on_b.reference)
            value = metric.compute(self._in_space(metric, on_a))
            values[f"{self.objective}_half_a"] = value_of(self.objective, value)
        return Scores(values, dict(self.floors), self.provenance)

    def report(self, redrawn: Sampler, curve: Scores) -> Scores:
        """Scores of `redrawn`, another draw of the generator that `curve` is of; raises as `evaluate` does.

        The objective's value on half A, by which settings are chosen, stays that of `curve`.
        """
        scores, chosen_by = self.evaluate(redrawn), f"{self.objective}_half_a"
        kept = {column: value for column, value in curve.values.items() if column == chosen_by}
        return replace(scores, values={**scores.values, **kept})

    def extractor(self, source: ExtractorSource) -> Extractor:
        """The extractor that `source` gives for this dataset, loaded (and trained or downloaded) once."""
        if source not in self._extractors:
            self._extractors[source] = source(self.dataset, self.device)
        return self._extractors[source]

    def _extractor_of(self, metric: Metric) -> Extractor | None:
        return None if metric.extractor is None else self.extractor(metric.extractor)

    def _in_space(self, metric: Metric, context: ScoringContext) -> ScoringContext:
        return replace(context, extractor=self._extractor_of(metric))

    def _describe(self) -> dict[str, Any]:
        a, b = (self._real.other, self._real.reference) if self._real else (None, None)
        count, digest = (0, "") if a is None or b is None else (len(b), digest_of(a.images, b.images))
        pairs = {name: (metric, self._extractor_of(metric)) for name, metric in self.metrics.items()}
        labelled = self.dataset.reference_labels is not None
        return {
            "num_samples": count,
            "num_samples_asked": self._num_samples,
            "reported_on": "half B, with latent vectors and labels of its own at the end of a run",
            "chosen_on": "half A",
            "reference": {
                "origin": self.dataset.reference_origin,
                "images": len(self.dataset.reference),
                "halves": "fixed, stratified by label" if labelled else "fixed, at random",
                "digest": digest,
            },
            "left_out": self.left_out,
            **({"marked": self.marked} if self.marked else {}),
            **describe(pairs, self.objective, count, digest),
        }

    def _cached(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None, key: str | None = None
    ) -> ImageSet:
        """Real images whose features are kept in the dataset's cache, under `key` or their digest."""
        key, folder = key or digest_of(images), self.dataset.cache_dir
        label_tensor = None if labels is None else torch.from_numpy(labels)
        return ImageSet(images, lambda extractor, pixels: cached_features(extractor, pixels, folder, key), label_tensor)


def _floor(name: str, metric: Metric, context: ScoringContext) -> dict[str, float]:
    """The columns of a metric of real images; an error in own code is a refusal that shows the user's own line."""
    try:
        return columns_of(name, (metric.floor or metric.compute)(context))
    except Exception as error:
        if isinstance(error, Refused | Diverged | MemoryError) or not (line := own_line(error)):
            raise
        raise ConfigError(f"metric {name}: it raised {type(error).__name__}: {error}{line}") from error


def left_out(metrics: Mapping[str, Metric], dataset: Dataset, *, conditional: bool) -> dict[str, str]:
    """Columns that cannot be had for `dataset`, or for a model that is not `conditional`, and why."""
    reasons = {name: metric.applies(dataset) for name, metric in metrics.items()}
    if not conditional:
        reasons |= {name: "the model takes no labels" for name, metric in metrics.items() if metric.labelled}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def choose_objective(metrics: Mapping[str, Metric], objective: str | None, reasons: Mapping[str, str]) -> str | None:
    """The column that settings are chosen by: `objective`; where that is None, cfd, or rfd if cfd is left out.

    None where neither is measured. `reasons` are what `left_out` gives.

    Raises:
        ConfigError: `objective` is no column, one by which nothing may be chosen, or left out.
    """
    if objective is None:
        return next((name for name in DEFAULT_OBJECTIVES if name in metrics and name not in reasons), None)
    choices = [name for name, metric in metrics.items() if metric.may_choose and name not in reasons]
    expected = f"expected one of {', '.join(choices) or 'null'}"
    if objective not in metrics:
        raise ConfigError(f"metrics.objective: {expected}, got {objective!r}")
    if objective in reasons:
        raise ConfigError(f"metrics.objective: {expected}, got {objective!r}, which is left out: {reasons[objective]}")
    if objective not in choices:
        raise ConfigError(f"metrics.objective: {objective!r} is reported but nothing may be chosen by it: {expected}")
    return objective


class _Remembered:
    """A sampler that keeps its longest answer, which begins with the shorter ones."""

    def __init__(self, sample: Sampler, image_shape: ImageShape) -> None:
        self._sample, self._shape, self._longest = sample, image_shape, torch.empty(0, *image_shape)

    def __call__(self, count: int) -> Tensor:
        if count > len(self._longest):
            images = self._sample(count).detach().cpu()
            if images.shape != (count, *self._shape):
                raise ValueError(f"sampler: expected images {(count, *self._shape)}, got {tuple(images.shape)}")
            self._longest = images
        return self._longest[:count]
