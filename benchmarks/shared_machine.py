"""What a single run's threads cost on a machine that others use: `python benchmarks/shared_machine.py [--rounds 5]`.

A default run and one with fixed `trainer.threads` take turns (A B A B ...), each a process of its own that trains for
some seconds; the ratio of each pair's images/s counts, and the median of the pairs:

- idle: the default against all cores, which is to be 0.95 at least;
- beside `--busy` processes that only count: the default against one thread, which is to be 0.9 at least.

MNIST is taken from GANEXP_DATA where it is there; else random images of the same shape stand in.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from throughput import data_root

BARS = {"idle": 0.95, "busy": 0.9}


def main() -> None:
    """Measure, print the pairs and their medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0, help="of training in each run")
    parser.add_argument("--busy", type=int, default=6)
    parser.add_argument("overrides", nargs="*", help="of all runs, such as model=dcgan")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        root = data_root(Path(folder))
        for name, others, fixed in (("idle", 0, cores), ("busy", options.busy, 1)):
            with busy(others):
                pairs = [
                    [speed(Path(folder), root, options, threads) for threads in (None, fixed)]
                    for _ in range(options.rounds)
                ]
            ratio = statistics.median(default / other for default, other in pairs)
            shown = ", ".join(f"{default:.0f} of {other:.0f}" for default, other in pairs)
            print(f"{name}: default of trainer.threads={fixed}: {ratio:.2f} (bar {BARS[name]}); images/s: {shown}")


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Inside, so many processes count."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def speed(folder: Path, root: str, options: argparse.Namespace, threads: int | None) -> float:
    """Images/s of a run of its own; threads None: the default."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        given = [] if threads is None else [f"trainer.threads={threads}"]
        small = [f"trainer.max_seconds={options.seconds}", "metrics=none", "trainer.samples_every_epochs=null"]
        words = ["experiment=seed_mnist_as_coded", *small, *given, *options.overrides, f"hydra.run.dir={place}/run"]
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        command = [sys.executable, "-m", "ganexp", *words]
        subprocess.run(command, env={**environment, "GANEXP_DATA": root}, cwd=place, check=True, capture_output=True)
        result = json.loads(Path(place, "run", "result.json").read_text())
        return float(result["images_seen"] / result["train_seconds"])


if __name__ == "__main__":
    main()
