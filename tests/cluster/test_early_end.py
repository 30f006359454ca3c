"""Sweeps on SLURM and Ray that end by their time or first failure, or lose a worker again and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_grid import BASE, Sweep
from test_slurm import SLURM, tasks

LONG = (*BASE, "trainer.epochs=100000", "trainer.samples_every_epochs=null")

TRAPS = '''
import os, signal, sys
from dataclasses import replace
from ganexp.loss import non_saturating

def trapped(*, trap: str = "none"):
    """A loss with which training in a job, not what the launcher tries before it, comes to grief."""
    sound, launcher = non_saturating(), sys.argv[0].endswith("__main__.py")

    def discriminator(real, fake):
        if len(real) != 8 and trap == "raise":
            raise RuntimeError("the trap was set")
        if trap == "kill" and not launcher:
            os.kill(os.getpid(), signal.SIGKILL)
        return sound.discriminator(real, fake)

    return replace(sound, discriminator=discriminator)
'''


@pytest.fixture(params=["slurm", "ray"])
def cluster(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The overrides that send jobs to a cluster, which is there."""
    if request.param == "slurm":
        request.getfixturevalue("slurm")
        return SLURM
    return ("hydra/launcher=ray", f"+hydra.launcher.ray.init.address={request.getfixturevalue('ray_cluster')}")


@pytest.fixture
def trapped(place: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Arguments and environment of a sweep whose loss is a user's own."""
    (place / "lab" / "loss").mkdir(parents=True, exist_ok=True)
    (place / "lab" / "loss" / "trapped.yaml").write_text("_target_: clustertraps.trapped\ntrap: none\n")
    (place / "clustertraps.py").write_text(TRAPS)
    return ("--config-dir", "lab", "loss=trapped", "trust=[clustertraps.*]"), {"PYTHONPATH": str(place)}


def statuses(sweep: Path) -> list[dict[str, Any]]:
    """What the status files of a sweep's runs hold."""
    return [json.loads(path.read_text()) for path in sorted(sweep.glob("*/status.json"))]


def named(test: str, cluster: tuple[str, ...]) -> str:
    """A sweep directory's name."""
    return f"{test}-{'slurm' if cluster is SLURM else 'ray'}"


def nothing_is_left(cluster: tuple[str, ...]) -> bool:
    """Whether no job waits or runs on SLURM; Ray's tasks have ended where their runs have."""
    return cluster is not SLURM or not tasks("RUNNING,PENDING,COMPLETING")


def test_the_time_of_a_sweep_ends_its_jobs_which_go_on_when_it_is_given_again(
    cluster: tuple[str, ...], place: Path, sweep: Sweep
) -> None:
    name, epochs = named("time", cluster), []
    for _ in range(2):
        process = sweep(name, *LONG, "trainer.batch_size=12,20", *cluster, "sweep.max_seconds=30")
        status, told = process.wait(200), (place / f"{name}.log").read_text()
        assert status == 1, told
        assert "(sweep.max_seconds=30); the same command goes on" in told
        assert [each["state"] for each in statuses(place / name)] == ["INTERRUPTED"] * 2, told
        assert nothing_is_left(cluster)
        epochs.append([each["epoch"] for each in statuses(place / name)])
    assert all(0 < first < second for first, second in zip(*epochs, strict=True)), epochs


def test_the_first_failure_ends_the_jobs_beside_it(
    cluster: tuple[str, ...], trapped: tuple[tuple[str, ...], dict[str, str]], place: Path, sweep: Sweep
) -> None:
    name, (arguments, env) = named("failure", cluster), trapped
    asked = (*arguments, *LONG, "loss.trap=none,raise", "sweep.stop_on_failure=true")
    status, log = sweep(name, *asked, *cluster, env=env).wait(200), place / f"{name}.log"
    assert status == 1, log.read_text()
    assert "stopped at the first failure (sweep.stop_on_failure)" in log.read_text()
    states = dict(pd.read_csv(place / name / "summary.csv")[["loss.trap", "state"]].fillna("none").to_numpy())
    assert states["raise"] == "FAILED" and states["none"] in ("INTERRUPTED", "PENDING"), log.read_text()
    assert nothing_is_left(cluster)


def test_a_run_whose_worker_always_dies_is_tried_three_times_and_takes_no_other_with_it(
    cluster: tuple[str, ...], trapped: tuple[tuple[str, ...], dict[str, str]], place: Path, sweep: Sweep
) -> None:
    name, (arguments, env) = named("killed", cluster), trapped
    asked = (*arguments, *BASE, "trainer.epochs=2", "loss.trap=none,kill")
    status, log = sweep(name, *asked, *cluster, env=env).wait(300), place / f"{name}.log"
    assert status == 1, log.read_text()
    assert log.read_text().count("it is tried once more") == 2
    table = pd.read_csv(place / name / "summary.csv").fillna({"loss.trap": "none"}).set_index("loss.trap")
    assert table["state"].to_dict() == {"none": "COMPLETED", "kill": "FAILED"}
    assert table["error"]["kill"].startswith("WorkerDied")
