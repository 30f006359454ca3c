"""What the report says of a search, from trials.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import Recipe, build

from ganexp.report import write_report
from ganexp.report.search import FILE, pareto, searches
from ganexp.report.study import read_study


def trial(number: int, state: str, values: list[float] | None = None, **more: Any) -> dict[str, Any]:
    plain = {"number": number, "state": state, "values": values, "params": {}, "distributions": {}, "intermediate": {}}
    return {**plain, "attributes": {}, "begun": None, "ended": None, **more}


def journal(folder: Path, trials: list[dict[str, Any]], objectives: tuple[str, ...] = ("cfd",)) -> None:
    head = {"format": 1, "study": "s", "objectives": objectives, "directions": ["minimize"] * len(objectives)}
    content = {**head, "sampler": "TPESampler", "pruner": "MedianPruner", "trials": trials}
    (folder / FILE).write_text(json.dumps(content))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    build(tmp_path, Recipe({"optim.lr": (1e-4, 1e-3)}, range(1)))
    return tmp_path


def test_the_pareto_front_is_what_no_other_beats() -> None:
    values = np.array([[1.0, 9.0], [2.0, 8.0], [2.0, 9.0], [3.0, 3.0], [4.0, 3.0], [1.0, 9.0]])
    assert pareto(values, ["minimize", "minimize"]).tolist() == [True, True, False, True, False, True]
    assert pareto(values, ["minimize", "maximize"]).tolist() == [True, False, False, False, False, True]
    assert pareto(np.empty((0, 2)), ["minimize", "minimize"]).tolist() == []


def test_trials_by_state(sweep: Path) -> None:
    done = {"intermediate": {"1": 9.0, "2": 5.0}}
    cut = trial(2, "PRUNED", intermediate={"1": 30.0})
    failed = trial(3, "FAIL", attributes={"reason": "DIVERGED: <b>epoch</b> 1"})
    journal(sweep, [trial(0, "COMPLETE", [5.0], **done), trial(1, "COMPLETE", [4.0], **done), cut, failed])
    (found,) = searches(read_study([sweep]))
    assert found.states == {"COMPLETE": 2, "PRUNED": 1, "FAIL": 1}
    assert [each.number for each in found.front] == [1]
    page = write_report([sweep]).read_text()
    assert "DIVERGED: &lt;b&gt;epoch" in page and 'href="#search"' in page
    assert "trial 3: DIVERGED" in (sweep / "report.md").read_text()


def test_rungs_and_racing_say_what_they_dropped_and_why(sweep: Path) -> None:
    (run,) = read_study([sweep]).runs[:1]
    why = {"dropped": "at 3 of 9 epochs not among the best 1 in 3", "epochs": [3, 9], "run_id": run.run_id}
    lost = {"dropped": "racing: its first seed is 2 times as bad", "seeds": [0, 1], "seed_values": {"0": 8.0}}
    seeded = {"seeds": [0, 1], "seed_values": {"0": 4.0, "1": 4.0}}
    journal(
        sweep,
        [
            trial(0, "COMPLETE", [float(np.log(4.0))], attributes=seeded),
            trial(1, "PRUNED", intermediate={"3": 20.0}, attributes=why),
            trial(2, "PRUNED", intermediate={"9": float(np.log(8.0))}, attributes=lost),
            trial(3, "PRUNED", intermediate={"9": 1e30}, attributes=lost),
        ],
    )
    (found,) = searches(read_study([sweep]))
    assert found.dropped == {why["dropped"]: 1, lost["dropped"]: 2}
    assert found.trials[0].values == pytest.approx((4.0,)), "as people read it: the geometric mean"
    assert found.trials[2].reports == ((9, pytest.approx(8.0)),)
    assert found.saved == pytest.approx(2 * run.seconds), "nine epochs less three, at the speed of the three"
    page, text = write_report([sweep]).read_text(), (sweep / "report.md").read_text()
    for each in (page, text):
        assert "pruned: at 3 of 9 epochs not among the best 1 in 3" in each and "racing: its first seed" in each


def test_several_objectives(sweep: Path) -> None:
    journal(sweep, [trial(n, "COMPLETE", [float(n + 1), float(9 - n)]) for n in range(3)], ("cfd", "train_seconds"))
    (found,) = searches(read_study([sweep]))
    assert len(found.front) == 3
    assert "On the Pareto front" in write_report([sweep]).read_text()


@pytest.mark.parametrize("trials", [[], [trial(0, "RUNNING")], [trial(0, "FAIL")], [trial(0, "PRUNED")]])
def test_a_search_with_nothing_complete(sweep: Path, trials: list[dict[str, Any]]) -> None:
    journal(sweep, trials)
    (found,) = searches(read_study([sweep]))
    assert found.front == ()
    assert f"{len(trials)}" in write_report([sweep]).read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', "{"])
def test_a_damaged_journal_is_left_out(sweep: Path, content: str) -> None:
    (sweep / FILE).write_text(content)
    assert searches(read_study([sweep])) == []
    assert 'id="search"' not in write_report([sweep]).read_text()
