"""Making the trials of a search: a free worker gets the next one, whatever the others are doing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.config.hydra_private import BasicLauncher, JobReturn, error_of
from ganexp.sweep.conduct import ATTEMPTS, BADLY_ENDED, WAIT_SECONDS, drop_states, mark_failed
from ganexp.sweep.directory import directory_override
from ganexp.sweep.launchers.workers import LATER, WorkerDied
from ganexp.sweep.search.course import TrialRun
from ganexp.sweep.search.endings import Endings
from ganexp.sweep.search.trials import (
    PROTOCOL,
    SEEDS,
    counted,
)
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DataError

BATCH = 2  # trials at once with a launcher that takes a list of jobs and does not say how many it runs at once


@dataclass(kw_only=True)
class Search(Endings):
    """Makes the trials of one study with one launcher."""

    propose: Callable[[Trial], tuple[str, ...]]  # draws a trial's parameters, and gives the overrides of its run
    launcher: Any
    at_once: int | None  # most trials at once; None: the launcher's workers, or `BATCH` where it does not say
    most_failures: float  # no new trial is begun once more have failed
    protocol: Mapping[str, str] = field(default_factory=dict)  # objective -> digest of how it is measured
    timeout: float | None = None  # begin no more trials once all launchers together have worked so many seconds
    on_wait: Callable[[int], None] | None = None  # with the number of trials at work elsewhere
    timed_out: bool = False  # whether the study's seconds were over before its last trial began
    jobs_launched: int = 0  # so far

    def __post_init__(self) -> None:
        super().__post_init__()
        self._active: dict[int, TrialRun] = {}
        self._attempts: Counter[tuple[int, str]] = Counter()  # by number of the trial and run_id
        self._waiting = False

    def conduct(self) -> None:
        """Ask for trials and make them, until the study has its total and all of them have ended.

        Raises:
            FirstFailure: a trial failed, and the search stops on that.
        """
        self.failed = sum(trial.state is TrialState.FAIL for trial in counted(self.trials.all()))
        with self.trials.held():
            if hasattr(self.launcher, "stream"):
                most = self.trials.total * max(1, len(self.course.seeds))
                crew = min(self.at_once or self.launcher.at_once(), most)
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
                self._attempts[run.key] += 1
                yield self._overrides(run)
            elif self._active or self.deferred or self.at_rung or self.for_seeds or self.trials.elsewhere():
                if not self._active and not self._waiting and self.on_wait is not None:
                    self.on_wait(len(self.deferred) + self.trials.elsewhere())
                self._waiting = not self._active
                yield LATER
            else:
                return

    def _next(self) -> TrialRun | None:
        """The next run to launch; None where there is none now."""
        while True:
            for run in [*self.ready, *self.deferred]:
                if run in [*self.ready, *self.deferred] and self._may_start(run):
                    return run
            if (promoted := self.promoted(all_begun=self._all_begun)) is not None:
                self.ready.append(promoted)
                continue
            if self.raced(all_begun=self._all_begun, at_work=self._active.values()):
                continue
            seen = self.course.seen if self.course.seeds or self.course.rungs else None
            answer = self.trials.ask(self._proposed, begin=self._begins_more(), seen=seen)
            if answer is not None:
                trial, run = answer
                if isinstance(run, DataError):
                    self._tell(trial, State.FAILED, reason=str(run))
                elif isinstance(run, Exception):
                    self.leave_out(trial, str(run))
                else:
                    self.ready.append(run)
            elif not self.ready:
                return None

    def _all_begun(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether the study begins no more trials."""
        return len(counted(trials)) >= self.trials.total or not self._begins_more()

    def _begins_more(self) -> bool:
        """Whether new trials may begin: not where too many have failed or the study's time is over."""
        if self.timeout is not None and not self.timed_out and len(counted(self.trials.all())) < self.trials.total:
            self.timed_out = self.trials.seconds() >= self.timeout
        return not self.too_many_failed and not self.timed_out

    @property
    def too_many_failed(self) -> bool:
        """Whether so many trials have failed that no new one begins."""
        return self.failed > self.most_failures

    def _proposed(self, trial: Trial) -> TrialRun | Exception:
        """A trial's first run; an error where its combination is refused."""
        try:
            overrides = self.propose(trial)
            trial.set_user_attr(PROTOCOL, dict(self.protocol))
            if self.course.seeds:
                trial.set_user_attr(SEEDS, list(self.course.seeds))
            return self.run_of(trial, overrides)
        except (ConfigError, DataError) as error:
            return error

    def _may_start(self, run: TrialRun) -> bool:
        """Whether to launch a trial's run now; one that has already ended is closed, others are deferred."""
        for queue in (self.ready, self.deferred):
            if run in queue:
                queue.remove(run)
        busy = any(other.point.trajectory_id == run.point.trajectory_id for other in self._active.values())
        state = run.folder.state
        if busy or state is State.RUNNING:
            self.deferred.append(run)
            return False
        tried = self._attempts[run.key] > 0
        if state.final and (tried or not (run.repeats and state in BADLY_ENDED)):
            self.close(run, state)
            return False
        return True

    def _overrides(self, run: TrialRun) -> list[str]:
        retry = ["sweep.retry=failed"] if run.repeats else []
        judged = run.seed == 0 and not self.course.rungs  # only such runs are pruned while they train
        number = [f"sweep.trial={run.trial.number}"] if judged else []
        return [*run.point.overrides, *retry, *number, *run.point.planned, directory_override(self.directory)]

    def _after_job(self, number: int, done: JobReturn) -> None:
        """After a job: tell the study, or keep the trial for another attempt."""
        run = self._active.pop(number)
        state, error = run.folder.state, error_of(done)
        if not state.final:
            lasting = isinstance(error, Exception) and not isinstance(error, WorkerDied)
            most = self.launcher.tries if isinstance(error, WorkerDied) else ATTEMPTS
            if not lasting and self._attempts[run.key] < most:
                self.ready.append(run)
                return
            if not isinstance(error, Exception):
                error = RuntimeError(f"not finished after {ATTEMPTS} attempts")
            mark_failed(self.directory, run.point, error)
            state = run.folder.state
        if state is State.COMPLETED:
            drop_states(run.folder)
        self.close(run, state)
