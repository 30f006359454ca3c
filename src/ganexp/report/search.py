"""What a search did: its trials, from trials.json, and figures of its history, pruned trials and Pareto front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.files.contents import TrialsFile, check
from ganexp.files.drawing import drawn
from ganexp.files.foreign import MEDIUM, read_json
from ganexp.report.figures import svg
from ganexp.report.runs import RunRecord, finite
from ganexp.report.statistics.budget import incumbents
from ganexp.report.study import Study

FILE = "trials.json"
DONE, PRUNED = "COMPLETE", "PRUNED"


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    number: int  # as the study counts
    state: str  # "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING" or "LEFT_OUT"
    values: tuple[float, ...]  # of the objectives; empty where it is not complete
    reports: tuple[tuple[int, float], ...]  # (epoch, value of the objective) as it was reported
    run_id: str  # of its run, or ""
    reason: str  # why it failed, or ""


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
    drawings: tuple[svg.Drawing, ...]  # history, pruned curves, Pareto front, where there is something to draw

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
    drawings = [
        drawn(_history, trials, objectives, directions, name) if len(objectives) == 1 else None,
        drawn(_pruned_curves, trials, objectives, name),
        drawn(_pareto_front, done, front, objectives, name) if len(objectives) > 1 else None,
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
        state="LEFT_OUT" if "left_out" in raw["attributes"] else str(raw["state"]),
        values=tuple(float(value) for value in raw["values"] or ()) if raw["state"] == DONE else (),
        reports=tuple(sorted(reports)),
        run_id=str(raw["attributes"].get("run_id", "")),
        reason=str(raw["attributes"].get("reason", "")),
    )


def _history(
    trials: Sequence[Trial], objectives: Sequence[str], directions: Sequence[str], name: str
) -> svg.Drawing | None:
    done = [trial for trial in trials if trial.state == DONE]
    pruned = [trial for trial in trials if trial.state == PRUNED and trial.reports]
    if not done:
        return None
    sheet = svg.figure(9, 3.2)
    axes = sheet.subplots()
    numbers, values = [trial.number for trial in done], [trial.values[0] for trial in done]
    last = [trial.reports[-1][1] for trial in pruned]
    best = incumbents(values, "minimise" if directions[0] == "minimize" else "maximise")
    axes.plot(numbers, values, "o", color=svg.COLOURS[0], markersize=4, label="complete")
    crossed, label = [trial.number for trial in pruned], "pruned, at its last report"
    axes.plot(crossed, last, "x", color=svg.COLOURS[1], markersize=5, label=label)
    axes.plot(numbers, best, color=svg.COLOURS[2], drawstyle="steps-post", linewidth=1.6, label="best so far")
    svg.whole_numbers(axes.xaxis)
    svg.style(axes, x="trial", y=objectives[0])
    if _is_wide([*values, *last]):
        svg.log_scale(axes, "y")
    svg.legend(axes)
    caption = "Trials in the order they were asked for; reference half A, by which the search chooses."
    alt = f"{objectives[0]} of {len(done)} complete and {len(pruned)} pruned trials in order, with the best so far."
    return svg.finish(sheet, f"{name}-history", alt, caption)


def _pruned_curves(trials: Sequence[Trial], objectives: Sequence[str], name: str) -> svg.Drawing | None:
    """What each trial reported by epoch; pruned ones end early."""
    reported = [trial for trial in trials if trial.reports and trial.state in (DONE, PRUNED)]
    pruned = sum(trial.state == PRUNED for trial in reported)
    if not pruned:
        return None
    sheet = svg.figure(9, 3.2)
    axes = sheet.subplots()
    for state, words, colour, mark in ((DONE, "complete", svg.GREY, "o"), (PRUNED, "pruned", svg.COLOURS[1], "x")):
        look: dict[str, Any] = {"color": colour, "linewidth": 1, "alpha": 0.8}
        look |= {"marker": mark, "markersize": 4, "markevery": [-1]}
        for number, trial in enumerate(trial for trial in reported if trial.state == state):
            axes.plot(*zip(*trial.reports, strict=True), label=words if number == 0 else None, **look)
    svg.whole_numbers(axes.xaxis)
    svg.style(axes, x="epochs", y=objectives[0])
    if all(value > 0 for trial in reported for _, value in trial.reports):
        svg.log_scale(axes, "y")
    svg.legend(axes)
    caption = "What trials reported as they were scored, on reference half A; a cross where one was pruned."
    alt = f"{objectives[0]} against epochs for {len(reported)} trials, {pruned} of them pruned."
    return svg.finish(sheet, f"{name}-pruned", alt, caption)


def _pareto_front(
    done: Sequence[Trial], front: Sequence[Trial], objectives: Sequence[str], name: str
) -> svg.Drawing | None:
    if not done:
        return None
    sheet = svg.figure(7, 3.8)
    axes = sheet.subplots()
    x, y = _first_two(done)
    axes.plot(x, y, "o", color=svg.GREY, markersize=4, label="complete")
    ordered = sorted(front, key=lambda trial: trial.values)
    axes.plot(*_first_two(ordered), "o--", color=svg.COLOURS[0], markersize=6, linewidth=1, label="Pareto front")
    for trial in ordered:
        place = (trial.values[0], trial.values[1])
        axes.annotate(str(trial.number), place, xytext=(4, 4), textcoords="offset points", fontsize=8)
    svg.style(axes, x=objectives[0], y=objectives[1])
    if _is_wide(x):
        svg.log_scale(axes, "x")
    if _is_wide(y):
        svg.log_scale(axes, "y")
    svg.legend(axes)
    caption = (
        "Trials on the front, by their numbers: no other trial is at least as good in all objectives and better in one."
    )
    if len(objectives) > 2:
        caption += f" The first two of {len(objectives)} objectives are drawn; the front is of all of them."
    alt = f"{objectives[1]} against {objectives[0]} of {len(done)} trials; "
    return svg.finish(sheet, f"{name}-pareto", f"{alt}{len(front)} of them are on the Pareto front.", caption)


def _first_two(trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    return [trial.values[0] for trial in trials], [trial.values[1] for trial in trials]


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 5
