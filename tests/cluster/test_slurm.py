"""SLURM through submitit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_grid import BASE, GRID, SLOW, Sweep, ended, wait_for

pytestmark = pytest.mark.usefixtures("slurm")

SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.partition=main")


def tasks(state: str) -> list[str]:
    """Ids of this user's tasks in a state."""
    told = subprocess.run(["squeue", "-h", "-r", "-o", "%i", "-t", state], capture_output=True, text=True, check=True)
    return told.stdout.split()


def running_run(folder: Path) -> Path | None:
    """A run that is in the middle of its training."""
    for table in folder.glob("*/metrics.csv"):
        if len(table.read_text().splitlines()) > 30:
            return table.parent
    return None


def disturb(command: list[str], name: str, place: Path, process: subprocess.Popen[str]) -> pd.DataFrame:
    """Do something to the first task of a sweep in the middle of its run; then wait for the end."""
    wait_for(lambda: running_run(place / name))
    (first, *_) = tasks("RUNNING")
    subprocess.run([part.format(first) for part in command], check=True)

    def started_again() -> bool:
        if first in tasks("PENDING"):
            subprocess.run(["scontrol", "update", f"JobId={first}", "StartTime=now"], capture_output=True)
        return first in tasks("RUNNING") or process.poll() is not None

    wait_for(lambda: first not in tasks("RUNNING"))
    wait_for(started_again)
    return ended(place, name, process)


@pytest.mark.parametrize("signal", ["requeue", "preemption"])
def test_a_job_that_is_requeued_goes_on(signal: str, place: Path, sweep: Sweep, slow_by_joblib: pd.DataFrame) -> None:
    name = f"slurm-{signal}"
    process = sweep(name, *SLOW, *SLURM)
    command = {"requeue": ["scontrol", "requeue", "{}"], "preemption": ["scancel", "--signal=USR2", "{}"]}[signal]
    pd.testing.assert_frame_equal(disturb(command, name, place, process), slow_by_joblib)
    logs = "".join(path.read_text() for path in (place / name / ".submitit").glob("*/*/*.out"))
    assert logs.count("Starting with") == 3, "two jobs, one of them twice"


def test_a_job_that_is_killed_is_sent_again_and_goes_on(
    place: Path, sweep: Sweep, slow_by_joblib: pd.DataFrame
) -> None:
    process = sweep("slurm-killed", *SLOW, *SLURM)
    wait_for(lambda: running_run(place / "slurm-killed"))
    subprocess.run(["scancel", "--signal=KILL", "--full", tasks("RUNNING")[0]], check=True)
    pd.testing.assert_frame_equal(ended(place, "slurm-killed", process), slow_by_joblib)


def test_several_runs_share_an_allocation(
    place: Path, finished: Callable[..., pd.DataFrame], by_joblib: pd.DataFrame
) -> None:
    packed = (*SLURM, "hydra.launcher.runs_per_job=2", "hydra.launcher.cpus_per_task=2")
    pd.testing.assert_frame_equal(finished("slurm-packed", *GRID, *packed), by_joblib)
    assert len(list((place / "slurm-packed" / ".submitit").glob("*/*/*_submitted.pkl"))) == 1


def test_a_search_sends_the_next_run_when_one_has_ended(place: Path, sweep: Sweep) -> None:
    space = (
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=2",
        "optim.lr=interval(1e-4,1e-3)",
    )
    course = ("trainer.epochs=4", "hydra.sweeper.seeds=[0,1]", "hydra.sweeper.eta=2")
    table = ended(place, "slurm-search", sweep("slurm-search", *BASE, *space, *course, "sweep.name=search", *SLURM))
    trials = json.loads((place / "slurm-search" / "trials.json").read_text())["trials"]
    assert len(trials) == 4 and {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    assert set(table["seed"]) == {0, 1} and set(table["epochs"]) == {1, 2, 4}
