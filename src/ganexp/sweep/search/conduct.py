"""Making the trials of a search: a free worker gets the next one, whatever the others are doing."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import Trial

from ganexp.config.hydra_private import BasicLauncher, JobReturn, error_of
from ganexp.files.record import half_a
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.conduct import ATTEMPTS, BADLY_ENDED, WAIT_SECONDS, mark_failed
from ganexp.sweep.directory import directory_override
from ganexp.sweep.launchers.workers import LATER, WorkerDied
from ganexp.sweep.points import Point
from ganexp.sweep.search.optuna_private import stored
from ganexp.sweep.search.space import SECONDS
from ganexp.sweep.search.trials import LEFT_OUT, PROTOCOL, RETRY_OF, RUN_DIR, RUN_ID, Trials
from ganexp.sweep.stopping import FirstFailure
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DataError

BATCH = 2  # trials at once with a launcher that takes a list of jobs and does not say how many it runs at once


@dataclass(frozen=True)
class TrialRun:
    """A trial, and its run."""

    trial: Trial
    point: Point
    folder: RunFolder

    @property
    def repeats(self) -> bool:
        """Whether the trial was enqueued to try a failed one again."""
        return RETRY_OF in self.trial.user_attrs


@dataclass
class Search:
    """Makes the trials of one study with one launcher."""

    trials: Trials
    propose: Callable[[Trial], Point]  # draws a trial's parameters, and gives its run
    record: Callable[[Point], None]  # called before a run is launched
    launcher: Any
    objectives: Sequence[str]  # metric columns, or "train_seconds"
    at_once: int | None  # most trials at once; None: the launcher's workers, or `BATCH` where it does not say
    most_failures: float  # no new trial is begun once more have failed
    protocol: Mapping[str, str] = field(default_factory=dict)  # objective -> digest of how it is measured
    stop_on_failure: bool = False  # begin no more trials once one has failed
    on_end: Callable[[Trial, str, str], None] | None = None  # with how it ended, and its values or error in words
    on_wait: Callable[[int], None] | None = None  # with the number of trials at work elsewhere
    jobs_launched: int = 0  # so far
    failed: int = 0  # trials

    def __post_init__(self) -> None:
        self.directory = self.trials.directory
        self._ready: list[TrialRun] = []
        self._deferred: list[TrialRun] = []
        self._active: dict[int, TrialRun] = {}
        self._attempts: Counter[int] = Counter()
        self._waiting = False
        self._left_out: set[str] = set()  # reasons that have been said

    def conduct(self) -> None:
        """Ask for trials and make them, until the study has its total and all of them have ended.

        Raises:
            FirstFailure: a trial failed, and the search stops on that.
        """
        with self.trials.held():
            if hasattr(self.launcher, "stream"):
                crew = min(self.at_once or self.launcher.at_once(), self.trials.total)
                with closing(self.launcher.stream(self._jobs(), crew)) as answers:
                    for number, done in answers:
                        self._after_job(number, done)
            else:
                self._in_batches()

    def _in_batches(self) -> None:
        """With a launcher that takes a list and returns when all of it is done."""
        jobs, size = self._jobs(), 1 if isinstance(self.launcher, BasicLauncher) else self.at_once or BATCH
        while True:
            batch: list[list[str]] = []
            while len(batch) < size and (job := next(jobs, None)) not in (None, LATER):
                batch.append(job)
            if batch:
                first = self.jobs_launched - len(batch)
                for number, done in enumerate(self.launcher.launch(batch, first), first):
                    self._after_job(number, done)
            elif job is None:
                return
            else:
                time.sleep(WAIT_SECONDS)

    def _jobs(self) -> Iterator[Any]:
        """The overrides of one job after the other; LATER while there is none but may be one again."""
        while True:
            run = self._next()
            if run is not None:
                number, self.jobs_launched = self.jobs_launched, self.jobs_launched + 1
                self._active[number] = run
                self._attempts[run.trial.number] += 1
                yield self._overrides(run)
            elif self._active or self._deferred or self.trials.elsewhere():
                if not self._active and not self._waiting and self.on_wait is not None:
                    self.on_wait(len(self._deferred) + self.trials.elsewhere())
                self._waiting = not self._active
                yield LATER
            else:
                return

    def _next(self) -> TrialRun | None:
        for run in [*self._ready, *self._deferred]:
            if self._may_start(run):
                return run
        while self.failed <= self.most_failures:
            answer = self.trials.ask(self._proposed)
            if answer is None:
                return None
            trial, point = answer
            if isinstance(point, Exception):
                self._leave_out(trial, str(point))
            elif self._may_start(run := TrialRun(trial, point, RunFolder(self.directory / point.run_dir))):
                return run
        return None

    def _leave_out(self, trial: Trial, reason: str) -> None:
        """End a trial whose combination of values is refused: as pruned, so that samplers avoid it."""
        trial.set_user_attr(LEFT_OUT, reason)
        self.trials.tell(trial, State.PRUNED)
        if self.on_end is not None:
            self.on_end(trial, "left out", "" if reason in self._left_out else reason)
        self._left_out.add(reason)

    def _proposed(self, trial: Trial) -> Point | Exception:
        """A trial's run, recorded with the trial; an error where its combination is refused."""
        try:
            point = self.propose(trial)
        except (ConfigError, DataError) as error:
            return error
        trial.set_user_attr(RUN_ID, point.run_id)
        trial.set_user_attr(RUN_DIR, point.run_dir)
        trial.set_user_attr(PROTOCOL, dict(self.protocol))
        self.record(point)
        return point

    def _may_start(self, run: TrialRun) -> bool:
        """Whether to launch a trial's run now; one that has already ended is closed, others are deferred."""
        for queue in (self._ready, self._deferred):
            if run in queue:
                queue.remove(run)
        busy = any(other.point.trajectory_id == run.point.trajectory_id for other in self._active.values())
        state = run.folder.state
        if busy or state is State.RUNNING:
            self._deferred.append(run)
            return False
        tried = self._attempts[run.trial.number] > 0
        if state.final and (tried or not (run.repeats and state in BADLY_ENDED)):
            self._close(run, state)
            return False
        return True

    def _overrides(self, run: TrialRun) -> list[str]:
        retry = ["sweep.retry=failed"] if run.repeats else []
        number, place = f"sweep.trial={run.trial.number}", directory_override(self.directory)
        return [*run.point.overrides, *retry, number, *run.point.planned, place]

    def _after_job(self, number: int, done: JobReturn) -> None:
        """After a job: tell the study, or keep the trial for another attempt."""
        run = self._active.pop(number)
        state, error = run.folder.state, error_of(done)
        if not state.final:
            lasting = isinstance(error, Exception) and not isinstance(error, WorkerDied)
            most = self.launcher.tries if isinstance(error, WorkerDied) else ATTEMPTS
            if not lasting and self._attempts[run.trial.number] < most:
                self._ready.append(run)
                return
            if not isinstance(error, Exception):
                error = RuntimeError(f"not finished after {ATTEMPTS} attempts")
            mark_failed(self.directory, run.point, error)
            state = run.folder.state
        self._close(run, state)

    def _close(self, run: TrialRun, state: State) -> None:
        if state is State.COMPLETED:
            values = values_of(run.folder.result() or {}, self.objectives)
            missing = [name for name, value in zip(self.objectives, values, strict=True) if value is None]
            if missing:
                self._tell(run.trial, State.FAILED, reason=f"{', '.join(missing)}: no finite value")
            else:
                self._tell(run.trial, state, [value for value in values if value is not None])
        elif state is State.PRUNED:
            self._copy_reports(run)
            self._tell(run.trial, state)
        else:
            status = run.folder.status()
            error = (status.error if status is not None else None) or {}
            self._tell(run.trial, state, reason=f"{error.get('type')}: {error.get('message')}")

    def _copy_reports(self, run: TrialRun) -> None:
        """For a trial whose run was pruned under another trial: copy that trial's reports."""
        recorded = stored(run.trial)
        if recorded.intermediate_values or recorded.state.is_finished():
            return
        for row in run.folder.rows():
            value = half_a(row, self.objectives[0])
            if value is not None:
                run.trial.report(float(value), int(row["epoch"] or 0))

    def _tell(
        self, trial: Trial, state: State, values: Sequence[float] | None = None, reason: str | None = None
    ) -> None:
        self.trials.tell(trial, state, values, reason)
        failed = state not in (State.COMPLETED, State.PRUNED)
        self.failed += failed
        if self.on_end is not None:
            measured = zip(self.objectives, values or (), strict=False)
            self.on_end(trial, state, reason or ", ".join(f"{name} {value:.4g}" for name, value in measured))
        if failed and self.stop_on_failure:
            raise FirstFailure


def values_of(result: Mapping[str, Any], objectives: Sequence[str]) -> list[float | None]:
    """The objectives' values in a result.json: metrics on reference half A; None where one is missing or not finite."""
    final = result.get("final") or {}
    values = [result.get(SECONDS) if name == SECONDS else half_a(final, name) for name in objectives]
    return [float(value) if value is not None and math.isfinite(float(value)) else None for value in values]
