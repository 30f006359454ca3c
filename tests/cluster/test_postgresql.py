"""One study in PostgreSQL, filled by two launchers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from small_grid import BASE, Sweep, wait_for

TRIALS = 8
COURSES = {
    "shared": ("hydra/sweeper/pruner=median",),
    "seeds-and-rungs": ("hydra.sweeper.seeds=[0,1]", "hydra.sweeper.eta=3"),
}
"""Study name -> what its trials go through."""


@pytest.mark.parametrize("name", COURSES)
def test_two_launchers_make_exactly_the_trials_though_one_is_killed(
    name: str, place: Path, sweep: Sweep, postgresql: str
) -> None:
    pytest.importorskip("psycopg")
    search = (
        *BASE,
        *("hydra/sweeper=optuna", *COURSES[name], f"sweep.name={name}", "hydra.launcher.n_jobs=1"),
        *("trainer.epochs=60", "metrics.every_epochs=20", "trainer.samples_every_epochs=null"),
        *("optim.lr=tag(log,interval(1e-4,1e-2))", "trainer.batch_size=choice(12,20)"),
        *(f"hydra.sweeper.n_trials={TRIALS}", f"hydra.sweeper.storage={postgresql}"),
    )
    one, two = sweep(name, *search), sweep(name, *search)
    wait_for(lambda: len(list((place / name).glob("*/metrics.csv"))) >= 2)
    os.killpg(one.pid, signal.SIGKILL)
    one.wait()
    again = sweep(name, *search)
    for launcher in (two, again):
        assert launcher.wait(300) == 0, (place / f"{name}.log").read_text()
    storage = optuna.storages.RDBStorage(postgresql)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    storage.engine.dispose()
    assert len(trials) == TRIALS
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({trial.user_attrs["run_dir"] for trial in trials}) == TRIALS
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == TRIALS
    tables = list((place / name).glob("*/metrics.csv"))
    assert len(tables) >= TRIALS
    for table in tables:
        epochs = [int(line.split(",")[0]) for line in table.read_text().splitlines()[1:]]
        assert epochs == list(range(1, len(epochs) + 1)), f"{table}: no epoch is lost or made twice"
    if name == "seeds-and-rungs":
        ended = {trial.state for trial in trials}
        assert ended == {TrialState.COMPLETE, TrialState.PRUNED}, "some went on to the last rung, some did not"
        assert {int(table.read_text().splitlines()[-1].split(",")[0]) for table in tables} == {2, 6, 20, 60}
