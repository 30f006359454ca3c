from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from finished import Recipe, build

from ganexp import load_summary
from ganexp.report import write_report
from ganexp.report.runs import RunRecord
from ganexp.report.study import Study, read_study
from ganexp.report.text.closing import ROWS, Closing
from ganexp.sweep import show
from ganexp.types.endings import State


def closing(folder: Path, recipe: Recipe) -> Closing:
    runs = build(folder, recipe)
    return Closing(read_study([folder]), {run.run_id for run in runs})


AXES = {"optim.lr": (1e-4, 1.0001e-4, 2e-4), "trainer.batch_size": (16, 32)}


def test_one_row_a_setting_with_the_geometric_mean_of_its_seeds_the_best_first(tmp_path: Path) -> None:
    effects = {("optim.lr", 2e-4): -3.0, ("optim.lr", 1e-4): 2.0}
    closing(tmp_path, Recipe(AXES, seeds=(0, 1, 2), effects=effects))
    write_report([tmp_path])  # which notes its look
    study = read_study([tmp_path])
    shown = Closing(study, {run.run_id for run in study.runs})
    header, *rows = [line.split() for line in shown.table(80)]
    assert header[:4] == ["lr", "batch_size", "seeds", "cfd"]
    assert [row[0] for row in rows] == ["0.0002", "0.0002", "0.00010001", "0.00010001", "0.0001", "0.0001"]
    assert {row[2] for row in rows} == {"3"}
    summary = load_summary(tmp_path)
    for row in rows:
        mine = summary[(summary.lr == float(row[0])) & (summary.batch_size == int(row[1]))].cfd
        assert float(row[3].replace(",", "")) == pytest.approx(math.exp(sum(map(math.log, mine)) / 3), rel=0.01)
    best, claim = shown.best()
    assert best.startswith(f"best: lr=0.0002 batch_size={rows[0][1]}: cfd {rows[0][3]} over 3 seeds")
    assert "others cannot be told from it" in claim or "better than each of the 5 others" in claim


