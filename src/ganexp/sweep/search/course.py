"""What a trial goes through: the rungs of successive halving with its first seed, then its other seeds.

With several seeds the study hears the mean of log(objective): ratios are what settings differ and seeds scatter by. The
other seeds go early to a trial that leads, which its first seed may only seem to do, while they are a small share of
all training; the other trials wait until all have had their first seed, and get theirs from the best on, as long as
luck may explain that they are behind.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files.record import half_a
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.points import Point
from ganexp.sweep.search.halving import is_closed, may_go_on, reached, trainings_of
from ganexp.sweep.search.optuna_private import stored
from ganexp.sweep.search.space import SECONDS
from ganexp.sweep.search.trials import RETRY_OF, SEED_VALUES

RACING_POINTS = 5  # points with two seeds or more, before which nothing is dropped
SHARE = 0.1  # of all training, which other seeds may take while first ones are still due
UPPER = 0.95  # quantile of the points' standard deviations that a difference must exceed


@dataclass(frozen=True)
class TrialRun:
    """A trial, and one of its runs."""

    trial: Trial
    folder: RunFolder
    overrides: tuple[str, ...]  # of the trial's run with all epochs and the first seed
    point: Point
    rung: int = 0  # which of the search's epochs it ends at
    seed: int = 0  # which of the search's seeds it has, counted from 0

    @property
    def repeats(self) -> bool:
        """Whether the trial was enqueued to try a failed one again."""
        return RETRY_OF in self.trial.user_attrs

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from other runs of the search."""
        return self.trial.number, self.point.run_id


@dataclass(frozen=True)
class Judged:
    """A rung: the numbers of the trials that go on from it, and whether no other trial will reach it."""

    best: set[int]
    closed: bool

    def goes_on(self, number: int) -> bool | None:
        """Whether a trial that waits there goes on; None: that is not decided yet."""
        if number in self.best:
            return True
        return False if self.closed else None


