"""Whole sweeps through the command line."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ganexp import load_metrics, load_summary
from warm import Command

Run = Callable[..., subprocess.CompletedProcess[str]]

TINY = (
    "dataset.num_images=48",
    "model.latent_dim=8",
    "model.generator_widths=[16]",
    "model.discriminator_width=16",
    "model.maxout_units=8",
    "trainer.batch_size=20",
    "trainer.d_steps=2",
    "trainer.sample_images=4",
    "metrics=none",
    "sweep.report=false",
)

TRAPS = '''
import multiprocessing, os, signal
from dataclasses import replace
from pathlib import Path
from ganexp.loss import non_saturating

def trapped(*, trap: str = "none"):
    """A loss with which training, not yet what is tried before it with eight images, comes to grief until mended."""
    sound = non_saturating()

    def discriminator(real, fake):
        if len(real) == 8:
            return sound.discriminator(real, fake)
        if trap == "raise":
            raise RuntimeError("first line\\nthe trap was set")
        if trap == "kill" and multiprocessing.parent_process() is not None:  # as a worker that ran out of memory
            os.kill(os.getpid(), signal.SIGKILL)
        return sound.discriminator(real, fake) * (float("nan") if trap == "diverge" else 1.0)

    return sound if Path("mended").exists() else replace(sound, discriminator=discriminator)
'''

SECONDS = ["train_seconds", "images_per_second"]
"""Columns that differ from one time to the next."""


@pytest.fixture
def trapped(tmp_path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Arguments and environment of a sweep whose loss is a user's own."""
    (tmp_path / "lab" / "loss").mkdir(parents=True)
    (tmp_path / "lab" / "loss" / "trapped.yaml").write_text("_target_: trapslab.trapped\ntrap: none\n")
    (tmp_path / "trapslab.py").write_text(TRAPS)
    arguments = ("--config-dir", "lab", "--multirun", "loss=trapped", "trust=[trapslab.*]", *TINY)
    return arguments, {"PYTHONSAFEPATH": "1"}  # as the console script: the folder is searched for what `trust` names


def by_trap(folder: Path) -> dict[str, tuple[str, str]]:
    """trap -> (state, error) of the longest run of each."""
    table = load_summary(folder)
    longest = table[table["epochs"] == table["epochs"].max()]
    errors = longest["error"].fillna("")
    return dict(zip(longest["loss.trap"], zip(longest["state"], errors, strict=True), strict=True))


@pytest.mark.slow
def test_one_job_in_six_raises_one_diverges_one_is_killed(
    ganexp: Run, trapped: tuple[tuple[str, ...], dict[str, str]], tmp_path: Path
) -> None:
    arguments, environment = trapped
    asked = (*arguments, "loss.trap=a,b,c,raise,diverge,kill", "trainer.epochs=1,2")
    folder = tmp_path / "multirun" / "digits-grid"
    first = ganexp(*asked, env=environment)
    assert first.returncode == 1, first.stdout + first.stderr
    told = by_trap(folder)
    assert {trap: state for trap, (state, _) in told.items()} == {
        **dict.fromkeys("abc", "COMPLETED"),
        "raise": "FAILED",
        "diverge": "DIVERGED",
        "kill": "FAILED",
    }
    assert "the trap was set" in told["raise"][1]
    assert "epoch 1" in told["diverge"][1]
    assert told["kill"][1].startswith("WorkerDied")
    assert "SIGKILL" in told["kill"][1]
    assert pd.read_csv(folder / "summary.csv")["state"].tolist() == load_summary(folder)["state"].tolist()
    assert "the trap was set" in ganexp(str(folder), module="ganexp.status").stdout

    (tmp_path / "mended").touch()
    repaired = ganexp(*asked, "sweep.retry=failed", env=environment)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert set(load_summary(folder)["state"]) == {"COMPLETED"}
    assert "[3/3]" in repaired.stdout


Launch = Callable[..., Command]


@pytest.fixture
def launch(start: Callable[..., Command]) -> Launch:
    """Start a sweep, without waiting for it."""
    return lambda *arguments: start("--multirun", *TINY, *arguments)