@pytest.mark.parametrize(
    ("ended", "claims"),
    [
        ({}, True),
        ({"report": False}, False),
        ({"urgent": True, "stopped": "stopped"}, False),
        ({"stopped": "the time is over"}, True),
        ({"stopped": "the time is over", "until_claim": True}, False),
        ({"jobs_launched": 0}, True),
        ({"until_claim": True}, True),
    ],
)
def test_a_claim_is_made_where_a_report_notes_the_look(
    ended: dict[str, Any], claims: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = build(tmp_path, Recipe({"optim.lr": (1e-4, 2e-4)}, range(5), {("optim.lr", 2e-4): 3.0}))
    if "jobs_launched" in ended:  # the report is there, from before the look could be noted
        (tmp_path / "report.html").write_text("")
    launched = ended.pop("jobs_launched", 1)
    conductor: Any = SimpleNamespace(directory=tmp_path, points=runs, jobs_launched=launched, record_again=lambda: None)
    show.closing(conductor, ("optim.lr",), **{"stopped": "", "urgent": False, "report": True, **ended})
    told = capsys.readouterr().out
    assert ("better than the other one, family-wise" in told) == claims
    assert ("`ganexp report` says it" in told) == (not claims)
    assert (tmp_path / "looks.json").exists() == claims
    reported = ended.get("report", True) and not ended.get("urgent")
    if reported:
        page = (tmp_path / "report.md").read_text()
        assert ("No setting is claimed to be the best here" in page) == (not claims)
        assert "Values do not differ" not in page


@pytest.mark.parametrize("width", [80, 50, 30, 12])
def test_a_narrow_terminal_loses_columns_and_no_value(tmp_path: Path, width: int) -> None:
    shown = closing(tmp_path, Recipe(AXES))
    lines = shown.table(width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert all(value in text for value in ("0.00010001", "0.0002", "16", "32"))


def test_keys_that_end_alike_are_told_apart(tmp_path: Path) -> None:
    axes = {"model.generator.width": (8, 16), "model.discriminator.width": (8, 16)}
    shown = closing(tmp_path, Recipe(axes))
    assert shown.table(80)[0].split()[:2] == ["generator.width", "discriminator.width"]
    assert "best: generator.width=" in shown.best()[0]


def test_at_most_fifteen_rows_and_how_many_more(tmp_path: Path) -> None:
    shown = closing(tmp_path, Recipe({"optim.lr": [1e-5 * number for number in range(1, 25)]}))
    _, *rows, more = shown.table(80)
    assert len(rows) == ROWS
    assert more == "... and 9 more settings, in the report"
    assert "fewer than 3 seeds: no claim" in shown.best()[1]


def test_several_data_sets_share_the_rows(tmp_path: Path) -> None:
    shown = closing(tmp_path, Recipe({"dataset": ("digits", "mnist"), "optim.lr": [1e-5 * n for n in range(1, 13)]}))
    lines = shown.table(80)
    assert [line for line in lines if line.endswith(":")] == ["digits:", "mnist:"]
    assert sum(line.startswith("... and 5 more") for line in lines) == 2
    assert [line.split(",")[0] for line in shown.best() if line.startswith("best")] == ["best: digits", "best: mnist"]


def test_what_did_not_complete_has_its_state_in_place_of_a_value(tmp_path: Path) -> None:
    endings = {0: State.DIVERGED, 3: State.PENDING}
    shown = closing(tmp_path, Recipe({"optim.lr": (1e-3, 1e-4)}, seeds=(0, 1), endings=endings))
    rows = {line.split()[0]: line for line in shown.table(80)[1:]}
    assert "1 of 2" in rows["0.001"] and "1 DIVERGED, 1 COMPLETED" in rows["0.001"]
    assert "1 of 2" in rows["0.0001"] and "PENDING" not in rows["0.0001"]


def test_without_metrics_states_stand_there_and_nothing_is_best(tmp_path: Path) -> None:
    shown = closing(tmp_path, Recipe({"optim.lr": (1e-3, 1e-4)}, metrics=False))
    header, *rows = shown.table(80)
    assert header.split()[:3] == ["lr", "seeds", "state"]
    assert all("COMPLETED" in row for row in rows)
    assert shown.best() == []


def test_only_settings_that_were_asked_for(tmp_path: Path) -> None:
    runs = build(tmp_path, Recipe({"optim.lr": (1e-3, 1e-4)}, effects={("optim.lr", 1e-4): -3.0}))
    shown = Closing(read_study([tmp_path]), {run.run_id for run in runs if run.values["lr"] == 1e-3})
    assert [line.split()[0] for line in shown.table(80)[1:]] == ["0.001"]
    assert shown.best()[0].startswith("best: lr=0.0001:")
    assert "asked for by another command" in shown.best()[0]


def in_words(study: Study, values: dict[str, tuple[float, float]]) -> Study:
    """The study as protocol 2 would have measured it: rate -> cfd and recall, of floors 1.4 and .9."""

    def judged(run: RunRecord) -> RunRecord:
        cfd, recall = values[str(run.values["lr"])]
        provenance = run.result["provenance"]
        made = {
            **provenance["metrics"],
            "num_samples": 5000,
            "metrics": {"cfd": {"version": 2}, "recall": {"version": 2}},
        }
        final = {**run.result["final"], "cfd": cfd, "cfd_half_a": cfd, "precision": 0.9, "recall": recall}
        return replace(run, result={**run.result, "final": final, "provenance": {**provenance, "metrics": made}})

    return replace(study, runs=tuple(map(judged, study.runs)))


def test_words_stand_beside_values_and_what_is_bad_is_not_praised(tmp_path: Path) -> None:
    runs = {run.run_id for run in build(tmp_path, Recipe({"optim.lr": (1e-3, 1e-4)}))}
    study = read_study([tmp_path])
    good = Closing(in_words(study, {"0.001": (14.0, 0.8), "0.0001": (9e3, 0.0)}), runs)
    assert ["near real" in line for line in good.table(80)[1:]] == [True, False]
    assert "noise" in good.table(80)[2]
    assert good.best()[0] == "best: lr=0.001: cfd 14.0 over 1 seed, near real"
    assert "worth choosing" not in good.best()[1]
    bad = Closing(in_words(study, {"0.001": (14.0, 0.01), "0.0001": (9e3, 0.0)}), runs)
    assert "a few shapes over and over" in bad.table(80)[1]
    assert bad.best()[1] == "  no setting gives more than noise or a few shapes over and over: none is worth choosing"
    assert "noise" not in bad.table(24)[2]