@dataclass(frozen=True)
class Course:
    """The rungs and seeds of every trial."""

    seeds: tuple[int, ...] = ()  # of each point; (): the configuration's own, and no mean
    rungs: tuple[int, ...] = ()  # epochs, ascending; (): all of them at once
    eta: float = 0.0  # of those that have reached a rung, one in `eta` goes on
    maximise: bool = False  # whether more is better

    @property
    def words(self) -> str:
        """What prunes trials at rungs; "" where nothing does."""
        epochs = ", ".join(map(str, self.rungs))
        return f"successive halving (ASHA, eta {self.eta:g}) at {epochs} epochs" if self.rungs else ""

    @property
    def sign(self) -> float:
        """What an objective is multiplied by, so that less is better."""
        return -1.0 if self.maximise else 1.0

    @property
    def others(self) -> range:
        """The places of all seeds but the first."""
        return range(1, len(self.seeds))

    def overrides(self, overrides: tuple[str, ...], rung: int, seed: int) -> tuple[str, ...]:
        """Those of a trial's run at a rung with a seed, by those of its run with all epochs and the first seed."""
        own = {}
        if self.rungs:
            own["trainer.epochs"] = self.rungs[rung]
        if self.seeds:
            own["seed"] = self.seeds[seed]
        others = (text for text in overrides if text.partition("=")[0] not in own)
        return (*others, *(f"{key}={value}" for key, value in own.items()))

    def trainings(self, trials: int) -> int:
        """So many trials cost as much as how many trainings with all epochs, at most, by rungs filled one by one."""
        levels = self.rungs or (1,)
        left, epochs, before = trials, 0, 0
        for level in levels:
            epochs, before = epochs + left * (level - before), level
            last, left = left, max(1, math.floor(left / self.eta)) if self.eta else left
        return math.ceil(epochs / levels[-1]) + last * len(self.others)

    def at_first(self, overrides: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a trial's first run."""
        return self.overrides(overrides, 0, 0)

    def told(self, value: float) -> float:
        """What the study hears of an objective; with seeds it must be positive."""
        return math.log(value) if self.seeds else value

    def shown(self, value: float) -> float:
        """The objective of what the study heard: with seeds a geometric mean."""
        return math.exp(value) if self.seeds else value

    def mean(self, measured: Mapping[str, float]) -> float:
        """What the study hears of a point all of whose seeds are measured; `measured` is seed -> objective."""
        return float(np.mean(np.log(list(measured.values()))))

    def over_seeds(self, trial: Trial | FrozenTrial) -> str:
        """The end of what is printed of a value: its seeds and their spread, or nothing."""
        values = list(trial.user_attrs.get(SEED_VALUES, {}).values())
        spread = spread_of(values)
        return f" over {len(values)} seeds, times or over {math.exp(spread):.3g}" if spread is not None else ""

    def dropped_for(self, first: float, trials: Sequence[FrozenTrial]) -> str | None:
        """Why a point whose first seed gave the objective `first` gets no other seeds; None: it gets them.

        It is dropped where that is worse than the best mean of the finished `trials` by more than the upper 95 % of the
        standard deviations between seeds that these show (their quantile), from five points with two seeds or more on.
        """
        finished = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
        spreads = [spread_of(list(trial.user_attrs.get(SEED_VALUES, {}).values())) for trial in finished]
        known = [spread for spread in spreads if spread is not None]
        if len(known) < RACING_POINTS:
            return None
        worse = max(self.sign * (self.told(first) - float(trial.value or 0.0)) for trial in finished)
        limit = float(np.quantile(known, UPPER))
        if worse <= limit:
            return None
        seeds = f"where seeds explain {math.exp(limit):.3g} times"
        return f"racing: its first seed is {math.exp(worse):.3g} times as bad as the best mean, {seeds}"

    def leader(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """The trial whose mean over the seeds it has is best; None while no trial has a seed's value."""
        measured = (t for t in trials if t.state is not TrialState.FAIL and t.user_attrs.get(SEED_VALUES))
        return min(measured, key=lambda t: (self.sign * self.mean(t.user_attrs[SEED_VALUES]), t.number), default=None)

    def affords_seeds(self, trials: Sequence[FrozenTrial], given: int) -> bool:
        """Whether one trial more than the `given` ones may have its other seeds while first ones are still due."""
        last = self.rungs[-1] if self.rungs else 1
        firsts = sum(last if SEED_VALUES in t.user_attrs else max(t.intermediate_values, default=0) for t in trials)
        others = (given + 1) * len(self.others) * last
        return others <= SHARE * (others + firsts)

    def seen(self, trial: FrozenTrial) -> FrozenTrial:
        """A trial as samplers shall see it: with what is known of it, although it waits at a rung or for its seeds."""
        measured = trial.user_attrs.get(SEED_VALUES)
        if (not self.seeds and not self.rungs) or trial.state not in (TrialState.RUNNING, TrialState.PRUNED):
            return trial
        if not measured and (trial.state is TrialState.PRUNED or not trial.intermediate_values):
            return trial
        shown = copy.copy(trial)
        shown.state = TrialState.COMPLETE if measured else TrialState.PRUNED
        if measured:
            shown.values = [self.mean(measured)]
        return shown

    def judged(self, trials: Sequence[FrozenTrial], *, all_begun: bool) -> list[Judged]:
        """Every rung but the last, as it stands now."""
        trainings, found = trainings_of(trials), list[Judged]()
        for epochs in self.rungs[:-1]:
            closed = is_closed(trials, epochs, all_begun=all_begun)
            best = may_go_on(reached(trials, epochs), trainings, self.eta, maximise=self.maximise, closed=closed)
            found.append(Judged(best, closed))
        return found

    def at_rung(self, run: TrialRun) -> str:
        """How a trial that goes no further ended, in words."""
        return f"at {self.rungs[run.rung]} of {self.rungs[-1]} epochs not among the best 1 in {self.eta:g}"


def spread_of(values: Sequence[float]) -> float | None:
    """The standard deviation of the logarithms of one point's positive values; None of a single one."""
    return float(np.std(np.log(values), ddof=1)) if len(values) > 1 else None


def report(trial: Trial, value: float, epochs: int) -> None:
    """Report what the study hears of a trial after so many epochs, once."""
    if epochs not in stored(trial).intermediate_values:
        trial.report(value, epochs)


def values_of(result: Mapping[str, Any], objectives: Sequence[str]) -> list[float | None]:
    """The objectives' values in a result.json: metrics on reference half A; None where one is missing or not finite."""
    final = result.get("final") or {}
    values = [result.get(SECONDS) if name == SECONDS else half_a(final, name) for name in objectives]
    return [float(value) if value is not None and math.isfinite(float(value)) else None for value in values]
