"""A run that lies far off the others of its setting, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from ganexp.report.statistics.compare import LEVEL, MIN_SEEDS, compare
from ganexp.report.statistics.comparison import Difference
from ganexp.report.statistics.pairs import Floats, moderate


@dataclass(frozen=True)
class Outlier:
    """A run far off the others of its setting."""

    setting: Hashable  # of the run
    seed: Hashable  # of the run
    value: float  # of the run
    others: float  # geometric mean of the setting's other runs (arithmetic where not all values are positive)
    # least ratio (difference) between this setting and the best one that can be told apart, or None
    ratio_with: float | None
    ratio_without: float | None  # the same had this run not been, or None


def outlying(
    settings: Sequence[Hashable],
    seeds: Sequence[Hashable],
    values: Sequence[float],
    units: Sequence[Hashable] | None = None,
    *,
    direction: str = "minimise",
) -> Outlier | None:
    """The run that lies farthest off the others of its setting, if that is significant; for one data set.

    Each run is predicted by the others of its setting, with variances moderated as in comparisons: a deleted
    Student residual, at 5 % over all runs (Bonferroni). Only settings with 4 runs or more are tested.
    """
    raw = np.asarray(values, dtype=np.float64)
    log = bool((raw > 0).all())
    farthest = _farthest(np.log(raw) if log else raw, settings)
    if farthest is None:
        return None
    run, others = farthest
    everything = compare(settings, seeds, values, units, direction=direction)
    rest = [i for i in range(len(raw)) if i != run]
    without = compare(
        [settings[i] for i in rest],
        [seeds[i] for i in rest],
        [values[i] for i in rest],
        None if units is None else [units[i] for i in rest],
        direction=direction,
        chosen=everything.chosen,
    )
    return Outlier(
        settings[run],
        seeds[run],
        float(raw[run]),
        math.exp(others) if log else others,
        _least(everything.differences, settings[run]),
        _least(without.differences, settings[run]),
    )


def _farthest(y: Floats, settings: Sequence[Hashable]) -> tuple[int, float] | None:
    """Index of the run with the largest deleted residual, if significant, and the mean of its setting's others."""
    rows = np.unique([list(dict.fromkeys(settings)).index(each) for each in settings], return_inverse=True)[1]
    counts, sums, squares = (np.bincount(rows, w) for w in (np.ones_like(y), y, y**2))
    able = np.flatnonzero(counts[rows] > MIN_SEEDS)
    if not len(able) or counts.min() < 2:
        return None
    at, n = rows[able], counts[rows[able]] - 1
    means = (sums[at] - y[able]) / n
    variances = np.tile((squares - sums**2 / counts) / (counts - 1), (len(able), 1))
    degrees = np.tile(counts - 1.0, (len(able), 1))
    lines = np.arange(len(able))
    variances[lines, at] = (squares[at] - y[able] ** 2 - n * means**2) / (n - 1)
    degrees[lines, at] = n - 1
    used, df = moderate(np.maximum(variances, 0.0), degrees)
    errors = np.sqrt(used[lines, at] * (1 + 1 / n))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = 2 * stdtr(df[lines, at], -np.abs(y[able] - means) / errors)
    worst = int(np.argmin(chance))
    return (int(able[worst]), float(means[worst])) if chance[worst] * len(able) < 1 - LEVEL else None


def _least(differences: Sequence[Difference], setting: Hashable) -> float | None:
    """Least ratio between the best setting and this one; the median of all where this one is the best."""
    own = [each.least for each in differences if each.setting == setting] or [each.least for each in differences]
    return float(np.median(own)) if own else None
