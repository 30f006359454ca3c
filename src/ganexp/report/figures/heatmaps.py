"""Heatmaps: two keys crossed, a panel for each combination of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganexp.report.figures import svg
from ganexp.report.figures.by_setting import levels_of, norm_of, values_of
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.settings import level_key, level_order, short_key

PANELS = 12  # heatmaps in one figure
MOST_LEVELS = 24  # of a key that is crossed


def heatmaps(ranking: Ranking, name: str) -> svg.Drawing | None:
    """The objective by two keys, one colour scale for all panels."""
    standings = ranking.ranked
    crossed = _crossed_keys(standings)
    if crossed is None or ranking.objective is None:
        return None
    across, down = crossed
    settings = [dict(standing.setting) for standing in standings]
    columns, rows = (level_order(setting[key] for setting in settings) for key in crossed)
    rest = {tuple((key, s[key]) for key in s if key not in crossed) for s in settings}
    groups = sorted(rest, key=lambda group: [level_key(value) for _, value in group])
    hidden, groups = len(groups) - PANELS, groups[:PANELS]
    norm = norm_of(values_of(standings))
    wide = min(len(groups), 3)
    high = -(-len(groups) // wide)
    width = min(11, wide * max(2.1, 0.72 * len(columns) + 0.6) + 1.4)
    sheet, grid = svg.panels(len(groups), wide, width, high * (0.5 * len(rows) + 0.95), sharex=True)
    image: Any = None
    for number, (group, axes) in enumerate(zip(groups, grid.flat, strict=False)):
        cells = np.full((len(rows), len(columns)), np.nan)
        for value, setting in zip(values_of(standings), settings, strict=True):
            if all(setting[key] == level for key, level in group):
                cells[rows.index(setting[down]), columns.index(setting[across])] = value
        image = axes.imshow(cells, cmap=svg.SCALE, norm=norm, aspect="auto")
        _write_cells(axes, cells, norm)
        svg.style(axes, title=", ".join(f"{short_key(key)} {value}" for key, value in group), grid="")
        axes.set_xticks(range(len(columns)), [svg.clean(column, 14) for column in columns])
        axes.set_yticks(range(len(rows)), [svg.clean(row, 18) for row in rows])
        axes.set_xlabel(svg.clean(short_key(across)) if number >= len(groups) - wide else "", fontsize=9, color=svg.INK)
        axes.set_ylabel(svg.clean(short_key(down)) if number % wide == 0 else "", fontsize=9, color=svg.INK)
    _colour_bar(sheet, image, grid, norm, ranking.objective)
    more = f" {hidden} more panels are not drawn." if hidden > 0 else ""
    alt = f"Heatmaps of {ranking.objective} on {ranking.dataset}: {short_key(across)} across, {short_key(down)} down."
    caption = f"{ranking.objective} on half B, one colour scale for all panels; empty cells are not ranked.{more}"
    return svg.finish(sheet, f"{name}-heatmaps", alt, caption)


def _colour_bar(sheet: Any, image: Any, grid: Any, norm: Any, objective: str) -> None:
    bar = sheet.colorbar(image, ax=list(grid.flat), shrink=0.9, aspect=12)
    if norm.vmin > 0 and norm.vmax / norm.vmin > 3:
        svg.log_axis(bar.ax.yaxis)
    bar.ax.tick_params(which="both", labelsize=8, labelcolor=svg.INK, color=svg.MUTED)
    bar.set_label(svg.clean(objective), fontsize=9, color=svg.INK)


def _crossed_keys(standings: Sequence[Standing]) -> tuple[str, str] | None:
    """Batch size across and learning rate down where they vary, else the two keys with most levels."""
    counts = {key: len(levels) for key, levels in levels_of(standings).items() if 1 < len(levels) <= MOST_LEVELS}
    if len(counts) < 2:
        return None
    favourites = {"trainer.batch_size": 2, "optim.lr": 1}
    order = sorted(counts, key=lambda key: (key == "trainer.epochs", -favourites.get(key, 0), -counts[key]))
    return order[0], order[1]


def _write_cells(axes: Any, cells: Any, norm: Any) -> None:
    for (row, column), value in np.ndenumerate(cells):
        text, colour = "–", svg.MUTED
        if np.isfinite(value):
            text, colour = f"{value:.3g}", "#ffffff" if float(norm(value)) < 0.55 else "#111111"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
