"""What the chosen setting is really worth: its value corrected for having been chosen."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
from scipy.special import stdtrit

from ganexp.report.comparison import Winner
from ganexp.report.pairs import Pairs


def corrected(fit: Pairs, best: int, name: Hashable, log: bool, direction: str) -> Winner:
    """The chosen setting's value and interval, corrected."""
    k = len(fit.means)
    sign = 1.0 if direction == "minimise" else -1.0
    error = math.sqrt(fit.used[best])
    df = float(fit.used_degrees[best])
    low, high = -stdtrit(df, 0.99) * error, stdtrit(df, 1 - 0.03 / k) * error
    middle = stdtrit(df, 0.5 ** (1 / min(k, 4))) * error if np.isfinite(df) else 0.0
    ends = sorted(float(fit.means[best] + sign * each) for each in (low, high))
    back = math.exp if log else float
    return Winner(name, back(float(fit.means[best])), back(float(fit.means[best] + sign * middle)), *map(back, ends))
