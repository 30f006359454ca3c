"""The objective along training, and what a budget buys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganexp.report.figures import svg
from ganexp.report.figures.by_setting import values_of
from ganexp.report.figures.losses import training_setting
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.runs import RunRecord
from ganexp.report.statistics.budget import best_of, expected_cost, incumbents
from ganexp.report.text.phrases import named_setting, say

# Column of metrics.csv -> label of the axis.
AXES = {"epoch": "epochs", "images_seen": "images seen", "step": "generator steps", "train_seconds": "training seconds"}

HIGHLIGHTED = 6  # trajectories that have a colour of their own
DRAWN = 300  # trajectories in one figure of learning curves


def learning_curves(ranking: Ranking, name: str) -> svg.Drawing | None:
    """The objective against epochs, images, steps and seconds; a line per trajectory's setting, mean of its seeds."""
    objective = ranking.objective
    if objective is None:
        return None
    curves = [(standing, mean_curve(standing.done, objective)) for standing in _longest(ranking.ranked)]
    curves = [(standing, curve) for standing, curve in curves if len(curve) > 0][:DRAWN]
    if not curves:
        return None
    sheet, grid = svg.panels(4, 2, 10, 6.4)
    for axes, (column, words) in zip(grid.flat, AXES.items(), strict=True):
        for number, (standing, curve) in reversed(list(enumerate(curves))):
            look = _highlighted(standing, curve, number) if number < HIGHLIGHTED else _background(len(curves))
            axes.plot(curve[column], curve["value"], markersize=3, **look)
        svg.style(axes, x=say(words), y=objective)
        if column != "train_seconds" or all((curve[column] > 0).all() for _, curve in curves):
            svg.log_scale(axes, "x")
        if all((curve["value"] > 0).all() for _, curve in curves):
            svg.log_scale(axes, "y")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    text: dict[str, Any] = {"fontsize": 8, "frameon": False, "labelcolor": svg.INK}
    sheet.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=2, **text)
    caption = (
        f"Means over seeds, on half B, at the epochs that were scored; the best {min(HIGHLIGHTED, len(curves))} "
        "in colour. "
        "Settings that differ in epochs alone are one line. Equal epochs are not equal work: see the four axes."
    )
    alt = f"{objective} on {ranking.dataset} along training, against epochs, images seen, generator steps and seconds."
    return svg.Drawing(f"{name}-curves", alt, caption, sheet)


def _highlighted(standing: Standing, curve: pd.DataFrame, number: int) -> dict[str, Any]:
    """How one of the best lines looks; its name leaves out the epochs, which the line itself shows."""
    return {
        "color": svg.COLOURS[number % len(svg.COLOURS)],
        "linestyle": svg.DASHES[(number // len(svg.COLOURS) + number) % len(svg.DASHES)],
        "linewidth": 1.8,
        "marker": "o" if len(curve) < 12 else None,
        "label": svg.clean(named_setting(training_setting(standing.setting))),
    }


def _background(lines: int) -> dict[str, Any]:
    return {"color": svg.GREY, "linewidth": 0.6, "alpha": 0.5, "rasterized": lines > 60}


def budget_curve(ranking: Ranking, name: str, order: Sequence[RunRecord] = ()) -> svg.Drawing | None:
    """Best of n settings against n and training seconds; of a search, the best so far of its runs in `order`."""
    standings = list(ranking.ranked)
    if len(standings) < 2 or ranking.objective is None:
        return None
    places = {run.run_id: number for number, run in enumerate(order)}
    if order:
        standings.sort(key=lambda standing: min(places[run.run_id] for run in standing.done))
    values = values_of(standings)
    curve = incumbents(values, ranking.direction) if order else best_of(values, ranking.direction)
    sheet = svg.figure(9, 3.2)
    first, second = sheet.subplots(1, 2, sharey=True)
    for axes, costs in ((first, np.arange(1, len(curve) + 1)), (second, _costs(standings, search=bool(order)))):
        mark, steps = "o-" if len(curve) < 40 else "-", "steps-post" if order else "default"
        axes.plot(costs, curve, mark, color=svg.COLOURS[0], markersize=3, drawstyle=steps)
    svg.whole_numbers(first.xaxis)
    words = "best so far: {objective}" if order else "expected best {objective}"
    svg.style(first, x=say("settings tried"), y=say(words, objective=ranking.objective))
    svg.style(second, x=say("training seconds"))
    caption = (
        "The search's own trace: its points were not drawn at random."
        if order
        else "Expected best of n settings drawn at random, without replacement, from those that were tried (means over "
        "their seeds). Seconds charge each trajectory once, to the longest run drawn."
    )
    span = f"{curve[0]:.3g} to {curve[-1]:.3g}"
    alt = f"Best {ranking.objective} on {ranking.dataset} for 1 to {len(curve)} settings: {span}."
    return svg.Drawing(f"{name}-budget", alt, caption, sheet)


def _costs(standings: Sequence[Standing], *, search: bool) -> Any:
    seconds = [sum(run.seconds for run in standing.done) for standing in standings]
    return np.cumsum(seconds) if search else expected_cost(seconds, [_trajectories(each) for each in standings])


def _longest(standings: Sequence[Standing]) -> list[Standing]:
    """Of settings that share trajectories the longest, at the best one's place."""
    longest: dict[tuple[str, ...], Standing] = {}
    for standing in standings:
        other = longest.setdefault(_trajectories(standing), standing)
        if standing.lead.epochs > other.lead.epochs:
            longest[_trajectories(standing)] = standing
    return list(longest.values())


def _trajectories(standing: Standing) -> tuple[str, ...]:
    return tuple(sorted(run.trajectory_id for run in standing.done))


def mean_curve(runs: Sequence[RunRecord], objective: str) -> pd.DataFrame:
    """Means over seeds at the scored epochs that all seeds have: column "value"; the seeds' range: low, high."""
    parts = [run.rows[[*AXES, objective]].dropna() for run in runs if objective in run.rows]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts).rename(columns={objective: "value"})
    positive = bool((table["value"] > 0).all())
    groups = table.assign(value=np.log(table["value"]) if positive else table["value"]).groupby("epoch")
    curve = groups.mean().assign(count=groups.size())
    span = table.groupby("epoch")["value"]
    curve = curve.assign(low=span.min(), high=span.max()).reset_index()
    curve = curve[curve["count"] == len(parts)]
    return curve.assign(value=np.exp(curve["value"]) if positive else curve["value"])
