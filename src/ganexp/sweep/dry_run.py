"""`sweep.dry_run=true`: what a sweep would do, how long that would take, and how much it would write.

No run is started, and nothing is written where the sweep will be. Times come from finished runs with the same dataset,
networks, threads and batches; where there is none, from some steps that are timed now.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ganexp.files.run_folder import RunFolder
from ganexp.sweep.conduct import Conductor
from ganexp.sweep.costs import Costs, Disk
from ganexp.sweep.jobs import Job, by_trajectory
from ganexp.sweep.pace import crew_of, measured, total_seconds
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from ganexp.types.tables import print_table
from ganexp.types.terminal import count, duration, in_units, say

UNTOUCHED = {
    State.COMPLETED: "done",
    State.RUNNING: "held by another process",
    State.FAILED: "left alone (sweep.retry=failed tries again)",
    State.DIVERGED: "left alone (sweep.retry=failed tries again)",
    State.PRUNED: "left alone",
}
"""The plan for a run that no job would make."""


def show(conductor: Conductor, keys: Sequence[str]) -> None:
    """Print a table of all points, and the estimated time and disk."""
    states = conductor.states()
    jobs = conductor.jobs(states)
    workers, threads = crew_of(conductor.launcher, len(jobs))
    trajectories = by_trajectory(conductor.points)
    starts = [_start(conductor, job.point, trajectories[job.point.trajectory_id]) for job in jobs]
    costs = Costs(conductor.directory, jobs, starts, measured(_run_folders(conductor), threads))
    costs.measure(threads)
    seconds = costs.seconds()
    plans = {
        point.run_id: _plan(number, point is job.point, cost)
        for number, (job, cost) in enumerate(zip(jobs, seconds, strict=True), 1)
        for point in job.points
    }
    rows = []
    for point in conductor.points:
        state = states[point.run_id]
        plan = plans.get(point.run_id, (UNTOUCHED.get(state, "waits for another process"), ""))
        rows.append((point.run_dir.rpartition("-")[2], point.setting(keys), state.value, *plan))
    print_table(("run", "setting", "state", "plan", "time"), rows, spare=("run", "state"))
    missing = f"{count(len(plans), 'run')} of {len(conductor.points)} missing"
    crew = f"{count(len(jobs), 'job')}, {count(workers, 'worker')}"
    say(f"{missing}, {crew}: {_total(seconds, workers)}{_but(costs)}. Nothing was started.")
    if costs.memory:
        say(f"memory: about {costs.memory} a worker")
    if (disk := costs.disk(workers)) is not None:
        _say_disk(conductor.directory, disk)


def show_search(directory: Path, probes: Sequence[Point], trials: int, trainings: int, launcher: Any) -> None:
    """Print the estimated time and disk of a search whose trials cost so many trainings like these."""
    workers, threads = crew_of(launcher, trainings)
    costs = Costs(directory, [Job(point) for point in probes], [0] * len(probes), {})
    costs.measure(threads)
    known = [each for each in costs.seconds() if each is not None]
    total = _total([sum(known) / len(known)] * trainings if known else [None], workers)
    work = "" if trainings == trials else f" (the work of {count(trainings, 'training')} to the end)"
    crew = f"{count(trials, 'trial')}{work}, {count(workers, 'worker')}"
    say(f"{crew}: {total}{_but(costs)}, if none is pruned. Nothing was started.")
    if costs.memory:
        say(f"memory: about {costs.memory} a worker")
    if (disk := costs.disk(workers)) is not None:
        share = trainings / len(probes)
        peak = disk.end * share + disk.peak - disk.end
        _say_disk(directory, Disk(int(disk.end * share), int(disk.states * share), int(peak)))


def _but(costs: Costs) -> str:
    return " without scoring, for which a classifier is trained first" if costs.without_scoring() else ""


def _say_disk(directory: Path, disk: Disk) -> None:
    free = _free(directory)
    enough = "are free" if disk.peak <= free else "are free, which is too little"
    say(f"disk: about {in_units(disk.end)}, {in_units(disk.peak)} on the way; {in_units(free)} {enough}")
    say(f"  of it {in_units(disk.states)} for longer runs to start from, until `ganexp clean` drops them")


def _free(directory: Path) -> int:
    """Bytes that are free where the sweep will be."""
    there = next(folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free


def _start(conductor: Conductor, longest: Point, trajectory: Sequence[Point]) -> int:
    """The epoch that a job can go on from: the latest that its trajectory has reached."""
    runs = [point for point in trajectory if point.epochs <= longest.epochs]
    statuses = (RunFolder(conductor.directory / point.run_dir).status() for point in runs)
    return max((status.epoch for status in statuses if status is not None), default=0)


def _plan(number: int, longest: bool, seconds: float | None) -> tuple[str, str]:
    if not longest:
        return f"read off job {number}", ""
    return f"job {number}", "unknown" if seconds is None else f"about {duration(seconds)}"


def _total(seconds: Sequence[float | None], workers: int) -> str:
    estimates = [cost for cost in seconds if cost is not None]
    if len(estimates) < len(seconds):
        return "time unknown"
    return f"about {duration(total_seconds(estimates, workers))}"


def _run_folders(conductor: Conductor) -> Iterator[Path]:
    """Directories of finished runs: of this sweep, of sweeps beside it, and of single runs."""
    sweep = conductor.directory
    beside = (folder for folder in sweep.parent.glob("*/*/") if folder.parent != sweep)
    folders = chain((sweep / point.run_dir for point in conductor.points), beside, Path("outputs").glob("*/"))
    return (folder for folder in folders if RunFolder(folder).result_json.exists())
