"""What a search did: its trials, from trials.json, and figures of its history, pruned trials and Pareto front."""

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
from ganexp.report.budget import incumbents
from ganexp.report.collect import Run, Study, finite
from ganexp.report.draw import COLOURS, GREY, Drawing, figure, finish, log_axis, style

FILE = "trials.json"
DONE, CUT = "COMPLETE", "PRUNED"


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        number: as the study counts.
        state: "COMPLETE", "PRUNED", "FAIL", "RUNNING" or "WAITING".
        values: of the objectives; empty where it is not complete.
        reports: (epoch, value of the objective) as it was reported.
        run_id: of its run, or "".
        reason: why it failed, or "".
    """

    number: int
    state: str
    values: tuple[float, ...]
    reports: tuple[tuple[int, float], ...]
    run_id: str
    reason: str


@dataclass(frozen=True)
class Searched:
    """One search.

    Attributes:
        name: of the study.
        id: of its parts in the page.
        objectives, directions: what was optimised, and "minimize" or "maximize".
        sampler, pruner: names of their classes.
        trials: in order.
        saved: training seconds that pruned runs would have cost more, at their own speed.
        front: complete trials that no other one beats in every objective.
        drawings: history, pruned curves, Pareto front, where there is something to draw.
    """

    name: str
    id: str
    objectives: tuple[str, ...]
    directions: tuple[str, ...]
    sampler: str
    pruner: str
    trials: tuple[Trial, ...]
    saved: float
    front: tuple[Trial, ...]
    drawings: tuple[Drawing, ...]

    @property
    def states(self) -> Mapping[str, int]:
        """State -> trials."""
        return Counter(trial.state for trial in self.trials)


def searches(study: Study) -> list[Searched]:
    """What each search of the study did; a search whose trials.json is missing or damaged is left out."""
    found = []
    for number, sweep in enumerate(study.sweeps):
        content = _read(sweep.directory / FILE)
        if content is not None:
            found.append(_searched(content, sweep.runs, f"search{number}"))
    return found


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


def _searched(content: Mapping[str, Any], runs: Sequence[Run], name: str) -> Searched:
    trials = tuple(_trial(raw) for raw in content["trials"])
    objectives, directions = tuple(content["objectives"]), tuple(content["directions"])
    done = [trial for trial in trials if trial.state == DONE]
    best = pareto(np.array([trial.values for trial in done]).reshape(len(done), len(directions)), directions)
    front = tuple(trial for trial, kept in zip(done, best, strict=True) if kept)
    drawings = [
        drawn(_history, trials, objectives, directions, name) if len(objectives) == 1 else None,
        drawn(_pruned_curves, trials, objectives, name),
        drawn(_pareto_front, done, front, objectives, name) if len(objectives) > 1 else None,
    ]
    return Searched(
        name=str(content["study"]),
        id=name,
        objectives=objectives,
        directions=directions,
        sampler=str(content["sampler"]),
        pruner=str(content["pruner"]),
        trials=trials,
        saved=sum(run.seconds * (run.epochs - run.done) / run.done for run in runs if run.state == CUT and run.done),
        front=front,
        drawings=tuple(drawing for drawing in drawings if drawing is not None),
    )


def _trial(raw: Mapping[str, Any]) -> Trial:
    attributes = raw["attributes"]
    reports = [(int(epoch), finite(value)) for epoch, value in raw["intermediate"].items()]
    return Trial(
        number=int(raw["number"]),
        state=str(raw["state"]),
        values=tuple(float(value) for value in raw["values"] or ()) if raw["state"] == DONE else (),
        reports=tuple((epoch, value) for epoch, value in sorted(reports) if value is not None),
        run_id=str(attributes.get("run_id", "")),
        reason=str(attributes.get("reason", "")),
    )


def _history(
    trials: Sequence[Trial], objectives: Sequence[str], directions: Sequence[str], name: str
) -> Drawing | None:
    """Every trial's value in the order of the search, and the best so far."""
    done = [trial for trial in trials if trial.state == DONE]
    cut = [trial for trial in trials if trial.state == CUT and trial.reports]
    if not done:
        return None
    from matplotlib.ticker import MaxNLocator

    drawn = figure(9, 3.2)
    axes = drawn.subplots()
    values = [trial.values[0] for trial in done]
    numbers = [trial.number for trial in done]
    direction = "minimise" if directions[0] == "minimize" else "maximise"
    axes.plot(numbers, values, "o", color=COLOURS[0], markersize=4, label="complete")
    axes.plot(
        [trial.number for trial in cut],
        [trial.reports[-1][1] for trial in cut],
        "x",
        color=COLOURS[1],
        markersize=5,
        label="pruned, at its last report",
    )
    axes.plot(
        numbers,
        incumbents(values, direction),
        color=COLOURS[2],
        drawstyle="steps-post",
        linewidth=1.6,
        label="best so far",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(axes, x="trial", y=objectives[0])
    everything = [*values, *(trial.reports[-1][1] for trial in cut)]
    if min(everything) > 0 and max(everything) / min(everything) > 5:
        axes.set_yscale("log")
        log_axis(axes.yaxis)
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor")
    caption = "Trials in the order they were asked for; reference half A, by which the search chooses."
    alt = f"{objectives[0]} of {len(done)} complete and {len(cut)} pruned trials in order, with the best so far."
    return finish(drawn, f"{name}-history", alt, caption)


def _pruned_curves(trials: Sequence[Trial], objectives: Sequence[str], name: str) -> Drawing | None:
    """What each trial reported, epoch by epoch; pruned ones end early."""
    shown = [trial for trial in trials if trial.reports and trial.state in (DONE, CUT)]
    if not any(trial.state == CUT for trial in shown):
        return None
    from matplotlib.ticker import MaxNLocator

    drawn = figure(9, 3.2)
    axes = drawn.subplots()
    for state, words, shade, mark in ((DONE, "complete", GREY, "o"), (CUT, "pruned", COLOURS[1], "x")):
        for number, trial in enumerate(trial for trial in shown if trial.state == state):
            axes.plot(
                [epoch for epoch, _ in trial.reports],
                [value for _, value in trial.reports],
                color=shade,
                marker=mark,
                markersize=4,
                markevery=[-1],
                linewidth=1,
                alpha=0.8,
                label=words if number == 0 else None,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(axes, x="epochs", y=objectives[0])
    if all(value > 0 for trial in shown for _, value in trial.reports):
        axes.set_yscale("log")
        log_axis(axes.yaxis)
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor")
    caption = "What trials reported as they were scored, on reference half A; a cross where one was pruned."
    cut = sum(trial.state == CUT for trial in shown)
    alt = f"{objectives[0]} against epochs for {len(shown)} trials, {cut} of them pruned."
    return finish(drawn, f"{name}-pruned", alt, caption)


def _pareto_front(
    done: Sequence[Trial], front: Sequence[Trial], objectives: Sequence[str], name: str
) -> Drawing | None:
    """The first two objectives of every complete trial, those on the front joined."""
    if not done:
        return None
    drawn = figure(7, 3.8)
    axes = drawn.subplots()
    axes.plot(*_pairs(done), "o", color=GREY, markersize=4, label="complete")
    ordered = sorted(front, key=lambda trial: trial.values)
    axes.plot(*_pairs(ordered), "o--", color=COLOURS[0], markersize=6, linewidth=1, label="Pareto front")
    for trial in ordered:
        axes.annotate(
            str(trial.number), (trial.values[0], trial.values[1]), xytext=(4, 4), textcoords="offset points", fontsize=8
        )
    style(axes, x=objectives[0], y=objectives[1])
    for scale, values in (("x", [t.values[0] for t in done]), ("y", [t.values[1] for t in done])):
        if min(values) > 0 and max(values) / min(values) > 5:
            axes.set(**{f"{scale}scale": "log"})
            log_axis(axes.xaxis if scale == "x" else axes.yaxis)
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor")
    caption = (
        "Trials on the front, by their numbers: no other trial is at least as good in all objectives and better in one."
    )
    if len(objectives) > 2:
        caption += f" The first two of {len(objectives)} objectives are drawn; the front is of all of them."
    alt = (
        f"{objectives[1]} against {objectives[0]} of {len(done)} trials; {len(front)} of them are on the Pareto front."
    )
    return finish(drawn, f"{name}-pareto", alt, caption)


def _pairs(trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    return [trial.values[0] for trial in trials], [trial.values[1] for trial in trials]
