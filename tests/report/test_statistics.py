from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ganexp.report.statistics.compare import compare, not_worse
from ganexp.report.statistics.outliers import outlying
from ganexp.report.statistics.thresholds import FIRST, LATER, critical, more_seeds, spending

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def simulation() -> Iterator[ModuleType]:
    """The full simulation's module."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("report_statistics")
    sys.path.remove(str(BENCHMARKS))


def table(k: int, n: int, seed: int = 0) -> tuple[list[int], list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = (each.ravel().tolist() for each in np.indices((k, n)))
    return rows, columns, np.exp(rng.normal(size=k * n) + 0.5 * np.array(columns))


@pytest.mark.parametrize(("settings", "df", "level"), [(2, 9, 0.05), (18, 4, 0.05), (6, 2.3, 0.01), (90, 30, 0.005)])
def test_critical_values_are_those_of_the_studentized_range(settings: int, df: float, level: float) -> None:
    expected = stats.studentized_range.ppf(1 - level, settings, df) / math.sqrt(2)
    assert float(critical(settings, np.asarray(df), level)) == pytest.approx(expected, rel=2e-3)


def test_two_equal_settings_are_compared_on_both_sides() -> None:
    """By Welch's test: with one sd ten times the other moderation says little."""
    rng = np.random.default_rng(4)
    logs = rng.normal(size=(2, 40)) * [[1.0], [0.1]]
    rows, columns = np.indices(logs.shape)
    level = compare(rows.ravel().tolist(), columns.ravel().tolist(), np.exp(logs).ravel()).differences[0]
    welch = stats.ttest_ind(*logs, equal_var=False)
    interval = stats.t.interval(1 - FIRST, welch.df, logs[1].mean() - logs[0].mean(), abs(level.error))
    assert sorted(abs(math.log(each)) for each in (level.low, level.high)) == pytest.approx(
        sorted(abs(each) for each in interval), rel=0.03
    )


def test_every_setting_has_the_interval_of_its_own_variance() -> None:
    rows, columns, y = table(3, 6)
    logs = np.log(y).reshape(3, 6)
    for each in compare(rows, columns, y).estimates:
        low, high = stats.t.interval(0.95, 5, logs[each.setting].mean(), stats.sem(logs[each.setting]))
        assert (each.low, each.high) == pytest.approx((math.exp(low), math.exp(high)))


def test_one_setting_has_the_t_interval_of_its_seeds() -> None:
    y = np.array([1.0, 2.0, 4.0, 3.0])
    only = compare(["a"] * 4, range(4), y)
    low, high = stats.t.interval(0.95, 3, np.log(y).mean(), stats.sem(np.log(y)))
    assert (only.estimates[0].low, only.estimates[0].high) == pytest.approx((math.exp(low), math.exp(high)))
    assert not only.claims


def test_fewer_than_three_seeds_make_no_claim() -> None:
    found = compare(["a", "a", "b", "b"], [0, 1, 0, 1], [1.0, 1.1, 50.0, 60.0])
    assert not found.claims and not found.single and not found.told_apart
    assert all(each.low is None for each in found.estimates)


def test_seeds_need_not_be_shared() -> None:
    outcome = compare(["a"] * 3 + ["b"] * 3, range(6), [1.0, 1.1, 1.2, 9.0, 9.5, 10.0])
    assert outcome.single


