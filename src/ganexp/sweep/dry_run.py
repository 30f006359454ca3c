"""`sweep.dry_run=true`: what a sweep would do, and how long that would take; nothing is started or written.

Times come from finished runs with the same dataset, model, threads and batches; where there is none, none is given.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ganexp.files.run_folder import RunFolder
from ganexp.sweep.conduct import Conductor
from ganexp.sweep.jobs import Job, by_trajectory
from ganexp.sweep.launchers.launcher import WorkersLauncher
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from ganexp.types.terminal import count, duration, print_table, say

UNTOUCHED = {
    State.COMPLETED: "done",
    State.RUNNING: "held by another process",
    State.FAILED: "left alone (sweep.retry=failed tries again)",
    State.DIVERGED: "left alone (sweep.retry=failed tries again)",
    State.PRUNED: "left alone",
}
"""The plan for a run that no job would make."""

MOST_READ = 200  # most finished runs to read
SAME = ("batch_size", "d_steps", "real_batch")  # trainer keys that set a run's pace, besides model, dataset, threads
Speeds = Mapping[tuple[Any, ...], Sequence[float]]  # `_kind` -> real images per second of each finished run


def show(conductor: Conductor, keys: Sequence[str]) -> None:
    """Print a table of all points, and the estimated time."""
    states = conductor.states()
    jobs = conductor.jobs(states)
    workers, threads = _crew(conductor, len(jobs))
    speeds = measured(_run_folders(conductor), threads)
    trajectories = by_trajectory(conductor.points)
    starts = [_start(conductor, job.point, trajectories[job.point.trajectory_id]) for job in jobs]
    seconds = [seconds_of(job, speeds, start) for job, start in zip(jobs, starts, strict=True)]
    plans = {
        point.run_id: _plan(number, point is job.point, cost)
        for number, (job, cost) in enumerate(zip(jobs, seconds, strict=True), 1)
        for point in job.points
    }
    rows = []
    for point in conductor.points:
        state = states[point.run_id]
        plan = plans.get(point.run_id, (UNTOUCHED.get(state, "waits for another process"), ""))
        rows.append((point.run_dir, point.setting(keys), state.value, *plan))
    print_table(("run directory", "setting", "state", "plan", "time"), rows)
    missing = f"{count(len(plans), 'run')} of {len(conductor.points)} missing"
    crew = f"{count(len(jobs), 'job')}, {count(workers, 'worker')}"
    say(f"{missing}, {crew}: {_total(seconds, workers)}. Nothing was started.")


def measured(folders: Iterable[Path], threads: int) -> Speeds:
    """The pace of finished runs with so many threads; other folders are skipped."""
    speeds: dict[tuple[Any, ...], list[float]] = {}
    for folder in islice(folders, MOST_READ):
        result, identity = RunFolder(folder).result(), RunFolder(folder).identity()
        with suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
            if result is None or identity is None or result["read_off"] is not None:
                continue
            if result["provenance"]["threads"] == threads:
                trainer = {f"trainer.{key}": identity["trainer"][key] for key in SAME}
                model = {f"model.{key}": value for key, value in identity["model"].items()}
                kind = _kind({**model, **trainer, "dataset": identity["dataset"]["name"]})
                speed = float(result["images_seen"]) / float(result["total_seconds"])
                speeds.setdefault(kind, []).append(speed)
    return speeds


def seconds_of(job: Job, speeds: Speeds, start: int = 0) -> float | None:
    """The time of a job that goes on after epoch `start`; None where no run like it was measured."""
    point = job.point
    alike = speeds.get(_kind(point.values), ())
    return (point.epochs - start) * point.images_per_epoch * len(alike) / sum(alike) if alike else None


def total_seconds(durations: Sequence[float], workers: int) -> float:
    """The time of all jobs, each given in turn to the worker that is free first."""
    free = [0.0] * max(1, workers)
    for cost in durations:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def _crew(conductor: Conductor, jobs: int) -> tuple[int, int]:
    """Jobs at once, and threads of each; 1 and 1 for launchers that do not say."""
    if not isinstance(conductor.launcher, WorkersLauncher):
        return 1, 1
    return len(conductor.launcher.environments(jobs)), conductor.launcher.threads


def _start(conductor: Conductor, longest: Point, trajectory: Sequence[Point]) -> int:
    """The epoch that a job can go on from: the latest that its trajectory has reached."""
    runs = [point for point in trajectory if point.epochs <= longest.epochs]
    statuses = (RunFolder(conductor.directory / point.run_dir).status() for point in runs)
    return max((status.epoch for status in statuses if status is not None), default=0)


def _plan(number: int, longest: bool, seconds: float | None) -> tuple[str, str]:
    if not longest:
        return f"read off job {number}, whose trajectory it shares", ""
    return f"job {number}", "unknown" if seconds is None else f"about {duration(seconds)}"


def _total(seconds: Sequence[float | None], workers: int) -> str:
    estimates = [cost for cost in seconds if cost is not None]
    if len(estimates) < len(seconds):
        return "time unknown, as no run like every one of them was measured here"
    return f"about {duration(total_seconds(estimates, workers))}"


def _run_folders(conductor: Conductor) -> Iterator[Path]:
    """Directories of finished runs: of this sweep, of sweeps beside it, and of single runs."""
    sweep = conductor.directory
    beside = (folder for folder in sweep.parent.glob("*/*/") if folder.parent != sweep)
    folders = chain((sweep / point.run_dir for point in conductor.points), beside, Path("outputs").glob("*/"))
    return (folder for folder in folders if RunFolder(folder).result_json.exists())


def _kind(values: Mapping[str, Any]) -> tuple[Any, ...]:
    model = sorted((key, str(value)) for key, value in values.items() if key.startswith("model."))
    return (values["dataset"], *model, *(values[f"trainer.{key}"] for key in SAME))
