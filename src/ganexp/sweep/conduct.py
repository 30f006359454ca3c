"""Making the runs of a sweep: launch what is missing, wait for what others hold, look again, until nothing is left."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganexp.config import recorded
from ganexp.config.hydra_private import BasicLauncher, JobReturn, Override, error_of
from ganexp.config.run_spec import NUMERICS_VERSION
from ganexp.files import owned, plan
from ganexp.files.code_record import read_code
from ganexp.files.foreign import SMALL, read_text
from ganexp.files.provenance import git_revision
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status, now
from ganexp.sweep.directory import directory_override
from ganexp.sweep.jobs import Job, jobs_for
from ganexp.sweep.launchers.launcher import Answers, Streaming
from ganexp.sweep.launchers.workers import WorkerDied
from ganexp.sweep.points import Point
from ganexp.sweep.stopping import FirstFailure
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError, Refused

log = logging.getLogger("ganexp")

ATTEMPTS = 3  # most launches of a run by one command, while it ends neither COMPLETED nor FAILED
WAIT_SECONDS = 1.0  # between two looks at runs that other processes hold

BADLY_ENDED = (State.FAILED, State.DIVERGED)


@dataclass
class Conductor:
    """Makes the runs of one sweep directory."""

    directory: Path
    points: Sequence[Point]  # without duplicates
    launcher: Any
    batch_size: int | None  # jobs to give to the launcher at once; None: all
    retry: bool = field(kw_only=True)  # also runs that failed or diverged before
    stop_on_failure: bool = False  # begin no more jobs once a run has failed or diverged
    results: list[Sequence[JobReturn]] = field(default_factory=list)  # by batch, without the configurations
    jobs_launched: int = 0  # so far, or about to be
    jobs_returned: int = 0
    waiting: list[Job] = field(default_factory=list)  # launched but not returned, in the order of their start
    on_end: Callable[[Job, dict[str, State]], None] | None = None  # as each job ends
    on_wait: Callable[[Sequence[Point]], None] | None = None  # before waiting for the runs of other processes

    def __post_init__(self) -> None:
        self._attempts: Counter[str] = Counter()
        self._request: tuple[DictConfig, Sequence[Override]] | None = None

    def state_of(self, point: Point) -> State:
        """The state of a run, from its files."""
        return RunFolder(self.directory / point.run_dir).state

    def states(self) -> dict[str, State]:
        """run_id -> state, for every point."""
        return {point.run_id: self.state_of(point) for point in self.points}

    def jobs(self, states: dict[str, State]) -> list[Job]:
        """The jobs to launch now."""
        blocked = self._blocked(states)
        missing = [p for p in self.points if self._is_missing(p, states[p.run_id]) and p.run_id not in blocked]
        return jobs_for(missing, [p for p in self.points if states[p.run_id] is State.COMPLETED])

    def record(self, config: DictConfig, overrides: Sequence[Override]) -> None:
        """Write plan.json and multirun.yaml; `record_again` can repeat it.

        Raises:
            DirectoryError: the directory belongs to something else, or cannot be written.
        """
        text = OmegaConf.to_yaml(config)
        run_ids = tuple(point.run_id for point in self.points)
        try:
            owned.claim(self.directory, (), text)
            record_request(self.directory, config, overrides, self.points, run_ids)
            owned.write_beside(self.directory, owned.MULTIRUN, text)
        except OSError as error:
            raise DirectoryError(f"{self.directory}: cannot be written ({error.strerror or error})") from None
        self._request = (config, overrides)

    def record_again(self) -> None:
        """Write the plan again where somebody removed it while the sweep ran, so that no run is forgotten."""
        if self._request is not None and not (self.directory / plan.FILE).exists():
            log.warning("%s was removed while the sweep ran; it is written again", self.directory / plan.FILE)
            self.record(*self._request)

    def conduct(self) -> None:
        """Make what is missing; return when nothing more can be done.

        Raises:
            FirstFailure: a run failed or diverged, and the sweep stops on that.
        """
        while True:
            states = self.states()
            jobs = self.jobs(states)
            if jobs:
                self._launch(jobs)
            elif held := [point for point in self.points if states[point.run_id] is State.RUNNING]:
                self._wait(held)
            else:
                return

    def _is_missing(self, point: Point, state: State) -> bool:
        tried = self._attempts[point.run_id]
        if state in BADLY_ENDED:
            return self.retry and tried == 0
        return not state.final and state is not State.RUNNING and tried < ATTEMPTS

    def _blocked(self, states: dict[str, State]) -> set[str]:
        """Runs that other processes hold, or will read off a run that they hold."""
        held = [point for point in self.points if states[point.run_id] is State.RUNNING]
        coming = {(p.trajectory_id, epochs) for p in held for epochs in _being_read_off(self.directory / p.run_dir)}
        read_off = (p for p in self.points if (p.trajectory_id, p.epochs) in coming)
        return {point.run_id for point in (*held, *read_off)}

    def _wait(self, held: Sequence[Point]) -> None:
        if self.on_wait is not None:
            self.on_wait(held)
        while all(self.state_of(point) is State.RUNNING for point in held):
            time.sleep(WAIT_SECONDS)

    def _launch(self, jobs: Sequence[Job]) -> None:
        size = 1 if isinstance(self.launcher, BasicLauncher) else self.batch_size or len(jobs)
        first = self.jobs_launched
        self.jobs_launched += len(jobs)
        self.waiting = list(jobs)
        for start in range(0, len(jobs), size):
            batch = jobs[start : start + size]
            for job in batch:
                self._attempts.update(point.run_id for point in job.points)
            results: dict[int, JobReturn] = {}
            with closing(self._answers(batch, first + start)) as answers:
                for number, done in answers:
                    self._after_job(batch[number], done)
                    results[number] = done
            self.results.append([results[number] for number in range(len(batch))])

    def _answers(self, batch: Sequence[Job], first: int) -> Answers:
        """How each job of a batch ended: known at once from a `Streaming` launcher, else after the last job."""
        place, launcher = directory_override(self.directory), self.launcher
        overrides = [[*job.overrides, *job.point.planned, place] for job in batch]
        if isinstance(launcher, Streaming):
            yield from launcher.batch(overrides, first)
        else:
            yield from enumerate(launcher.launch(overrides, first))

    def _after_job(self, job: Job, returned: JobReturn) -> None:
        """Write FAILED for runs whose job could not, then tell the user."""
        error = error_of(returned)
        again = isinstance(error, WorkerDied) and self._attempts[job.point.run_id] < self.launcher.tries
        if again:
            log.warning("%s: %s; it is tried once more", self.directory / job.point.run_dir, error)
        for point in job.points:
            if isinstance(error, Exception) and not again:
                try:
                    mark_failed(self.directory, point, error)
                except OSError as write_error:  # a full disk, say, must not end the other jobs
                    log.error("%s: that it failed cannot be written (%s)", self.directory / point.run_dir, write_error)
                    self._attempts[point.run_id] = ATTEMPTS  # else it would be launched again
        returned.cfg = returned.hydra_cfg = None  # a quarter of a megabyte for each job of a long sweep
        self.jobs_returned += 1
        self.waiting.remove(job)
        states = {point.run_id: self.state_of(point) for point in job.points}
        if states[job.point.run_id] is State.COMPLETED:
            drop_states(RunFolder(self.directory / job.point.run_dir))
        if self.on_end is not None:
            self.on_end(job, states)
        if self.stop_on_failure and any(state in BADLY_ENDED for state in states.values()):
            raise FirstFailure


def record_request(
    directory: Path,
    config: DictConfig,
    overrides: Sequence[Override],
    points: Sequence[Point],
    run_ids: tuple[str, ...] = (),
    study: str | None = None,
    storage: str | None = None,
) -> None:
    """Add a command and its runs to plan.json; see `ganexp.files.plan` for the arguments."""
    typed = config.hydra.overrides
    command = (*typed.task, *(text for text in typed.hydra if not text.startswith("hydra.mode=")))
    keys = tuple(dict.fromkeys(override.key_or_group for override in overrides))
    started = now()
    request = plan.Request(command, started, started, run_ids, keys, git_revision())
    plan.record(directory, request, points, numerics_version=NUMERICS_VERSION, study=study, storage=storage)


def drop_states(run: RunFolder) -> None:
    """Remove the full states of a completed run from which no run will start: all but the last, for longer runs.

    None starts from a run whose own code is not reproducible.
    """
    code = read_code(run.path)
    with suppress(OSError):
        run.prune_states(0 if code is not None and code.problems else 1, sys.maxsize)


def mark_failed(directory: Path, point: Point, error: Exception) -> None:
    """Write FAILED for a run whose process ended without writing a state."""
    composing = isinstance(error, HydraException | OmegaConfBaseException)  # whose last line says nothing
    message = " ".join(str(error).split()) if composing else str(error)
    reason = {"type": type(error).__name__, "message": message}
    status = Status(State.FAILED, 0, point.epochs, point.run_id, point.trajectory_id, error=reason)
    RunFolder(directory / point.run_dir).write_ending(status)


def _being_read_off(run_dir: Path) -> set[int]:
    """Epochs whose shorter runs a running job writes on its way."""
    try:
        path = run_dir / ".hydra" / "config.yaml"
        config: Any = recorded.configuration(read_text(path, SMALL), path, ())
        return {int(epoch) for epoch in config.sweep.read_off}
    except (OSError, ValueError, TypeError, AttributeError, Refused, OmegaConfBaseException):
        return set()
