"""How fast training is, against the original's way and against the machine: `python benchmarks/throughput.py`.

Every figure is images/s (real images of one generator step over its time). The variants of one batch size take turns
(A B A B ...), each in a process of its own that stays up, and the medians over the rounds are compared:

- reference: the original's way, written afresh in `reference.py`, on all cores;
- plain processes: the same loop, one thread each and one for each core, summed, as plain Hydra with joblib and
  OMP_NUM_THREADS=1 would run a sweep: the fair peer of ganexp's sweep;
- one run: ganexp's own training loop on all cores, in fp32 and in bf16;
- sweep: ganexp runs through the joblib launcher, one thread each and one for each core, summed;
- limit: the matrix products of the same step alone, in the same precision, on all cores (for a sweep: on one core
  each, summed).

MNIST is taken from GANEXP_DATA where it is there; else random images of the same shape stand in.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BATCHES = (16, 32, 36, 64)
GRID_BATCHES = (16, 36, 64)
BARS = {
    "one run, fp32": {16: 2.0, 32: 2.2, 64: 1.6},
    "one run, bf16": {16: 2.5, 32: 2.5, 64: 2.5},
    "sweep, best": {16: 3.3, 32: 3.5, 64: 3.3},
}
"""Ratios to the reference that ganexp is to reach on two cores."""


def main() -> None:
    """Measure, print the table, write results/<machine>.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement, about")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        root = data_root(Path(folder))
        found = {batch: measure(batch, root, options.rounds, options.seconds, cores) for batch in options.batches}
    print(table(found))
    print(f"\n{grid_hours(found)}")
    target = HERE / "results" / f"{machine_name()}.json"
    target.write_text(json.dumps({"machine": machine(), "data": str(root.name), "batches": found}, indent=1) + "\n")
    print(f"\nwritten to {target}")


def data_root(scratch: Path) -> Path:
    """GANEXP_DATA where it holds MNIST, else a folder of random images of its shape."""
    given = Path(os.environ.get("GANEXP_DATA", "data"))
    if (given / "MNIST").exists() or (given / "prepared" / "mnist").exists():
        return given.resolve()
    from torchvision.datasets import MNIST

    root = scratch / "synthetic"
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        images, labels = chance.integers(0, 256, (count, 28, 28), np.uint8), chance.integers(0, 10, count, np.uint8)
        for kind, magic, array in (("images-idx3", 2051, images), ("labels-idx1", 2049, labels)):
            head = np.array([magic, *array.shape], dtype=">i4").tobytes()
            (raw / f"{name}-{kind}-ubyte").write_bytes(head + array.tobytes())
    assert MNIST(str(root)).data.shape == (60_000, 28, 28)
    return root


def measure(batch: int, root: Path, rounds: int, seconds: float, cores: int) -> dict[str, Any]:
    """Images/s of each variant at one batch size: median and all rounds."""
    alone = {
        "reference": ("reference", cores, "fp32"),
        "one run, fp32": ("ours", cores, "fp32"),
        "one run, bf16": ("ours", cores, "bf16"),
        "limit, fp32": ("limit", cores, "fp32"),
        "limit, bf16": ("limit", cores, "bf16"),
    }
    crews = {precision: [("limit", 1, precision)] * cores for precision in ("fp32", "bf16")}
    plain = [("reference", 1, "fp32")] * cores
    speeds: dict[str, list[float]] = {}
    with (
        servers([*alone.values()], batch, root) as single,
        servers(crews["fp32"], batch, root) as fp32,
        servers(crews["bf16"], batch, root) as bf16,
        servers(plain, batch, root) as peers,
    ):
        for _ in range(rounds):
            for name, server in zip(alone, single, strict=True):
                speeds.setdefault(name, []).append(server([seconds])[0])
            speeds.setdefault("plain processes", []).append(sum(at_once(peers, seconds)))
            for precision, crew in (("fp32", fp32), ("bf16", bf16)):
                speeds.setdefault(f"limit of a sweep, {precision}", []).append(sum(at_once(crew, seconds)))
            for precision in ("fp32", "bf16"):
                name = f"sweep, {precision}"
                pace = statistics.median(speeds[f"one run, {precision}"]) / cores
                steps = max(20, round(seconds * pace * 1.3 / batch))
                speeds.setdefault(name, []).append(sweep(batch, root, precision, steps, cores))
    return {name: {"median": statistics.median(each), "rounds": each} for name, each in speeds.items()}


