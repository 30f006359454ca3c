"""Comparing settings across training seeds: what their values let one claim.

On log(objective) each setting has a variance of its own. Seeds are no blocks: a variance of one setting taken from the
residuals of an additive setting + seed model is too small at 3 and 5 seeds, and leaving the blocks out is valid and
costs power only where seeds have a common effect. Two settings are compared two-sidedly by the studentized range
with Satterthwaite's degrees of freedom (Games and Howell 1976) and moderated variances (`pairs.moderate`), at a
family-wise error of 5 % over settings and over looks (`thresholds.spending`). benchmarks/report_statistics.py holds
all of this against simulation.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ganexp.report.statistics.comparison import Comparison, Difference, SettingEstimate, corrected
from ganexp.report.statistics.pairs import Codes, Floats, Pairs, over_blocks
from ganexp.report.statistics.thresholds import critical, spending

LEVEL = 0.95  # of intervals; 1 - LEVEL is the family-wise error of comparisons over all looks
MIN_SEEDS = 3  # with fewer no claim is made


def compare(
    settings: Sequence[Hashable],
    seeds: Sequence[Hashable],
    values: Sequence[float],
    units: Sequence[Hashable] | None = None,
    *,
    direction: str = "minimise",
    chosen: Hashable | None = None,
    looks: Sequence[int] = (),
    baseline: Hashable | None = None,
    blocks: Sequence[Hashable] | None = None,
    family: int = 0,
) -> Comparison:
    """Compare every setting with one of them; those read off the same trajectories are compared within them.

    `chosen` is the setting to compare with, as chosen on other data; None for the best by `values`. `looks` has the
    most seeds of a setting at each earlier look at other runs of this sweep, by time. `Comparison.against` compares
    with `baseline`. `blocks` has the data set of each run: settings are compared by their mean over data sets. `family`
    is the number of settings that these were picked from by values that are compared; 0: from these.

    Raises:
        ValueError: the values are no table of one finite value for each setting and seed.
    """
    y = np.asarray(values, dtype=np.float64)
    names, rows = _codes(settings)
    parts, block = _codes(blocks if blocks is not None else [None] * len(rows))
    _check(y, rows, _codes(seeds)[1], block)
    counts = np.array([np.bincount(rows[block == each], minlength=len(names)) for each in range(len(parts))])
    if not counts.all():
        raise ValueError("expected runs of every setting on every data set, got a setting that lacks one")
    log = bool((y > 0).all())
    fit = over_blocks(np.log(y) if log else y, rows, block, units, len(names), len(parts))
    reference, base = (None if name is None else _index(names, name) for name in (chosen, baseline))
    family = max(family, len(names))
    return _comparison(fit, names, counts.min(axis=0), log, direction, tuple(looks), reference, base, family)


def _comparison(
    fit: Pairs,
    names: list[Any],
    seeds: Codes,
    log: bool,
    direction: str,
    looks: tuple[int, ...],
    reference: int | None,
    baseline: int | None,
    family: int,
) -> Comparison:
    order = np.argsort(fit.means if direction == "minimise" else -fit.means, kind="stable").tolist()
    best = order[0] if reference is None else reference
    estimates = tuple(_estimate(fit, i, names[i], int(seeds[i]), log) for i in order)
    claims = bool(len(names) > 1 and seeds.min() >= MIN_SEEDS and (fit.used > 0).any())
    level, spent = spending(looks, int(seeds.max()))
    plain = Comparison(estimates, log, claims, names[best], direction, looks, level, spent, family)
    if not claims:
        return plain
    differences = _differences(plain, fit, names, order, best, chosen_by_data=True)
    apart = frozenset(difference.setting for difference in differences if difference.worse)
    behind = dict(zip(names, _behind(plain, fit).tolist(), strict=True))
    return replace(
        plain,
        estimates=tuple(replace(estimate, behind=behind[estimate.setting]) for estimate in estimates),
        told_apart=apart,
        single=len(apart) == len(names) - 1,
        ratio=_median(differences),
        df=int(min(difference.df for difference in differences)),
        differences=differences,
        against=() if baseline is None else _differences(plain, fit, names, order, baseline, chosen_by_data=False),
        winner=corrected(fit, best, names[best], log, direction, family),
        within_ratio=_median([difference for difference in differences if difference.same_runs]),
        between_ratio=_median([difference for difference in differences if not difference.same_runs]),
    )


def not_worse(comparison: Comparison, margin: float) -> tuple[Hashable, ...]:
    """Settings shown to be not worse than the best one by more than `margin`, best first.

    A margin of 0.05 is 5 %; where the comparison is not of logarithms, it is in units of the values.
    """
    most = 1 + margin if comparison.log else margin
    return tuple(each.setting for each in comparison.estimates if each.behind is not None and each.behind <= most)


def _behind(plain: Comparison, fit: Pairs) -> Floats:
    """How far each setting may lie behind the best: the most over all others, whichever of them is the best.

    Only the k - 1 comparisons with the best one can err, and on one side (Hsu 1984; here by Bonferroni).
    """
    k = plain.family
    sign = 1.0 if plain.direction == "minimise" else -1.0
    limits = np.minimum(
        critical(k, fit.pair_degrees, plain.level), stdtrit(fit.pair_degrees, 1 - plain.level / (k - 1))
    )
    upper = sign * fit.lead + limits * np.sqrt(fit.errors)
    np.fill_diagonal(upper, 0.0)
    most: Floats = upper.max(axis=1)
    return np.exp(np.minimum(most, 700.0)) if plain.log else most


def _median(differences: Sequence[Difference]) -> float | None:
    return float(np.median([each.least for each in differences])) if differences else None


def _differences(
    plain: Comparison, fit: Pairs, names: list[Any], order: Sequence[int], reference: int, *, chosen_by_data: bool
) -> tuple[Difference, ...]:
    """Every other setting against one.

    One that was chosen by the data needs the range of all; for one that was named beforehand k - 1 two-sided
    comparisons share the error (Sidak 1967), where that asks for less.
    """
    k = plain.family
    df = fit.pair_degrees[reference]
    limits = critical(k, df, plain.level)
    if not chosen_by_data:
        each = -math.expm1(math.log1p(-plain.level) / (k - 1))
        limits = np.minimum(limits, stdtrit(df, 1 - each / 2))
    errors = np.sqrt(fit.errors[reference])
    back = math.exp if plain.log else float
    sign = 1.0 if plain.direction == "minimise" else -1.0
    rows = []
    for i in (each for each in order if each != reference):
        gap, half = -float(fit.lead[reference, i]), float(limits[i] * errors[i])
        rows.append(
            Difference(
                setting=names[i],
                ratio=back(gap),
                low=back(gap - half),
                high=back(gap + half),
                better=sign * gap < -half,
                worse=sign * gap > half,
                same_runs=bool(fit.same_runs[reference, i]),
                least=back(half),
                lead=sign * gap,
                error=float(errors[i]),
                df=float(df[i]),
            )
        )
    return tuple(rows)


def _check(y: Floats, rows: Codes, columns: Codes, block: Codes) -> None:
    if not (len(y) == len(rows) == len(columns) == len(block) > 0):
        raise ValueError(f"expected as many settings as seeds as values, got {len(rows)}, {len(columns)}, {len(y)}")
    if not np.isfinite(y).all():
        raise ValueError("expected finite values")
    if len(set(zip(rows.tolist(), columns.tolist(), block.tolist(), strict=True))) < len(y):
        raise ValueError("expected one value for each setting and seed, got several")


def _codes(labels: Sequence[Hashable]) -> tuple[list[Any], Codes]:
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return list(numbers), np.array([numbers[label] for label in labels], dtype=np.int64)


def _index(names: list[Any], name: Hashable) -> int:
    if name not in names:
        raise ValueError(f"expected one of the {len(names)} settings compared, got {name}")
    return names.index(name)


def _estimate(fit: Pairs, i: int, name: Hashable, count: int, log: bool) -> SettingEstimate:
    back = math.exp if log else float
    centre, error = float(fit.means[i]), math.sqrt(fit.squares[i])
    if count < MIN_SEEDS or not error > 0:
        return SettingEstimate(name, count, back(centre), None, None)
    half = float(stdtrit(fit.degrees[i], (1 + LEVEL) / 2)) * error
    return SettingEstimate(
        name, count, back(centre), back(centre - half), back(centre + half), error, error * math.sqrt(count)
    )
