"""What follows when a run of a trial has ended: its next run, a wait at a rung, or the end of the trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files.record import half_a
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.points import Point
from ganexp.sweep.search.course import Course, TrialRun, report, values_of
from ganexp.sweep.search.optuna_private import stored
from ganexp.sweep.search.trials import DROPPED, EPOCHS, LEFT_OUT, RUN_DIR, RUN_ID, SEED_VALUES, TRAJECTORY, Trials
from ganexp.sweep.stopping import FirstFailure
from ganexp.types.endings import State


@dataclass(kw_only=True)
class Endings:
    """Tells one study how the trials of one launcher end."""

    trials: Trials
    compose: Callable[[tuple[str, ...]], Point]  # the run of overrides
    record: Callable[[Point], None]  # called before a run is launched
    objectives: Sequence[str]  # metric columns, or "train_seconds"
    course: Course = field(default_factory=Course)
    stop_on_failure: bool = False  # begin no more trials once one has failed
    on_end: Callable[[Trial, str, str], None] | None = None  # with how it ended, and its values or error in words
    on_lead: Callable[[Trial, str], None] | None = None  # with its mean so far, in words: a trial is the best by now
    failed: int = 0  # trials
    ready: list[TrialRun] = field(default_factory=list)  # to launch now
    deferred: list[TrialRun] = field(default_factory=list)  # to launch once others have ended
    at_rung: dict[int, TrialRun] = field(default_factory=dict)  # number of a trial that waits -> its newest run
    for_seeds: dict[int, TrialRun] = field(default_factory=dict)  # of one that waits for its other seeds -> its first's

    def __post_init__(self) -> None:
        self.directory = self.trials.directory
        self._over: set[int] = set()  # numbers of the trials that were told
        self._left_out: set[str] = set()  # reasons that have been said
        self._leader: int | None = None  # number of the trial that was said to lead

    def run_of(self, trial: Trial, overrides: tuple[str, ...], rung: int = 0, seed: int = 0) -> TrialRun:
        """A run of a trial, recorded in the plan, and the first seed's with the trial.

        Raises:
            ConfigError, DataError: its combination is refused.
        """
        point = self.compose(self.course.overrides(overrides, rung, seed))
        if seed == 0:
            trial.set_user_attr(RUN_ID, point.run_id)
            trial.set_user_attr(RUN_DIR, point.run_dir)
            if self.course.rungs:
                trial.set_user_attr(EPOCHS, [point.epochs, self.course.rungs[-1]])
                trial.set_user_attr(TRAJECTORY, trial.user_attrs.get(TRAJECTORY, point.trajectory_id))
        self.record(point)
        return TrialRun(trial, RunFolder(self.directory / point.run_dir), overrides, point, rung, seed)

    def close(self, run: TrialRun, state: State) -> None:
        """Take in how a run ended, by its final state."""
        if run.trial.number in self._over:  # another seed of it failed
            return
        if state is State.COMPLETED:
            values = values_of(run.folder.result() or {}, self.objectives)
            missing = [name for name, value in zip(self.objectives, values, strict=True) if value is None]
            found = [value for value in values if value is not None]
            if missing:
                self._tell(run.trial, State.FAILED, reason=f"{', '.join(missing)}: no finite value")
            elif self.course.seeds and found[0] <= 0:
                reason = f"{self.objectives[0]}: expected a value above 0, as seeds are averaged by logarithms"
                self._tell(run.trial, State.FAILED, reason=reason)
            else:
                self._go_on(run, found)
        elif state is State.PRUNED:
            self._copy_reports(run)
            self._tell(run.trial, state)
        else:
            status = run.folder.status()
            error = (status.error if status is not None else None) or {}
            self._tell(run.trial, state, reason=f"{error.get('type')}: {error.get('message')}")

    def _go_on(self, run: TrialRun, values: Sequence[float]) -> None:
        """After a run of a trial is finished: wait at its rung, give it its other seeds, or tell how it ended."""
        trial, course = run.trial, self.course
        if course.rungs and run.seed == 0:
            report(trial, course.told(values[0]), course.rungs[run.rung])
        if run.rung < len(course.rungs) - 1:
            self.at_rung[trial.number] = run
            return
        if not course.seeds:
            self._tell(trial, State.COMPLETED, values)
            return
        measured = {**trial.user_attrs.get(SEED_VALUES, {}), str(course.seeds[run.seed]): values[0]}
        trial.set_user_attr(SEED_VALUES, measured)
        self._say_leader(trial)
        if len(measured) == len(course.seeds):
            self._tell(trial, State.COMPLETED, [course.mean(measured)])
        elif run.seed == 0 and len(measured) > 1:
            self._give_seeds(run)
        elif run.seed == 0:
            self.for_seeds[trial.number] = run

    def _say_leader(self, trial: Trial) -> None:
        """Say which trial leads, where this one has come to."""
        leader = self.course.leader(self.trials.all())
        if leader is None or leader.number != trial.number or leader.number == self._leader:
            return
        self._leader = leader.number
        if self.on_lead is not None:
            self.on_lead(trial, self.so_far(leader))

    def so_far(self, trial: FrozenTrial) -> str:
        """The mean over the seeds that a trial has, in words."""
        measured, all_seeds = trial.user_attrs[SEED_VALUES], len(self.course.seeds)
        value = self.course.shown(self.course.mean(measured))
        return f"{self.objectives[0]} {value:.4g}, {len(measured)} of {all_seeds} seeds"

    def _give_seeds(self, run: TrialRun) -> None:
        self.ready += [self.run_of(run.trial, run.overrides, run.rung, seed) for seed in self.course.others]

    def raced(self, *, all_begun: Callable[[Sequence[FrozenTrial]], bool], at_work: Collection[TrialRun]) -> bool:
        """The best that waits gets its other seeds or is dropped, where it is time for it; whether it was.

        It is once all first seeds are there, and before for one that leads, while `Course.affords_seeds`. `at_work` are
        the runs that are launched and have not ended.
        """
        if not self.for_seeds:
            return False
        trials, firsts = self.trials.all(), {number: self._first(run) for number, run in self.for_seeds.items()}
        best = min(firsts, key=lambda number: (self.course.sign * firsts[number], number))
        reason = None
        if all_first_seeds(trials, all_begun=all_begun(trials)):
            reason = self.course.dropped_for(firsts[best], trials)
        elif not self._early(best, trials, at_work):
            return False
        run = self.for_seeds.pop(best)
        if reason is None:
            self._give_seeds(run)
        else:
            report(run.trial, self.course.told(firsts[best]), run.point.epochs)
            self._drop(run.trial, reason)
        return True

    def _early(self, number: int, trials: Sequence[FrozenTrial], at_work: Collection[TrialRun]) -> bool:
        """Whether a trial gets its other seeds while first ones are still due."""
        leader, runs = self.course.leader(trials), (*self.ready, *self.deferred, *at_work)
        given = {trial.number for trial in trials if len(trial.user_attrs.get(SEED_VALUES, ())) > 1}
        given |= {run.trial.number for run in runs if run.seed > 0}
        return leader is not None and leader.number == number and self.course.affords_seeds(trials, len(given))

    def _first(self, run: TrialRun) -> float:
        return float(run.trial.user_attrs[SEED_VALUES][str(self.course.seeds[0])])

    def promoted(self, *, all_begun: Callable[[Sequence[FrozenTrial]], bool]) -> TrialRun | None:
        """The run at its next rung of a trial that is among the best; trials that will never be are pruned."""
        while self.at_rung:
            trials, pruned = self.trials.all(), None
            rungs = self.course.judged(trials, all_begun=all_begun(trials))
            for run in sorted(self.at_rung.values(), key=lambda run: -run.rung):
                goes_on = rungs[run.rung].goes_on(run.trial.number)
                if goes_on:
                    del self.at_rung[run.trial.number]
                    return self.run_of(run.trial, run.overrides, run.rung + 1)
                if goes_on is False:
                    pruned = run
                    break
            if pruned is None:
                return None
            del self.at_rung[pruned.trial.number]
            self._drop(pruned.trial, self.course.at_rung(pruned))
        return None

    def _drop(self, trial: Trial, reason: str) -> None:
        """Prune a trial that rungs or racing have ruled out; its last report is its value."""
        trial.set_user_attr(DROPPED, reason)
        self._tell(trial, State.PRUNED, reason=reason)

    def leave_out(self, trial: Trial, reason: str) -> None:
        """End a trial whose combination of values is refused: as pruned, so that samplers avoid it."""
        trial.set_user_attr(LEFT_OUT, reason)
        self.trials.tell(trial, State.PRUNED)
        if self.on_end is not None:
            self.on_end(trial, "left out", "" if reason in self._left_out else reason)
        self._left_out.add(reason)

    def _copy_reports(self, run: TrialRun) -> None:
        """For a trial whose run was pruned under another trial: copy that trial's reports."""
        recorded = stored(run.trial)
        if recorded.intermediate_values or recorded.state.is_finished():
            return
        for row in run.folder.rows():
            value = half_a(row, self.objectives[0])
            if value is not None:
                run.trial.report(self.course.told(float(value)), int(row["epoch"] or 0))

    def _tell(
        self, trial: Trial, state: State, values: Sequence[float] | None = None, reason: str | None = None
    ) -> None:
        failed = state not in (State.COMPLETED, State.PRUNED)
        self.trials.tell(trial, state, values, reason if failed else None)
        self._over.add(trial.number)
        for queue in (self.ready, self.deferred):
            queue[:] = [run for run in queue if run.trial.number != trial.number]
        self.failed += failed
        if self.on_end is not None:
            measured = zip(self.objectives, map(self.course.shown, values or ()), strict=False)
            words = ", ".join(f"{name} {value:.4g}" for name, value in measured)
            self.on_end(trial, state, reason or words + self.course.over_seeds(trial))
        if failed and self.stop_on_failure:
            raise FirstFailure


def all_first_seeds(trials: Sequence[FrozenTrial], *, all_begun: bool) -> bool:
    """Whether no trial is still on its way through the rungs or its first seed."""
    return all_begun and all(SEED_VALUES in t.user_attrs for t in trials if t.state is TrialState.RUNNING)
