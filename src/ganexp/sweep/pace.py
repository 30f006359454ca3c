"""How long jobs take, by the pace of finished runs like them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ganexp.config.run_config import NO_AUGMENT
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.jobs import Job
from ganexp.sweep.launchers.launcher import WorkersLauncher

if TYPE_CHECKING:
    from ganexp.sweep.conduct import Conductor

MOST_READ = 200  # most finished runs to read
MOST_COMPARED = 200  # more jobs are not compared with those that ended, one by one
SAME = ("batch_size", "d_steps", "real_batch")  # trainer keys that set a run's pace, besides model, penalty, dataset
Kind = tuple[Any, ...]  # what runs of one pace have in common
Speeds = Mapping[Kind, Sequence[float]]  # real images per second of each finished run


class Pace:
    """The pace of a sweep's own jobs, learnt as they end."""

    def __init__(self) -> None:
        self.speeds: dict[Kind, list[float]] = {}
        self.started = monotonic()
        self.seconds = self.weight = 0.0  # of all of them together

    def learn(self, directory: Path, job: Job) -> None:
        """Note how long a job took that has ended, where its longest run was trained to its end."""
        speed = _speed(RunFolder(directory / job.point.run_dir).result())
        if speed is not None:
            self.speeds.setdefault(kind(job.point.values), []).append(speed)
            self.seconds += job.point.epochs * job.point.images_per_epoch / speed
            self.weight += job.point.weight

    def left(self, conductor: Conductor) -> float | None:
        """Seconds until all jobs that were launched have ended; None where nothing was learnt, or nothing is left."""
        if not (self.weight and conductor.waiting):
            return None
        workers = self._workers(conductor)
        known: Speeds = self.speeds if len(conductor.waiting) <= MOST_COMPARED else {}
        seconds = []
        for number, job in enumerate(conductor.waiting):
            cost = seconds_of(job, known)
            cost = job.point.weight * self.seconds / self.weight if cost is None else cost
            status = RunFolder(conductor.directory / job.point.run_dir).status() if number < workers else None
            seconds.append(cost * (1 - min(1.0, status.epoch / job.point.epochs if status is not None else 0.0)))
        return total_seconds(seconds, workers)

    def _workers(self, conductor: Conductor) -> int:
        """Jobs at once; of a launcher that does not say, as many as there were so far on average."""
        if isinstance(conductor.launcher, WorkersLauncher):
            return crew_of(conductor.launcher, len(conductor.waiting))[0]
        return max(1, round(self.seconds / max(1.0, monotonic() - self.started)))


def measured(folders: Iterable[Path], threads: int) -> Speeds:
    """The pace of finished runs with so many threads; other folders are skipped."""
    speeds: dict[Kind, list[float]] = {}
    for folder in islice(folders, MOST_READ):
        result, identity = RunFolder(folder).result(), RunFolder(folder).identity()
        speed = _speed(result)
        with suppress(KeyError, TypeError, ValueError):
            if (
                result is not None
                and speed is not None
                and identity is not None
                and result["provenance"]["threads"] == threads
            ):
                trainer = {f"trainer.{key}": identity["trainer"][key] for key in SAME}
                model = {f"model.{key}": value for key, value in identity["model"].items()}
                penalty = {f"penalty.{key}": value for key, value in identity.get("penalty", {}).items()}
                augment = {"augment._target_": identity.get("augment", {}).get("_target_", NO_AUGMENT)}
                values = {**model, **trainer, **penalty, **augment, "dataset": identity["dataset"]["name"]}
                speeds.setdefault(kind(values), []).append(speed)
    return speeds


def _speed(result: Mapping[str, Any] | None) -> float | None:
    """Real images per second of all the time of a run, with scores and pictures; None where it was not trained."""
    with suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        if result is not None and result["read_off"] is None:
            return float(result["images_seen"]) / float(result["total_seconds"]) or None
    return None


def seconds_of(job: Job, speeds: Speeds, start: int = 0) -> float | None:
    """The time of a job that goes on after epoch `start`; None where no run like it was measured."""
    point = job.point
    alike = speeds.get(kind(point.values), ())
    return (point.epochs - start) * point.images_per_epoch * len(alike) / sum(alike) if alike else None


def total_seconds(durations: Sequence[float], workers: int) -> float:
    """The time of all jobs, each given in turn to the worker that is free first."""
    free = [0.0] * max(1, workers)
    for cost in durations:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def crew_of(launcher: Any, jobs: int) -> tuple[int, int]:
    """Jobs at once, and threads of each; 1 and 1 for launchers that do not say."""
    if not isinstance(launcher, WorkersLauncher):
        return 1, 1
    return len(launcher.environments(jobs)), launcher.threads


def kind(values: Mapping[str, Any]) -> Kind:
    """What sets the pace of a run, of its dotted keys and values."""
    model = sorted((key, str(value)) for key, value in values.items() if key.startswith("model."))
    penalty = values.get("penalty._target_", "ganexp.penalty.none"), values.get("penalty.every_steps")
    augment = values.get("augment._target_", NO_AUGMENT)
    return (values["dataset"], *model, *penalty, augment, *(values[f"trainer.{key}"] for key in SAME))
