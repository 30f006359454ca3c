"""Simulated sweeps for report_statistics.py and false_winners.py: noises, and ganexp's verdict on many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganexp.report.statistics.pairs import moderate, welch
from ganexp.report.statistics.thresholds import critical

Floats = NDArray[np.float64]

SIGMA = 0.3
DIGITS_GRID = (
    *(0.234, 0.216, 0.2, 0.173, 0.15, 0.13, 0.115, 0.1, 0.09, 0.08),
    *(0.07, 0.06, 0.05, 0.04, 0.035, 0.03, 0.02, 0.014),
)
"""Standard deviations of log cfd that the settings of analysis/digits_grid have."""

NOISES = ("equal", "digits_grid", "one 3x", "three 3x", "half 3x", "one 10x", "three 10x", "half 10x", "t3")


def deviations(noise: str, k: int) -> Floats:
    """Standard deviation of each of k settings."""
    if noise == "digits_grid":
        place = np.linspace(0, 1, len(DIGITS_GRID))
        return np.exp(np.interp(np.linspace(0, 1, k), place, np.log(DIGITS_GRID)))
    sd = np.full(k, SIGMA)
    if " " in noise:
        many, times = noise.split()
        sd[: {"one": 1, "three": 3, "half": max(1, k // 2)}[many]] *= int(times[:-1])
    return sd


def draw(
    sweeps: int, noise: str, k: int, n: int, *, seed_effect: bool = False, missing: float = 0.0, stream: int = 0
) -> Floats:
    """Log values (sweeps, k, n) of settings that are all equal; what is missing is NaN, three of each setting are not.

    Args:
        sweeps: how many.
        noise: one of NOISES.
        k: settings.
        n: seeds.
        seed_effect: whether seeds have a common effect as large as the median setting's residual.
        missing: share of runs that are missing.
        stream: of random numbers.
    """
    rng = np.random.default_rng(stream)
    sd = deviations(noise, k)
    unit = rng.standard_t(3, size=(sweeps, k, n)) / np.sqrt(3) if noise == "t3" else rng.normal(size=(sweeps, k, n))
    y = unit * sd[:, None]
    if seed_effect:
        y += float(np.median(sd)) * rng.normal(size=(sweeps, 1, n))
    gone = rng.random(y.shape) < missing
    gone[:, :, :3] = False
    y[gone] = np.nan
    return y


def moments(y: Floats) -> tuple[Floats, Floats, Floats]:
    """Means, variances and numbers of values of each setting, (..., k), leaving out what is missing."""
    there = ~np.isnan(y)
    n = there.sum(axis=-1).astype(float)
    means = np.where(there, y, 0.0).sum(axis=-1) / n
    squares = np.where(there, (y - means[..., None]) ** 2, 0.0).sum(axis=-1)
    return means, squares / (n - 1), n


def verdicts(y: Floats, level: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What `compare` says of each sweep: the best setting (sweeps,), and which others are worse (sweeps, k)."""
    means, variances, n = moments(y)
    used, df = moderate(variances, n - 1)
    best = means.argmin(axis=1)
    at = best[:, None]
    square, each = used / n, np.take_along_axis(df, at, 1)
    errors, degrees = welch(square, df, np.take_along_axis(square, at, 1), each)
    worse = means - np.take_along_axis(means, at, 1) > critical(y.shape[1], degrees, level) * np.sqrt(errors)
    np.put_along_axis(worse, at, False, 1)
    return best, worse
