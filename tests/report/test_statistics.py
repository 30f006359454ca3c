from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ganexp.report.statistics import compare, hsu_quantile, tukey_quantile

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "report_statistics.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """The full simulation's module."""
    spec = importlib.util.spec_from_file_location("report_statistics", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def table(k: int, n: int, seed: int = 0) -> tuple[list[int], list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = (each.ravel().tolist() for each in np.indices((k, n)))
    return rows, columns, np.exp(rng.normal(size=k * n) + 0.5 * np.array(columns))


@pytest.mark.parametrize(("others", "df", "value"), [(1, 20, 1.72), (3, 20, 2.19), (9, 20, 2.60), (5, 30, 2.33)])
def test_hsu_quantile_is_dunnetts_table(others: int, df: int, value: float) -> None:
    assert hsu_quantile(others, df) == pytest.approx(value, abs=0.006)


def test_hsu_quantile_against_the_multivariate_t() -> None:
    shape = 0.5 * np.eye(4) + 0.5
    below = stats.multivariate_t(shape=shape, df=12, seed=0).cdf(np.full(4, hsu_quantile(4, 12)))
    assert below == pytest.approx(0.95, abs=2e-3)


def test_tukey_quantile_is_the_t_quantile_for_two_settings() -> None:
    assert tukey_quantile(2, 9) == pytest.approx(stats.t.ppf(0.975, 9), abs=1e-3)


@pytest.mark.parametrize("missing", [(), (3, 7)])
def test_means_and_residual_are_those_of_least_squares(missing: tuple[int, ...]) -> None:
    import statsmodels.formula.api as formulas

    rows, columns, y = table(5, 4)
    kept = [i for i in range(20) if i not in missing]
    data = pd.DataFrame({"y": np.log(y), "s": rows, "e": columns}).iloc[kept]
    fit = formulas.ols("y ~ C(s) + C(e)", data=data).fit()
    grid = pd.DataFrame({"s": rows, "e": columns})
    expected = np.exp(grid.assign(y=fit.predict(grid)).groupby("s")["y"].mean())
    found = compare([rows[i] for i in kept], [columns[i] for i in kept], y[kept])
    assert {e.setting: e.value for e in found.estimates} == pytest.approx(expected.to_dict())
    assert found.residual_sd == pytest.approx(math.sqrt(fit.scale))
    assert found.df == fit.df_resid


def test_interval_of_a_balanced_design_holds_the_seeds_variance() -> None:
    rows, columns, y = table(3, 6)
    logs = np.log(y).reshape(3, 6)
    residual = logs - logs.mean(0) - logs.mean(1, keepdims=True) + logs.mean()
    seed_square, residual_square = 3 * logs.mean(0).var(ddof=1), (residual**2).sum() / 10
    squared = (seed_square + 2 * residual_square) / 18
    df = squared**2 / ((seed_square / 18) ** 2 / 5 + (2 * residual_square / 18) ** 2 / 10)
    first = compare(rows, columns, y).estimates[0]
    assert math.log(first.high / first.value) == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(squared))


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


def test_seeds_that_no_two_settings_share_are_no_blocks() -> None:
    found = compare(["a"] * 3 + ["b"] * 3, range(6), [1.0, 1.1, 1.2, 9.0, 9.5, 10.0])
    assert not found.seed_effects and found.df == 4 and found.single


def test_runs_of_one_trajectory_count_as_one_unit() -> None:
    rows, columns, y = table(6, 5)
    units = [(row // 3, column) for row, column in zip(rows, columns, strict=True)]
    together, apart = compare(rows, columns, y, units), compare(rows, columns, y)
    assert (apart.df, together.df) == (20, 4)
    assert together.residual_sd == pytest.approx(apart.residual_sd * math.sqrt(20 / (3 * 4)))


def test_epochs_of_the_same_trajectories_are_compared_within_them() -> None:
    rows, columns, y = table(3, 5)
    assert compare(rows, columns, y, columns).df == 8


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


# Reduced simulations: bounds are three standard errors of 200 sweeps away from what the full ones must keep.


@pytest.mark.parametrize("how", [{"seed_sd": 0.0}, {"seed_sd": 0.3, "per_trajectory": 3, "correlation": 0.8}])
def test_equal_settings_are_rarely_told_apart(simulation: ModuleType, how: dict[str, float]) -> None:
    found = simulation.rates(200, np.zeros(18), np.full(18, 0.3), **how)
    assert found["false"] <= 0.065 + 3 * math.sqrt(0.065 * 0.935 / 200)
    assert 0.92 <= found["coverage"] <= 0.98


def test_a_better_setting_is_found(simulation: ModuleType) -> None:
    truth, sigmas, how = simulation.cases()["one better by 5 standard errors"]
    found = simulation.rates(200, truth, sigmas, **how)
    assert found["found"] >= 0.8
    assert found["false"] <= 0.05
