"""Which keys matter: shares of variance on full grids, PED-ANOVA on many scattered runs, else nothing."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

MIN_TRIALS = 20  # finished or pruned runs that PED-ANOVA needs
RESAMPLES = 40  # of the runs, by which its uncertainty is told


@dataclass(frozen=True)
class Importance:
    """Shares of what varies."""

    method: str  # "anova", "ped-anova" or "none"
    # key -> share of the variance of log(objective) in [0, 1]; for anova also pairs "a x b", "the rest of the
    # interactions", "seed" and "residual"
    shares: dict[str, float]
    reason: str = ""  # why there is nothing to say, for "none"
    # for ped-anova: key -> the 5 % and 95 % quantiles of its share over bootstrap resamples of the runs
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


def importance(factors: pd.DataFrame, seeds: Sequence[Any], values: Sequence[float], direction: str) -> Importance:
    """Which of `factors` the values depend on: log(objective), or the objective where logarithms do not exist.

    `factors` has one row for each run, and a column of hashable levels for each key that varies.
    """
    factors = factors.loc[:, [name for name in factors if factors[name].nunique() > 1]].reset_index(drop=True)
    if factors.empty:
        return Importance("none", {}, "no key varies")
    if _is_full_grid(factors, seeds):
        return Importance("anova", anova_shares(factors, seeds, values))
    if len(values) >= MIN_TRIALS:
        return _resampled(factors, values, direction)
    reason = f"too few runs: a full grid is needed, or {MIN_TRIALS} finished or pruned runs, and it is {len(values)}"
    return Importance("none", {}, reason)


def _is_full_grid(factors: pd.DataFrame, seeds: Sequence[Any]) -> bool:
    """Whether each combination of levels has each seed exactly once, and some key has two levels."""
    table = factors.assign(_seed=list(seeds))
    return len(table) == math.prod(map(int, table.nunique())) and not table.duplicated().any()


def anova_shares(factors: pd.DataFrame, seeds: Sequence[Any], values: Sequence[float]) -> dict[str, float]:
    """Sums of squares over their total, on a full grid, where they are orthogonal and need no order.

    Main effects and interactions of two keys ("a x b") come largest first; then "other interactions" of the settings,
    "seed" and "residual", where there are any.
    """
    y = pd.Series(list(values), dtype=float)
    y = y - y.mean()
    total = float((y**2).sum())
    if total <= 0:
        return {}
    table = factors.astype(str)

    def between(names: Sequence[str]) -> float:
        return float((y.groupby([table[name] for name in names]).transform("mean") ** 2).sum())

    names = [str(name) for name in table]
    main = {name: between([name]) for name in names}
    pairs = {
        f"{a} x {b}": between([a, b]) - main[a] - main[b] for a, b in itertools.combinations(names, 2) if len(names) > 2
    }
    settings = between(names)
    shares = dict(sorted((main | pairs).items(), key=lambda item: -item[1]))
    rest = settings - sum(shares.values())
    label = f"{names[0]} x {names[1]}" if len(names) == 2 else "other interactions"
    shares |= {label: rest} if len(names) > 1 else {}
    if len(set(seeds)) > 1:
        seed = float((y.groupby(list(seeds)).transform("mean") ** 2).sum())
        shares |= {"seed": seed, "residual": total - settings - seed}
    return {name: max(0.0, value) / total for name, value in shares.items()}


def _resampled(factors: pd.DataFrame, values: Sequence[float], direction: str) -> Importance:
    """PED-ANOVA with its uncertainty, from bootstrap resamples with a fixed seed."""
    shares, random = _ped_anova(factors, values, direction), np.random.default_rng(0)
    drawn: list[dict[str, float]] = []
    for _ in range(RESAMPLES):
        rows = random.integers(len(values), size=len(values))
        drawn.append(_ped_anova(factors.iloc[rows], [values[row] for row in rows], direction))
    columns = {key: [each.get(key, 0.0) for each in drawn] for key in shares}
    ranges = {key: (float(np.quantile(c, 0.05)), float(np.quantile(c, 0.95))) for key, c in columns.items()}
    return Importance("ped-anova", shares, ranges=ranges)


def _ped_anova(factors: pd.DataFrame, values: Sequence[float], direction: str) -> dict[str, float]:
    """Optuna's PED-ANOVA (Watanabe et al. 2023): what tells the best tenth from the rest."""
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    spaces: dict[str, BaseDistribution] = {}
    columns: dict[str, list[Any]] = {}
    for name, column in factors.items():
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
            low, high = float(column.min()), float(column.max())
            spaces[str(name)] = FloatDistribution(low, high, log=low > 0 and high / low >= 10)
            columns[str(name)] = [float(value) for value in column]
        else:
            columns[str(name)] = [str(value) for value in column]
            spaces[str(name)] = CategoricalDistribution(sorted(set(columns[str(name)])))
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    trials = [
        optuna.trial.create_trial(params=row, distributions=spaces, value=value)
        for row, value in zip(rows, values, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(direction="maximize" if direction == "maximise" else "minimize")
            study.add_trials(trials)
            return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))
        finally:
            optuna.logging.set_verbosity(verbosity)
