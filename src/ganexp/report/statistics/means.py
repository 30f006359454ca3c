"""Means of values of which some may be missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of those that are numbers, or None."""
    numbers = [float(value) for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(numbers)) if numbers else None


def geometric_mean(values: Sequence[float]) -> float | None:
    """Geometric mean of positive values, else their mean; None of nothing."""
    if not values:
        return None
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else float(np.mean(values))
