"""Figures of a search: history, pruned trials and Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganexp.report.figures.style import COLOURS, GREY, Drawing, figure, finish, legend, log_scale, style, whole_numbers
from ganexp.report.statistics.budget import incumbents

DONE, PRUNED = "COMPLETE", "PRUNED"


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    number: int  # as the study counts
    state: str  # "COMPLETE", "PRUNED", "FAIL", "RUNNING" or "WAITING"
    values: tuple[float, ...]  # of the objectives; empty where it is not complete
    reports: tuple[tuple[int, float], ...]  # (epoch, value of the objective) as it was reported
    run_id: str  # of its run, or ""
    reason: str  # why it failed, or ""


def trial_history(
    trials: Sequence[Trial], objectives: Sequence[str], directions: Sequence[str], name: str
) -> Drawing | None:
    """Every trial's value in the order of the search, and the best so far."""
    done = [trial for trial in trials if trial.state == DONE]
    pruned = [trial for trial in trials if trial.state == PRUNED and trial.reports]
    if not done:
        return None
    sheet = figure(9, 3.2)
    axes = sheet.subplots()
    numbers, values = [trial.number for trial in done], [trial.values[0] for trial in done]
    last = [trial.reports[-1][1] for trial in pruned]
    best = incumbents(values, "minimise" if directions[0] == "minimize" else "maximise")
    axes.plot(numbers, values, "o", color=COLOURS[0], markersize=4, label="complete")
    crossed, label = [trial.number for trial in pruned], "pruned, at its last report"
    axes.plot(crossed, last, "x", color=COLOURS[1], markersize=5, label=label)
    axes.plot(numbers, best, color=COLOURS[2], drawstyle="steps-post", linewidth=1.6, label="best so far")
    whole_numbers(axes.xaxis)
    style(axes, x="trial", y=objectives[0])
    if _is_wide([*values, *last]):
        log_scale(axes, "y")
    legend(axes)
    caption = "Trials in the order they were asked for; reference half A, by which the search chooses."
    alt = f"{objectives[0]} of {len(done)} complete and {len(pruned)} pruned trials in order, with the best so far."
    return finish(sheet, f"{name}-history", alt, caption)


def pruned_curves(trials: Sequence[Trial], objectives: Sequence[str], name: str) -> Drawing | None:
    """What each trial reported, epoch by epoch; pruned ones end early."""
    reported = [trial for trial in trials if trial.reports and trial.state in (DONE, PRUNED)]
    pruned = sum(trial.state == PRUNED for trial in reported)
    if not pruned:
        return None
    sheet = figure(9, 3.2)
    axes = sheet.subplots()
    for state, words, colour, mark in ((DONE, "complete", GREY, "o"), (PRUNED, "pruned", COLOURS[1], "x")):
        look: dict[str, Any] = {
            "color": colour,
            "marker": mark,
            "markersize": 4,
            "markevery": [-1],
            "linewidth": 1,
            "alpha": 0.8,
        }
        for number, trial in enumerate(trial for trial in reported if trial.state == state):
            axes.plot(*zip(*trial.reports, strict=True), label=words if number == 0 else None, **look)
    whole_numbers(axes.xaxis)
    style(axes, x="epochs", y=objectives[0])
    if all(value > 0 for trial in reported for _, value in trial.reports):
        log_scale(axes, "y")
    legend(axes)
    caption = "What trials reported as they were scored, on reference half A; a cross where one was pruned."
    alt = f"{objectives[0]} against epochs for {len(reported)} trials, {pruned} of them pruned."
    return finish(sheet, f"{name}-pruned", alt, caption)


def pareto_front(done: Sequence[Trial], front: Sequence[Trial], objectives: Sequence[str], name: str) -> Drawing | None:
    """The first two objectives of every complete trial, those on the front joined."""
    if not done:
        return None
    sheet = figure(7, 3.8)
    axes = sheet.subplots()
    x, y = _first_two(done)
    axes.plot(x, y, "o", color=GREY, markersize=4, label="complete")
    ordered = sorted(front, key=lambda trial: trial.values)
    axes.plot(*_first_two(ordered), "o--", color=COLOURS[0], markersize=6, linewidth=1, label="Pareto front")
    for trial in ordered:
        place = (trial.values[0], trial.values[1])
        axes.annotate(str(trial.number), place, xytext=(4, 4), textcoords="offset points", fontsize=8)
    style(axes, x=objectives[0], y=objectives[1])
    if _is_wide(x):
        log_scale(axes, "x")
    if _is_wide(y):
        log_scale(axes, "y")
    legend(axes)
    caption = (
        "Trials on the front, by their numbers: no other trial is at least as good in all objectives and better in one."
    )
    if len(objectives) > 2:
        caption += f" The first two of {len(objectives)} objectives are drawn; the front is of all of them."
    alt = f"{objectives[1]} against {objectives[0]} of {len(done)} trials; "
    return finish(sheet, f"{name}-pareto", f"{alt}{len(front)} of them are on the Pareto front.", caption)


def _first_two(trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    return [trial.values[0] for trial in trials], [trial.values[1] for trial in trials]


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 5
