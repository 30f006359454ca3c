"""Making the runs of a sweep: launch what is missing, wait for what others hold, look again, until nothing is left."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganexp.config import recorded
from ganexp.config.hydra_private import BasicLauncher, JobReturn, error_of
from ganexp.config.identity import NUMERICS_VERSION
from ganexp.files import owned, plan
from ganexp.files.foreign import SMALL, read_text
from ganexp.files.provenance import git_revision
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status, now
from ganexp.sweep import placed
from ganexp.sweep.jobs import SweepJob, jobs_for
from ganexp.sweep.launchers.workers import WorkerDied
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError, Refused

log = logging.getLogger("ganexp")

ATTEMPTS = 3
"""How often one command launches a run that is left neither finished nor failed (say, because its worker was told to
stop)."""

WAIT_SECONDS = 1.0
"""Between two looks at runs that other processes hold."""

BADLY_ENDED = (State.FAILED, State.DIVERGED)


class Conductor:
    """Makes the runs of one sweep directory.

    Args:
        directory: the sweep directory.
        points: distinct runs that were asked for.
        launcher: set up by Hydra.
        batch_size: jobs to give to the launcher at once, or None for all.
        retry: also make runs again that failed or diverged before.

    Attributes:
        results: what the launcher returned, batch by batch, without the configurations.
        launched: jobs given to the launcher so far, or about to be.
        ended: jobs that have come back.
        told: called with each job as it ends, and the states of its runs.
        waits: called with the runs of other processes that are waited for.
    """

    def __init__(
        self, directory: Path, points: Sequence[Point], launcher: Launcher, batch_size: int | None, *, retry: bool
    ) -> None:
        self.directory = directory
        self.points = points
        self.launcher = launcher
        self.batch_size = 1 if isinstance(launcher, BasicLauncher) else batch_size
        self.retry = retry
        self.results: list[Sequence[JobReturn]] = []
        self.told: Callable[[SweepJob, dict[str, State]], None] | None = None
        self.waits: Callable[[Sequence[Point]], None] | None = None
        self._attempts: Counter[str] = Counter()
        self._recorded: tuple[DictConfig, Sequence[str]] | None = None
        self.launched = 0
        self.ended = 0

    def state_of(self, point: Point) -> State:
        """What has become of a run so far, by its files."""
        status = RunFolder(self.directory / point.name).current()
        return State.PENDING if status is None else status.state

    def states(self) -> dict[str, State]:
        """run_id -> state, for every run that was asked for."""
        return {point.run_id: self.state_of(point) for point in self.points}

    def jobs(self, states: dict[str, State]) -> list[SweepJob]:
        """The jobs that are to be launched now."""
        blocked = self._blocked(states)
        missing = [p for p in self.points if self._wanted(p, states[p.run_id]) and p.run_id not in blocked]
        return jobs_for(missing, [p for p in self.points if states[p.run_id] is State.COMPLETED])

    def record(self, config: DictConfig, keys: Sequence[str]) -> None:
        """Write plan.json and multirun.yaml; `record_again` can do so later.

        Raises:
            DirectoryError: the directory belongs to something else, or cannot be written.
        """
        time, typed = now(), config.hydra.overrides
        command = [*typed.task, *(text for text in typed.hydra if not text.startswith("hydra.mode="))]
        request = plan.Request(
            tuple(command), time, time, tuple(point.run_id for point in self.points), tuple(keys), git_revision()
        )
        runs = [
            plan.PlannedRun(p.run_id, p.trajectory_id, p.name, p.epochs, p.overrides, p.values) for p in self.points
        ]
        text = OmegaConf.to_yaml(config)
        try:
            owned.claim(self.directory, (), text)
            plan.record(self.directory, request, runs, numerics_version=NUMERICS_VERSION)
            owned.write_beside(self.directory, owned.MULTIRUN, text)
        except OSError as error:
            raise DirectoryError(f"{self.directory}: cannot be written ({error.strerror or error})") from None

        self._recorded = (config, keys)

    def record_again(self) -> None:
        """Where somebody removed the plan while the sweep ran, write it once more, so that no run is forgotten."""
        if self._recorded is not None and not (self.directory / plan.FILE).exists():
            log.warning("%s was removed while the sweep ran; it is written again", self.directory / plan.FILE)
            self.record(*self._recorded)

    def conduct(self) -> None:
        """Make what is missing; returns when nothing more can be done."""
        while True:
            states = self.states()
            jobs = self.jobs(states)
            if jobs:
                self._launch(jobs)
            elif held := [point for point in self.points if states[point.run_id] is State.RUNNING]:
                self._wait(held)
            else:
                return

    def _wanted(self, point: Point, current: State) -> bool:
        tried = self._attempts[point.run_id]
        if current in BADLY_ENDED:
            return self.retry and tried == 0
        return not current.final and current is not State.RUNNING and tried < ATTEMPTS

    def _blocked(self, states: dict[str, State]) -> set[str]:
        """Runs that other processes hold, or will write on the way of one that they hold."""
        held = [point for point in self.points if states[point.run_id] is State.RUNNING]
        blocked = {point.run_id for point in held}
        for longer in held:
            coming = _being_read_off(self.directory / longer.name)
            blocked |= {
                point.run_id
                for point in self.points
                if point.trajectory_id == longer.trajectory_id
                and point.epochs in coming
                and self._wanted(point, states[point.run_id])
            }
        return blocked

    def _wait(self, held: Sequence[Point]) -> None:
        """Return when one of the runs that other processes hold has come to an end."""
        if self.waits is not None:
            self.waits(held)
        while all(self.state_of(point) is State.RUNNING for point in held):
            time.sleep(WAIT_SECONDS)

    def _launch(self, jobs: Sequence[SweepJob]) -> None:
        size = self.batch_size or len(jobs)
        first = self.launched
        self.launched += len(jobs)
        for start in range(0, len(jobs), size):
            batch = jobs[start : start + size]
            for job in batch:
                self._attempts.update(point.run_id for point in job.points)
            place = placed(self.directory)
            if hasattr(self.launcher, "on_done"):
                self.launcher.on_done = lambda number, done, batch=batch: self._ended(batch[number], done)
            overrides = [[*job.overrides, *job.point.planned, place] for job in batch]
            results = self.launcher.launch(overrides, first + start)
            if not hasattr(self.launcher, "on_done"):
                for job, done in zip(batch, results, strict=True):
                    self._ended(job, done)
            self.results.append(results)

    def _ended(self, job: SweepJob, done: JobReturn) -> None:
        """After a job: where it could not say itself how it ended, say it, then tell the user."""
        error = error_of(done)
        lost = isinstance(error, WorkerDied) and getattr(self.launcher, "relaunches", False)
        for point in job.points:
            if isinstance(error, Exception) and not (lost and self._attempts[point.run_id] < ATTEMPTS):
                try:
                    mark_failed(self.directory, point, error)
                except OSError as second:  # a full disk, say, must not end the other jobs
                    log.error("%s: that it failed cannot be written (%s)", self.directory / point.name, second)
                    self._attempts[point.run_id] = ATTEMPTS
        done.cfg = done.hydra_cfg = None  # a quarter of a megabyte for each job of a long sweep
        self.ended += 1
        if self.told is not None:
            self.told(job, {point.run_id: self.state_of(point) for point in job.points})


def mark_failed(directory: Path, point: Point, error: Exception) -> None:
    """Write FAILED for a run whose process is gone without a word.

    Args:
        directory: of the sweep.
        point: the run.
        error: what its launcher knows.
    """
    composing = isinstance(error, HydraException | OmegaConfBaseException)  # whose last line says nothing
    message = " ".join(str(error).split()) if composing else str(error)
    reason = {"type": type(error).__name__, "message": message}
    status = Status(State.FAILED, 0, point.epochs, point.run_id, point.trajectory_id, error=reason)
    RunFolder(directory / point.name).write_ending(status)


def _being_read_off(run_dir: Path) -> set[int]:
    """Epochs that the job at work in a run directory was told to write shorter runs for."""
    try:
        path = run_dir / ".hydra" / "config.yaml"
        found: Any = recorded.configuration(read_text(path, SMALL), path, ())
        return {int(epoch) for epoch in found.sweep.read_off}
    except (OSError, ValueError, TypeError, AttributeError, Refused, OmegaConfBaseException):
        return set()
