"""Figures along training: learning curves, what a budget buys, losses and equilibrium of each trajectory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganexp.report.budget import best_of, expected_cost, incumbents
from ganexp.report.collect import Run, label
from ganexp.report.draw import COLOURS, GREY, INK, MUTED, Drawing, clean, colour, dash, figure, finish, log_axis, style
from ganexp.report.findings import Ranking, Standing

AXES = (
    ("epoch", "epochs"),
    ("images_seen", "images seen"),
    ("step", "generator steps"),
    ("train_seconds", "training seconds"),
)

HIGHLIGHTED = 6
"""Trajectories that have a colour of their own."""

DRAWN = 300
"""Trajectories in one figure of learning curves."""

MULTIPLES = 30
"""Panels of losses in one figure."""


def learning_curves(ranking: Ranking, name: str) -> Drawing | None:
    """The objective against epochs, images, steps and seconds; a line per trajectory's setting, mean of its seeds."""
    objective = ranking.objective
    if objective is None:
        return None
    lines = [(each, _mean_curve(each, objective)) for each in _longest(ranking.ranked)]
    lines = [(each, curve) for each, curve in lines if len(curve) > 0][:DRAWN]
    if not lines:
        return None
    drawn = figure(10, 6.4)
    grid = drawn.subplots(2, 2, sharey=True)
    for axes, (column, words) in zip(grid.flat, AXES, strict=True):
        for number, (each, curve) in reversed(list(enumerate(lines))):
            chosen = number < HIGHLIGHTED
            axes.plot(
                curve[column],
                curve[objective],
                color=colour(number) if chosen else GREY,
                linestyle=dash(number) if chosen else "-",
                linewidth=1.8 if chosen else 0.6,
                alpha=1.0 if chosen else 0.5,
                marker="o" if len(curve) < 12 and chosen else None,
                markersize=3,
                label=_line_name(each) if chosen else None,
                rasterized=len(lines) > 60 and not chosen,
            )
        style(axes, x=words, y=objective)
        if column != "train_seconds" or all((curve[column] > 0).all() for _, curve in lines):
            axes.set_xscale("log")
            log_axis(axes.xaxis)
        if all((curve[objective] > 0).all() for _, curve in lines):
            axes.set_yscale("log")
            log_axis(axes.yaxis)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    drawn.legend(
        handles[::-1], labels[::-1], loc="outside lower center", ncols=2, fontsize=8, frameon=False, labelcolor=INK
    )
    caption = (
        f"Means over seeds, on half B, at the epochs that were scored; the best {min(HIGHLIGHTED, len(lines))} "
        "in colour. "
        "Settings that differ in epochs alone are one line. Equal epochs are not equal work: see the four axes."
    )
    alt = f"{objective} on {ranking.dataset} along training, against epochs, images seen, generator steps and seconds."
    return finish(drawn, f"{name}-curves", alt, caption)


def budget_curve(ranking: Ranking, name: str, order: Sequence[Run] = ()) -> Drawing | None:
    """Best of n settings against n and against training seconds; of a search, the incumbent's trace.

    Args:
        ranking: the settings.
        name: of the figure.
        order: for a search, its runs in the order it asked for them.
    """
    search = bool(order)
    from matplotlib.ticker import MaxNLocator

    shown = [each for each in ranking.ranked if each.estimate is not None]
    if len(shown) < 2 or ranking.objective is None:
        return None
    if search:
        asked = {run.run_id: number for number, run in enumerate(order)}
        shown = sorted(shown, key=lambda each: min(asked[run.run_id] for run in each.done))
    values = [each.estimate.value for each in shown if each.estimate]
    curve = incumbents(values, ranking.direction) if search else best_of(values, ranking.direction)
    charged = _costs(shown, search)
    drawn = figure(9, 3.2)
    first, second = drawn.subplots(1, 2, sharey=True)
    numbers = np.arange(1, len(curve) + 1)
    first.plot(
        numbers, curve, "o-" if len(curve) < 40 else "-", color=COLOURS[0], markersize=3, drawstyle=_drawstyle(search)
    )
    second.plot(
        charged, curve, "o-" if len(curve) < 40 else "-", color=COLOURS[0], markersize=3, drawstyle=_drawstyle(search)
    )
    first.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(first, x="settings tried", y=f"{'best so far' if search else 'expected best'} {ranking.objective}")
    style(second, x=f"training seconds, all seeds ({'so far' if search else 'expected'})")
    caption = (
        "The search's own trace: its points were not drawn at random."
        if search
        else "Expected best of n settings drawn at random, without replacement, from those that were tried (means over "
        "their seeds). Seconds charge each trajectory once, to the longest run drawn."
    )
    span = f"{curve[0]:.3g} to {curve[-1]:.3g}"
    alt = f"Best {ranking.objective} on {ranking.dataset} for 1 to {len(curve)} settings: {span}."
    return finish(drawn, f"{name}-budget", alt, caption)


