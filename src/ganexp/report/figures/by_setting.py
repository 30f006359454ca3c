"""Figures that compare settings: intervals, heatmaps, importance, levels of each key, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ganexp.report.figures import svg
from ganexp.report.ranking import Ranking, Standing, geometric_mean
from ganexp.report.settings import level_key, level_order, short_key
from ganexp.report.statistics.importance import Importance

SHOWN = 30  # settings in one figure of intervals
PANELS = 12  # heatmaps in one figure
MOST_LEVELS = 24  # of a key that is crossed
LINES = 400  # more lines than this are drawn as a picture


def intervals(ranking: Ranking, name: str) -> svg.Drawing | None:
    """Every setting's value with its interval and its seeds, best on top."""
    standings = ranking.ranked[:SHOWN]
    if not standings:
        return None
    objective = ranking.objective or ""
    sheet = svg.figure(8, 1.2 + 0.26 * len(standings))
    axes = sheet.subplots()
    for row, standing in enumerate(standings):
        _interval(axes, row, standing, objective)
    floor = standings[0].floor(objective)
    if floor and floor > 0:
        axes.axvline(floor, color=svg.MUTED, linestyle=":", linewidth=1.2)
        axes.annotate("floor", (floor, -0.9), fontsize=8, color=svg.MUTED, ha="center", annotation_clip=False)
    _log_where_wide(axes, "x", values_of(ranking.ranked))
    axes.set_yticks(range(len(standings)), [svg.clean(standing.name) for standing in standings])
    axes.set_ylim(len(standings) - 0.4, -1.1)
    svg.style(axes, x=f"{objective} ({'lower' if ranking.direction == 'minimise' else 'higher'} is better)", grid="x")
    alt = f"{objective} of {len(standings)} settings on {ranking.dataset}, best on top: {standings[0].name} first."
    caption = (
        f"Diamond: the best{', as chosen on half A' if ranking.halves else ''}. Circles: cannot be told from it (or no "
        "claim is made). Squares: worse, family-wise. Bars: 95 % intervals for the mean over new seeds, each its "
        f"own. Ticks: single seeds.{' Values on half B.' if ranking.halves else ''}"
    )
    return svg.finish(sheet, f"{name}-intervals", alt, caption)


def _interval(axes: Any, row: int, standing: Standing, objective: str) -> None:
    estimate = standing.estimate
    assert estimate is not None
    if standing.rank == 1:
        colour, marker = svg.COLOURS[1], "D"
    elif standing.together is not False:
        colour, marker = svg.COLOURS[0], "o"
    else:
        colour, marker = svg.GREY, "s"
    if estimate.low is not None:
        axes.plot([estimate.low, estimate.high or 0], [row, row], color=colour, linewidth=2)
    seeds = [run.value(objective) or math.nan for run in standing.done]
    axes.plot(seeds, [row] * len(seeds), "|", color=colour, markersize=7, alpha=0.7)
    axes.plot([estimate.value], [row], marker, color=colour, markersize=6)


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
    norm = _norm(values_of(standings))
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
    counts = {key: len(levels) for key, levels in _levels(standings).items() if 1 < len(levels) <= MOST_LEVELS}
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


