"""Which settings are out of the race, and which need more seeds before something may be claimed (`sweep.until=claim`).

Every setting has BEGIN seeds first. Up to LOOK_AT seeds, those that are far from the best are left behind, the others
have one more each time. From LOOK_AT on the comparison is looked at, and those that cannot be told from the chosen one
have more seeds until the next look. What is left behind is never called worse.
benchmarks/until_claim.py holds the error rates of the whole against simulation.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ganexp.report.statistics.compare import not_worse
from ganexp.report.statistics.comparison import Comparison

Name = TypeVar("Name", bound=Hashable)

BEGIN = 2  # seeds of every setting
LOOK_AT = 4  # seeds at the first look
GROWTH = 1.5  # of the seeds from one look to the next: the more looks, the larger a difference each must see
FAR = 3.0  # standard errors of its difference from the best beyond which a setting is far
KEPT = 2  # settings that are never left behind: a claim needs two
MARGIN = 0.05  # settings within 5 % of the best are as good


def near(values: Mapping[Name, Sequence[float]], best: Name) -> set[Name]:
    """The settings that may have been left behind by bad luck: not far from the best one; it is among them.

    The choice of settings by values that are compared is a comparison too, with all settings that were near
    (`Comparison.family`); where one is far, luck had no part in it. `values` has the values of each setting, of one
    seed or more. Logarithms are taken where all are above 0. The variance is the mean one of all settings, or that of
    the two where it is larger: of few seeds, one setting's own says little.
    """
    log = all(value > 0 for each in values.values() for value in each)
    y = {name: np.log(each) if log else np.asarray(each, dtype=np.float64) for name, each in values.items()}
    own = {name: float(each.var(ddof=1)) for name, each in y.items() if len(each) > 1}
    pooled = float(np.mean(list(own.values()))) if own else math.inf

    def is_near(name: Name) -> bool:
        variance = max(pooled, (own.get(name, pooled) + own.get(best, pooled)) / 2)
        error = math.sqrt(variance * (1 / len(y[name]) + 1 / len(y[best])))
        return abs(float(y[name].mean() - y[best].mean())) <= FAR * error

    return {name for name in y if name == best or is_near(name)}


def in_the_race(values: Mapping[Name, Sequence[float]], racing: Sequence[Name], direction: str) -> list[Name]:
    """Those of the `racing` settings, which have equally many values, that are near the best of them; best first."""
    log, sign = all(value > 0 for name in racing for value in values[name]), 1.0 if direction == "minimise" else -1.0
    y = {name: np.log(values[name]) if log else np.asarray(values[name], dtype=np.float64) for name in racing}
    means = {name: sign * float(y[name].mean()) for name in racing}
    order = sorted(racing, key=means.__getitem__)
    kept = {*order[:KEPT], *near(values, order[0])}
    return [name for name in order if name in kept]


def seeds_next(seeds: int) -> int:
    """How many seeds the settings in the race have next."""
    return seeds + 1 if seeds < LOOK_AT else math.ceil(GROWTH * seeds)


def undecided(comparison: Comparison) -> list[Hashable]:
    """The settings that need more seeds, best first; [] where the verdict stands, or more seeds would not change it.

    It stands where the chosen setting is told apart from all others, or all that are not are as good within MARGIN.
    """
    if not comparison.claims or comparison.single:
        return []
    rest = [each.setting for each in comparison.estimates if each.setting not in comparison.told_apart]
    return [] if comparison.log and set(rest) <= set(not_worse(comparison, MARGIN)) else rest