def losses(ranking: Ranking, name: str) -> Drawing | None:
    """Both losses of every run, small, on one scale; the seeds of a setting in one panel."""
    panels = trainings(ranking)
    if not panels:
        return None
    drawn, grid = _multiples(len(panels))
    for axes, runs in zip(grid.flat, panels, strict=False):
        for run in runs:
            _line(axes, run, "d_loss", COLOURS[0], "-", "discriminator")
            _line(axes, run, "g_loss", COLOURS[1], "--", "generator")
        if _has(runs, "d_heldout"):
            axes.axhline(math.log(4), color=MUTED, linestyle=":", linewidth=1)
        warmup = runs[0].values.get("loss.warmup_epochs")
        if isinstance(warmup, int) and 0 < warmup < runs[0].epochs:
            axes.axvline(warmup + 0.5, color=MUTED, linestyle="-.", linewidth=0.8)
        style(axes, title=_short_title(runs[0]), size=7)
        axes.locator_params(nbins=4)
    every = [run for runs in panels for run in runs]
    high = _robust_top(every, ("d_loss", "g_loss"))
    grid.flat[0].set_ylim(-high if _negative(every) else 0.0, high)
    _one_legend(drawn, grid.flat[0])
    alt = f"Discriminator and generator loss of {len(panels)} settings on {ranking.dataset}, against epochs."
    caption = (
        "A line per seed. Dotted: log 4, the discriminator's loss at equilibrium. Dash-dotted: end of the warm-up. One "
        "scale; the highest percent is cut off." + _left_out(ranking, panels)
    )
    return finish(drawn, f"{name}-losses", alt, caption)


def equilibrium(ranking: Ranking, name: str) -> Drawing | None:
    """Mean D on real, held-out and generated images, and the share near one half, of every run."""
    panels = [runs for runs in trainings(ranking) if _has(runs, "d_heldout")]
    if not panels:
        return None
    drawn, grid = _multiples(len(panels))
    for axes, runs in zip(grid.flat, panels, strict=False):
        for run in runs:
            _line(axes, run, "d_real", COLOURS[0], "-", "real, training")
            _line(axes, run, "d_heldout", COLOURS[2], "-.", "real, held out")
            _line(axes, run, "d_generated", COLOURS[1], "--", "generated")
            _line(axes, run, "d_near_half", COLOURS[3], ":", "share within 0.4 to 0.6")
        axes.axhline(0.5, color=MUTED, linestyle=":", linewidth=1)
        style(axes, title=_short_title(runs[0]), size=7)
        axes.locator_params(nbins=4)
    grid.flat[0].set_ylim(-0.03, 1.03)
    _one_legend(drawn, grid.flat[0])
    alt = f"Mean D of {len(panels)} settings on {ranking.dataset} on real, held-out and generated images, by epoch."
    caption = "At equilibrium D gives 0.5 to each image: all lines at the dotted one, and the share near one half at 1."
    return finish(drawn, f"{name}-equilibrium", alt, caption + _left_out(ranking, panels))


