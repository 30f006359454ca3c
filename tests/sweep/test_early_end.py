"""Grids that leave points out, end by their time or first failure, or lose a worker."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from test_sweep_command import TINY, Run, by_trap, trapped

__all__ = ["trapped"]

Trapped = tuple[tuple[str, ...], dict[str, str]]


@pytest.mark.slow
def test_points_that_are_refused_are_left_out_when_asked(ganexp: Run, tmp_path: Path) -> None:
    asked = ("--multirun", *TINY, "loss=hinge,wgan", "penalty=clip,none", "trainer.epochs=1")
    refused = ganexp(*asked)
    assert refused.returncode == 2
    assert "sweep.skip_refused=true makes the other 3 of 4 points" in refused.stderr
    assert not (tmp_path / "multirun").exists()
    done = ganexp(*asked, "sweep.skip_refused=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("expected a loss over Lipschitz critics") == 1
    assert "1 of 4 points" in done.stdout and "sweep.retry" not in done.stdout
    table = pd.read_csv(tmp_path / "multirun" / "digits-grid" / "summary.csv")
    assert table["state"].tolist() == ["COMPLETED"] * 3
    typo = ganexp("--multirun", *TINY, "dataset=digist,digits", "sweep.skip_refused=true")
    assert typo.returncode == 2 and "Did you mean 'digits'?" in typo.stderr, "a slip of the hand is not left out"
    assert "sweep.skip_refused" not in typo.stderr
    nothing = ganexp("--multirun", *TINY, "loss=hinge", "penalty=clip", "seed=1,2", "sweep.skip_refused=true")
    assert nothing.returncode == 2, "where no point remains"


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.slow)])
def test_the_time_of_a_sweep_ends_it_and_the_same_command_goes_on(launcher: str, ganexp: Run, tmp_path: Path) -> None:
    grid = ("trainer.epochs=20000", "seed=1,2,3", "trainer.samples_every_epochs=null", f"hydra/launcher={launcher}")
    seconds = 5 if launcher == "basic" else 20  # its processes have to start first
    ended = ganexp("--multirun", *TINY, *grid, f"sweep.max_seconds={seconds}")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"(sweep.max_seconds={seconds}); the same command goes on" in ended.stdout
    folder = tmp_path / "multirun" / "digits-grid"
    table = pd.read_csv(folder / "summary.csv")
    assert set(table["state"]) == {"INTERRUPTED", "PENDING"}
    assert list(folder.glob("*/checkpoints/state_*.safetensors"))


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.slow)])
def test_the_first_failure_ends_a_sweep_that_asks_for_it(
    launcher: str, ganexp: Run, trapped: Trapped, tmp_path: Path
) -> None:
    arguments, environment = trapped
    one = (f"hydra/launcher={launcher}", *(["hydra.launcher.n_jobs=1"] if launcher == "joblib" else []))
    asked = (*arguments, "loss.trap=raise,diverge,a", "trainer.epochs=1", *one)
    ended = ganexp(*asked, "sweep.stop_on_failure=true", env=environment)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "stopped at the first failure (sweep.stop_on_failure); the same command goes on" in ended.stdout
    states = {trap: state for trap, (state, _) in by_trap(tmp_path / "multirun" / "digits-grid").items()}
    assert states == {"raise": "FAILED", "diverge": "PENDING", "a": "PENDING"}
    again = ganexp(*asked, env=environment)  # goes on past failures
    assert again.returncode == 1
    states = {trap: state for trap, (state, _) in by_trap(tmp_path / "multirun" / "digits-grid").items()}
    assert states == {"raise": "FAILED", "diverge": "DIVERGED", "a": "COMPLETED"}


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_is_tried_once_more(ganexp: Run, trapped: Trapped, tmp_path: Path) -> None:
    arguments, environment = trapped
    traps = tmp_path / "trapslab.py"
    once = 'trap == "kill" and not Path("killed").exists()'
    text = traps.read_text().replace('trap == "kill"', once)
    traps.write_text(text.replace("            os.kill", '            Path("killed").touch()\n            os.kill'))
    asked = ("loss.trap=kill,a", "trainer.epochs=1", "hydra.launcher.n_jobs=1")
    done = ganexp(*arguments, *asked, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "killed").exists() and "it is tried once more" in done.stdout + done.stderr
