"""When settings are told apart: the error rate of each look, the size of a difference, and seeds for the next claim."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

from ganexp.report.statistics.comparison import Comparison

Floats = NDArray[np.float64]

STEP = 0.02  # of logarithms, in the tables below

# Degrees of freedom of the table; between them log quantiles are interpolated in 1 / df.
DEGREES = np.array([1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 16, 24, 48, 120, 1000.0])

FIRST, LATER = 0.04, 0.01  # family-wise error of the first look, and of all later ones together

CONTINUATIONS = 400  # simulated by `more_seeds`


def spending(looks: Sequence[int], seeds: int) -> tuple[float, float]:
    """Error rate of one more look after `looks` (their seeds, by time), and the sum over all.

    The first look spends FIRST, whatever its seeds. A later one spends the unspent rate in proportion to the share of
    new ones among its seeds, so that the sum stays below FIRST + LATER however often and whenever one looks
    (Bonferroni; a spending function of information as in Lan and DeMets 1983).
    """
    if not looks:
        return FIRST, FIRST
    before, rest, level = looks[0], LATER, 0.0
    for now in (*looks[1:], seeds):
        now = max(now, before + 1)
        level = rest * (1 - before / now)
        before, rest = now, rest - level
    return level, FIRST + LATER - rest


def more_seeds(comparison: Comparison, limit: int = 50) -> int | None:
    """Seeds of each setting at which the two best would be told apart in half of simulated continuations.

    The seeds to come are drawn from normal distributions with the estimated variance of the difference, around a true
    difference that is drawn around the estimated one; the test is that of the next look. The result is the present
    number where the two are told apart already; None beyond `limit` seeds, or without claims.
    """
    if not comparison.claims:
        return None
    first = comparison.differences[0]
    present = min(each.seeds for each in comparison.estimates if each.setting in (comparison.chosen, first.setting))
    if first.setting in comparison.told_apart:
        return present
    centre, error, df = first.lead, first.error, first.df
    if present >= limit or not error > 0:
        return None
    rng = np.random.default_rng(0)
    spread = error * math.sqrt(present)
    truth = centre + error * rng.normal(size=(CONTINUATIONS, 1))
    steps = rng.normal(size=(CONTINUATIONS, limit - present))
    more = np.arange(1, limit - present + 1)
    n = present + more
    means = (present * centre + more * truth + spread * np.cumsum(steps, axis=1)) / n
    squares = np.cumsum(steps**2, axis=1) - np.cumsum(steps, axis=1) ** 2 / more
    degrees = df + more - 1
    variance = spread**2 * (df + squares) / degrees
    levels = [spending((*comparison.looks, present), int(each))[0] for each in n]
    k = comparison.family
    limits = np.array([float(critical(k, np.asarray(d), level)) for d, level in zip(degrees, levels, strict=True)])
    apart = (np.abs(means) > limits * np.sqrt(variance / n)).mean(axis=0) >= 0.5
    return int(n[apart.argmax()]) if apart.any() else None


def critical(settings: int, df: Floats, level: float) -> Floats:
    """Standard errors that the largest of all pairwise differences exceeds with probability `level`.

    That is the upper `level` quantile of the studentized range of `settings` >= 2 normal means over sqrt(2) (Tukey
    1953; with Satterthwaite's degrees of freedom per pair: Games and Howell 1976). Degrees of freedom below 1 count as
    1; the level is within 1e-6 and 0.5.
    """
    logs = _table(settings, level)
    return np.exp(np.interp(1 / np.maximum(df, 1.0), 1 / DEGREES[::-1], logs[::-1]))


@functools.lru_cache(maxsize=512)
def _table(settings: int, level: float) -> Floats:
    """log(quantile / sqrt(2)) for each of DEGREES.

    P(range > q s) is the mean of the range's tail over s = chi(df) / sqrt(df): on a grid of logarithms a convolution.
    """
    tail, weights = _tail(settings), _scales()
    upper = np.lib.stride_tricks.sliding_window_view(tail, weights.shape[1]) @ weights.T
    logs = (np.arange(len(upper)) * STEP)[::-1]
    rows = [np.interp(math.log(level), np.log(np.maximum(p, 1e-300))[::-1], logs) for p in upper.T]
    return np.asarray(rows) - math.log(2) / 2


_LOW, _HIGH, _MOST = -11.0, 2.0, 12.0  # of log s, and of log q


@functools.lru_cache(maxsize=64)
def _tail(settings: int) -> Floats:
    """P(range of that many standard normals > exp(x)) for x = _LOW, _LOW + STEP ... _HIGH + _MOST."""
    x = np.arange(round((_HIGH + _MOST - _LOW) / STEP) + 1) * STEP + _LOW
    inner = (x > -3) & (x < math.log(18))
    z, width = np.linspace(-8.5, 8.5, 120, retstep=True)
    density = width * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    spread = ndtr(z) - ndtr(z - np.exp(x[inner])[:, None])
    tail = np.where(x <= -3, 1.0, 0.0)
    tail[inner] = np.clip(1 - settings * (spread ** (settings - 1)) @ density, 0.0, 1.0)
    return tail


@functools.cache
def _scales() -> Floats:
    """Probabilities of log s on the grid from _LOW to _HIGH, a row for each of DEGREES."""
    u = np.arange(round((_HIGH - _LOW) / STEP) + 1) * STEP + _LOW
    half = DEGREES[:, None] / 2
    weights = np.exp(math.log(2 * STEP) + half * np.log(half) - gammaln(half) + 2 * half * u - half * np.exp(2 * u))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
