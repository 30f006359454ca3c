"""Making the trials of a search: a free worker gets the next one, whatever the others are doing."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from optuna.trial import Trial

from ganexp.config.hydra_private import BasicLauncher, JobReturn, error_of
from ganexp.files.run_folder import RunFolder
from ganexp.sweep import placed
from ganexp.sweep.conduct import ATTEMPTS, BADLY_ENDED, WAIT_SECONDS, mark_failed
from ganexp.sweep.launchers.workers import LATER, WorkerDied
from ganexp.sweep.points import Point
from ganexp.sweep.search.optuna_private import stored
from ganexp.sweep.search.trials import RUN_DIR, RUN_ID, Trials
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DataError

BATCH = 2
"""Trials that a launcher is given at a time which takes a list of jobs and does not say how many it runs at once."""

SECONDS = "train_seconds"
"""An objective beside the metrics: seconds of training."""


@dataclass(frozen=True)
class Asked:
    """A trial, and the run that it asks for."""

    trial: Trial
    point: Point


class Search:
    """Makes the trials of one study with one launcher.

    Args:
        trials: of the study.
        suggest: draws a trial's parameters, and gives the overrides of its run.
        identify: overrides -> the run.
        record: called with each run before it is launched.
        launcher: set up by Hydra.
        objectives: metric columns, or "train_seconds".
        at_once: trials at once, at most; None: as many as the launcher has workers, or `BATCH` where it does not say.
        most_failures: once more trials than this have failed, no new one is begun.

    Attributes:
        told: called with each trial as it ends, and its values, or what went wrong.
        waits: called with the number of trials that other launchers, or workers left behind, are at work on.
    """

    def __init__(
        self,
        trials: Trials,
        suggest: Callable[[Trial], tuple[str, ...]],
        identify: Callable[[tuple[str, ...]], Point],
        record: Callable[[Point], None],
        launcher: Launcher,
        objectives: Sequence[str],
        *,
        at_once: int | None,
        most_failures: float,
    ) -> None:
        self.trials, self.suggest, self.identify, self.record = trials, suggest, identify, record
        self.launcher, self.objectives = launcher, objectives
        self.at_once, self.most_failures = at_once, most_failures
        self.directory: Path = trials.directory
        self.told: Callable[[Trial, State, str], None] | None = None
        self.waits: Callable[[int], None] | None = None
        self.launched = self.failed = 0
        self._ready: list[Asked] = []
        self._deferred: list[Asked] = []
        self._active: dict[int, Asked] = {}
        self._attempts: Counter[int] = Counter()
        self._waiting = False

    def conduct(self) -> None:
        """Ask for trials and make them, until the study has its total and all of them have ended."""
        with self.trials.held():
            launcher: Any = self.launcher
            if hasattr(launcher, "stream"):
                crew = min(self.at_once or launcher.at_once(), self.trials.total)
                with closing(launcher.stream(self._tasks(), crew)) as answers:
                    for number, done in answers:
                        self._ended(number, done)
            else:
                self._in_batches()

    def _in_batches(self) -> None:
        """With a launcher that takes a list and returns when all of it is done."""
        tasks, size = self._tasks(), 1 if isinstance(self.launcher, BasicLauncher) else self.at_once or BATCH
        while True:
            batch: list[list[str]] = []
            while len(batch) < size and (task := next(tasks, None)) not in (None, LATER):
                batch.append(task)
            if batch:
                first = self.launched - len(batch)
                for number, done in enumerate(self.launcher.launch(batch, first), first):
                    self._ended(number, done)
            elif task is None:
                return
            else:
                time.sleep(WAIT_SECONDS)

    def _tasks(self) -> Iterator[Any]:
        """The overrides of one job after the other; LATER while there is none but may be one again."""
        while True:
            asked = self._next()
            if asked is not None:
                number, self.launched = self.launched, self.launched + 1
                self._active[number] = asked
                self._attempts[asked.trial.number] += 1
                yield self._overrides(asked)
            elif self._active or self._deferred or self.trials.elsewhere():
                if not self._active and not self._waiting and self.waits is not None:
                    self.waits(len(self._deferred) + self.trials.elsewhere())
                self._waiting = not self._active
                yield LATER
            else:
                return

    def _next(self) -> Asked | None:
        """A trial whose run is to be launched now, if there is one."""
        for asked in [*self._ready, *self._deferred]:
            if self._may_start(asked):
                return asked
        while self.failed <= self.most_failures:
            found = self.trials.ask(self._suggested)
            if found is None:
                return None
            trial, point = found
            if isinstance(point, Exception):
                self._tell(trial, State.FAILED, reason=str(point))
            elif self._may_start(asked := Asked(trial, point)):
                return asked
        return None

    def _suggested(self, trial: Trial) -> Point | Exception:
        """The run that a trial asks for, noted with the trial; an error where its combination is refused."""
        try:
            point = self.identify(self.suggest(trial))
        except (ConfigError, DataError) as error:
            return error
        trial.set_user_attr(RUN_ID, point.run_id)
        trial.set_user_attr(RUN_DIR, point.name)
        self.record(point)
        return point

    def _may_start(self, asked: Asked) -> bool:
        """Whether a trial's run is to be launched now; if it has ended already, tell so, else keep it for later."""
        for queue in (self._ready, self._deferred):
            if asked in queue:
                queue.remove(asked)
        busy = any(other.point.trajectory_id == asked.point.trajectory_id for other in self._active.values())
        current = self._state(asked.point)
        if busy or current is State.RUNNING:
            self._deferred.append(asked)
            return False
        tried = self._attempts[asked.trial.number] > 0
        if current.final and (tried or not (self._repeats(asked) and current in BADLY_ENDED)):
            self._close(asked, current)
            return False
        return True

    def _repeats(self, asked: Asked) -> bool:
        """Whether a trial was enqueued to try a failed one again."""
        return "retry_of" in asked.trial.user_attrs

    def _state(self, point: Point) -> State:
        status = RunFolder(self.directory / point.name).current()
        return State.PENDING if status is None else status.state

    def _overrides(self, asked: Asked) -> list[str]:
        retry = ["sweep.retry=failed"] if self._repeats(asked) else []
        return [
            *asked.point.overrides,
            *retry,
            f"sweep.trial={asked.trial.number}",
            *asked.point.planned,
            placed(self.directory),
        ]

    def _ended(self, number: int, done: JobReturn) -> None:
        """After a job: tell the study, or keep the trial for another attempt."""
        asked = self._active.pop(number)
        current = self._state(asked.point)
        if current.final:
            self._close(asked, current)
            return
        error = error_of(done)
        lasting = isinstance(error, Exception) and not isinstance(error, WorkerDied)
        if not lasting and self._attempts[asked.trial.number] < ATTEMPTS:
            self._ready.append(asked)
            return
        if not isinstance(error, Exception):
            error = RuntimeError(f"not finished after {ATTEMPTS} attempts")
        mark_failed(self.directory, asked.point, error)
        self._close(asked, self._state(asked.point))

    def _close(self, asked: Asked, ended: State) -> None:
        """Tell the study how a trial's run ended."""
        folder = self.directory / asked.point.name
        if ended is State.COMPLETED:
            values = values_of(RunFolder(folder).result() or {}, self.objectives)
            if None in values:
                missing = [name for name, value in zip(self.objectives, values, strict=True) if value is None]
                self._tell(asked.trial, State.FAILED, reason=f"{', '.join(missing)}: no finite value")
            else:
                self._tell(asked.trial, ended, [value for value in values if value is not None])
            return
        if ended is State.PRUNED:
            self._copy_reports(asked, folder)
            self._tell(asked.trial, ended)
            return
        status = RunFolder(folder).status()
        error = (status.error if status is not None else None) or {}
        self._tell(asked.trial, ended, reason=f"{error.get('type')}: {error.get('message')}")

    def _copy_reports(self, asked: Asked, folder: Path) -> None:
        """Give a trial whose run was pruned under another trial what that one reported."""
        there = stored(asked.trial)
        if there.intermediate_values or there.state.is_finished():
            return
        for row in RunFolder(folder).rows():
            value = row.get(f"{self.objectives[0]}_half_a", row.get(self.objectives[0]))
            if value is not None:
                asked.trial.report(float(value), int(row["epoch"] or 0))

    def _tell(
        self,
        trial: Trial,
        ended: State,
        values: Sequence[float] | None = None,
        reason: str | None = None,
    ) -> None:
        self.trials.tell(trial, ended, values, reason)
        self.failed += ended not in (State.COMPLETED, State.PRUNED)
        if self.told is not None:
            words = reason or ", ".join(
                f"{name} {value:.4g}" for name, value in zip(self.objectives, values or (), strict=False)
            )
            self.told(trial, ended, words)


def values_of(content: Mapping[str, Any], objectives: Sequence[str]) -> list[float | None]:
    """The objectives' values in a result.json: metrics on reference half A; None where one is missing or not finite."""
    final = content.get("final") or {}
    found = [
        content.get(SECONDS) if name == SECONDS else final.get(f"{name}_half_a", final.get(name)) for name in objectives
    ]
    return [float(value) if value is not None and math.isfinite(float(value)) else None for value in found]
