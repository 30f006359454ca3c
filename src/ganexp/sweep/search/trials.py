"""The trials of a study: asking for the next one, taking over those whose launcher is gone, telling how they ended."""

from __future__ import annotations

import math
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout
from optuna.distributions import distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files.atomic import write_json
from ganexp.files.foreign import folder_below
from ganexp.files.locks import held
from ganexp.files.owned import alone
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.sweep.search.optuna_private import shown_as, trial_numbered
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError

LAUNCHER, RUN_ID, RUN_DIR, REASON, RETRY_OF = "launcher", "run_id", "run_dir", "reason", "retry_of"
PROTOCOL, LEFT_OUT, DROPPED, EPOCHS = "protocol", "left_out", "dropped", "epochs"
SEEDS, SEED_VALUES, WARM, TRAJECTORY = "seeds", "seed_values", "warm_start", "trajectory_id"
"""User attributes of a trial: who works on it, its run, why it failed, which trial it repeats; objective -> digest of
how it is measured; why its combination of values is refused, so that it has no run; why racing or a rung dropped it;
the epochs of its run, and all of them, under successive halving; the seeds of its point, and seed -> objective; the run
that it was taken from, of another sweep; the training that its first run belongs to."""

SPENT = "seconds-"  # beginning of user attributes of a study: seconds that a launcher has worked on it

LAUNCHERS = ".launchers"  # folder in the sweep directory: one lease for each launcher that works on the study

LAUNCHER_NAME = re.compile(r"[\w-][\w.-]*-[0-9a-f]{16}", re.ASCII)
"""Names of those folders; that of a trial stands in the study, which may be a stranger's."""

LOCK_SECONDS = 600.0  # longest wait for another launcher that is asking for a trial
JOURNAL_SHARE = 0.02  # largest share of a search's time that writing its journal takes


