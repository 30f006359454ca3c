"""Differences between settings whose variances differ: their errors and degrees of freedom."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST = 1e4  # degrees of freedom that stand for infinitely many


@dataclass(frozen=True)
class Pairs:
    """Settings of one data set, and the differences of all pairs."""

    means: Floats  # (k,) of values
    squares: Floats  # (k,) squared standard errors of the means, each by its setting's own variance
    degrees: Floats  # (k,) their degrees of freedom
    used: Floats  # (k,) squared standard errors of the means that comparisons use
    used_degrees: Floats  # (k,) their degrees of freedom
    lead: Floats  # (k, k) mean of row minus mean of column
    errors: Floats  # (k, k) squared standard errors of that
    pair_degrees: Floats  # (k, k) their degrees of freedom
    same_runs: NDArray[np.bool_]  # (k, k) whether the two are read off the same trajectories


def moderate(variances: Floats, df: Floats, groups: Codes | None = None) -> tuple[Floats, Floats]:
    """Variances for comparisons: the larger of each setting's own and the one shrunk towards those of the others.

    Shrunk as Smyth (2004, equations 3 and 5, section 6.2) does: `(d0 s0 + d s) / (d0 + d)` with d0 and s0 from the mean
    and spread of log variances. His degrees of freedom d + d0 are too many where the settings' own variances differ;
    `d + d0 (1 - 1 / d)` was chosen by simulation (benchmarks/report_statistics.py).

    Variances and their degrees of freedom (at least 1) are (..., k). Settings with equal `groups` (k,) are read off the
    same trajectories and count as one; None: each counts for itself.
    """
    d = np.broadcast_to(df, variances.shape).astype(float)
    v, each = variances, d
    if groups is not None:
        member = (groups == np.arange(groups.max() + 1)[:, None]) / np.bincount(groups)[:, None]
        v, each = variances @ member.T, d @ member.T
    if v.shape[-1] < 2:
        return variances, d
    least = 1e-6 * np.median(v, axis=-1, keepdims=True)
    logs = np.log(np.maximum(v, np.maximum(least, 1e-300))) - digamma(each / 2) + np.log(each / 2)
    excess = np.var(logs, axis=-1, ddof=1) - polygamma(1, each / 2).mean(axis=-1)
    d0 = np.where(excess > 1e-4, np.minimum(2 * _inverse_trigamma(np.maximum(excess, 1e-4)), MOST), MOST)[..., None]
    s0 = np.exp(logs.mean(axis=-1, keepdims=True) + digamma(d0 / 2) - np.log(d0 / 2))
    return np.maximum((d0 * s0 + d * variances) / (d0 + d), variances), d + d0 * (1 - 1 / d)


def _inverse_trigamma(x: Floats) -> Floats:
    """Newton's steps on 1 / trigamma, which is nearly linear (Smyth 2004, appendix)."""
    y: Floats = 0.5 + 1 / x
    for _ in range(8):
        trigamma = polygamma(1, y)
        y = y + trigamma * (1 - trigamma / x) / polygamma(2, y)
    return y


def welch(a: Floats, df_a: Floats, b: Floats, df_b: Floats) -> tuple[Floats, Floats]:
    """Squared error and degrees of freedom of a difference of two independent means (Satterthwaite 1946).

    `a` and `b` are their squared standard errors, with `df_a` and `df_b` degrees of freedom.
    """
    total = a + b
    return total, total**2 / np.maximum(a**2 / df_a + b**2 / df_b, 1e-300)