def epochs(seed: int, trajectories: int = 2, count: int = 9, seeds: int = 3, within: float = 0.05) -> tuple[list, ...]:
    """Settings (trajectory, epoch) with a noise between trajectories of .3, and the trajectory of each value."""
    rng = np.random.default_rng(seed)
    rows, columns = (each.ravel() for each in np.indices((trajectories * count, seeds)))
    between = 0.3 * rng.normal(size=(trajectories, seeds))[rows // count, columns]
    y = np.exp(between + within * rng.normal(size=rows.size))
    units = [(int(r) // count, int(c)) for r, c in zip(rows, columns, strict=True)]
    return rows.tolist(), columns.tolist(), y.tolist(), units


def test_epochs_of_one_trajectory_are_compared_by_their_own_noise() -> None:
    outcomes = [compare(*epochs(seed)) for seed in range(20)]
    assert np.median([each.within_ratio for each in outcomes]) < 1.5
    for seed, each in enumerate(outcomes):
        _, _, y, units = epochs(seed)
        means = pd.Series(np.log(y), index=pd.MultiIndex.from_tuples(units)).groupby(level=[0, 1]).mean()
        alone = compare([unit[0] for unit in means.index], [unit[1] for unit in means.index], np.exp(means.to_numpy()))
        assert each.between_ratio >= alone.ratio


def test_direction_and_the_setting_chosen_elsewhere() -> None:
    rows, columns, y = table(3, 4)
    assert compare(rows, columns, y, direction="maximise").estimates[0].value == max(
        each.value for each in compare(rows, columns, y).estimates
    )
    last = compare(rows, columns, y).estimates[-1].setting
    assert last not in compare(rows, columns, y, chosen=last).told_apart


def test_values_that_are_not_positive_are_compared_as_they_are() -> None:
    found = compare([0, 0, 1, 1], [0, 1, 0, 1], [0.0, 1.0, 2.0, 5.0])
    assert not found.log and found.estimates[0].value == pytest.approx(0.5)


@pytest.mark.parametrize("values", [[1.0, math.nan], [1.0], []])
def test_what_cannot_be_compared_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare(["a", "b"][: max(len(values), 1)], [0, 0], values)


def test_a_run_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="one value"):
        compare(["a", "a"], [0, 0], [1.0, 2.0])


def test_looks_spend_less_than_five_percent_however_often() -> None:
    assert spending((), 5) == (FIRST, FIRST)
    seeds = list(range(5, 40))
    levels = [spending(seeds[:i], n)[0] for i, n in enumerate(seeds)]
    assert sum(levels) == pytest.approx(spending(seeds[:-1], seeds[-1])[1])
    assert sum(levels) < FIRST + LATER <= 0.05
    assert all(later > 0 for later in levels)


def test_a_look_again_asks_for_more() -> None:
    rows, columns, y = table(4, 5)
    first, again = compare(rows, columns, y), compare(rows, columns, y, looks=(3,))
    assert again.look == 2 and again.level < first.level
    assert again.differences[0].least > first.differences[0].least


def two(gap: float, seeds: int = 5, sd: float = 0.3) -> tuple[list[str], list[int], list[float]]:
    logs = sd * np.resize([1.0, -1.0, 0.5, -0.5, 0.0], seeds)
    return ["a"] * seeds + ["b"] * seeds, [*range(seeds)] * 2, [*np.exp(logs), *np.exp(logs[::-1] + gap)]


def test_more_seeds_are_fewer_the_larger_the_gap() -> None:
    assert more_seeds(compare(*two(3.0))) == 5
    near, far = more_seeds(compare(*two(0.25))), more_seeds(compare(*two(0.3)))
    assert near is not None and far is not None and 5 < far < near
    assert more_seeds(compare(*two(0.001))) is None


def test_not_worse_within_a_margin() -> None:
    close = compare(*two(0.0, sd=0.01))
    assert set(not_worse(close, 0.05)) == {"a", "b"} and not_worse(close, 0.001) == ()
    assert not_worse(compare(*two(0.2, sd=0.01)), 0.05) == ("a",)


def test_against_a_baseline_goes_both_ways() -> None:
    y = np.exp(np.array([[0.0], [1.0], [2.0]]) + 0.05 * np.random.default_rng(0).normal(size=(3, 5)))
    rows, columns = np.indices(y.shape)
    against = compare(rows.ravel().tolist(), columns.ravel().tolist(), y.ravel(), baseline=1).against
    assert [(each.setting, each.better, each.worse) for each in against] == [(0, True, False), (2, False, True)]
    with pytest.raises(ValueError, match="expected one of"):
        compare(*two(1.0), baseline="c")


def test_several_data_sets_give_one_verdict() -> None:
    """One unit a data set: the mean of their logarithms, whatever their levels."""
    rng = np.random.default_rng(0)
    names, seeds, places, y = [], [], [], []
    for place, level in (("mnist", 1.0), ("cifar10", 100.0)):
        for name, factor in (("a", 1.0), ("b", 2.0)):
            for seed in range(4):
                names.append(name)
                seeds.append(seed)
                places.append(place)
                y.append(level * factor * math.exp(0.1 * rng.normal()))
    outcome = compare(names, seeds, y, blocks=places)
    assert outcome.single and outcome.chosen == "a" and outcome.estimates[0].seeds == 4
    assert 1.8 < outcome.differences[0].ratio < 2.2
    with pytest.raises(ValueError, match="every setting on every data set"):
        compare(names[:12], seeds[:12], y[:12], blocks=places[:12])


def test_a_run_far_off_is_named_with_what_it_costs() -> None:
    y = np.exp(0.1 * np.random.default_rng(0).normal(size=(5, 4)))
    y[2, 1] *= 10
    rows, columns = (each.ravel().tolist() for each in np.indices(y.shape))
    outlier = outlying(rows, columns, y.ravel().tolist())
    assert outlier is not None and (outlier.setting, outlier.seed) == (2, 1)
    assert outlier.ratio_with > 2 * outlier.ratio_without
    y[2, 1] /= 10
    assert outlying(rows, columns, y.ravel().tolist()) is None


# Reduced simulations: bounds are three standard errors of 200 sweeps away from what the full ones must keep.


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_simulation_of_many_sweeps_says_what_compare_says(simulation: ModuleType, missing: float) -> None:
    logs = simulation.draw(8, "digits_grid", 6, 5, missing=missing)
    logs[:, 2] -= 0.3
    best, worse = simulation.verdicts(logs, FIRST)
    for sweep in range(len(logs)):
        rows, columns = np.nonzero(~np.isnan(logs[sweep]))
        outcome = compare(rows.tolist(), columns.tolist(), np.exp(logs[sweep][rows, columns]).tolist())
        assert outcome.chosen == best[sweep]
        assert outcome.told_apart == set(np.flatnonzero(worse[sweep]))


@pytest.mark.parametrize("noise", ["equal", "digits_grid", "one 10x", "half 3x", "t3"])
def test_equal_settings_are_rarely_told_apart(simulation: ModuleType, noise: str) -> None:
    worse = simulation.verdicts(simulation.draw(200, noise, 18, 5), FIRST)[1]
    assert worse.any(axis=1).mean() <= 0.065 + 3 * math.sqrt(0.065 * 0.935 / 200)


def test_a_better_setting_is_there_to_be_seen(simulation: ModuleType) -> None:
    assert simulation.power(200, 18, 5, 8, False) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 200)


def test_looking_often_costs_little_error(simulation: ModuleType) -> None:
    at, _ = simulation.first_claim(simulation.draw(200, "equal", 2, 20), tuple(range(5, 21)))
    assert np.isfinite(at).mean() <= 0.065 + 3 * math.sqrt(0.065 * 0.935 / 200)


@pytest.mark.parametrize(("noise", "k"), [("equal", 18), ("digits_grid", 6)])
def test_the_corrected_winner_covers_the_truth(simulation: ModuleType, noise: str, k: int) -> None:
    logs = simulation.draw(200, noise, k, 5)
    outcomes = [
        compare([*np.repeat(range(k), 5)], [*range(5)] * k, np.exp(sweep).ravel().tolist()).winner for sweep in logs
    ]
    assert np.mean([each.low <= 1 <= each.high for each in outcomes]) >= 0.93 - 3 * math.sqrt(0.93 * 0.07 / 200)
    assert 0.35 < np.mean([each.value > 1 for each in outcomes]) < 0.65
    assert all(each.low < each.plain <= each.value <= each.high for each in outcomes)


def test_the_corrected_winner_is_worse_whatever_the_direction() -> None:
    rows, columns, y = table(6, 5)
    down, up = compare(rows, columns, y).winner, compare(rows, columns, 1 / y, direction="maximise").winner
    assert down.value > down.plain and up.value == pytest.approx(1 / down.value)
    assert (up.low, up.high) == pytest.approx((1 / down.high, 1 / down.low))