def wait_for_runs(folder: Path, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not list(folder.glob("*/metrics.csv")):
        time.sleep(0.05)


@pytest.mark.parametrize(("kills", "launcher"), [(1, "basic"), pytest.param(3, "joblib", marks=pytest.mark.slow)])
def test_killed_and_started_again_it_ends_as_if_never_disturbed(
    kills: int, launcher: str, tmp_path: Path, launch: Launch
) -> None:
    grid = ("trainer.epochs=3,20", "trainer.batch_size=12,20", "trainer.samples_every_epochs=10")
    grid = (*grid, f"hydra/launcher={launcher}")
    chance = random.Random(4)
    folders = {name: tmp_path / name for name in ("disturbed", "undisturbed")}
    for attempt in range(3)[-kills:]:
        sweep = launch(*grid, f"hydra.sweep.dir={folders['disturbed']}")
        wait_for_runs(folders["disturbed"]) if attempt else time.sleep(2.0)
        time.sleep(chance.uniform(0.0, 1.5))
        if attempt == 1:
            sweep.kill()  # its workers outlive it for a moment
        else:
            os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait()
    last = [launch(*grid, f"hydra.sweep.dir={folder}") for folder in folders.values()]
    if launcher != "basic":  # two launchers on one directory share the work
        last.append(launch(*grid, f"hydra.sweep.dir={folders['undisturbed']}", "hydra/launcher=basic"))
    for sweep in last:
        output, _ = sweep.communicate(timeout=200)
        assert sweep.returncode == 0, output
    tables = [load_summary(folder).drop(columns=SECONDS) for folder in folders.values()]
    assert len(tables[0]) == 4
    pd.testing.assert_frame_equal(*tables)
    curves = [load_metrics(folder).drop(columns="train_seconds") for folder in folders.values()]
    assert len(curves[0]) == 2 * (3 + 20)
    pd.testing.assert_frame_equal(*curves)


def test_sigterm_saves_the_work_and_the_same_command_goes_on(tmp_path: Path, launch: Launch) -> None:
    folder = tmp_path / "sweep"
    grid = ("trainer.epochs=5000", "seed=1,2,3", "trainer.samples_every_epochs=null", f"hydra.sweep.dir={folder}")
    sweep = launch(*grid, "hydra.launcher.n_jobs=1")
    wait_for_runs(folder)
    sweep.send_signal(signal.SIGTERM)
    output, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 143, output
    assert "the same command goes on" in output
    table = pd.read_csv(folder / "summary.csv")
    assert set(table["state"]) <= {"INTERRUPTED", "PENDING"}
    assert "INTERRUPTED" in set(table["state"])
    assert list(folder.glob("*/checkpoints/state_*.safetensors"))


def test_refused_before_anything_is_started(ganexp: Run, tmp_path: Path) -> None:
    refused = ganexp("--multirun", *TINY, "optim.lr=1e-4,-1", "trainer.nothing=1,2")
    assert refused.returncode == 2
    assert "point 1 of 4 (optim.lr=0.0001 trainer.nothing=1) and 3 more: trainer.nothing: unknown key" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "multirun").exists()


def test_a_dry_run_runs_and_writes_nothing(ganexp: Run, tmp_path: Path) -> None:
    asked = ("--multirun", *TINY, "sweep=smoke", "trainer.epochs=1,2,1", "trainer.batch_size=16,32")
    dry = ganexp(*asked, "sweep.dry_run=true")
    assert dry.returncode == 0, dry.stderr
    assert "2 jobs, " in dry.stdout
    assert "read off job 1" in dry.stdout
    assert "timing 20 steps of 2 kinds" in dry.stdout and "unknown" not in dry.stdout
    assert "disk: about " in dry.stdout
    assert "2 of them the same run as another" in dry.stdout
    assert not (tmp_path / "multirun").exists()


@pytest.mark.slow
def test_ten_thousand_points_are_planned_within_a_minute_and_never_in_silence(ganexp: Run) -> None:
    before = os.times()
    told = ganexp("--multirun", "seed=range(10000)", "sweep.dry_run=true")
    after = os.times()
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "multirun/digits-grid: 10,000 points to compose"
    assert lines[1] == "0 of 10,000 points composed"
    assert sum(" PENDING  job " in line and "about " in line for line in lines) == 10_000
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 60.0
