"""Losses and equilibrium of each training, small multiples: a panel a setting, a line a seed."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganexp.report.figures import svg
from ganexp.report.ranking import Ranking
from ganexp.report.runs import RunRecord
from ganexp.report.settings import Setting
from ganexp.report.text.phrases import named_setting, say

MULTIPLES = 30  # panels of losses in one figure

LOSSES = {"d_loss": ("discriminator", svg.COLOURS[0], "-"), "g_loss": ("generator", svg.COLOURS[1], "--")}
# Column of metrics.csv -> name, colour and dashes of its line.
PROBABILITIES = {
    "d_real": ("real, training", svg.COLOURS[0], "-"),
    "d_heldout": ("real, held out", svg.COLOURS[2], "-."),
    "d_generated": ("generated", svg.COLOURS[1], "--"),
    "d_near_half": ("share within 0.4 to 0.6", svg.COLOURS[3], ":"),
}


def losses(ranking: Ranking, name: str) -> svg.Drawing | None:
    """Both losses of every run, small, each on a scale of its own; the seeds of a setting in one panel."""
    trainings = _trainings(ranking)
    if not trainings:
        return None
    sheet, grid = _small_panels(len(trainings), sharey=False)
    for axes, runs in zip(grid.flat, trainings, strict=False):
        _lines(axes, runs, LOSSES)
        if _has(runs, "d_heldout"):
            axes.axhline(math.log(4), color=svg.MUTED, linestyle=":", linewidth=1)
        warmup = runs[0].values.get("loss.warmup_epochs")
        if isinstance(warmup, int) and 0 < warmup < runs[0].epochs:
            axes.axvline(warmup + 0.5, color=svg.MUTED, linestyle="-.", linewidth=0.8)
        axes.set_ylim(*_limits(runs))
        _finish_panel(axes, runs[0])
    _one_legend(sheet, grid.flat[0])
    alt = f"Discriminator and generator loss of {len(trainings)} settings on {ranking.dataset}, against epochs."
    caption = (
        "A line per seed. Dotted: log 4, the discriminator's loss at equilibrium. Dash-dotted: end of the warm-up. A "
        "scale for each panel; its highest percent is cut off." + _left_out(ranking, trainings)
    )
    return svg.Drawing(f"{name}-losses", alt, caption, sheet)


def equilibrium(ranking: Ranking, name: str) -> svg.Drawing | None:
    """Mean D on real, held-out and generated images, and the share near one half, of every run."""
    trainings = [runs for runs in _trainings(ranking) if _has(runs, "d_heldout")]
    if not trainings:
        return None
    sheet, grid = _small_panels(len(trainings))
    for axes, runs in zip(grid.flat, trainings, strict=False):
        _lines(axes, runs, PROBABILITIES)
        axes.axhline(0.5, color=svg.MUTED, linestyle=":", linewidth=1)
        _finish_panel(axes, runs[0])
    grid.flat[0].set_ylim(-0.03, 1.03)
    _one_legend(sheet, grid.flat[0])
    alt = f"Mean D of {len(trainings)} settings on {ranking.dataset} on real, held-out and generated images, by epoch."
    caption = "At equilibrium D gives 0.5 to each image: all lines at the dotted one, and the share near one half at 1."
    return svg.Drawing(f"{name}-equilibrium", alt, caption + _left_out(ranking, trainings), sheet)


def training_setting(setting: Setting) -> Setting:
    """The setting without its epochs: equal for all runs of one training."""
    return tuple((key, value) for key, value in setting if key != "trainer.epochs")


def _trainings(ranking: Ranking) -> list[list[RunRecord]]:
    """The longest run of each trajectory, seeds of a setting together, best settings first; at most MULTIPLES."""
    groups: dict[Setting, dict[str, RunRecord]] = {}
    for standing in ranking.standings:
        group = groups.setdefault(training_setting(standing.setting), {})
        for run in standing.runs:
            other = group.get(run.trajectory_id)
            if len(run.rows) and (other is None or len(run.rows) > len(other.rows)):
                group[run.trajectory_id] = run
    return [list(group.values()) for group in groups.values() if group][:MULTIPLES]


def _has(runs: Sequence[RunRecord], column: str) -> bool:
    return any(column in run.rows and run.rows[column].notna().any() for run in runs)


def _left_out(ranking: Ranking, trainings: Sequence[Sequence[RunRecord]]) -> str:
    drawn = {run.trajectory_id for runs in trainings for run in runs}
    count = len({run.trajectory_id for standing in ranking.standings for run in standing.runs} - drawn)
    return f" Not drawn: {count} trainings; each has a losses.png in its folder." if count else ""


def _small_panels(count: int, *, sharey: bool = True) -> tuple[Any, Any]:
    wide = min(4, count)
    return svg.panels(count, wide, 2.6 * wide + 0.6, 1.75 * -(-count // wide) + 0.6, sharey=sharey)


def _lines(axes: Any, runs: Sequence[RunRecord], lines: dict[str, tuple[str, str, str]]) -> None:
    for run in runs:
        for column, (words, colour, dashes) in lines.items():
            if column in run.rows:
                look = {"color": colour, "linestyle": dashes, "linewidth": 0.9, "label": say(words)}
                axes.plot(run.rows["epoch"], run.rows[column], **look)


def _finish_panel(axes: Any, run: RunRecord) -> None:
    setting = training_setting(run.setting)
    words = named_setting(setting) if setting else say("seed {seed}", seed=run.seed)
    svg.style(axes, title="\n".join(textwrap.wrap(svg.clean(words, 110), 42)), size=7)
    axes.locator_params(nbins=4)


def _one_legend(sheet: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    place = {"loc": "outside upper left", "ncols": 4}
    sheet.supxlabel(say("epochs"), fontsize=8, color=svg.INK)
    sheet.legend(list(unique.values()), list(unique), fontsize=8, frameon=False, labelcolor=svg.INK, **place)


def _limits(runs: Sequence[RunRecord]) -> tuple[float, float]:
    """Limits of a panel's loss axis, which cut off the highest percent."""
    values = pd.concat([run.rows[column] for run in runs for column in LOSSES if column in run.rows])
    sizes = values[np.isfinite(values)].abs()
    high = 1.05 * float(sizes.quantile(0.99)) if len(sizes) else 1.0
    high = high if high > 0 else 1.0
    return -high if (values < 0).any() else 0.0, high
