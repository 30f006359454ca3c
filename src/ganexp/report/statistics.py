"""Comparing settings across training seeds: an additive setting + seed model, and what it lets one claim.

The model is `y[setting, seed] = setting + seed + residual` on log(objective), one residual variance for all settings.
Intervals are for what a setting gives on a new seed's average, so they hold the seeds' own variance. Which settings
differ is Tukey and Kramer's range test; that one setting alone is the best is Hsu's comparison with the best (Hsu 1981,
1984, "multiple comparisons with the best"), both at family-wise 5 %.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Of intervals; 1 - LEVEL is the family-wise error of comparisons."""

MIN_SEEDS = 3
"""With fewer no claim is made."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One setting's level.

    Attributes:
        setting: what was given.
        seeds: how many values it rests on.
        value: geometric mean adjusted for seeds (arithmetic mean where `Comparison.log` is false).
        low, high: its interval, or None where there is none to be had.
    """

    setting: Hashable
    seeds: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """What can be said of several settings.

    Attributes:
        estimates: one per setting, best first.
        log: whether logarithms were compared (every value positive); else the values themselves.
        claims: whether separations may be claimed: at least MIN_SEEDS seeds each, and residual degrees of freedom.
        seed_effects: whether the model has seeds as blocks; false where settings do not share seeds.
        told_apart: settings that are worse than the chosen one at family-wise 5 %.
        single: whether the chosen setting is better than every other one (Hsu).
        ratio: least ratio (difference where `log` is false) between two settings that can be told apart, or None.
        df: residual degrees of freedom.
        residual_sd: of log values (of values where `log` is false), within a seed.
    """

    estimates: tuple[Estimate, ...]
    log: bool
    claims: bool
    seed_effects: bool
    told_apart: frozenset[Hashable]
    single: bool
    ratio: float | None
    df: int
    residual_sd: float | None


@dataclass(frozen=True)
class _Fit:
    means: Floats
    between: Floats  # covariance of the means over the residual variance, for differences
    variance: float
    df: int
    errors: Floats  # standard errors of single means
    error_df: Floats
    blocked: bool


def compare(
    settings: Sequence[Hashable],
    seeds: Sequence[Hashable],
    values: Sequence[float],
    units: Sequence[Hashable] | None = None,
    *,
    direction: str = "minimise",
    chosen: Hashable | None = None,
) -> Comparison:
    """Fit the model and compare every setting with one of them.

    Args:
        settings: of each run.
        seeds: of each run.
        values: of each run, finite.
        units: the trajectory of each run; runs that share one are not independent, and together count as one unit.
        direction: "minimise" or "maximise".
        chosen: the setting to compare with, as chosen on other data; None for the best by `values`.

    Returns:
        The comparison, its estimates best first.

    Raises:
        ValueError: no values, values that are not finite, lengths that differ, or a run given twice.
    """
    y = np.asarray(values, dtype=np.float64)
    rows = _codes(settings)
    columns = _codes(seeds)
    _check(y, rows[1], columns[1])
    log = bool((y > 0).all())
    fit = _fit(np.log(y) if log else y, rows[1], columns[1], list(units) if units is not None else None)
    counts = np.bincount(rows[1])
    names = rows[0]
    order = np.argsort(fit.means if direction == "minimise" else -fit.means, kind="stable")
    best = names.index(chosen) if chosen is not None else int(order[0])
    claims = bool(len(names) > 1 and counts.min() >= MIN_SEEDS and fit.df >= 1 and fit.variance > 0)
    apart, single, least = _separations(fit, best, direction) if claims else (set(), False, None)
    return Comparison(
        estimates=tuple(_estimate(fit, i, names[i], int(counts[i]), log) for i in order),
        log=log,
        claims=claims,
        seed_effects=fit.blocked,
        told_apart=frozenset(names[i] for i in apart),
        single=single,
        ratio=None if least is None else math.exp(least) if log else least,
        df=fit.df,
        residual_sd=math.sqrt(fit.variance) if fit.df else None,
    )


