"""The original's grid, cut, by ganexp and by what users would pick instead: `python benchmarks/peers.py PEERS_PYTHON`.

The grid is batch 16, 36, 64 by epochs 1, 2, 5 by rate 1e-4, 1e-5 on the first `--images` (12,000) images of MNIST, 18
runs, from the command to the table of results, starts included:

- plain Hydra: the reference's loop as a Hydra app with the joblib launcher, as people write it, and the same with
  OMP_NUM_THREADS=1;
- Lightning: the same training as Lightning's GAN example writes it, under Hydra with the joblib launcher;
- Ray Tune: the reference's loop, one core for each trial;
- ganexp: `sweep=seed_grid`, which also scores and draws each run; with --bf16 in bf16 too.

Then, with `--killed-images` (1,500): the whole command, the command with all its processes killed at half of that
time, and the command given again as its documentation says (Ray Tune: `Tuner.restore`). "Again" is the seconds of the
second command, of those of the whole one: 1 where everything is made again, a half where nothing is lost.

The peers live in an environment of their own: `python -m venv peers`, then `peers/bin/pip install torch torchvision
lightning "ray[tune]" hydra-core hydra-joblib-launcher`; PEERS_PYTHON is `peers/bin/python`. MNIST is GANEXP_DATA's.
Memory is the largest sum over all processes, each page of memory counted once (PSS), looked at twice a second.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

import ganexp

PROGRAMS = Path(__file__).parent / "peer_programs"
GRID = {"batch_size": "16,36,64", "epochs": "1,2,5", "lr": "1e-4,1e-5"}
RUNS = 18
BARS = {"ganexp, fp32": 3.3, "ganexp, bf16": 4.5}
"""How much faster than the fastest peer ganexp is to be."""


@dataclass(frozen=True)
class Contender:
    """A way to make the grid."""

    command: list[str]
    environment: dict[str, str]

    def rows(self, folder: Path) -> int:
        """Rows of the table of results, which this makes where the command leaves one file a run."""
        if (folder / "sweep" / "summary.csv").exists():
            return int((ganexp.load_summary(folder / "sweep")["state"] == "COMPLETED").sum())
        if (folder / "table.csv").exists():
            return len(pd.read_csv(folder / "table.csv"))
        found = [
            pd.read_csv(path).tail(1) for name in ("losses", "metrics") for path in folder.glob(f"sweep/*/{name}.csv")
        ]
        if found:
            pd.concat(found).to_csv(folder / "gathered.csv", index=False)
        return len(found)


def contenders(python: str, root: str, images: int, bf16: bool) -> dict[str, Contender]:
    """Name -> how it makes the grid with so many images, in the working directory."""
    asked = [f"{key}={values}" for key, values in GRID.items()]
    hydra = ["--multirun", "hydra/launcher=joblib", "hydra.sweep.dir=sweep", f"root={root}", f"images={images}", *asked]
    plain = [python, str(PROGRAMS / "plain_hydra.py"), *hydra]
    found = {
        "plain Hydra": Contender(plain, {}),
        "plain Hydra, OMP_NUM_THREADS=1": Contender(plain, {"OMP_NUM_THREADS": "1"}),
        "Lightning": Contender([python, str(PROGRAMS / "lightning_gan.py"), *hydra], {}),
        "Ray Tune": Contender([python, str(PROGRAMS / "ray_tune.py"), ".", root, str(images)], {}),
    }
    own = [sys.executable, "-m", "ganexp", "--multirun", "sweep=seed_grid", "dataset=mnist", "hydra.sweep.dir=sweep"]
    own += [f"dataset.root={root}", f"dataset.num_images={images}", f"trainer.epochs={GRID['epochs']}"]
    for precision in ("fp32", *(("bf16",) if bf16 else ())):
        found[f"ganexp, {precision}"] = Contender([*own, f"trainer.precision={precision}"], {})
    return found


def main() -> None:
    """Make the grid by each of them, print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("python", help="of the peers' environment")
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--killed-images", type=int, default=1_500)
    parser.add_argument("--bf16", action="store_true", help="where the processor has bfloat16 units")
    parser.add_argument("--only", nargs="+", help="contenders, by the beginning of their names")
    options = parser.parse_args()
    root = str(Path(os.environ.get("GANEXP_DATA", "data")).resolve())
    python = str(Path(options.python).absolute())
    chosen = tuple(options.only or ("",))
    print("| | seconds to the table | times as fast as the fastest peer | memory, MB | again after a kill |")
    print("|---|---|---|---|---|")
    peers: list[float] = []
    for name, contender in contenders(python, root, options.images, options.bf16).items():
        if not name.startswith(chosen):
            continue
        with tempfile.TemporaryDirectory() as folder:
            seconds, memory = whole(contender, Path(folder))
        again = after_a_kill(contenders(python, root, options.killed_images, options.bf16)[name])
        peers += [] if name in BARS else [seconds]
        ahead = f"{min(peers) / seconds:.2f} (bar {BARS[name]})" if name in BARS and peers else ""
        print(f"| {name} | {seconds:.0f} | {ahead} | {memory / 1e6:,.0f} | {again:.2f} |", flush=True)


def whole(contender: Contender, folder: Path) -> tuple[float, int]:
    """Seconds to the table, and the most memory."""
    started = time.perf_counter()
    with working(contender, folder) as process, watched(process) as most:
        if process.wait() != 0:
            raise SystemExit((folder / "output.txt").read_text()[-3000:])
    rows = contender.rows(folder)
    seconds = time.perf_counter() - started
    if rows != RUNS:
        raise SystemExit(f"expected {RUNS} rows of results, got {rows}\n{(folder / 'output.txt').read_text()[-3000:]}")
    return seconds, most[0]


def after_a_kill(contender: Contender) -> float:
    """Seconds of the command given again after a kill at half-time, of those of the whole one."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = whole(contender, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        with working(contender, Path(folder)) as process, contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds / 2)
        again, _ = whole(contender, Path(folder))
    return again / seconds


@contextlib.contextmanager
def working(contender: Contender, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Inside, the command works in a folder; afterwards it and all that it started are killed."""
    environment = {**os.environ, **contender.environment}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(contender.command, cwd=folder, env=environment, stdout=output, stderr=output)
        seen = {process.pid: psutil.Process(process.pid)}

        def look() -> None:
            seen.update({each.pid: each for each in psutil.Process(process.pid).children(recursive=True)})

        try:
            with looking(look, 0.2):
                yield process
        finally:
            for each in seen.values():
                with contextlib.suppress(psutil.Error):
                    each.kill()  # psutil refuses a process that has taken the number of a former one
            process.wait()


@contextlib.contextmanager
def watched(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Inside, the first item is the most memory so far of a process and all below it, in bytes."""
    most = [0]

    def look() -> None:
        parent = psutil.Process(process.pid)
        most[0] = max(most[0], sum(map(_memory, [parent, *parent.children(recursive=True)])))

    with looking(look, 0.5):
        yield most


@contextlib.contextmanager
def looking(look: Callable[[], None], seconds: float) -> Iterator[None]:
    """Inside, `look` is called again and again in a thread; that a process is gone is no error."""
    over = threading.Event()

    def again() -> None:
        while not over.wait(seconds):
            with contextlib.suppress(psutil.Error):
                look()

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