class Trials:
    """The trials of one study, of which there shall be `total`, for one launcher of possibly several."""

    def __init__(
        self,
        study: Study,
        directory: Path,
        total: int,
        check: Callable[[Sequence[FrozenTrial]], None] = lambda trials: None,
    ) -> None:
        """`check` refuses trials that other launchers have added, where they belong to another search."""
        self.study, self.directory, self.total, self._check = study, directory, total, check

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, this launcher counts as alive; once it is gone, others take over its unfinished trials."""
        folder = folder_below(self.directory, LAUNCHERS, f"{socket.gethostname()}-{secrets.token_hex(8)}")
        try:
            with RunFolder(folder).lease() as lease:
                lease.begin(Status(State.RUNNING, 0, 0, "", ""))
                self.name, self._began = folder.name, time.monotonic()
                yield
        finally:
            with suppress(Exception):  # the storage may be gone
                self.seconds()
            shutil.rmtree(folder, ignore_errors=True)

    def all(self) -> list[FrozenTrial]:
        """Every trial, in order."""
        return self.study.get_trials(deepcopy=False)

    def ask(
        self,
        suggest: Callable[[Trial], Any],
        *,
        begin: bool = True,
        seen: Callable[[FrozenTrial], FrozenTrial] | None = None,
    ) -> tuple[Trial, Any] | None:
        """The next trial and `suggest(trial)`, or None where the study has its total, or may not `begin` another one.

        The sampler sees each trial as `seen(trial)`, where that is given.

        Trials that a launcher left when it died come first, under their own numbers. A trial for which `suggest` raises
        is told as failed.

        Raises:
            ConfigError: another launcher fills the study with trials of another search.
            DirectoryError: other launchers kept the study locked for too long.
        """
        with self._locked():
            trials = self.all()
            self._check(trials)
            abandoned = next((trial for trial in trials if self._is_abandoned(trial)), None)
            if abandoned is None and (not begin or len(counted(trials)) >= self.total):
                return None
            with nullcontext() if seen is None else shown_as(self.study, seen):
                trial = self.study.ask() if abandoned is None else trial_numbered(self.study, abandoned.number)
                trial.set_user_attr(LAUNCHER, self.name)
                try:
                    return trial, suggest(trial)
                except Exception as error:  # in own code that draws parameters, say: nobody would work on the trial
                    self.tell(trial, State.FAILED, reason=str(error))
                    raise

    def seconds(self) -> float:
        """The seconds that all launchers together have worked on the study; this one's are recorded."""
        spent = {key: value for key, value in self.study.user_attrs.items() if key.startswith(SPENT)}
        spent[SPENT + self.name] = time.monotonic() - self._began
        self.study.set_user_attr(SPENT + self.name, spent[SPENT + self.name])
        return float(sum(spent.values()))

    def elsewhere(self) -> int:
        """The number of trials that other launchers work on."""
        return sum(t.state is TrialState.RUNNING and t.user_attrs.get(LAUNCHER) != self.name for t in self.all())

    def tell(
        self, trial: Trial, ended: State, values: Sequence[float] | None = None, reason: str | None = None
    ) -> None:
        """Record how a trial ended, by the state of its run: all but COMPLETED and PRUNED are failures.

        A trial whose end another launcher has already recorded stays as it is.
        """
        states = {State.COMPLETED: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}
        try:
            if reason is not None:
                trial.set_user_attr(REASON, f"{ended}: {reason}")
            self.study.tell(trial, values, states.get(ended, TrialState.FAIL), skip_if_finished=True)
        except UpdateFinishedTrialError:
            return
        except RuntimeError as error:
            if "Study.stop" not in str(error):  # the grid sampler's way of saying that the grid is exhausted
                raise
        except KeyError as error:  # the grid sampler's, of a trial that was tried again: it is told all the same
            if error.args != ("grid_id",):
                raise

    def retry(self) -> int:
        """Enqueue every failed trial again, at the same point; repeats do not add to the total. Returns how many."""
        with self._locked():
            failed = [trial for trial in counted(self.all()) if trial.state is TrialState.FAIL]
            for trial in failed:
                self.study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
        return len(failed)

    def add(self, trials: Sequence[FrozenTrial]) -> int:
        """Add finished trials from elsewhere, each once; they do not add to the total. Returns how many were new."""
        with self._locked():
            known = {trial.user_attrs.get(RUN_ID) for trial in self.all()}
            new = [trial for trial in trials if trial.user_attrs[RUN_ID] not in known]
            self.study.add_trials(new)
        return len(new)

    def _is_abandoned(self, trial: FrozenTrial) -> bool:
        """Whether a trial is RUNNING, but its launcher is gone."""
        launcher = trial.user_attrs.get(LAUNCHER)
        if trial.state is not TrialState.RUNNING or launcher == self.name:
            return False
        if not isinstance(launcher, str) or not LAUNCHER_NAME.fullmatch(launcher):
            return True  # nobody, or none of ours: the name leads nowhere but into the folder of launchers
        status = RunFolder(self.directory / LAUNCHERS / launcher).current()
        gone = status is None or status.state is not State.RUNNING
        if gone:
            shutil.rmtree(self.directory / LAUNCHERS / launcher, ignore_errors=True)
        return gone

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One launcher at a time counts and asks, so that together they ask for exactly the total."""
        try:
            with held(self.directory / ".study.lock", seconds=LOCK_SECONDS):
                yield
        except Timeout:
            raise DirectoryError(
                f"{self.directory}: another launcher held its study for {LOCK_SECONDS:.0f} s"
            ) from None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that count towards the total: begun here, and not repeated by another one."""
    repeated = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    begun = (trial for trial in trials if trial.state is not TrialState.WAITING and WARM not in trial.user_attrs)
    return [trial for trial in begun if trial.number not in repeated]


class Journal:
    """trials.json: a study's trials as a file of the sweep directory, for readers without the database."""

    def __init__(self, trials: Trials, objectives: Sequence[str], halving: str = "") -> None:
        """`halving` are words for what prunes in place of the study's pruner."""
        self.trials, self.objectives, self.halving = trials, objectives, halving
        self._due = 0.0

    def update(self) -> None:
        """Write it, unless that would take more than `JOURNAL_SHARE` of the time; `write` does so in any case."""
        began = time.monotonic()
        if began >= self._due:
            self.write()
            ended = time.monotonic()
            self._due = ended + (ended - began) / JOURNAL_SHARE

    def write(self) -> None:
        """(Re)write the file; times are local, in ISO 8601, and intermediate values are listed by epoch."""
        study, directory = self.trials.study, self.trials.directory
        content = {
            "format": 1,
            "study": study.study_name,
            "objectives": list(self.objectives),
            "directions": [direction.name.lower() for direction in study.directions],
            "sampler": type(study.sampler).__name__,
            "pruner": self.halving or type(study.pruner).__name__,
            "trials": [_plain(trial) for trial in self.trials.all()],
        }
        with alone(directory):
            write_json(directory / "trials.json", content)


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    begun, ended = trial.datetime_start, trial.datetime_complete
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": None if trial.values is None else [_finite(value) for value in trial.values],
        "params": dict(trial.params),
        "distributions": {key: distribution_to_json(d) for key, d in trial.distributions.items()},
        "intermediate": {str(epoch): _finite(value) for epoch, value in sorted(trial.intermediate_values.items())},
        "attributes": dict(trial.user_attrs),
        "begun": None if begun is None else begun.isoformat(),
        "ended": None if ended is None else ended.isoformat(),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