def trainings(ranking: Ranking) -> list[list[Run]]:
    """The longest run of each trajectory, seeds of a setting together, best settings first; at most MULTIPLES."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Run]] = {}
    for each in ranking.standings:
        key = tuple((key, value) for key, value in each.setting if key != "trainer.epochs")
        panel = found.setdefault(key, {})
        for run in each.runs:
            there = panel.get(run.trajectory_id)
            if len(run.rows) and (there is None or len(run.rows) > len(there.rows)):
                panel[run.trajectory_id] = run
    return [list(panel.values()) for panel in found.values() if panel][:MULTIPLES]


def _has(runs: Sequence[Run], column: str) -> bool:
    return any(column in run.rows and run.rows[column].notna().any() for run in runs)


def _left_out(ranking: Ranking, panels: Sequence[Sequence[Run]]) -> str:
    drawn = {run.trajectory_id for runs in panels for run in runs}
    count = len({run.trajectory_id for each in ranking.standings for run in each.runs} - drawn)
    return f" Not drawn: {count} trainings; each has a losses.png in its folder." if count else ""


def _longest(standings: Sequence[Standing]) -> list[Standing]:
    """Of settings that share trajectories the longest, at the best one's place."""
    found: dict[tuple[str, ...], Standing] = {}
    for each in standings:
        key = tuple(sorted(run.trajectory_id for run in each.done))
        there = found.get(key)
        if there is None or each.lead.epochs > there.lead.epochs:
            found[key] = each
    return list(found.values())


def _line_name(each: Standing) -> str:
    """The setting without its epochs, which the line itself shows."""
    return clean(label(tuple((key, value) for key, value in each.setting if key != "trainer.epochs")))


def _mean_curve(each: Standing, objective: str) -> pd.DataFrame:
    """Means over seeds of the scored epochs that all seeds have."""
    columns = [column for column, _ in AXES]
    parts = [run.rows[[*columns, objective]].dropna() for run in each.done if objective in run.rows]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts)
    positive = bool((table[objective] > 0).all())
    table[objective] = np.log(table[objective]) if positive else table[objective]
    groups = table.groupby("epoch")
    curve = groups.mean().assign(count=groups.size()).reset_index()
    curve = curve[curve["count"] == len(parts)]
    curve[objective] = np.exp(curve[objective]) if positive else curve[objective]
    return curve


def _costs(shown: Sequence[Standing], search: bool) -> Any:
    """Training seconds of n settings over their seeds."""
    seconds = [sum(run.seconds for run in each.done) for each in shown]
    groups = ["|".join(sorted(run.trajectory_id for run in each.done)) for each in shown]
    return np.cumsum(seconds) if search else expected_cost(seconds, groups)


def _drawstyle(search: bool) -> Any:
    return "steps-post" if search else "default"


def _multiples(count: int) -> tuple[Any, Any]:
    wide = min(5, count)
    high = -(-count // wide)
    drawn = figure(2.1 * wide + 0.6, 1.45 * high + 0.6)
    grid = drawn.subplots(high, wide, squeeze=False, sharex=False, sharey=True)
    for axes in list(grid.flat)[count:]:
        axes.set_visible(False)
    return drawn, grid


def _line(axes: Any, run: Run, column: str, color: str, dashes: str, words: str) -> None:
    if column in run.rows:
        axes.plot(run.rows["epoch"], run.rows[column], color=color, linestyle=dashes, linewidth=0.9, label=words)


def _one_legend(drawn: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    drawn.legend(
        list(unique.values()),
        list(unique),
        loc="outside upper left",
        ncols=4,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )


def _short_title(run: Run) -> str:
    setting = tuple((key, value) for key, value in run.setting if key != "trainer.epochs")
    return clean(label(setting) if setting else "seed " + str(run.seed), 34)


def _robust_top(runs: Sequence[Run], columns: Sequence[str]) -> float:
    values = pd.concat([run.rows[column] for run in runs for column in columns if column in run.rows])
    values = values[np.isfinite(values)]
    return 1.05 * max(1.0, float(values.abs().quantile(0.99))) if len(values) else 1.0


def _negative(runs: Sequence[Run]) -> bool:
    return any((run.rows[column] < 0).any() for run in runs for column in ("d_loss", "g_loss") if column in run.rows)
