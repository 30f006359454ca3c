"""Looking more than once: what each look may spend, and how many seeds the next claim needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ganexp.report.statistics.comparison import Comparison
from ganexp.report.statistics.quantiles import critical

FIRST, LATER = 0.04, 0.01
"""Family-wise error of the first look, and of all later ones together."""

CONTINUATIONS = 400
"""Simulated by `more_seeds`."""


def spending(looks: Sequence[int], seeds: int) -> tuple[float, float]:
    """Error rate of one more look after earlier ones, and the sum over all.

    The first look spends FIRST, whatever its seeds. A later one spends of what is not yet spent the share that its new
    seeds are of all its seeds, so that the sum stays below FIRST + LATER however often and whenever one looks
    (Bonferroni; a spending function of information as in Lan and DeMets 1983).

    Args:
        looks: seeds at each earlier look, in the order of time.
        seeds: seeds now.
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

    The seeds to come are drawn from normal distributions with the variance of the difference as it is estimated, around
    a true difference that is drawn around the estimated one; the test is that of the next look.

    Args:
        comparison: with claims, the chosen setting in it.
        limit: of seeds.

    Returns:
        The present number where they are told apart already; None beyond `limit`, or without claims.
    """
    if not comparison.claims:
        return None
    first = comparison.differences[0]
    present = min(each.seeds for each in comparison.estimates if each.setting in (comparison.chosen, first.setting))
    if first.worse:
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
    k = len(comparison.estimates)
    limits = np.array([float(critical(k, np.asarray(d), level)) for d, level in zip(degrees, levels, strict=True)])
    apart = (np.abs(means) > limits * np.sqrt(variance / n)).mean(axis=0) >= 0.5
    return int(n[apart.argmax()]) if apart.any() else None
