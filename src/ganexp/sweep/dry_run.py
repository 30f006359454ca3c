"""`sweep.dry_run=true`: what a sweep would do, and how long that would take; nothing is started or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from ganexp.files.plan import short
from ganexp.files.run_folder import RunFolder
from ganexp.sweep import estimate
from ganexp.sweep.conduct import Conductor
from ganexp.sweep.jobs import by_trajectory
from ganexp.sweep.launchers.launcher import WorkersLauncher
from ganexp.sweep.points import Point, telling
from ganexp.types.endings import State
from ganexp.types.terminal import count, duration, print_table, say

UNTOUCHED = {
    State.COMPLETED: "done",
    State.RUNNING: "held by another process",
    State.FAILED: "left alone (sweep.retry=failed tries again)",
    State.DIVERGED: "left alone (sweep.retry=failed tries again)",
    State.PRUNED: "left alone",
}
"""What is said of a run that no job would make."""


def show(conductor: Conductor, keys: Sequence[str]) -> None:
    """Print a table of all runs that were asked for, and the estimated time.

    Args:
        conductor: of the sweep.
        keys: those that tell runs apart.
    """
    states = conductor.states()
    jobs = conductor.jobs(states)
    workers, threads = crew(conductor, len(jobs))
    speeds = estimate.measured(_measured_folders(conductor), threads)
    trajectories = by_trajectory(conductor.points)
    starts = [_start(conductor, job.point, trajectories[job.point.trajectory_id]) for job in jobs]
    seconds = [estimate.seconds(job, speeds, start) for job, start in zip(jobs, starts, strict=True)]
    plans = {
        point.run_id: _plan(number, point is job.point, cost)
        for number, (job, cost) in enumerate(zip(jobs, seconds, strict=True), 1)
        for point in job.points
    }
    rows = []
    for point in conductor.points:
        current = states[point.run_id]
        plan = plans.get(point.run_id, (UNTOUCHED.get(current, "waits for another process"), ""))
        rows.append((point.name, short(telling(point.overrides, keys)), current.value, *plan))
    print_table(("run directory", "setting", "state", "plan", "time"), rows)
    missing = f"{count(len(plans), 'run')} of {len(conductor.points)} missing"
    say(
        f"{missing}, {count(len(jobs), 'job')}, {count(workers, 'worker')}: {_total(seconds, workers)}. "
        "Nothing was started."
    )


def crew(conductor: Conductor, jobs: int) -> tuple[int, int]:
    """How many jobs run at once, and how many threads each has; 1 and 1 for launchers that do not say."""
    if not isinstance(conductor.launcher, WorkersLauncher):
        return 1, 1
    return len(conductor.launcher.environments(jobs)), conductor.launcher.threads


def _start(conductor: Conductor, longest: Point, trajectory: Sequence[Point]) -> int:
    """The epoch that a job can go on from: the furthest that its trajectory has got to."""
    runs = [point for point in trajectory if point.epochs <= longest.epochs]
    statuses = (RunFolder(conductor.directory / point.name).status() for point in runs)
    return max((status.epoch for status in statuses if status is not None), default=0)


def _plan(number: int, longest: bool, seconds: float | None) -> tuple[str, str]:
    if not longest:
        return f"read off job {number}, whose trajectory it shares", ""
    return f"job {number}", "unknown" if seconds is None else f"about {duration(seconds)}"


def _total(seconds: Sequence[float | None], workers: int) -> str:
    known = [each for each in seconds if each is not None]
    if len(known) < len(seconds):
        return "time unknown, as no run like every one of them was measured here"
    return f"about {duration(estimate.total_seconds(known, workers))}"


def _measured_folders(conductor: Conductor) -> Iterator[Path]:
    """Finished runs that may tell how fast runs are: of this sweep, of sweeps beside it, and single runs."""
    here = conductor.directory
    beside = (folder for folder in here.parent.glob("*/*/") if folder.parent != here)
    folders = chain((here / point.name for point in conductor.points), beside, Path("outputs").glob("*/"))
    return (folder for folder in folders if (folder / "result.json").exists())
