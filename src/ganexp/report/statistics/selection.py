"""What the chosen setting is really worth: its value corrected for having been chosen."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from ganexp.report.statistics.comparison import Winner
from ganexp.report.statistics.pairs import Floats, Pairs

LUCKY, UNLUCKY = 0.03, 0.02
"""Shares of error of the corrected interval: on the side that choosing flatters, and on the other."""

CAP = 0.7  # chance that the luckiest of equal settings is not lucky by more than the correction is at most


def corrected(fit: Pairs, best: int, name: Hashable, log: bool, direction: str) -> Winner:
    """The chosen setting's value and interval, corrected for having been chosen as the best of all."""
    sign = 1.0 if direction == "minimise" else -1.0
    value, low, high = selected(sign * fit.means, np.sqrt(fit.used), fit.used_degrees, np.asarray(best))
    back = math.exp if log else float
    ends = sorted(back(sign * float(each)) for each in (low, high))
    return Winner(name, back(float(fit.means[best])), back(sign * float(value)), *ends)


def selected(means: Floats, errors: Floats, degrees: Floats, best: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """SettingEstimate and interval of the mean of the setting that was chosen for having the least one.

    The estimate is median-unbiased given that the setting came out below the next one (Andrews, Kitagawa and McCloskey
    2024, "Inference on winners", section 3, with Student's distribution for the normal one), and is capped, as in their
    hybrid, by what choosing the luckiest of k equal settings flatters. The interval projects: its end on the flattered
    side holds for all k settings at once.

    Args:
        means: (..., k).
        errors: (..., k) standard errors.
        degrees: (..., k) degrees of freedom of those.
        best: (...) number of the chosen setting, which need not have the least mean where other data chose it.

    Returns:
        SettingEstimate, low and high end, each (...).
    """
    k = means.shape[-1]
    at = best[..., None]
    x, e, df = (np.take_along_axis(each, at, -1)[..., 0] for each in (means, errors, degrees))
    others = np.where(np.arange(k) == at, np.inf, means)
    gap = np.maximum(others.min(axis=-1) - x, 0.0) / np.maximum(e, 1e-300)
    below, above = np.zeros_like(x), np.asarray(stdtrit(df, CAP ** (1 / k)))
    for _ in range(40):  # bisection of a ratio that falls with the correction
        middle = (below + above) / 2
        large = stdtr(df, -middle) > 0.5 * np.maximum(stdtr(df, gap - middle), 1e-300)
        below, above = np.where(large, middle, below), np.where(large, above, middle)
    return x + e * above, x - e * stdtrit(df, 1 - UNLUCKY), x + e * stdtrit(df, 1 - LUCKY / k)