def sweep(batch: int, root: Path, precision: str, steps: int, cores: int) -> float:
    """Images/s of one run for each core, through the launcher that sweeps use, over the time that they train."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(map(str, range(cores)))
        arguments = ["--multirun", "dataset=mnist", f"dataset.root={root}", f"seed={seeds}", "metrics=none"]
        arguments += [f"trainer.batch_size={batch}", f"trainer.precision={precision}", f"trainer.max_steps={steps}"]
        arguments += ["hydra/launcher=joblib", f"hydra.sweep.dir={folder}/sweep", "sweep.report=false"]
        command = [sys.executable, "-m", "ganexp", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        results = [json.loads(path.read_text()) for path in Path(folder).glob("sweep/*/result.json")]
    assert len(results) == cores
    return sum(result["images_seen"] for result in results) / max(result["train_seconds"] for result in results)


Server = Callable[[list[float]], list[float]]


@contextmanager
def servers(variants: list[tuple[str, int, str]], batch: int, root: Path) -> Iterator[list[Any]]:
    """One process for each variant, which measures when it is asked to and sleeps otherwise."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for variant in variants:
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(theirs, variant, batch, str(root)), daemon=True))
        processes[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        assert pipe.recv() == "ready"
    yield [_asking(pipe) for pipe in pipes]
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()


def _asking(pipe: Any) -> Any:
    def ask(seconds: list[float]) -> list[float]:
        pipe.send(seconds[0])
        return [pipe.recv()]

    ask.pipe = pipe  # type: ignore[attr-defined]
    return ask


def at_once(crew: list[Any], seconds: float) -> list[float]:
    """Several servers at the same time."""
    for server in crew:
        server.pipe.send(seconds)
    return [server.pipe.recv() for server in crew]


def serve(pipe: Any, variant: tuple[str, int, str], batch: int, root: str) -> None:
    """In a process of its own: one variant, measured each time it is asked to."""
    kind, threads, precision = variant
    run = warm(kind, threads, batch, root, precision)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(run(seconds))


def warm(kind: str, threads: int, batch: int, root: str, precision: str, *overrides: str) -> Callable[[float], float]:
    """Set torch up and give a function seconds -> images/s of `reference`, `ours` or `limit`, which has run before."""
    import torch

    sys.path.insert(0, str(HERE))
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    run: Callable[[float], float] = importlib.import_module(kind).prepare(batch, root, precision, *overrides)
    run(1.0)
    return run


def table(found: dict[int, dict[str, Any]]) -> str:
    """The medians, and ratios to the plain processes (of what runs many at once) and the reference, as Markdown."""
    heads = [f" batch {batch} |" for batch in found]
    lines = ["| images/s (of the plain processes; of the reference; of the limit) |" + "".join(heads)]
    lines.append("|---|" + "---|" * len(found))
    names = ("reference", "plain processes", "one run, fp32", "one run, bf16", "sweep, fp32", "sweep, bf16")
    for name in names:
        cells = []
        for each in found.values():
            value, base = each[name]["median"], each["reference"]["median"]
            crew, precision = name.partition(", ")[::2]
            many = crew in ("sweep", "plain processes")
            most = each[("limit of a sweep, " if many else "limit, ") + (precision or "fp32")]
            peer = f"{value / each['plain processes']['median']:.2f}x; " if many else ""
            cells.append(f" {value:,.0f} ({peer}{value / base:.2f}x; {100 * value / most['median']:.0f} %) |")
        lines.append(f"| {name} |" + "".join(cells))
    for name, bars in BARS.items():
        cells = [f" {bars[batch]}x |" if batch in bars else " |" for batch in found]
        lines.append(f"| bar: {name} |" + "".join(cells))
    return "\n".join(lines)


def grid_hours(found: dict[int, dict[str, Any]]) -> str:
    """What the original's grid on MNIST (batch 16, 36, 64, two rates, 20, 50 and 100 epochs) takes by these figures.

    The original trains each of the three lengths anew, 170 epochs; ganexp reads the shorter two off the longest one.
    """
    if not set(GRID_BATCHES) <= found.keys():
        return f"for hours of the original's grid, batches {', '.join(map(str, GRID_BATCHES))} are needed"
    hours = {
        name: sum(2 * epochs * 60_000 / found[batch][name]["median"] for batch in GRID_BATCHES) / 3600
        for name, epochs in (("reference", 170), ("plain processes", 170), ("sweep, fp32", 100), ("sweep, bf16", 100))
    }
    return "the original's grid on MNIST: " + ", ".join(f"{name} {each:.1f} h" for name, each in hours.items())


def machine_name() -> str:
    """Short name of the processor, for a file."""
    about = machine()
    words = "".join(letter if letter.isalnum() else "-" for letter in about["cpu"].lower())
    parts = [part for part in words.split("-") if part]
    return "-".join([*parts, f"{about['cores']}-cores", about["instructions"].lower()])


def machine() -> dict[str, Any]:
    """What it was measured on."""
    import torch
    import torchvision

    from ganexp.files.provenance import git_revision

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return {
        "cpu": cpu or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "git_revision": git_revision(),
    }


if __name__ == "__main__":
    main()
