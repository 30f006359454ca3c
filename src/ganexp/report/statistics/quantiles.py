"""Quantiles of the studentized range, fast: any number of settings, fractional degrees of freedom, small levels."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

Floats = NDArray[np.float64]

STEP = 0.02
"""Of logarithms, in the tables below."""

DEGREES = np.array([1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 16, 24, 48, 120, 1000.0])
"""Degrees of freedom of the table; between them log quantiles are interpolated in 1 / df."""


def critical(settings: int, df: Floats, level: float) -> Floats:
    """How many standard errors of a difference the largest of all pairwise differences exceeds with chance `level`.

    That is the upper `level` quantile of the studentized range of `settings` normal means over sqrt(2) (Tukey 1953;
    with Satterthwaite's degrees of freedom per pair: Games and Howell 1976).

    Args:
        settings: how many, at least 2.
        df: degrees of freedom, any shape; below 1 counts as 1.
        level: within 1e-6 and 0.5.
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
    """Chances of log s on the grid from _LOW to _HIGH, a row for each of DEGREES."""
    u = np.arange(round((_HIGH - _LOW) / STEP) + 1) * STEP + _LOW
    half = DEGREES[:, None] / 2
    weights = np.exp(math.log(2 * STEP) + half * np.log(half) - gammaln(half) + 2 * half * u - half * np.exp(2 * u))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
