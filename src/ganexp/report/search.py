"""What a search did: its trials, from trials.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.files.contents import Trials, check
from ganexp.files.drawing import drawn
from ganexp.files.foreign import MEDIUM, read_json
from ganexp.report.figures import search as figures
from ganexp.report.figures.search import DONE, PRUNED, Trial
from ganexp.report.figures.style import Drawing
from ganexp.report.runs import RunRecord, finite
from ganexp.report.study import Study

FILE = "trials.json"


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
    front: tuple[Trial, ...]  # complete trials that no other one beats in every objective
    drawings: tuple[Drawing, ...]  # history, pruned curves, Pareto front, where there is something to draw

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
    """Which rows no other row beats.

    Args:
        values: (N, objectives), finite; N may be 0.
        directions: "minimize" or "maximize" for each objective.

    Returns:
        (N,): true where no other row is at least as good in all objectives and better in one.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    costs = values * np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    beaten = [bool(((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any()) for own in costs]
    return ~np.array(beaten)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        content = read_json(path, MEDIUM)
        check(Trials, content)
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
    drawings = [
        drawn(figures.trial_history, trials, objectives, directions, name) if len(objectives) == 1 else None,
        drawn(figures.pruned_curves, trials, objectives, name),
        drawn(figures.pareto_front, done, front, objectives, name) if len(objectives) > 1 else None,
    ]
    return SearchRecord(
        name=str(content["study"]),
        id=name,
        objectives=objectives,
        directions=directions,
        sampler=str(content["sampler"]),
        pruner=str(content["pruner"]),
        trials=trials,
        saved=sum(run.seconds * (run.epochs - run.done) / run.done for run in runs if run.state == PRUNED and run.done),
        front=front,
        drawings=tuple(drawing for drawing in drawings if drawing is not None),
    )


def _trial(raw: Mapping[str, Any]) -> Trial:
    reports = [(int(epoch), float(value)) for epoch, value in raw["intermediate"].items() if finite(value) is not None]
    return Trial(
        number=int(raw["number"]),
        state=str(raw["state"]),
        values=tuple(float(value) for value in raw["values"] or ()) if raw["state"] == DONE else (),
        reports=tuple(sorted(reports)),
        run_id=str(raw["attributes"].get("run_id", "")),
        reason=str(raw["attributes"].get("reason", "")),
    )