def pairs(y: Floats, rows: Codes, k: int, units: Sequence[Hashable] | None) -> Pairs:
    """All differences between the `k` settings of one data set; those that share trajectories are compared within them.

    Each of the n values `y` has the index of its setting in `rows` and its trajectory in `units`.
    """
    counts = np.bincount(rows, minlength=k).astype(float)
    means = np.bincount(rows, y, minlength=k) / counts
    d = np.maximum(counts - 1, 1.0)
    variances = np.bincount(rows, (y - means[rows]) ** 2, minlength=k) / d
    groups = _families(rows, units, k)
    v, df = moderate(variances, d, groups)
    errors, pair_degrees = welch((v / counts)[:, None], df[:, None], (v / counts)[None], df[None])
    lead = means[:, None] - means[None]
    same = np.zeros((k, k), dtype=bool)
    if units is not None and groups.max() + 1 < k:
        codes = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
        table = np.full((k, len(codes)), np.nan)
        table[rows, [codes[unit] for unit in units]] = y
        for group in np.flatnonzero(np.bincount(groups) > 1):
            _within(table, np.flatnonzero(groups == group), lead, errors, pair_degrees, same)
    return Pairs(means, variances / counts, d, v / counts, df, lead, errors, pair_degrees, same)


def over_blocks(y: Floats, rows: Codes, block: Codes, units: Sequence[Hashable] | None, k: int, count: int) -> Pairs:
    """As `pairs`, of means over `count` data sets with variances of their own; `block` is each value's data set."""
    one = [
        pairs(y[at], rows[at], k, None if units is None else [units[i] for i in np.flatnonzero(at).tolist()])
        for at in (block == each for each in range(count))
    ]
    if count == 1:
        return one[0]
    fields = {name: sum(getattr(each, name) for each in one) / count for name in ("means", "lead")}
    for square, df in (("squares", "degrees"), ("used", "used_degrees"), ("errors", "pair_degrees")):
        fields[square], fields[df] = _mean_error([(getattr(each, square), getattr(each, df)) for each in one])
    return Pairs(**fields, same_runs=np.all([each.same_runs for each in one], axis=0))


def _mean_error(parts: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Squared error and degrees of freedom of a mean of independent means (Satterthwaite 1946)."""
    total = np.sum([square for square, _ in parts], axis=0)
    below = np.sum([square**2 / df for square, df in parts], axis=0)
    degrees = np.divide(total**2, below, out=np.full_like(total, MOST), where=below > 0)
    return total / len(parts) ** 2, degrees


def _families(rows: Codes, units: Sequence[Hashable] | None, k: int) -> Codes:
    """An index for each setting, equal for those that share trajectories."""
    groups = np.arange(k)
    if units is not None and len(set(units)) < len(units):
        first: dict[Hashable, int] = {}
        for unit, row in zip(units, rows.tolist(), strict=True):
            one, other = groups[first.setdefault(unit, row)], groups[row]
            if one != other:
                groups[groups == other] = one
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _within(
    table: Floats, members: Codes, lead: Floats, errors: Floats, degrees: Floats, same: NDArray[np.bool_]
) -> None:
    """Compare the settings of one family by their differences in each trajectory, where at least 3 have both.

    The variance is the larger of the pair's own and the family's mean one. The latter's degrees of freedom are those of
    a sum of correlated squares, (n - 1) tr(S)^2 / tr(S^2) (Box 1954; S is the covariance of the family's settings
    within trajectories), and are credited as in `moderate`.
    """
    part = table[members]
    both = (~np.isnan(part)).astype(float)
    n = both @ both.T
    gap = part[:, None] - part[None]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(gap, axis=2) / n
        own = np.nansum((gap - mean[:, :, None]) ** 2, axis=2) / (n - 1)
    whole = part[:, both.all(axis=0)]
    few = whole.shape[1] < 3
    centred = np.zeros((len(members), 1)) if few else whole - whole.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    gram = centred.T @ centred
    shared = 0.0 if few else 2 * np.trace(gram) / ((len(members) - 1) * (whole.shape[1] - 1))
    d0 = 0.0 if few or not gram.any() else (whole.shape[1] - 1) * np.trace(gram) ** 2 / (gram**2).sum()
    i, j = np.nonzero((n >= 3) & ~np.eye(len(members), dtype=bool))
    at = members[i], members[j]
    d = n[i, j] - 1
    lead[at], same[at] = mean[i, j], True
    errors[at], degrees[at] = np.maximum(own[i, j], shared) / n[i, j], d + max(d0 - 1, 0.0) * (1 - 1 / d)
