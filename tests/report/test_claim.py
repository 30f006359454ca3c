"""Which settings are left behind, what earlier looks claimed, and how seeds are handed out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from finished import Recipe, build

from ganexp.files.plan import PlannedRun
from ganexp.report.looks import claims, record_looks
from ganexp.report.ranking import rankings
from ganexp.report.statistics.claim import LOOK_AT, in_the_race, near, seeds_next, undecided
from ganexp.report.statistics.compare import compare
from ganexp.report.statistics.comparison import Comparison, with_earlier
from ganexp.report.study import read_study
from ganexp.report.text.verdict import verdict
from ganexp.sweep.until_claim import UntilClaim
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError


def compared(gaps: list[float], seeds: int = 4, sigma: float = 0.05, **options: Any) -> Comparison:
    rng = np.random.default_rng(0)
    y = np.exp(np.array(gaps)[:, None] + sigma * rng.normal(size=(len(gaps), seeds)))
    rows, columns = np.indices(y.shape)
    return compare(rows.ravel().tolist(), columns.ravel().tolist(), y.ravel().tolist(), **options)


class TestNear:
    VALUES: ClassVar = {"best": [10.0, 10.5], "close": [10.4, 10.9], "far": [90.0, 95.0]}

    def test_a_setting_that_is_far_needs_no_luck_to_be_behind(self) -> None:
        assert near(self.VALUES, "best") == {"best", "close"}

    def test_its_own_scatter_counts_where_it_is_larger_than_that_of_the_others(self) -> None:
        calm = {f"calm {i}": [200.0, 204.0] for i in range(9)}
        assert "wild" in near({"best": [10.0, 10.5], "wild": [11.0, 90.0], **calm}, "best")
        assert "wild" not in near({"best": [10.0, 10.5], "wild": [31.0, 32.0], **calm}, "best")

    def test_one_seed_is_judged_by_the_scatter_of_the_others(self) -> None:
        assert near({**self.VALUES, "one": [10.2], "one far": [60.0]}, "best") == {"best", "close", "one"}
        assert near({"best": [1.0], "other": [9.0]}, "best") == {"best", "other"}, "nothing tells how far is far"

    def test_values_that_are_not_all_positive_are_compared_as_they_are(self) -> None:
        assert near({"best": [-1.0, -1.1], "close": [-0.9, -1.05], "far": [4.0, 4.1]}, "best") == {"best", "close"}

    @pytest.mark.parametrize("direction", ["minimise", "maximise"])
    def test_two_stay_in_the_race_whatever_the_gap(self, direction: str) -> None:
        low, high = ["best", "close"], ["far", "close"]
        assert in_the_race(self.VALUES, list(self.VALUES), direction) == (low if direction == "minimise" else high)


def test_seeds_grow_by_one_until_the_first_look_then_by_half() -> None:
    counts = [2]
    while counts[-1] < 20:
        counts.append(seeds_next(counts[-1]))
    assert counts == [2, 3, 4, 6, 9, 14, 21]
    assert LOOK_AT == 4


class TestUndecided:
    def test_who_cannot_be_told_from_the_best_needs_seeds(self) -> None:
        assert undecided(compared([0.0, 0.01, 3.0])) == [0, 1] or undecided(compared([0.0, 0.01, 3.0])) == [1, 0]

    def test_a_best_setting_needs_none(self) -> None:
        assert undecided(compared([0.0, 2.0, 3.0])) == []

    def test_nor_do_settings_within_five_percent(self) -> None:
        alike = compared([0.0, 0.0, 3.0], seeds=15, sigma=0.02)
        assert undecided(alike) == [] and not alike.single
        assert len(undecided(compared([0.0, 0.0, 3.0], seeds=15, sigma=0.2))) == 2

    def test_without_noise_seeds_decide_nothing(self) -> None:
        assert undecided(compared([0.0, 1.0], sigma=0.0)) == []


class TestFamily:
    def test_settings_that_were_left_behind_widen_the_limits_of_the_others(self) -> None:
        alone, picked = compared([0.0, 0.4], sigma=0.1), compared([0.0, 0.4], sigma=0.1, family=60)
        assert alone.differences[0].low < picked.differences[0].low or (
            alone.differences[0].high < picked.differences[0].high
        )
        assert alone.winner is not None and picked.winner is not None
        assert picked.winner.high > alone.winner.high
        assert (alone.family, picked.family) == (2, 60)

    def test_only_those_near_the_best_count(self, tmp_path: Path) -> None:
        lrs = (1e-4, 2e-4, 3e-4, 4e-4)
        recipe = Recipe(
            {"optim.lr": lrs},
            seeds=(0, 1, 2),
            effects={("optim.lr", 2e-4): 0.3, ("optim.lr", 4e-4): 3.0},
            endings={8: State.PENDING, 11: State.PENDING},  # third seeds of 3e-4 and 4e-4
        )
        build(tmp_path, recipe)
        study = read_study([tmp_path])
        (ranking,) = rankings(study)
        assert [standing.name for standing in ranking.left_behind] == ["lr 0.0003", "lr 0.0004"]
        assert ranking.comparison is not None and ranking.comparison.family == 3
        said = " ".join(sentence.plain for sentence in verdict(study, ranking, ""))
        assert "2 more settings have fewer than 3 seeds: nothing is claimed of them" in said
        assert "The nearest is lr 0.0003" in said
        assert "1 of them is so near that chance may have left it behind" in said


class TestEarlier:
    def test_a_claim_of_an_earlier_look_stands_for_the_same_best(self) -> None:
        now = compared([0.0, 0.02, 0.03], sigma=0.2)
        assert not now.told_apart
        others = [each.setting for each in now.estimates if each.setting != now.chosen]
        kept = with_earlier(now, [(now.chosen, {others[0]})])
        assert kept.told_apart == {others[0]} and not kept.single
        assert with_earlier(now, [(now.chosen, set(others))]).single

    def test_it_says_nothing_of_another_best(self) -> None:
        now = compared([0.0, 0.02, 0.03], sigma=0.2)
        others = [each.setting for each in now.estimates if each.setting != now.chosen]
        assert not with_earlier(now, [(others[0], {others[1]})]).told_apart
        assert not with_earlier(now, [(others[0], {now.chosen})]).told_apart

    def test_unless_that_one_was_told_apart_too(self) -> None:
        now = compared([0.0, 0.02, 0.03], sigma=0.2)
        others = [each.setting for each in now.estimates if each.setting != now.chosen]
        chain = [(others[0], {others[1]}), (now.chosen, {others[0]})]
        assert with_earlier(now, chain).told_apart == set(others)

    def test_looks_json_keeps_who_was_worse(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe({"optim.lr": (1e-4, 1e-5)}, seeds=(0, 1, 2), effects={("optim.lr", 1e-5): 2.0}))
        study = read_study([tmp_path])
        (ranking,) = rankings(study)
        after = record_looks(study, [ranking])
        done = {standing.setting: standing.done for standing in ranking.ranked}
        ((best, worse),) = claims(after.looks, done)
        assert best == ranking.ranked[0].setting and worse == {ranking.ranked[1].setting}
        (look,) = json.loads((tmp_path / "looks.json").read_text())["looks"]
        del look["best"], look["apart"]
        (tmp_path / "looks.json").write_text(json.dumps({"format": 1, "looks": [look]}))
        assert list(claims(read_study([tmp_path]).looks, done)) == [], "as version 0.1.0 wrote it"


SEEDS = tuple(range(22))


class Grid:
    """A sweep of four learning rates whose runs are all there before they are asked for."""

    def __init__(self, folder: Path, gaps: tuple[float, ...], sigma: float, endings: dict[int, State]) -> None:
        lrs = [1e-4 * (number + 1) for number in range(len(gaps))]
        effects = {("optim.lr", lr): gap for lr, gap in zip(lrs, gaps, strict=True)}
        self.folder = folder
        runs = build(folder, Recipe({"optim.lr": lrs}, SEEDS, effects, sigma, endings))
        self.by_overrides = {run.overrides: run for run in runs}
        self.first = [self.point(run) for run in runs if run.values["seed"] == 0]

    def point(self, run: PlannedRun) -> Any:
        return SimpleNamespace(**vars(run), config=SimpleNamespace(seed=run.values["seed"]))

    def conduct(self, most: int | None) -> tuple[UntilClaim, list[int]]:
        """All decisions; the sweep at its end, and how many runs there were after each."""
        compose = lambda asked: [self.point(self.by_overrides[overrides]) for overrides in asked]  # noqa: E731
        claim, sizes = UntilClaim(self.first, compose, most), list[int]()
        conductor: Any = SimpleNamespace(directory=self.folder, points=claim.points)
        conductor.conduct = lambda: sizes.append(len(conductor.points))
        claim.work(conductor, lambda: None)
        return claim, sizes


class TestHandingOut:
    def test_seeds_go_where_they_decide_until_the_best_is_told_apart(self, tmp_path: Path) -> None:
        grid = Grid(tmp_path, (0.0, 0.35, 2.0, 2.5), 0.1, {})
        claim, sizes = grid.conduct(60)
        counts = [len(runs) for runs in claim.runs]
        assert counts[2:] == [2, 2] and counts[0] == counts[1] >= LOOK_AT
        assert sizes == sorted(set(sizes)) and sizes[0] == 8 and sizes[-1] == sum(counts) < 20
        ids = {point.run_id for point in claim.points}
        study = read_study([tmp_path])
        (ranking,) = rankings(replace(study, runs=tuple(run for run in study.runs if run.run_id in ids)))
        assert ranking.comparison is not None and ranking.comparison.single
        assert {look["seeds"][1] >= LOOK_AT for look in study.looks} == {True}

    def test_the_same_again_decides_the_same(self, tmp_path: Path) -> None:
        grid = Grid(tmp_path, (0.0, 0.15, 0.3, 2.5), 0.15, {})
        first, sizes = grid.conduct(50)
        again, sizes_again = grid.conduct(50)
        assert sizes == sizes_again and len(sizes) > 4
        assert [point.run_id for point in first.points] == [point.run_id for point in again.points]
        assert len(read_study([tmp_path]).looks) >= 2

    @pytest.mark.parametrize("most", [10, 11, 17, 23, None])
    def test_the_budget_is_kept(self, most: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _, sizes = Grid(tmp_path, (0.0, 0.0, 0.01, 0.02), 0.2, {}).conduct(most)
        assert sizes[-1] <= (most or 20)
        assert sizes[-1] + 4 > (most or 20), "it is used"
        assert "too few are left for another seed of each" in capsys.readouterr().out

    def test_a_setting_with_a_failed_run_leaves_the_race(self, tmp_path: Path) -> None:
        claim, _ = Grid(tmp_path, (0.0, 0.1, 0.2, 2.5), 0.1, {1: State.FAILED}).conduct(40)
        assert len(claim.runs[0]) == 2 and len(claim.runs[1]) >= LOOK_AT

    def test_too_few_settings_or_runs_are_refused(self, tmp_path: Path) -> None:
        grid = Grid(tmp_path, (0.0, 0.1, 0.2, 2.5), 0.1, {})
        with pytest.raises(ConfigError, match=r"sweep.max_runs: expected at least 10 \(2 seeds of each of 4 .*got 9"):
            grid.conduct(9)
        grid.first = grid.first[:1]
        with pytest.raises(ConfigError, match="expected a grid of two settings or more to choose from, got one"):
            grid.conduct(40)
