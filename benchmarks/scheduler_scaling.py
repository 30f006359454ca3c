"""What a launcher costs at 10,000 jobs: a simulated SLURM, and a simulated search.

    python benchmarks/scheduler_scaling.py [JOBS [TRIALS]]

Nothing trains. The jobs of the grid go through the real launcher to commands named sbatch, squeue and scontrol that
stand in for those of SLURM: behind them, one process ends the jobs in the order of the queue, RATE a second, and leaves
the files and answers that finished runs leave. The trials of the search end as soon as they are begun. Printed are the
processor time that the one launching process needs for a job, or a trial, its memory, and the files there are in the
end.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from grid_scaling import EPOCHS, overrides, write_finished

RATE = 200.0
"""Simulated jobs that end in a second."""

ARRAY = 1000
"""Longest array, as SLURM has it by default."""

COMMANDS = {
    "sbatch": 'cp "$1" "$SIMULATED/new/$$" && while [ ! -e "$SIMULATED/id/$$" ]; do sleep 0.02; done\n'
    'echo "Submitted batch job $(cat "$SIMULATED/id/$$")"',
    "squeue": 'cat "$SIMULATED/queue"',
    "scontrol": f'echo "MaxArraySize = {ARRAY + 1}"',
}


def simulate(place: Path, sweep: Path) -> None:
    """Take in what sbatch is given and end one job after the other, until killed."""
    import cloudpickle

    from ganexp.files import plan

    queue: list[tuple[str, Path]] = []
    arrays, credit, last = 0, 0.0, time.monotonic()
    names: dict[str, tuple[str, str]] = {}
    while True:
        for script in sorted((place / "new").iterdir(), key=lambda path: path.stat().st_mtime):
            if not names:
                names = {run.run_id: (run.run_dir, run.trajectory_id) for run in plan.read(sweep).runs.values()}
            arrays += 1
            queue += tasks(str(arrays), script.read_text())
            (place / "queue").write_text("".join(f"{name}\n" for name, _ in queue))
            (place / "id" / script.name).write_text(str(arrays))
            script.unlink()
        now = time.monotonic()
        credit, last = min(credit + RATE * (now - last), RATE), now
        while queue and credit >= 1 and queue[0][1].with_name(f"{queue[0][0]}_submitted.pkl").exists():
            name, folder = queue.pop(0)
            unit = pickle.loads(folder.with_name(f"{name}_submitted.pkl").read_bytes()).args[0]
            finish(unit, sweep, names)
            answer = cloudpickle.dumps(("success", [done(*job) for job in unit.jobs]))
            folder.with_name(f"{name}_0_result.pkl").write_bytes(answer)
            credit -= 1
        temporary = place / "queue.new"
        temporary.write_text("".join(f"{name}\n" for name, _ in queue))
        temporary.replace(place / "queue")
        time.sleep(0.02)


def tasks(array: str, script: str) -> list[tuple[str, Path]]:
    """(id, some path in its folder) of each task of a submission script."""
    lines = dict(line.removeprefix("#SBATCH --").split("=", 1) for line in script.splitlines() if "=" in line)
    count = int(lines["array"].partition("-")[2].partition("%")[0]) + 1
    pattern = lines["output"].replace("%A", array).replace("%t", "0")
    return [(f"{array}_{task}", Path(pattern.replace("%a", str(task)))) for task in range(count)]


def finish(unit: Any, sweep: Path, names: dict[str, tuple[str, str]]) -> None:
    """The files of a job's runs."""
    for _, given in unit.jobs:
        (run_id,) = (text.split("=")[1].strip("'") for text in given if text.startswith("sweep.run_id="))
        name, trajectory = names[run_id]
        write_finished(sweep / name, run_id, trajectory)


def done(number: int, given: Any) -> Any:
    """What a job answers."""
    from hydra.core.utils import JobReturn, JobStatus

    answer = JobReturn(overrides=list(given), status=JobStatus.COMPLETED)
    answer.return_value = 0.0
    return answer


