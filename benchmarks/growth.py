"""How training grows: `python benchmarks/growth.py`.

Images/s of ganexp's own loop, in fp32, against the widths of the layers, the size of the dataset and the number of runs
at once; and the memory of these runs: what each has for itself, and the prepared data, which all of them share. Each
run is a process of one thread. Variants take turns, and medians are printed; a ratio is to the first line of its table.
MNIST is taken from GANEXP_DATA where it is there; else random images of the same shape stand in.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from throughput import data_root, machine, warm

BATCH = 32
WIDTHS = {
    f"widths x{factor}": (
        f"model.generator_widths=[{512 * factor},{1024 * factor}]",
        f"model.discriminator_width={512 * factor}",
        f"model.maxout_units={256 * factor}",
    )
    for factor in (1, 2, 4)
}
SIZES = {f"{count:,} images": (f"dataset.num_images={count}",) for count in (6_000, 20_000, 60_000)}


class Run:
    """A process that trains when it is asked to.

    Args:
        root: of the data.
        overrides: of the run.
    """

    def __init__(self, root: Path, overrides: Sequence[str] = ()) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, str(root), tuple(overrides)), daemon=True)
        self.process.start()

    def ready(self) -> Run:
        """Wait until it has trained its first steps."""
        assert self.pipe.recv() == "ready"
        return self

    def memory(self) -> dict[str, float]:
        """MB: `own`, which no other process shares, and `data`, the mapped arrays of the prepared dataset."""
        lines = Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines()
        own, data, mapped = 0.0, 0.0, False
        for line in lines:
            words = line.split()
            if not words[0].endswith(":"):
                mapped = words[-1].endswith(".npy")
            elif words[0] in ("Private_Clean:", "Private_Dirty:") and not mapped:
                own += int(words[1]) / 1000
            elif words[0] == "Rss:" and mapped:
                data += int(words[1]) / 1000
        return {"own": own, "data": data}

    def end(self) -> None:
        """Stop it."""
        self.pipe.send(None)
        self.process.join()


def serve(pipe: Any, root: str, overrides: tuple[str, ...]) -> None:
    """In a process of its own: train for as many seconds as it is told, again and again."""
    run = warm("ours", 1, BATCH, root, "fp32", *overrides)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(run(seconds))


def together(runs: Sequence[Run], seconds: float) -> float:
    """Images/s of several runs at once, summed."""
    for run in runs:
        run.pipe.send(seconds)
    return float(sum(run.pipe.recv() for run in runs))


def by_turns(variants: dict[str, tuple[str, ...]], root: Path, rounds: int, seconds: float) -> None:
    """Print one line for each variant."""
    runs = {name: Run(root, overrides).ready() for name, overrides in variants.items()}
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            speeds[name].append(together([run], seconds))
    for run in runs.values():
        run.end()
    first = statistics.median(next(iter(speeds.values())))
    print("\n| | images/s | ratio |\n|---|---|---|")
    for name, each in speeds.items():
        print(f"| {name} | {statistics.median(each):,.0f} | {statistics.median(each) / first:.2f} |", flush=True)


def side_by_side(most: int, root: Path, rounds: int, seconds: float) -> None:
    """Print one line for each number of runs at once."""
    crew = [Run(root, (f"seed={seed}",)) for seed in range(most)]
    for run in crew:
        run.ready()
    speeds: dict[int, list[float]] = {count: [] for count in range(1, most + 1)}
    for _ in range(rounds):
        for count, each in speeds.items():
            each.append(together(crew[:count], seconds))
    memory = [run.memory() for run in crew]
    for run in crew:
        run.end()
    print("\n| runs at once | images/s, summed | ratio | MB of all runs' own | MB of prepared data, shared |")
    print("|---|---|---|---|---|")
    for count, each in speeds.items():
        own, data = sum(m["own"] for m in memory[:count]), max(m["data"] for m in memory[:count])
        ratio = statistics.median(each) / statistics.median(speeds[1])
        print(f"| {count} | {statistics.median(each):,.0f} | {ratio:.2f} | {own:,.0f} | {data:,.0f} |", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement, about")
    parser.add_argument("--runs", type=int, default=2 * len(os.sched_getaffinity(0)), help="at once, at most")
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        root = data_root(Path(folder))
        for variants in (WIDTHS, SIZES):
            by_turns(variants, root, options.rounds, options.seconds)
        side_by_side(options.runs, root, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
