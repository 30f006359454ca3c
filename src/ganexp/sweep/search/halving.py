"""Asynchronous successive halving (ASHA; Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

Rungs are epochs of one trajectory. Every trial is trained to the first rung; the best 1/eta of those that have reached
a rung go on to the next one, whenever a worker is free. Optuna's pruner of that name never goes on with a trial that it
has cut; here a trial waits at its rung until it is certain that it will not be among the best, and is pruned only then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from ganexp.sweep.search.trials import TRAJECTORY


def rungs(epochs: int, eta: float) -> tuple[int, ...]:
    """The epochs of the rungs, ascending: `epochs`, and what is left of it after each division by `eta`, rounded down.

    `epochs` is at least 1, `eta` above 1.
    """
    levels = {epochs}
    power = 1
    while (level := math.floor(epochs / eta**power + 1e-9)) >= 1:
        levels.add(level)
        power += 1
    return tuple(sorted(levels))


def may_go_on(
    values: Mapping[int, float], trainings: Mapping[int, str], eta: float, *, maximise: bool, closed: bool
) -> set[int]:
    """The trials that go on from a rung: the best 1/eta, rounded down; at least one where the rung is `closed`.

    `values` are the finite objectives of the trials that have reached the rung, by number; of equal ones the older
    trial counts as better. Trials of one training (`trainings`, by number) count once, and go on together: a sampler
    proposes good points again and again where numbers are few, which would otherwise fill the rung. A rung is closed
    once no other trial will reach it.
    """
    sign = -1.0 if maximise else 1.0
    order = sorted(values, key=lambda number: (sign * values[number], number))
    training = {number: trainings.get(number, str(number)) for number in order}
    distinct = list(dict.fromkeys(training.values()))
    best = set(distinct[: max(math.floor(len(distinct) / eta + 1e-9), int(closed))])
    return {number for number in order if training[number] in best}


def trainings_of(trials: Sequence[FrozenTrial]) -> dict[int, str]:
    """The training that each trial began with, by number; none of those of earlier versions, which did not say."""
    return {trial.number: trial.user_attrs[TRAJECTORY] for trial in trials if TRAJECTORY in trial.user_attrs}


def reached(trials: Sequence[FrozenTrial], epochs: int) -> dict[int, float]:
    """The values of the trials that have reached a rung; those that failed later no longer count."""
    alive = (trial for trial in trials if trial.state is not TrialState.FAIL)
    return {trial.number: trial.intermediate_values[epochs] for trial in alive if epochs in trial.intermediate_values}


def is_closed(trials: Sequence[FrozenTrial], epochs: int, *, all_begun: bool) -> bool:
    """Whether no other trial will reach a rung; `all_begun` says that the study begins no more trials."""
    coming = (t for t in trials if t.state is TrialState.RUNNING and epochs not in t.intermediate_values)
    return all_begun and not any(coming)
