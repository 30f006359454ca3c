"""How long the report of many runs takes, and how much memory: `python benchmarks/report_scaling.py [--runs 1000]`.

Synthetic finished runs of 100 epochs are written into a temporary folder, with sample pictures as a run leaves them;
the report is then made by the command that a user types, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

from finished import Recipe, build

SEEDS = 5


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, nargs="*", default=[100, 300, 1000])
    print("| runs | seconds | processor seconds | MiB at most | report.html, MB |")
    print("|---|---|---|---|---|")
    for runs in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(Path(folder), runs), flush=True)


def measure(folder: Path, runs: int) -> str:
    """One row of the table."""
    rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 1e-3, max(1, runs // (2 * SEEDS)))]
    axes = {"trainer.epochs": (100,), "trainer.batch_size": (16, 64), "optim.lr": rates}
    build(folder, Recipe(axes, range(SEEDS), {("trainer.batch_size", 64): 0.3}, pictures=True))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    command = [sys.executable, "-m", "ganexp.report", str(folder)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = (folder / "report.html").stat().st_size / 1e6
    return f"| {len(rates) * 2 * SEEDS} | {seconds:.1f} | {busy:.1f} | {after.ru_maxrss / 1024:.0f} | {size:.1f} |"


if __name__ == "__main__":
    main()
