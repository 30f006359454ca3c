"""Many short jobs in one parallel sweep: nothing grows, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from children import SMALL
from rounds import ROUNDS

from ganexp import load_summary

JOBS = 100 * ROUNDS
WORKERS = 2

LOOK_SECONDS = 0.5

GROWTH_MB = {"launcher": 3.0 + 0.01 * JOBS, "worker": 20.0}
"""Memory of its own that a process may gain from the second to the last fifth of the jobs; the launcher keeps what was
asked and how each job ended."""

GROWTH_FILES = 2


@dataclass
class Watch:
    """What a process used while it lived: at each look, how many jobs were done, megabytes, and open files."""

    looks: list[tuple[int, float, int]] = field(default_factory=list)

    def least(self, first: float, last: float) -> tuple[float, int]:
        """Least megabytes and files between two shares of the jobs: what is left between jobs, which a leak raises.

        While a job works, a worker holds 10 MB more, so that a median depends on when one looks.
        """
        part = [look for look in self.looks if first * JOBS <= look[0] <= last * JOBS]
        assert len(part) > 5, (first, last, len(self.looks))
        return min(look[1] for look in part), min(look[2] for look in part)


def watch(sweep: subprocess.Popen[str], done: Path) -> dict[str, Watch]:
    """Look at the launcher and its workers until the sweep has ended."""
    found: dict[str, Watch] = defaultdict(Watch)
    launcher = psutil.Process(sweep.pid)
    while sweep.poll() is None:
        jobs = done.read_text().count("COMPLETED (")
        try:
            workers = [p for p in launcher.children() if "spawn_main" in " ".join(p.cmdline())]
            for process in (launcher, *workers):
                megabytes = process.memory_full_info().uss / 1e6
                name = "launcher" if process is launcher else f"worker {process.pid}"
                found[name].looks.append((jobs, megabytes, process.num_fds()))
        except psutil.NoSuchProcess:
            pass
        time.sleep(LOOK_SECONDS)
    return found


def test_many_jobs_in_one_sweep_use_no_more_than_a_few(tmp_path: Path, data_root: Path) -> None:
    asked = (*SMALL, "trainer.epochs=1", "metrics=none", f"seed=range({JOBS})", f"hydra.launcher.n_jobs={WORKERS}")
    place = ("hydra.sweep.dir=sweep", "sweep.report=false")
    command = [sys.executable, "-m", "ganexp", "--multirun", *asked, *place]
    environment = {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1"}
    output = tmp_path / "output"
    with output.open("w") as file:
        sweep = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True
        )
        found = watch(sweep, output)
    assert sweep.returncode == 0, output.read_text()[-3000:]
    table = load_summary(tmp_path / "sweep")
    assert table["state"].tolist() == ["COMPLETED"] * JOBS
    assert sorted(table["seed"]) == list(range(JOBS))
    assert table["run_id"].is_unique
    assert len(list((tmp_path / "sweep").glob("*/result.json"))) == JOBS
    assert len(found) == 1 + WORKERS, "the workers that began also ended it"
    used = {name: (seen.least(0.2, 0.4), seen.least(0.75, 0.95)) for name, seen in found.items()}
    for name, (early, late) in used.items():
        print(f"{name}: {early[0]:.1f} -> {late[0]:.1f} MB, {early[1]:.0f} -> {late[1]:.0f} open files")
    for kind, most in GROWTH_MB.items():  # a leak is in each worker; a library that one loads late is in that one
        grown = {name: late[0] - early[0] for name, (early, late) in used.items() if name.startswith(kind)}
        assert min(grown.values()) < most and max(grown.values()) < 3 * most, grown
    for name, (early, late) in used.items():
        assert late[1] - early[1] <= GROWTH_FILES, name
