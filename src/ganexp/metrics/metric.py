"""What a metric is: a frozen value object that a metric function returns, and what it gets to see."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.metrics.extractor import Extractor
from ganexp.types import Dataset
from ganexp.types.errors import ConfigError, Diverged

T = TypeVar("T")

Direction = Literal["minimise", "maximise"]

ExtractorSource = Callable[[Dataset, torch.device], Extractor]  # hashable; called once per evaluator


class Estimate(NamedTuple):
    """A value with its standard error, which becomes the column `<column>_se`."""

    value: float
    standard_error: float


class ByClass(NamedTuple):
    """A value, and that of each label, which become the columns `<column>_<label>`."""

    value: float
    values: Mapping[int, float]


Value = float | Estimate | ByClass  # what `Metric.compute` returns


class ImageSet:
    """Images, their labels if there are any, and what is derived from them, each computed once.

    Generated images have the labels that they were generated for. `features` replaces the extractor's own.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        features: Callable[[Extractor, NDArray[np.uint8]], Tensor] = Extractor.features,
        labels: Tensor | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self._features = features
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.images)

    def features(self, extractor: Extractor) -> Tensor:
        """Features float32 (N, extractor.dim), on the CPU."""
        return self.once(("features", extractor.digest), lambda: self._features(extractor, self.images))

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """`compute()`, remembered under `key` as long as this set lives."""
        if key not in self._derived:
            self._derived[key] = compute()
        return cast(T, self._derived[key])


@dataclass(frozen=True)
class ScoringContext:
    """One comparison: images to judge, and real ones. The first three sets hold the same number of images."""

    generated: ImageSet  # the images to judge (for a floor: real ones)
    reference: ImageSet  # the half of the reference that they are compared with
    other: ImageSet  # the other half of the reference
    training: ImageSet  # all training images
    dataset: Dataset
    unquantised: Callable[[int], Tensor]  # count -> generated images float32 (count, C, H, W) in [-1, 1]
    extractor: Extractor | None = None  # what the metric declared, loaded

    @property
    def space(self) -> str:
        """Digest of the extractor, which keys what is remembered of its features; "": pixels."""
        return "" if self.extractor is None else self.extractor.digest

    def features(self, images: ImageSet) -> Tensor:
        """Features float32 (N, D) of one of the sets, in the space that the metric declared."""
        if self.extractor is None:
            raise TypeError("a metric that asks for features must declare its extractor, got extractor=None")
        return images.features(self.extractor)


@dataclass(frozen=True)
class Metric:
    """One metric, ready to compute. Metric functions return it; nothing is loaded or computed before its use.

    >>> from ganexp import Metric
    >>> def brightness() -> Metric:
    ...     def compute(context):
    ...         return abs(float(context.generated.images.mean() - context.reference.images.mean()))
    ...     return Metric(compute, "minimise")
    >>> brightness().direction
    'minimise'

    A DataError that `compute` raises for real images (the floor) refuses the run before training.
    """

    compute: Callable[[ScoringContext], Value]
    direction: Direction
    extractor: ExtractorSource | None = None  # the features that it compares; None: pixels
    # its JSON-able parameters; values of different settings are never ranked together
    settings: Mapping[str, Any] = field(default_factory=dict)
    # None, or why the metric is left out for the dataset
    applies: Callable[[Dataset], str | None] = lambda dataset: None
    floor: Callable[[ScoringContext], Value] | None = None  # of real images as `generated`; None: `compute`
    may_choose: bool = True  # whether it may be `metrics.objective`
    labelled: bool = False  # needs labels: left out for models that take none
    unquantised: int = 0  # how many images it needs before they are rounded to 8 bits
    id: str | None = None  # its name in protocols, wherever its code lies; None: module and qualified name of `compute`

    @property
    def identity(self) -> str:
        """`id`, or else the module and the qualified name of the function that made the metric."""
        return self.id or f"{self.compute.__module__}.{self.compute.__qualname__}".partition(".<locals>")[0]


def columns_of(name: str, value: Value) -> dict[str, float]:
    """`value` under `name`; its standard error, if it has one, under `<name>_se`, its parts under `<name>_<label>`."""
    columns: dict[str, Value] = {name: value}
    if isinstance(value, Estimate):
        columns[f"{name}_se"] = value.standard_error
    if isinstance(value, ByClass):
        columns |= {f"{name}_{label}": part for label, part in value.values.items()}
    return {column: value_of(column, part) for column, part in columns.items()}


def value_of(name: str, value: Value) -> float:
    """The value alone; Diverged if it is not finite."""
    try:
        number = float(value.value if isinstance(value, Estimate | ByClass) else value)
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(
            f"metric {name}: expected a number, Estimate or ByClass, got {type(value).__name__}"
        ) from None
    if not math.isfinite(number):
        raise Diverged(f"metric {name}: expected a finite value, got {number}")
    return number
