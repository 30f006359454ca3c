"""How long until the first step: `python benchmarks/start_up.py`.

1. A run of one step on prepared data against `python -c "import torch"`, by turns, each a process of its own.
2. In a sweep on one worker: from the end of one job to the first step of the next, which the launcher hands to the same
   warm process; a loss of our own notes when it is first called.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from scheduler_scaling import watched
from throughput import data_root, machine

NOTING = """
import dataclasses
import time

from ganexp.loss import non_saturating


def noting(*, notes: str = ""):
    made, told = non_saturating(), []

    def discriminator(real, fake):
        if not told:
            told.append(time.time())
            with open(notes, "a") as file:
                file.write(f"{told[0]}\\n")
        return made.discriminator(real, fake)

    return dataclasses.replace(made, discriminator=discriminator)
"""
"""A loss that notes when it is first asked for."""


def once(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of a command that must succeed."""
    return watched(command, environment, folder / "log", folder)[:2]


def alone(rounds: int, folder: Path, environment: dict[str, str]) -> None:
    """Print a run's whole time against that of importing torch."""
    run = [sys.executable, "-m", "ganexp", "dataset=mnist", "trainer.max_steps=1", "metrics=none"]
    times: dict[str, list[tuple[float, float]]] = {"import torch": [], "a run of one step": []}
    once([*run, "hydra.run.dir=first"], folder, environment)  # prepares the data
    for number in range(rounds):
        times["import torch"].append(once([sys.executable, "-c", "import torch"], folder, environment))
        times["a run of one step"].append(once([*run, f"hydra.run.dir=run{number}"], folder, environment))
    medians = {name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in times.items()}
    print("\n| | wall s | processor s |\n|---|---|---|")
    for name, (wall, processor) in medians.items():
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")
    base, ours = medians.values()
    print(f"| ratio | {ours[0] / base[0]:.2f} | {ours[1] / base[1]:.2f} |", flush=True)


def in_sweep(jobs: int, folder: Path, environment: dict[str, str]) -> None:
    """Print the time from job to job."""
    (folder / "probe.py").write_text(NOTING)
    own = ["loss._target_=probe.noting", f"+loss.notes={folder}/notes", "trust=[probe.*]"]
    asked = ["dataset=mnist", "trainer.max_steps=1", "metrics=none", f"seed=range({jobs})", *own]
    place = ["hydra.sweep.dir=sweep", "hydra.launcher.n_jobs=1", "sweep.report=false"]
    once([sys.executable, "-m", "ganexp", "--multirun", *asked, *place], folder, environment)
    steps = sorted(map(float, (folder / "notes").read_text().split()))
    ends = sorted(path.stat().st_mtime for path in folder.glob("sweep/*/status.json"))
    gaps = [later - end for end, later in zip(ends, steps[1:], strict=False)]
    whole = [second - first for first, second in pairwise(ends)]
    assert len(ends) == jobs and len(gaps) == jobs - 1
    print(f"\nsweep of {jobs} jobs of one step, one worker: from a job's end to the next one's first step")
    print(f"{statistics.median(gaps):.2f} s ({min(gaps):.2f} to {max(gaps):.2f})")
    print(f"a whole job: {statistics.median(whole):.2f} s")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=12)
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = {**os.environ, "GANEXP_DATA": str(data_root(folder)), "PYTHONPATH": str(folder)}
        alone(options.rounds, folder, environment)
        in_sweep(options.jobs, folder, environment)


if __name__ == "__main__":
    main()
