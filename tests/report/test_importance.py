from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from ganexp.report.statistics.importance import importance


def grid(seeds: int = 3) -> tuple[pd.DataFrame, list[int], list[float]]:
    points = list(itertools.product([16, 36, 64], [20, 50, 100], [1e-4, 1e-5], range(seeds)))
    table = pd.DataFrame(points, columns=["batch", "epochs", "rate", "seed"])
    noise = np.random.default_rng(0).normal(size=len(table))
    y = np.log(table["batch"]) + (table["rate"] == 1e-4) * (table["epochs"] > 20) + 0.3 * noise
    return table[["batch", "epochs", "rate"]], table["seed"].tolist(), y.tolist()


def test_shares_are_sums_of_squares_of_the_anova() -> None:
    import statsmodels.formula.api as formulas
    from statsmodels.stats.anova import anova_lm

    factors, seeds, y = grid()
    found = importance(factors, seeds, y, "minimise")
    data = factors.assign(y=y, seed=seeds)
    fit = formulas.ols("y ~ C(batch) * C(epochs) * C(rate) + C(seed)", data=data).fit()
    squares = anova_lm(fit)["sum_sq"] / ((np.array(y) - np.mean(y)) ** 2).sum()
    assert found.method == "anova"
    assert sum(found.shares.values()) == pytest.approx(1)
    expected = {"batch": "C(batch)", "epochs x rate": "C(epochs):C(rate)", "seed": "C(seed)", "residual": "Residual"}
    for name, term in expected.items():
        assert found.shares[name] == pytest.approx(squares[term])


def test_two_keys_without_seeds_leave_their_interaction() -> None:
    factors = pd.DataFrame({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]})
    assert importance(factors, [0] * 4, [0.0, 1.0, 2.0, 3.0], "minimise").shares == pytest.approx(
        {"a": 0.8, "b": 0.2, "a x b": 0.0}
    )


def test_scattered_runs_are_left_to_ped_anova() -> None:
    rng = np.random.default_rng(0)
    factors = pd.DataFrame({"rate": 10 ** rng.uniform(-5, -2, 60), "loss": rng.choice(["a", "b"], 60)})
    y = (np.log10(factors["rate"]) + 3) ** 2
    found = importance(factors, [0] * 60, y.tolist(), "minimise")
    assert found.method == "ped-anova"
    assert found.shares["rate"] > 0.8


def test_twenty_scattered_runs_are_enough_and_the_uncertainty_is_told() -> None:
    rng = np.random.default_rng(1)
    factors = pd.DataFrame({"rate": 10 ** rng.uniform(-5, -2, 20), "loss": rng.choice(["a", "b"], 20)})
    y = ((np.log10(factors["rate"]) + 3) ** 2).tolist()
    found = importance(factors, [0] * 20, y, "minimise")
    assert found.method == "ped-anova"
    for key, share in found.shares.items():
        low, high = found.ranges[key]
        assert 0 <= low <= high <= 1
        assert low - 0.3 <= share <= high + 0.3
    assert found.ranges["rate"][1] - found.ranges["rate"][0] > 0.01, "twenty runs are few"
    assert importance(factors, [0] * 20, y, "minimise") == found


@pytest.mark.parametrize("runs", [17, 19])
def test_too_few_runs_off_a_grid(runs: int) -> None:
    factors, seeds, y = grid()
    found = importance(factors[:runs], seeds[:runs], y[:runs], "minimise")
    assert found.method == "none" and "too few runs" in found.reason and str(runs) in found.reason


def test_nothing_varies() -> None:
    assert importance(pd.DataFrame({"a": [1, 1]}), [0, 1], [1.0, 2.0], "minimise").reason == "no key varies"
