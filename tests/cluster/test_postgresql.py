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


def test_two_launchers_make_exactly_the_trials_though_one_is_killed(place: Path, sweep: Sweep, postgresql: str) -> None:
    pytest.importorskip("psycopg")
    search = (
        *BASE,
        *("hydra/sweeper=optuna", "hydra/sweeper/pruner=median", "sweep.name=shared", "hydra.launcher.n_jobs=1"),
        *("trainer.epochs=60", "metrics.every_epochs=20", "trainer.samples_every_epochs=null"),
        *("optim.lr=tag(log,interval(1e-4,1e-2))", "trainer.batch_size=choice(12,20)"),
        *(f"hydra.sweeper.n_trials={TRIALS}", f"hydra.sweeper.storage={postgresql}"),
    )
    one, two = sweep("shared", *search), sweep("shared", *search)
    wait_for(lambda: len(list((place / "shared").glob("*/metrics.csv"))) >= 2)
    os.killpg(one.pid, signal.SIGKILL)
    one.wait()
    again = sweep("shared", *search)
    for launcher in (two, again):
        assert launcher.wait(300) == 0, (place / "shared.log").read_text()
    storage = optuna.storages.RDBStorage(postgresql)
    trials = optuna.load_study(study_name="shared", storage=storage).trials
    storage.engine.dispose()
    assert len(trials) == TRIALS
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({trial.user_attrs["run_dir"] for trial in trials}) == TRIALS
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == TRIALS
    for trial in trials:
        rows = (place / "shared" / trial.user_attrs["run_dir"] / "metrics.csv").read_text().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == [str(epoch) for epoch in range(1, len(rows) + 1)]
