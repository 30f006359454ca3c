"""Figures that compare settings: intervals, heatmaps, importance, levels of each key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ganexp.report.figures import svg
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.settings import key_names, level_key, level_order, short_key
from ganexp.report.statistics.importance import Importance
from ganexp.report.statistics.means import geometric_mean
from ganexp.report.text.phrases import decimal, named, named_setting, say, spoken

SHOWN = 30  # settings in one figure of intervals
PANELS = 12  # heatmaps in one figure
MOST_LEVELS = 24  # of a key that is crossed
FEW = 12  # levels of a key that stand side by side; more, if numbers, on an axis


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
    _log_where_wide(axes, "x", values_of(ranking.ranked))
    floor = standings[0].floor(objective)
    low, high = axes.get_xlim()
    if floor is not None and low <= floor <= high:  # else it would take the width from the settings
        axes.axvline(floor, color=svg.MUTED, linestyle=":", linewidth=1.2)
        axes.annotate(say("floor"), (floor, -0.9), fontsize=8, color=svg.MUTED, ha="center", annotation_clip=False)
    axes.set_yticks(range(len(standings)), [svg.clean(named_setting(standing.setting), 76) for standing in standings])
    axes.set_ylim(len(standings) - 0.4, -1.1)
    better = "lower" if ranking.direction == "minimise" else "higher"
    svg.style(axes, x=say(f"{{objective}} ({better} is better)", objective=objective), grid="x")
    alt = f"{objective} of {len(standings)} settings on {ranking.dataset}, best on top: {standings[0].name} first."
    left_out = len(ranking.ranked) - len(standings)
    caption = (
        f"Diamond: the best{', as chosen on half A' if ranking.halves else ''}. Circles: cannot be told from it (or no "
        "claim is made). Squares: worse, family-wise. Bars: 95 % intervals for the mean over new seeds, each its "
        f"own. Ticks: single seeds.{' Values on half B.' if ranking.halves else ''}"
        + (f" The floor, real against real, is {floor:.3g}." if floor is not None else "")
        + (
            f" The best {len(standings)} of {len(ranking.ranked)} settings: the others are in the table."
            * (left_out > 0)
        )
    )
    return svg.Drawing(f"{name}-intervals", alt, caption, sheet)


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
    (across, down), names = crossed, key_names(crossed)
    settings = [dict(standing.setting) for standing in standings]
    columns, rows = (level_order(setting[key] for setting in settings) for key in crossed)
    rest = {tuple((key, s[key]) for key in s if key not in crossed) for s in settings}
    groups = sorted(rest, key=lambda group: [level_key(value) for _, value in group])
    hidden, groups = len(groups) - PANELS, groups[:PANELS]
    norm = _norm(values_of(standings))
    colours = f"{svg.SCALE}_r" if ranking.direction == "minimise" else svg.SCALE  # the best is the brightest
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
        image = axes.imshow(cells, cmap=colours, norm=norm, aspect="auto")
        _write_cells(axes, cells, image)
        if all(settings[0][key] == level for key, level in group):
            _mark(axes, columns.index(settings[0][across]), rows.index(settings[0][down]))
        svg.style(axes, title=svg.clean(named_setting(group), 30), grid="")
        axes.set_xticks(range(len(columns)), [svg.clean(spoken(column), 14) for column in columns])
        axes.set_yticks(range(len(rows)), [svg.clean(spoken(row), 18) for row in rows])
        below = svg.clean(named(names[across])) if number >= len(groups) - wide else ""
        axes.set_xlabel(below, fontsize=9, color=svg.INK)
        axes.set_ylabel(svg.clean(named(names[down])) if number % wide == 0 else "", fontsize=9, color=svg.INK)
    _colour_bar(sheet, image, grid, norm, ranking.objective)
    more = f" {hidden} more panels are not drawn." if hidden > 0 else ""
    alt = f"Heatmaps of {ranking.objective} on {ranking.dataset}: {names[across]} across, {names[down]} down."
    caption = f"{ranking.objective} on half B, one colour scale for all panels, the better the brighter; framed: the "
    caption += f"first setting; empty cells are not ranked.{more}"
    return svg.Drawing(f"{name}-heatmaps", alt, caption, sheet)


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


def _mark(axes: Any, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    frame = Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=svg.COLOURS[1], linewidth=2.5)
    axes.add_patch(frame)


def _write_cells(axes: Any, cells: Any, image: Any) -> None:
    for (row, column), value in np.ndenumerate(cells):
        text, colour = "–", svg.MUTED
        if np.isfinite(value):
            light = sum(image.cmap(image.norm(value))[:3]) > 1.5
            text, colour = decimal(f"{value:.3g}"), "#111111" if light else "#ffffff"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


def shares(importance: Importance, name: str, dataset: str) -> svg.Drawing | None:
    """Importance as bars."""
    bars = list(importance.shares.items())[:15]
    if not bars:
        return None
    sheet = svg.figure(7, 0.8 + 0.27 * len(bars))
    axes = sheet.subplots()
    names = [svg.clean(" x ".join(named(short_key(part)) for part in key.split(" x "))) for key, _ in bars]
    axes.barh(range(len(bars)), [100 * value for _, value in bars], color=svg.COLOURS[0], height=0.65)
    for row, (key, value) in enumerate(bars):
        low, high = importance.ranges.get(key, (value, value))
        axes.plot([100 * low, 100 * high], [row, row], color=svg.INK, linewidth=1)
        text: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(decimal(f"{100 * value:.1f} %"), (100 * max(0.0, value, high), row), color=svg.INK, **text)
    axes.set_yticks(range(len(bars)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    svg.style(axes, x=say("share of the variance, %" if importance.method == "anova" else "importance, %"), grid="x")
    listed = ", ".join(f"{key} {100 * value:.0f} %" for key, (_, value) in zip(names, bars, strict=True))
    caption = {
        "anova": "Shares of the variance of log(objective) over the full grid; residual: what seed and setting leave.",
        "ped-anova": "PED-ANOVA: what tells the best tenth of the runs from the rest; shares of what the keys explain. "
        "Pruned runs count with their last value; lines: 90 % of the shares when the runs are drawn again.",
    }[importance.method]
    return svg.Drawing(f"{name}-importance", f"Importance on {dataset}: {listed}", caption, sheet)


def marginals(ranking: Ranking, name: str) -> svg.Drawing | None:
    """For each key, the settings at each of its levels and their geometric mean; numbers of any count on an axis."""
    standings = ranking.ranked
    levels = {key: each for key, each in _levels(standings).items() if len(each) > 1}
    keys = [key for key, each in levels.items() if len(each) <= FEW or _numbers(each)][:6]
    if not keys or ranking.objective is None:
        return None
    wide, names = min(3, len(keys)), key_names(keys)
    sheet, grid = svg.panels(len(keys), wide, 3.3 * wide, 2.7 * -(-len(keys) // wide))
    for number, (key, axes) in enumerate(zip(keys, grid.flat, strict=False)):
        numbers = _numbers(levels[key]) if len(levels[key]) > FEW else None
        places = dict(zip(levels[key], numbers or range(len(levels[key])), strict=True))
        _at_levels(axes, standings, key, places)
        _log_where_wide(axes, "y", values_of(standings))
        svg.style(axes, title=svg.clean(named(names[key])), y=ranking.objective if number % wide == 0 else "", grid="y")
        if numbers is None:
            texts = [svg.clean(spoken(level), 12) for level in places]
            axes.set_xticks(range(len(places)), texts, rotation=0 if len(places) < 6 else 40)
        else:
            _log_where_wide(axes, "x", numbers)
    alt = f"{ranking.objective} on {ranking.dataset} against each key that varies: {', '.join(names.values())}."
    caption = "Points: settings. Diamonds: geometric mean at a level, where few levels have several settings each."
    return svg.Drawing(f"{name}-marginals", alt, caption, sheet)


def _at_levels(axes: Any, standings: Sequence[Standing], key: str, places: Mapping[str, float]) -> None:
    """Settings as points, and their geometric means where the levels are few."""
    means = []
    for level, place in places.items():
        values = values_of([standing for standing in standings if dict(standing.setting)[key] == level])
        axes.plot([place] * len(values), values, "o", color=svg.GREY, markersize=3, alpha=0.6)
        means.append(geometric_mean(values) or math.nan)
    if len(places) <= FEW:
        axes.plot(list(places.values()), means, "D-", color=svg.COLOURS[0], markersize=5)


def _numbers(levels: Sequence[str]) -> list[float] | None:
    """Levels as finite numbers, or None where one is something else."""
    try:
        numbers = [float(level) for level in levels]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


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
    """A logarithmic axis where values span threefold or more."""
    if values and min(values) > 0 and max(values) / min(values) >= 3:
        svg.log_scale(axes, name)
