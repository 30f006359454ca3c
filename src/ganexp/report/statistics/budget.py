"""What a budget buys: the best of n settings drawn at random, and the trace of a search that is not random."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


def best_of(values: Sequence[float], direction: str = "minimise") -> NDArray[np.float64]:
    """Expected best of n of N values drawn without replacement, for n = 1 ... N.

    With values sorted from best to worst, the i-th (1-based) is the best of n with probability
    C(N - i, n - 1) / C(N, n)
    (Tang et al. 2020, "Showing your work doesn't always work", the unbiased estimator of Dodge et al. 2019).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    ordered = ordered if direction == "minimise" else ordered[::-1]
    size = len(ordered)
    ranks = np.arange(1, size + 1)
    return np.array(
        [ordered @ np.exp(_log_choose(size - ranks, n - 1) - _log_choose(size, n)) for n in range(1, size + 1)]
    )


def expected_cost(seconds: Sequence[float], trajectories: Sequence[Hashable]) -> NDArray[np.float64]:
    """Expected training seconds of n of N runs drawn without replacement, for n = 1 ... N.

    Each trajectory is charged once, to its longest run.
    """
    total = len(seconds)
    groups: dict[Hashable, list[float]] = {}
    for second, name in zip(seconds, trajectories, strict=True):
        groups.setdefault(name, []).append(second)
    numbers = np.arange(1, total + 1)
    cost = np.zeros(total)
    for members in groups.values():
        for longer, second in enumerate(sorted(members, reverse=True)):
            # It is the longest one drawn: none of the `longer` ones is, and it is.
            none_longer = np.exp(_log_choose(total - longer, numbers) - _log_choose(total, numbers))
            nor_this = np.exp(_log_choose(total - longer - 1, numbers) - _log_choose(total, numbers))
            cost += second * (none_longer - nor_this)
    return cost


def incumbents(values: Sequence[float], direction: str = "minimise") -> NDArray[np.float64]:
    """The best so far after each value, in the order of a search."""
    best = np.minimum if direction == "minimise" else np.maximum
    trace: NDArray[np.float64] = best.accumulate(np.asarray(values, dtype=np.float64))
    return trace


def _log_choose(n: NDArray[np.int64] | int, k: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """log C(n, k); minus infinity where k > n."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    whole, part = np.maximum(n, 0.0), np.where(k <= n, k, 0.0)
    logs = gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)
    return np.asarray(np.where(k <= n, logs, -math.inf))
