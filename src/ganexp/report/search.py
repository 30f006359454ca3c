"""What a search did: its trials, from trials.json, and its Pareto front."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.files.contents import TrialsFile, check
from ganexp.files.foreign import MEDIUM, read_json
from ganexp.report.runs import RunRecord, finite
from ganexp.report.study import Study

FILE = "trials.json"
DONE, PRUNED = "COMPLETE", "PRUNED"
LARGEST = 700.0  # logarithm that is taken as it is; those of a damaged file may be any


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    number: int  # as the study counts
    state: str  # "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING" or "LEFT_OUT"
    values: tuple[float, ...]  # of the objectives, of several seeds geometric means; empty where it is not complete
    reports: tuple[tuple[int, float], ...]  # (epoch, value of the objective) as it was reported
    run_id: str  # of its run, or ""
    reason: str  # why it failed, or ""
    dropped: str  # why racing or a rung dropped it, or ""
    left: float  # the share of its epochs, relative to those it had, that a rung spared it


@dataclass(frozen=True)
class SearchRecord:
    """One search."""

    name: str  # of the study
    id: str  # of its parts in the page
    objectives: tuple[str, ...]
    directions: tuple[str, ...]  # "minimize" or "maximize"
    sampler: str  # name of its class
    pruner: str  # name of its class
    trials: tuple[Trial, ...]
    saved: float  # training seconds that pruned runs would have cost more, at their own speed
    dropped: Mapping[str, int]  # why racing or rungs dropped trials -> how many
    front: tuple[Trial, ...]  # complete trials that no other one beats in every objective

    @property
    def states(self) -> Mapping[str, int]:
        """State -> trials."""
        return Counter(trial.state for trial in self.trials)


def searches(study: Study) -> list[SearchRecord]:
    """What each search of the study did; a search whose trials.json is missing or damaged is left out."""
    records = []
    for number, sweep in enumerate(study.sweeps):
        content = _read(sweep.directory / FILE)
        if content is not None:
            records.append(_search(content, sweep.runs, f"search{number}"))
    return records


def pareto(values: NDArray[np.float64], directions: Sequence[str]) -> NDArray[np.bool_]:
    """(N,): whether no other row is at least as good in all objectives and better in one.

    `values` is (N, objectives) and finite; N may be 0. `directions` are "minimize" or "maximize".
    """
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    costs = values * np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    beaten = [bool(((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any()) for own in costs]
    return ~np.array(beaten)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        content = read_json(path, MEDIUM)
        check(TrialsFile, content)
    except (OSError, ValueError):
        return None
    goals = len(content["objectives"])
    complete = [trial for trial in content["trials"] if trial["state"] == DONE]
    if len(content["directions"]) != goals or any(len(trial["values"] or ()) != goals for trial in complete):
        return None
    return dict(content)


def _search(content: Mapping[str, Any], runs: Sequence[RunRecord], name: str) -> SearchRecord:
    trials = tuple(_trial(raw) for raw in content["trials"])
    objectives, directions = tuple(content["objectives"]), tuple(content["directions"])
    done = [trial for trial in trials if trial.state == DONE]
    unbeaten = pareto(np.array([trial.values for trial in done]).reshape(len(done), len(directions)), directions)
    front = tuple(trial for trial, best in zip(done, unbeaten, strict=True) if best)
    return SearchRecord(
        name=str(content["study"]),
        id=name,
        objectives=objectives,
        directions=directions,
        sampler=str(content["sampler"]),
        pruner=str(content["pruner"]),
        trials=trials,
        saved=_saved(trials, runs),
        dropped=Counter(trial.dropped for trial in trials if trial.dropped),
        front=front,
    )


def _saved(trials: Sequence[Trial], runs: Sequence[RunRecord]) -> float:
    left = {trial.run_id: trial.left for trial in trials}
    stopped = sum(run.seconds * (run.epochs - run.done) / run.done for run in runs if run.state == PRUNED and run.done)
    return stopped + sum(run.seconds * left.get(run.run_id, 0.0) for run in runs if run.state != PRUNED)


def _trial(raw: Mapping[str, Any]) -> Trial:
    attributes = raw["attributes"]
    own = _exponential if "seeds" in attributes else float  # of several seeds the study has means of logarithms
    reports = [(int(epoch), own(value)) for epoch, value in raw["intermediate"].items() if finite(value) is not None]
    at, last = _epochs(attributes)
    return Trial(
        number=int(raw["number"]),
        state="LEFT_OUT" if "left_out" in attributes else str(raw["state"]),
        values=tuple(own(value) for value in raw["values"] or ()) if raw["state"] == DONE else (),
        reports=tuple(sorted(reports)),
        run_id=str(attributes.get("run_id", "")),
        reason=str(attributes.get("reason", "")),
        dropped=str(attributes.get("dropped", "")),
        left=(last - at) / at,
    )


def _exponential(value: float) -> float:
    return math.exp(min(float(value), LARGEST))


def _epochs(attributes: Mapping[str, Any]) -> tuple[int, int]:
    """The epochs of a trial's run, and all epochs of the search; alike without rungs."""
    epochs = attributes.get("epochs")
    good = isinstance(epochs, list) and len(epochs) == 2 and all(isinstance(e, int) and e > 0 for e in epochs)
    return (epochs[0], max(epochs)) if isinstance(epochs, list) and good else (1, 1)
