"""Trials of a study: counted exactly, never left behind, told once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import IntegrityError

from ganexp.files.run_folder import RunFolder
from ganexp.sweep.search.samplers import make_pruner, make_sampler
from ganexp.sweep.search.study import Address, Judge, address_of, hidden, open_storage, open_study
from ganexp.sweep.search.trials import LAUNCHER, LAUNCHERS, RUN_DIR, Trials, counted
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError


def address(folder: Path) -> Address:
    return Address("study", f"sqlite:///{folder / 'study.db'}")


def trials(folder: Path, total: int) -> Trials:
    at = address(folder)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = open_study(at, open_storage(at), folder, ["minimize"], sampler, optuna.pruners.NopPruner())
    return Trials(study, folder, total)


def x(trial: Trial) -> float:
    return trial.suggest_float("x", 0.0, 1.0)


def test_no_more_trials_are_asked_for_than_the_total(tmp_path: Path) -> None:
    mine = trials(tmp_path, 3)
    with mine.held():
        asked = [mine.ask(x) for _ in range(4)]
    assert [None if each is None else each[0].number for each in asked] == [0, 1, 2, None]


def test_two_launchers_share_the_total_and_leave_each_others_trials_alone(tmp_path: Path) -> None:
    one, two = trials(tmp_path, 3), trials(tmp_path, 3)
    with one.held(), two.held():
        numbers = [each[0].number for launcher in (one, two, one, two) if (each := launcher.ask(x)) is not None]
        assert numbers == [0, 1, 2]
        assert (one.elsewhere(), two.elsewhere()) == (1, 2)


def test_trials_of_a_launcher_that_is_gone_go_on_under_their_own_number(tmp_path: Path) -> None:
    gone = trials(tmp_path, 2)
    with gone.held():
        first = gone.ask(x)
        assert first is not None
        gone.ask(x)
        # as kill -9 leaves it: the lease is given back by the system, nothing is cleaned up
        kept = (tmp_path / LAUNCHERS / gone.name / "status.json").read_text()
    (tmp_path / LAUNCHERS / gone.name).mkdir()
    (tmp_path / LAUNCHERS / gone.name / "status.json").write_text(kept)
    assert RunFolder(tmp_path / LAUNCHERS / gone.name).current().state is State.STALE  # type: ignore[union-attr]

    mine = trials(tmp_path, 2)
    with mine.held():
        again = [mine.ask(x) for _ in range(3)]
        assert [None if each is None else each[0].number for each in again] == [0, 1, None]
        assert again[0] is not None and again[0][1] == first[1], "the same point"
        assert mine.study.trials[0].user_attrs[LAUNCHER] == mine.name
        for each in again[:2]:
            assert each is not None
            mine.tell(each[0], State.COMPLETED, [each[1]])
    assert [trial.state for trial in mine.all()] == [TrialState.COMPLETE] * 2
    assert list((tmp_path / LAUNCHERS).iterdir()) == []


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (State.COMPLETED, TrialState.COMPLETE),
        (State.PRUNED, TrialState.PRUNED),
        (State.DIVERGED, TrialState.FAIL),
        (State.FAILED, TrialState.FAIL),
    ],
)
def test_how_a_run_ended_becomes_how_its_trial_ended(tmp_path: Path, ended: State, told: TrialState) -> None:
    mine = trials(tmp_path, 1)
    with mine.held():
        asked = mine.ask(x)
        assert asked is not None
        mine.tell(asked[0], ended, [0.5] if ended is State.COMPLETED else None, "why" if told.name == "FAIL" else None)
        mine.tell(asked[0], State.COMPLETED, [0.1], "another launcher told of it already")
    (trial,) = mine.all()
    assert trial.state is told
    assert trial.values == ([0.5] if ended is State.COMPLETED else None)
    assert trial.user_attrs.get("reason") == (f"{ended}: why" if told is TrialState.FAIL else None)


def test_a_failed_trial_is_tried_again_at_the_same_point_and_counts_once(tmp_path: Path) -> None:
    mine = trials(tmp_path, 1)
    with mine.held():
        asked = mine.ask(x)
        assert asked is not None
        mine.tell(asked[0], State.FAILED, reason="why")
        assert mine.ask(x) is None
        assert mine.retry() == 1
        again = mine.ask(x)
        assert again is not None and again[1] == asked[1]
        assert mine.ask(x) is None
        mine.tell(again[0], State.COMPLETED, [0.5])
    assert [trial.number for trial in counted(mine.all())] == [1]
    assert mine.retry() == 0


class TestSampler:
    def node(self, target: str, **keys: object) -> object:
        from omegaconf import OmegaConf

        return OmegaConf.create({"_target_": f"optuna.samplers.{target}", **keys})

    def first(self, sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler)
        return x(study.ask())

    def test_a_fixed_seed_begins_alike_and_does_not_replay_its_points_later(self) -> None:
        node = self.node("RandomSampler", seed=7)
        assert self.first(make_sampler(node, 0)) == self.first(make_sampler(node, 0))
        later = {self.first(make_sampler(node, trials)) for trials in range(5)}
        assert len(later) == 5
        assert self.first(make_sampler(node, 3)) == self.first(make_sampler(node, 3))

    def test_a_quasi_random_sequence_keeps_its_seed(self) -> None:
        node = self.node("QMCSampler", seed=7, scramble=True)
        assert make_sampler(node, 5)._seed == 7


class TestAddress:
    def test_by_default_an_sqlite_file_in_the_sweep_directory_named_like_it(self, tmp_path: Path) -> None:
        from omegaconf import OmegaConf

        found = address_of(OmegaConf.create({"storage": None, "study_name": None}), tmp_path / "mnist-tune")
        assert found == Address("mnist-tune", f"sqlite:///{tmp_path}/mnist-tune/study.db", own=True)
        assert found.shown == "study.db"

    def test_a_password_is_never_shown(self) -> None:
        assert hidden("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"

    @pytest.mark.parametrize(
        "url", ["sqlite:////no/such/folder/study.db", "nosuchdb://host/db", "postgresql://me:secret@127.0.0.1:1/db"]
    )
    def test_a_storage_that_does_not_answer_is_refused_without_its_password(self, url: str) -> None:
        with pytest.raises(ConfigError, match=r"hydra.sweeper.storage: expected a database that answers") as caught:
            open_storage(Address("study", url))
        assert "secret" not in str(caught.value)

    def test_another_direction_is_refused(self, tmp_path: Path) -> None:
        at = address(tmp_path)
        sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()
        open_study(at, open_storage(at), tmp_path, ["minimize"], sampler, pruner)
        with pytest.raises(ConfigError, match="was begun to minimize; expected the same, got maximize"):
            open_study(at, open_storage(at), tmp_path, ["maximize"], sampler, pruner)

    def test_a_study_that_another_sweep_directory_fills_is_refused(self, tmp_path: Path) -> None:
        at = address(tmp_path)
        sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()
        for _ in range(2):
            open_study(at, open_storage(at), tmp_path / "one", ["minimize"], sampler, pruner)
        with pytest.raises(ConfigError, match=r"is filled by .*one; expected that as hydra.sweep.dir, .*got .*two"):
            open_study(at, open_storage(at), tmp_path / "two", ["minimize"], sampler, pruner)

    @pytest.mark.parametrize("ended", [None, TrialState.FAIL])
    def test_a_trial_whose_run_has_no_directory_yet_keeps_no_launcher_out(
        self, ended: TrialState | None, tmp_path: Path
    ) -> None:
        at = address(tmp_path)
        sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()
        study = open_study(at, open_storage(at), tmp_path, ["minimize"], sampler, pruner)
        trial = study.ask()
        trial.set_user_attr(RUN_DIR, "lr=1e-4")  # what another launcher records before the run begins
        if ended is not None:
            study.tell(trial, state=ended)
        open_study(at, open_storage(at), tmp_path, ["minimize"], sampler, pruner)
        with pytest.raises(ConfigError, match=r"is filled by .*; expected that as hydra.sweep.dir"):
            open_study(at, open_storage(at), tmp_path / "two", ["minimize"], sampler, pruner)

    def test_a_study_whose_measured_runs_are_gone_is_refused(self, tmp_path: Path) -> None:
        at = address(tmp_path)
        sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()
        study = open_study(at, open_storage(at), tmp_path, ["minimize"], sampler, pruner)
        trial = study.ask()
        trial.set_user_attr(RUN_DIR, "lr=1e-4")
        study.tell(trial, 1.0)
        with pytest.raises(ConfigError, match="or a directory that holds its runs"):
            open_study(at, open_storage(at), tmp_path, ["minimize"], sampler, pruner)

    @pytest.mark.parametrize("losses", [0, 1, 3])
    def test_a_launcher_that_loses_the_race_for_an_empty_database_connects_again(
        self, losses: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, real = [], optuna.storages.RDBStorage

        def storage(*given: Any, **options: Any) -> BaseStorage:
            made.append(given)
            if len(made) <= losses:
                raise IntegrityError("CREATE TABLE studies", {}, Exception("key already exists"))
            return real(*given, **options)

        monkeypatch.setattr("ganexp.sweep.search.study.CONNECT_AGAIN_SECONDS", 0.0)
        monkeypatch.setattr(optuna.storages, "RDBStorage", storage)
        open_storage(address(tmp_path))
        assert len(made) == losses + 1


class TestJudge:
    def test_reports_each_epoch_once_and_prunes_what_is_worse_than_the_median(self, tmp_path: Path) -> None:
        from omegaconf import OmegaConf

        node = OmegaConf.create({"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2})
        mine = trials(tmp_path, 4)
        with mine.held():
            for value in (1.0, 2.0, 3.0):
                asked = mine.ask(x)
                assert asked is not None
                judge = Judge(address(tmp_path), asked[0].number, make_pruner(node))
                cut = [judge(epoch, value) for epoch in (1, 2)]
                assert judge(2, 99.0) == cut[1], "told again after a restart: the first value counts"
                assert cut == [value == 3.0] * 2
                mine.tell(asked[0], State.PRUNED if cut[0] else State.COMPLETED, None if cut[0] else [value])
        assert [dict(trial.intermediate_values) for trial in mine.all()] == [{1: v, 2: v} for v in (1.0, 2.0, 3.0)]

    def test_a_storage_that_is_gone_does_not_end_the_run(self, tmp_path: Path) -> None:
        judge = Judge(Address("study", f"sqlite:///{tmp_path}/gone/study.db"), 0, optuna.pruners.NopPruner())
        assert judge(1, 1.0) is False