def shares(importance: Importance, name: str, dataset: str) -> svg.Drawing | None:
    """Importance as bars."""
    bars = list(importance.shares.items())[:15]
    if not bars:
        return None
    sheet = svg.figure(7, 0.8 + 0.27 * len(bars))
    axes = sheet.subplots()
    names = [svg.clean(" x ".join(short_key(part) for part in key.split(" x "))) for key, _ in bars]
    axes.barh(range(len(bars)), [100 * value for _, value in bars], color=svg.COLOURS[0], height=0.65)
    for row, (_, value) in enumerate(bars):
        axes.annotate(f" {100 * value:.1f} %", (100 * value, row), va="center", fontsize=8, color=svg.INK)
    axes.set_yticks(range(len(bars)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    svg.style(axes, x="share of the variance, %" if importance.method == "anova" else "importance, %", grid="x")
    listed = ", ".join(f"{key} {100 * value:.0f} %" for key, (_, value) in zip(names, bars, strict=True))
    caption = {
        "anova": "Shares of the variance of log(objective) over the full grid; residual: what seed and setting leave.",
        "ped-anova": "PED-ANOVA: what tells the best tenth of the runs from the rest; shares of what the keys explain.",
    }[importance.method]
    return svg.finish(sheet, f"{name}-importance", f"Importance on {dataset}: {listed}", caption)


def marginals(ranking: Ranking, name: str) -> svg.Drawing | None:
    """For each key, the settings at each of its levels and their geometric mean."""
    standings = ranking.ranked
    keys = [key for key, levels in _levels(standings).items() if 1 < len(levels) <= 12][:6]
    if not keys or ranking.objective is None:
        return None
    wide = min(3, len(keys))
    sheet, grid = svg.panels(len(keys), wide, 3.3 * wide, 2.7 * -(-len(keys) // wide))
    for number, (key, axes) in enumerate(zip(keys, grid.flat, strict=False)):
        levels = level_order(dict(standing.setting)[key] for standing in standings)
        means = []
        for place, level in enumerate(levels):
            values = values_of([standing for standing in standings if dict(standing.setting)[key] == level])
            axes.plot([place] * len(values), values, "o", color=svg.GREY, markersize=3, alpha=0.6)
            means.append(geometric_mean(values) or math.nan)
        axes.plot(range(len(levels)), means, "D-", color=svg.COLOURS[0], markersize=5)
        _log_where_wide(axes, "y", values_of(ranking.ranked))
        svg.style(axes, title=short_key(key), y=ranking.objective if number % wide == 0 else "", grid="y")
        texts = [svg.clean(level, 12) for level in levels]
        axes.set_xticks(range(len(levels)), texts, rotation=0 if len(levels) < 6 else 40)
    alt = f"{ranking.objective} on {ranking.dataset} against each key that varies: {', '.join(map(short_key, keys))}."
    return svg.finish(sheet, f"{name}-marginals", alt, "Points: settings. Diamonds: geometric mean at that level.")


def parallel(ranking: Ranking, name: str) -> svg.Drawing | None:
    """Parallel coordinates: a line per setting, coloured by its value."""
    standings = ranking.ranked
    levels = {key: each for key, each in _levels(standings).items() if len(each) > 1}
    if len(levels) < 2 or ranking.objective is None:
        return None
    names = [*levels, ranking.objective]
    norm = _norm(values_of(standings))
    sheet = svg.figure(min(11.0, 1.6 * len(names) + 1.5), 3.6)
    axes = sheet.subplots()
    _setting_lines(axes, standings, levels, norm)
    for place, key in enumerate(levels):
        for index, level in enumerate(levels[key]):
            _annotate(axes, svg.clean(level, 12), (place, index / (len(levels[key]) - 1)), 3)
    for share in (0.0, 0.5, 1.0):
        _annotate(axes, f"{norm.inverse(share):.3g}", (len(names) - 1, share), -3)
    svg.style(axes, grid="x")
    axes.set_xticks(range(len(names)), [svg.clean(short_key(key), 16) for key in names])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.margins(x=0.06)
    alt = (
        f"Parallel coordinates of {len(standings)} settings on {ranking.dataset}; the best one is {standings[0].name}."
    )
    caption = f"A line per setting, the best one thick; the last axis is {ranking.objective}."
    return svg.finish(sheet, f"{name}-parallel", alt, caption)


def _setting_lines(axes: Any, standings: Sequence[Standing], levels: dict[str, list[str]], norm: Any) -> None:
    from matplotlib import colormaps

    jitter = np.linspace(-0.025, 0.025, len(standings))
    values = [float(norm(value)) for value in values_of(standings)]
    for number, (standing, value) in reversed(list(enumerate(zip(standings, values, strict=True)))):
        places = [levels[key].index(dict(standing.setting)[key]) / (len(levels[key]) - 1) for key in levels]
        best = number == 0
        axes.plot(
            [*(place + jitter[number] for place in places), value],
            color=svg.COLOURS[1] if best else colormaps[svg.SCALE](0.3 + 0.65 * value),
            linewidth=3 if best else 1.0,
            alpha=1.0 if best else 0.75,
            rasterized=len(standings) > LINES,
        )


def _annotate(axes: Any, text: str, place: tuple[float, float], above: int) -> None:
    axes.annotate(text, place, fontsize=8, color=svg.INK, xytext=(4, above), textcoords="offset points")


def _levels(standings: Sequence[Standing]) -> dict[str, list[str]]:
    keys = [key for key, _ in standings[0].setting] if standings else []
    return {key: level_order(dict(standing.setting)[key] for standing in standings) for key in keys}


def values_of(standings: Sequence[Standing]) -> list[float]:
    """The settings' values of the objective."""
    return [standing.estimate.value for standing in standings if standing.estimate]


def _norm(values: Sequence[float]) -> Any:
    """matplotlib's mapping of values to [0, 1]: logarithmic where they span more than threefold."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = min(values), max(values)
    high = high if high > low else low + abs(low) * 0.01 + 1e-9
    return LogNorm(low, high) if low > 0 and high / low > 3 else Normalize(low, high)


def _log_where_wide(axes: Any, name: Literal["x", "y"], values: Sequence[float]) -> None:
    if values and min(values) > 0 and max(values) / min(values) >= 3:
        svg.log_scale(axes, name)
