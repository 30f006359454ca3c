from __future__ import annotations

import itertools

import numpy as np
import pytest

from ganexp.report.statistics.budget import best_of, expected_cost, incumbents


@pytest.mark.parametrize("size", [1, 2, 18, 400])
def test_best_of_the_first_numbers_has_a_closed_form(size: int) -> None:
    # The least of n of 1 ... N drawn without replacement is (N + 1) / (n + 1) on average.
    assert best_of(range(1, size + 1)) == pytest.approx((size + 1) / (np.arange(1, size + 1) + 1))


def test_best_of_uniform_values_is_the_mean_of_the_least_order_statistic() -> None:
    # Over draws of the N values themselves: E of the least of n uniform ones is 1 / (n + 1), whatever N.
    rng = np.random.default_rng(0)
    curves = np.mean([best_of(rng.random(20)) for _ in range(1000)], axis=0)
    assert curves == pytest.approx(1 / (np.arange(1, 21) + 1), abs=0.03)


def test_best_of_by_enumeration_in_both_directions() -> None:
    values = [3.0, -1.0, 7.0, 2.5, 2.5]
    for direction, best in (("minimise", min), ("maximise", max)):
        found = [np.mean([best(s) for s in itertools.combinations(values, n)]) for n in range(1, 6)]
        assert best_of(values, direction) == pytest.approx(found)


def test_each_trajectory_is_charged_once_to_the_longest_run_drawn() -> None:
    seconds, names = [1.0, 2.0, 5.0, 1.0, 3.0, 9.0], ["a", "a", "a", "b", "b", "c"]

    def cost(drawn: tuple[int, ...]) -> float:
        return sum(max((seconds[i] for i in drawn if names[i] == name), default=0.0) for name in "abc")

    found = [np.mean([cost(s) for s in itertools.combinations(range(6), n)]) for n in range(1, 7)]
    assert expected_cost(seconds, names) == pytest.approx(found)


def test_incumbents() -> None:
    assert incumbents([3, 5, 2, 4]).tolist() == [3, 3, 2, 2]
    assert incumbents([3, 5, 2, 4], "maximise").tolist() == [3, 5, 5, 5]