def grid(jobs: int, place: Path) -> None:
    """Send a grid to the simulated SLURM and print what that took."""
    sweep, programs = place / "grid", place / "bin"
    for folder in (programs, place / "new", place / "id"):
        folder.mkdir()
    (place / "queue").touch()
    for name, script in COMMANDS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    paths = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "GANEXP_DATA": str(place / "data")}
    environment = {**os.environ, "SIMULATED": str(place), **paths}
    command = [sys.executable, "-m", "ganexp", "--multirun", *overrides(jobs), f"hydra.sweep.dir={sweep}"]
    command += ["hydra/launcher=submitit_slurm", f"hydra.launcher.array_parallelism={ARRAY}", "sweep.report=false"]
    cluster = subprocess.Popen([sys.executable, __file__, "--simulate", str(place), str(sweep)])
    wall, seconds, megabytes = watched(command, environment, place / "log")
    cluster.kill()
    cluster.wait()
    again = watched(command, environment, place / "log")
    print(f"grid of {jobs} jobs by SLURM arrays: {wall:.0f} s, of which {seconds:.0f} s of processor time, or")
    print(f"  {1000 * seconds / jobs:.1f} ms a job, {megabytes:.0f} MB; the finished grid again: {again[1]:.0f} s")
    held = sum(1 for folder in (sweep / ".submitit").rglob("*") if folder.is_file())
    print(f"  files of submitit: {held / jobs:.2f} a job, {size(sweep / '.submitit') / jobs / 1000:.1f} kB")


def watched(
    command: Sequence[str], environment: dict[str, str], log: Path, folder: Path | None = None
) -> tuple[float, float, float]:
    """Wall seconds, processor seconds (children aside) and peak MB of a process that must succeed."""
    started = time.monotonic()
    with log.open("a") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{log.read_text()}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def size(folder: Path) -> int:
    """Bytes of the files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Immediately:
    """A launcher whose runs are finished at once.

    Args:
        sweep: directory.
    """

    def __init__(self, sweep: Path) -> None:
        self.sweep = sweep

    def at_once(self) -> int:
        """One after the other."""
        return 1

    def stream(self, jobs: Iterator[Any], most: int, first: int = 0) -> Generator[tuple[int, Any], None, None]:
        """As `ganexp.sweep.launchers.launcher.WorkersLauncher.stream`."""
        for number, given in enumerate(jobs, first):
            run_id = next(text.split("=")[1].strip("'") for text in given if text.startswith("sweep.run_id="))
            write_finished(self.sweep / run_id[:8], run_id, run_id)
            yield number, done(number, given)


def search(trials: int, place: Path, sampler: str) -> None:
    """Make a search's trials and print what they took, tenth by tenth."""
    import optuna

    from ganexp.sweep.search.conduct import Search
    from ganexp.sweep.search.trials import Journal, Trials

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep = place / sampler
    sweep.mkdir()
    chosen = getattr(optuna.samplers, sampler)(seed=0)
    study = optuna.create_study(storage=f"sqlite:///{sweep}/study.db", study_name=sampler, sampler=chosen)

    def suggest(trial: optuna.Trial) -> tuple[str, ...]:
        rate, batch = trial.suggest_float("optim.lr", 1e-5, 1e-2, log=True), trial.suggest_int("batch", 16, 128)
        return (f"optim.lr={rate}", f"trainer.batch_size={batch}")

    def propose(trial: optuna.Trial) -> Any:
        given = suggest(trial)
        run_id = sha256(repr(given).encode()).hexdigest()[:32]
        planned = [f"sweep.run_id='{run_id}'"]
        names = {"run_id": run_id, "trajectory_id": run_id, "run_dir": run_id[:8]}
        return SimpleNamespace(overrides=given, epochs=EPOCHS, planned=planned, **names)

    stamps = [time.process_time()]
    launcher: Any = Immediately(sweep)
    queue, record = Trials(study, sweep, trials), list[Any]().append
    made = Search(queue, propose, record, launcher, ["cfd"], at_once=1, most_failures=0)
    listed = Journal(queue, ["cfd"])

    def told(*_: Any) -> None:
        listed.update()
        if made.launched % max(1, trials // 10) == 0:
            stamps.append(time.process_time())

    made.on_end = told
    made.conduct()
    tenths = [10_000 * (after - before) / trials for before, after in pairwise(stamps)]
    print(f"search of {trials} trials, {sampler}: ms of processor time a trial, tenth by tenth:")
    print("  " + " ".join(f"{tenth:.1f}" for tenth in tenths), flush=True)


def main(jobs: int = 10_000, trials: int = 2_000) -> None:
    """Print all of it."""
    with tempfile.TemporaryDirectory() as place:
        grid(jobs, Path(place))
        for sampler in ("RandomSampler", "TPESampler"):
            search(trials, Path(place), sampler)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--simulate"]:
        simulate(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:3]))
