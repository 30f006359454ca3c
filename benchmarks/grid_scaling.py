"""How a finished grid scales: the same command again, the status and the summary, for 100 to 3,000 runs.

    python benchmarks/grid_scaling.py [RUNS ...]

The runs are synthetic: directories with the files of finished runs, for the points that the command really asks for.
Each figure is the wall time, the processor time and the peak memory of one process, its start included.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ganexp.files.status import Status, now
from ganexp.types.endings import State

SIZES = (100, 300, 1000, 3000)
EPOCHS = 50
SUMMARY = (
    "from pathlib import Path; import sys; from ganexp.report.summary import write_summary as w; w(Path(sys.argv[1]))"
)


def overrides(runs: int) -> list[str]:
    """A grid of about `runs` points of as many trajectories."""
    rates = "optim.lr=1e-5,2e-5,5e-5,1e-4,2e-4"
    return [f"seed=range({runs // 10})", rates, "trainer.batch_size=16,36", "metrics=none", f"trainer.epochs={EPOCHS}"]


def prepare(sweep: Path, arguments: Sequence[str]) -> None:
    """Write the files of every run that a command line asks for, as if they were finished."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from ganexp.__main__ import register
    from ganexp.config.run_config import conf_dir
    from ganexp.sweep.compose import Composer
    from ganexp.sweep.expand import axes, points
    from ganexp.sweep.points import all_points

    register()
    with initialize_config_dir(str(conf_dir().resolve())):
        loader = GlobalHydra.instance().config_loader()
        grid = list(points(axes(loader.parse_overrides("config", list(arguments)))))
        composer = Composer(loader, loader.load_configuration("config", [], RunMode.MULTIRUN))
        for point in all_points(composer, grid, ()):
            write_finished(sweep / point.run_dir, point.run_id, point.trajectory_id)


def write_finished(folder: Path, run_id: str, trajectory_id: str) -> None:
    """The files of a finished run that readers look at."""
    from ganexp.files import status
    from ganexp.files.atomic import write_json
    from ganexp.files.record import write_metrics

    folder.mkdir(parents=True)
    rows = [row(epoch) for epoch in range(1, EPOCHS + 1)]
    finished = State.COMPLETED
    status.write(folder / "status.json", Status(finished, EPOCHS, EPOCHS, run_id, trajectory_id, heartbeat=now()))
    write_metrics(folder / "metrics.csv", rows, ["cfd"])
    content = {"run_id": run_id, "trajectory_id": trajectory_id, "state": "COMPLETED", "final": rows[-1]}
    content |= {"images_seen": 898 * EPOCHS, "train_seconds": 25.0, "total_seconds": 30.0, "images_per_second": 1796.0}
    content |= {"provenance": {"metrics": {"cfd": "x" * 500}}, "read_off": None}
    write_json(folder / "result.json", content)


def row(epoch: int) -> dict[str, float | int | None]:
    """One row of metrics.csv."""
    work = {"epoch": epoch, "step": 57 * epoch, "images_seen": 898 * epoch, "train_seconds": 0.5 * epoch}
    losses = {"d_loss": 1.234567890123 / epoch, "g_loss": 0.1234567890123 * epoch, "d_real": 0.6, "d_fake": 0.4}
    watched = {"d_heldout": 0.7, "d_generated": 0.3, "d_near_half": 0.25, "cfd": 12.34567890123 / epoch}
    return {**work, **losses, **watched}


def measure(*command: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of a child process that must succeed."""
    started = time.perf_counter()
    with Path(os.devnull).open("w") as silent:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, silent.fileno(), 1)])
        _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main(sizes: Sequence[int]) -> None:
    """Print one line for each size."""
    python = sys.executable
    print(f"{'runs':>5} | {'--multirun again':^30} | {'status':^30} | {'summary':^30}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            sweep, arguments = Path(place) / "sweep", overrides(size)
            measure(python, __file__, "--prepare", str(sweep), *arguments)
            command = (python, "-m", "ganexp", "--multirun", *arguments, f"hydra.sweep.dir={sweep}")
            measure(*command)  # writes the plan
            figures = [measure(*command), measure(python, "-m", "ganexp.status", str(sweep))]
            figures.append(measure(python, "-c", SUMMARY, str(sweep)))
        cells = (f"{wall:5.1f} s ({cpu:5.1f} s CPU) {size_mb:5.0f} MB" for wall, cpu, size_mb in figures)
        print(f"{size:>5} | {' | '.join(cells)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--prepare"]:
        prepare(Path(sys.argv[2]), sys.argv[3:])
    else:
        main([int(text) for text in sys.argv[1:]] or SIZES)
