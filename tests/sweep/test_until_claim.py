"""`sweep.until=claim` through the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from test_sweep_command import TINY, Run

MEASURED = tuple(text for text in TINY if text not in ("metrics=none", "sweep.report=false"))
GRID = (*MEASURED, "metrics.num_samples=24", "trainer.epochs=2", "optim.lr=1e-5,1e-3,3e-3", "sweep.until=claim")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("seed=0,1", "sweep.until=claim"), "seed: expected one with sweep.until=claim, which hands out"),
        (("sweep.max_runs=9",), "sweep.max_runs: expected null without sweep.until=claim, got 9"),
        (("sweep.until=claim", "sweep.max_runs=5"), "expected at least 6 (2 seeds of each of 2 settings"),
        (("sweep.until=claim", "metrics=none"), "metrics.objective: expected a metric"),
        (("sweep.until=claims",), "sweep.until"),
        (("sweep.until=claim", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2"), "expected null in a search"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    asked: tuple[str, ...], message: str, ganexp: Run, tmp_path: Path
) -> None:
    done = ganexp("--multirun", *MEASURED, "optim.lr=1e-4,1e-3", "trainer.epochs=1", *asked)
    assert done.returncode == 2 and message in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "multirun").exists()


@pytest.mark.slow
def test_a_sweep_that_is_killed_in_the_middle_decides_as_one_that_is_not(ganexp: Run, tmp_path: Path) -> None:
    asked = ("--multirun", *GRID, "sweep.max_runs=16")
    whole = ganexp(*asked, "hydra.sweep.dir=whole")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "is first" in whole.stdout
    for least in (2, 7):  # in the first seeds, and in those that were handed out
        command = [sys.executable, "-m", "ganexp", *asked, "hydra.sweep.dir=killed"]
        process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL)
        limit = time.monotonic() + 240
        while len(list((tmp_path / "killed").glob("*/result.json"))) < least and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    again = ganexp(*asked, "hydra.sweep.dir=killed")
    assert again.returncode == 0, again.stdout + again.stderr
    tables = [pd.read_csv(tmp_path / name / "summary.csv").sort_values("run_id") for name in ("whole", "killed")]
    assert tables[0]["run_id"].tolist() == tables[1]["run_id"].tolist()
    assert tables[0]["cfd"].tolist() == tables[1]["cfd"].tolist()
    said = [[line for line in done.stdout.splitlines() if line.startswith("after ")] for done in (whole, again)]
    assert said[0] == said[1] and len(said[0]) >= 2
    third = ganexp(*asked, "hydra.sweep.dir=killed")
    assert third.returncode == 0 and "[1/" not in third.stdout, "nothing is left to do"