def _check(y: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
    if not (len(y) == len(rows) == len(columns) > 0):
        raise ValueError(f"expected as many settings as seeds as values, got {len(rows)}, {len(columns)}, {len(y)}")
    if not np.isfinite(y).all():
        raise ValueError("expected finite values")
    if len(set(zip(rows.tolist(), columns.tolist(), strict=True))) < len(y):
        raise ValueError("expected one value for each setting and seed, got several")


def _codes(labels: Sequence[Hashable]) -> tuple[list[Any], NDArray[np.int64]]:
    known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return list(known), np.array([known[label] for label in labels], dtype=np.int64)


def _fit(y: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], units: list[Hashable] | None) -> _Fit:
    """Least squares with seeds as blocks where settings share them, else without."""
    k, s, n = int(rows.max()) + 1, int(columns.max()) + 1, len(y)
    cells = np.zeros((k, s))
    cells[rows, columns] = 1
    counts = cells.sum(axis=1)
    # Seeds are swept out first: with one value a cell, the settings' normal equations are k x k whatever the seeds.
    design = np.diag(counts) - (cells / cells.sum(axis=0)) @ cells.T
    blocked = s > 1 and k > 1 and int(np.linalg.matrix_rank(design, tol=1e-9)) == k - 1
    if not blocked:
        return _one_way(y, rows, counts, units)
    total = np.bincount(rows, y) - cells @ (np.bincount(columns, y) / cells.sum(axis=0))
    inverse = np.linalg.pinv(design, hermitian=True, rcond=1e-10)
    effects = inverse @ total
    seed_means = (np.bincount(columns, y) - cells.T @ effects) / cells.sum(axis=0)
    residuals = y - effects[rows] - seed_means[columns]
    df, per_unit, _ = _units(rows, columns, units, n - k - s + 1, shared=s - 1)
    squares = float(residuals @ residuals)
    variance = squares / (per_unit * df) if df else 0.0
    within = float(((y - (np.bincount(rows, y) / counts)[rows]) ** 2).sum())
    seed_square = max(0.0, within - squares) / (s - 1)
    # E[seed_square] = residual + seed variance * (n - k) / (s - 1) (Henderson's method III).
    share = (s - 1) / (s * (n - k))
    leverage = np.diag(inverse) + _mean_leverage(cells, inverse)
    rest = np.maximum(leverage - share * per_unit, 0.0)
    squared = share * seed_square + rest * variance
    parts = (share * seed_square) ** 2 / (s - 1) + (rest * variance) ** 2 / max(df, 1)
    error_df = np.divide(squared**2, parts, out=np.zeros(k), where=parts > 0)
    return _Fit(effects + seed_means.mean(), inverse, variance, df, np.sqrt(squared), error_df, True)


def _mean_leverage(cells: Floats, inverse: Floats) -> Floats:
    """What the mean of the seeds' effects adds to a setting's variance, in units of the residual variance."""
    weights = (cells / cells.sum(axis=0)).mean(axis=1)
    spread = (1.0 / cells.sum(axis=0)).sum() / cells.shape[1] ** 2
    added: Floats = spread + weights @ inverse @ weights - 2 * inverse @ weights
    return added


def _one_way(y: Floats, rows: NDArray[np.int64], counts: Floats, units: list[Hashable] | None) -> _Fit:
    means = np.bincount(rows, y) / counts
    residuals = y - means[rows]
    df, per_unit, _ = _units(rows, None, units, len(y) - len(counts), shared=0)
    variance = float(residuals @ residuals) / (per_unit * df) if df else 0.0
    errors = np.sqrt(variance / counts)
    return _Fit(means, np.diag(1 / counts), variance, df, errors, np.full(len(counts), float(df)), False)


