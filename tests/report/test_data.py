"""The page's data block."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished import Recipe, build

from ganexp.config.recorded import overrides_in
from ganexp.report import data as block
from ganexp.report import page as report_page
from ganexp.report.chapters import chapters
from ganexp.report.data import data_block
from ganexp.report.ranking import rankings
from ganexp.report.settings import NO_OPTIONS, key_names, label
from ganexp.report.study import read_study
from ganexp.report.verify import DATA
from ganexp.report.write import make
from ganexp.types.endings import State

SECTIONS = ("verdict", "heatmaps", "matters", "curves", "losses")
LRS = (1e-4, 1e-5)

Read = Callable[[Path], dict[str, Any]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """A sweep directory -> the block of its page, which has no figures."""
    monkeypatch.setattr(report_page, "drawings", lambda *_: {key: [] for key in SECTIONS})

    def block_of(folder: Path) -> dict[str, Any]:
        found = DATA.search(make([folder], folder).html)
        assert found is not None
        content: dict[str, Any] = json.loads(found[1])
        return content

    return block_of


def test_of_many_runs_failures_have_pictures_beside_the_best(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "SINGLE_RUNS", 3)
    failed = {1: State.FAILED, 5: State.DIVERGED}
    build(tmp_path, Recipe({"optim.lr": LRS}, range(3), endings=failed, pictures=True))
    made = read(tmp_path)
    shown = [run["state"] for run in made["runs"] if run["id"] in made["pictures"]]
    assert sorted(shown) == ["COMPLETED", "COMPLETED", "DIVERGED", "FAILED"]


def test_where_room_is_short_every_run_keeps_its_last_picture(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, Recipe({"optim.lr": LRS, "trainer.epochs": (30,)}, range(2), pictures=True))
    whole = read(tmp_path)["pictures"]
    assert len(whole) == 4 and all(len(urls) > 1 for urls in whole.values())
    last = {run: max(urls, key=int) for run, urls in whole.items()}
    monkeypatch.setattr(block, "BYTES", sum(len(whole[run][epoch]) for run, epoch in last.items()))
    assert {run: list(urls) for run, urls in read(tmp_path)["pictures"].items()} == {
        run: [epoch] for run, epoch in last.items()
    }


def test_a_seed_that_failed_does_not_cut_the_mean_curve(read: Read, tmp_path: Path) -> None:
    build(tmp_path, Recipe({"optim.lr": LRS, "trainer.epochs": (20,)}, range(3), endings={1: State.FAILED}))
    (training, _) = sorted(read(tmp_path)["chapters"][0]["trainings"], key=lambda each: "1e-05" in each["name"])
    assert training["mean"]["epoch"][-1] == 20


def test_settings_of_trajectories_of_their_own_have_curves_of_their_own(tmp_path: Path) -> None:
    build(tmp_path, Recipe({"trainer.epochs": (2, 4)}, range(2)))
    study = read_study([tmp_path])
    apart = tuple(replace(run, trajectory_id=f"{run.epochs}{run.trajectory_id}") for run in study.runs)
    for runs, names in ((study.runs, ["the only setting"]), (apart, ["epochs 2", "epochs 4"])):
        changed = replace(study, runs=runs)
        (chapter,) = data_block(changed, chapters(changed, rankings(changed), NO_OPTIONS), {})["chapters"]
        assert sorted(each["name"] for each in chapter["trainings"]) == names


def test_keys_with_one_last_part_have_names_that_tell_them_apart() -> None:
    keys = ("optim.generator.lr", "optim.discriminator.lr", "trainer.batch_size")
    assert list(key_names(keys).values()) == ["generator.lr", "discriminator.lr", "batch size"]
    setting = tuple((key, "1") for key in keys)
    assert label(setting) == "generator.lr 1, discriminator.lr 1, batch size 1"
    assert label(setting[1:]) == "lr 1, batch size 1"


def test_a_run_without_a_plan_has_the_command_that_it_recorded(tmp_path: Path) -> None:
    (run,) = build(tmp_path, Recipe({"optim.lr": (1e-4,)}))
    folder = tmp_path / run.run_dir
    (folder / ".hydra").mkdir(exist_ok=True)
    (folder / ".hydra" / "overrides.yaml").write_text("- optim.lr=3e-4\n- seed=2\n")
    assert overrides_in(folder) == ("optim.lr=3e-4", "seed=2")
    for damage in (b"\xff", b"a: 1", b"[1, 2]", b"- &a [*a]"):
        (folder / ".hydra" / "overrides.yaml").write_bytes(damage)
        assert overrides_in(folder) == ()
