"""What the jobs of a sweep will cost: time, by finished runs like them or else by some timed steps, and disk."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.files.record import Texts, is_cadence
from ganexp.sweep.jobs import Job
from ganexp.sweep.pace import Kind, Speeds, kind, seconds_of
from ganexp.sweep.points import Point
from ganexp.trainer.timing import STEPS, Cost, cost_of
from ganexp.types.terminal import count, say

log = logging.getLogger("ganexp")

MOST_SECONDS = 120.0  # of timing, after which what was not timed yet is judged by its work
SMALL_FILES = 100_000  # bytes of a run's other files: losses.png, tables, `.hydra`
REPORT = 3_000_000  # bytes of a report and its figures


@dataclass(frozen=True)
class Disk:
    """Bytes that a sweep will write."""

    end: int  # what is there once all is done
    states: int  # of them: full states of finished runs
    peak: int  # the most on the way


class Costs:
    """The costs of some jobs, which go on after the epochs in `starts`."""

    def __init__(self, directory: Path, jobs: Sequence[Job], starts: Sequence[int], speeds: Speeds) -> None:
        self.directory, self.jobs, self.starts, self.speeds = directory, jobs, starts, speeds
        self.timed: dict[Kind, Cost] = {}

    def measure(self, threads: int) -> None:
        """Time each distinct kind of training once, and see how large its files are."""
        firsts: dict[Kind, Point] = {}
        for job in self.jobs:
            firsts.setdefault(kind(job.point.values), job.point)
        if firsts:
            say(f"timing {STEPS} steps of {count(len(firsts), 'kind')} of training (networks, batch size, d_steps)")
        started = monotonic()
        for each, point in firsts.items():
            if monotonic() - started > MOST_SECONDS:
                return
            config = point.config
            place, dataset = self.directory / point.run_dir, load_dataset(config.dataset)
            spec = RunSpec(config, dataset, identify(config), place, Texts("", "", ""), in_sweep=True)
            try:
                self.timed[each] = cost_of(spec, threads)
            except Exception as error:
                log.warning("%s: could not be timed (%s: %s)", point.run_dir, type(error).__name__, error)

    def seconds(self) -> list[float | None]:
        """The time of each job; None where nothing is known."""
        known = [self._known(job, start) for job, start in zip(self.jobs, self.starts, strict=True)]
        work = sum(job.point.weight for job, cost in zip(self.jobs, known, strict=True) if cost is not None)
        rate = sum(cost for cost in known if cost is not None) / work if work else None
        both = zip(self.jobs, known, strict=True)
        return [rate * job.point.weight if cost is None and rate is not None else cost for job, cost in both]

    def without_scoring(self) -> bool:
        """Whether the time of scoring is missing in some job's time."""
        kinds = [kind(job.point.values) for job in self.jobs]
        return any(k not in self.speeds and k in self.timed and self.timed[k].scoring is None for k in kinds)

    @property
    def memory(self) -> str:
        """What one job has held at most while it was timed, in words; "" where none was."""
        return list(self.timed.values())[-1].memory if self.timed else ""

    def disk(self, workers: int) -> Disk | None:
        """Bytes of all jobs; None where nothing is known."""
        if not self.timed:
            return None
        usual = max(self.timed.values(), key=lambda cost: cost.state_bytes)
        costs = [self.timed.get(kind(job.point.values), usual) for job in self.jobs]
        states = [cost.state_bytes for cost in costs]
        end = REPORT + sum(states) + sum(_files(job, cost) for job, cost in zip(self.jobs, costs, strict=True))
        kept = [job.point.config.trainer.keep_checkpoints for job in self.jobs]
        more = sorted(size * number for size, number in zip(states, kept, strict=True))
        return Disk(end, sum(states), end + sum(more[-workers:]))

    def _known(self, job: Job, start: int) -> float | None:
        cost = self.timed.get(kind(job.point.values))
        like = seconds_of(job, self.speeds, start)
        return like if like is not None or cost is None else _seconds(job, cost, start)


def _seconds(job: Job, cost: Cost, start: int) -> float:
    """The time of a job by that of its parts."""
    point, trainer = job.point, job.point.config.trainer
    steps = math.ceil(len(load_dataset(point.config.dataset).train) / trainer.batch_size)
    share = min(1.0, trainer.max_steps / (steps * point.epochs)) if trainer.max_steps else 1.0
    epochs = max(0.0, share * point.epochs - start)
    training = epochs * steps * cost.step
    every = point.config.metrics.every_epochs
    scored = sum(is_cadence(start + epoch, every) for epoch in range(1, int(epochs) + 1)) + len(job.points)
    return min(training, trainer.max_seconds or math.inf) + epochs * cost.epoch + scored * (cost.scoring or 0.0)


def _files(job: Job, cost: Cost) -> int:
    """Bytes of a job's files besides full states; pictures of runs that are read off are links."""
    trainer, every = job.point.config.trainer, job.point.config.trainer.samples_every_epochs
    generators = len({*job.point.milestones, *(p.epochs for p in job.read_off), job.point.epochs}) + len(job.read_off)
    pictures = 2 + (trainer.epochs // every if every else 0)
    return generators * cost.generator_bytes + pictures * cost.picture_bytes + len(job.points) * SMALL_FILES