def _units(
    rows: NDArray[np.int64], columns: NDArray[np.int64] | None, units: list[Hashable] | None, df: int, shared: int
) -> tuple[int, float, int]:
    """Residual degrees of freedom when the runs of one trajectory count as one, and runs per trajectory.

    Within a trajectory residuals may be equal, so its runs give one residual's worth of information. The residual
    variance is squares / (runs per trajectory * df): right where they are equal, too large where they are not.
    Settings that are all read off the same trajectories are exempt: their comparison is within trajectories.
    """
    if units is None or len(set(units)) == len(units):
        return max(df, 0), 1.0, len(rows)
    groups: dict[Hashable, set[int]] = {}
    for unit, row in zip(units, rows.tolist(), strict=True):
        groups.setdefault(unit, set()).add(row)
    families = _families(groups, int(rows.max()) + 1)
    if families == 1:
        return max(df, 0), 1.0, len(rows)
    reduced = len(groups) - families - shared
    return max(reduced, 0), len(rows) / len(groups), len(groups)


def _families(groups: dict[Hashable, set[int]], k: int) -> int:
    """How many sets of settings there are that share no trajectory."""
    parent = list(range(k))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for members in groups.values():
        first, *others = members
        for other in others:
            parent[root(other)] = root(first)
    return len({root(i) for i in range(k)})


def _estimate(fit: _Fit, i: int, name: Hashable, count: int, log: bool) -> Estimate:
    from scipy import stats

    back = math.exp if log else float
    centre = float(fit.means[i])
    if count < MIN_SEEDS or fit.error_df[i] <= 0 or not fit.errors[i] > 0:
        return Estimate(name, count, back(centre), None, None)
    half = float(stats.t.ppf((1 + LEVEL) / 2, fit.error_df[i]) * fit.errors[i])
    return Estimate(name, count, back(centre), back(centre - half), back(centre + half))


def _separations(fit: _Fit, best: int, direction: str) -> tuple[set[int], bool, float]:
    """Who is worse than `best`, whether it beats all, and the least difference that can be told."""
    k = len(fit.means)
    sign = 1.0 if direction == "minimise" else -1.0
    lead = sign * (fit.means - fit.means[best])
    spread = np.diag(fit.between) + fit.between[best, best] - 2 * fit.between[best]
    error = np.sqrt(np.maximum(spread, 0.0) * fit.variance)
    others = [i for i in range(k) if i != best]
    tukey = tukey_quantile(k, fit.df)
    single = all(lead[i] > hsu_quantile(k - 1, fit.df) * error[i] for i in others)
    apart = set(others) if single else {i for i in others if lead[i] > tukey * error[i]}
    return apart, single, float(tukey * np.median(error[others]))


@functools.lru_cache(maxsize=256)
def tukey_quantile(settings: int, df: int, level: float = LEVEL) -> float:
    """How many standard errors of a difference the largest of all pairwise differences stays within (Tukey, Kramer)."""
    from scipy import stats

    return float(stats.studentized_range.ppf(level, settings, df)) / math.sqrt(2)


@functools.lru_cache(maxsize=256)
def hsu_quantile(others: int, df: int, level: float = LEVEL) -> float:
    """Critical value of Hsu's comparison with the best: `level` quantile of the largest of `others` correlated t.

    The t variables share df and correlate by 1/2 (Dunnett 1955, one-sided), which is exact for equal numbers of seeds.
    `P(max t <= d) = E over s of the integral of phi(z) Phi(z + sqrt(2) d s)^others dz`, s = sqrt(chi2(df) / df).
    """
    from scipy import stats
    from scipy.optimize import brentq
    from scipy.special import log_ndtr, roots_hermitenorm

    nodes, weights = roots_hermitenorm(120)
    weights = weights / weights.sum()
    grid = (np.arange(400) + 0.5) / 400
    s = np.sqrt(stats.chi2.ppf(grid, df) / df)

    def excess(d: float) -> float:
        inner = np.exp(others * log_ndtr(nodes[:, None] + math.sqrt(2) * d * s))
        return float((weights @ inner).mean() - level)

    return float(brentq(excess, 0.0, 60.0, xtol=1e-6))
