"""Figures that compare settings: intervals, heatmaps, what matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganexp.report.collect import short_key
from ganexp.report.draw import (
    COLOURS,
    GREY,
    INK,
    MUTED,
    SCALE,
    Drawing,
    clean,
    figure,
    finish,
    level_order,
    log_axis,
    style,
)
from ganexp.report.findings import Ranking, Standing, mean_like
from ganexp.report.importance import Importance

SHOWN = 30
"""Settings in one figure of intervals."""

PANELS = 12
"""Heatmaps in one figure."""

LINES = 400
"""More lines than this are drawn as a picture."""


def intervals(ranking: Ranking, name: str) -> Drawing | None:
    """Every setting's value with its interval and its seeds, best on top."""
    shown = [each for each in ranking.ranked[:SHOWN] if each.estimate is not None]
    if not shown:
        return None
    objective = ranking.objective or ""
    drawn = figure(8, 1.2 + 0.26 * len(shown))
    axes = drawn.subplots()
    for row, each in enumerate(shown):
        assert each.estimate is not None
        best = each.rank == 1
        colour = COLOURS[1] if best else COLOURS[0] if each.together is not False else GREY
        if each.estimate.low is not None:
            axes.plot([each.estimate.low, each.estimate.high or 0], [row, row], color=colour, linewidth=2)
        seeds = [run.value(objective) or math.nan for run in each.done]
        axes.plot(seeds, [row] * len(seeds), "|", color=colour, markersize=7, alpha=0.7)
        marker = "D" if best else "o" if each.together is not False else "s"
        axes.plot([each.estimate.value], [row], marker, color=colour, markersize=6)
    floor = shown[0].floor(objective)
    if floor and floor > 0:
        axes.axvline(floor, color=MUTED, linestyle=":", linewidth=1.2)
        axes.annotate("floor", (floor, -0.9), fontsize=8, color=MUTED, ha="center", annotation_clip=False)
    _maybe_log(axes, ranking)
    axes.set_yticks(range(len(shown)), [clean(each.name) for each in shown])
    axes.set_ylim(len(shown) - 0.4, -1.1)
    style(axes, x=f"{objective} ({'lower' if ranking.direction == 'minimise' else 'higher'} is better)", grid="x")
    alt = f"{objective} of {len(shown)} settings on {ranking.dataset}, best on top: {shown[0].name} first."
    caption = (
        f"Diamond: the best{', as chosen on half A' if ranking.halves else ''}. Circles: cannot be told from it (or no "
        "claim is made). Squares: worse, family-wise. Bars: 95 % intervals for the mean over new seeds, each its "
        f"own. Ticks: single seeds.{' Values on half B.' if ranking.halves else ''}"
    )
    return finish(drawn, f"{name}-intervals", alt, caption)


def heatmaps(ranking: Ranking, name: str) -> Drawing | None:
    """Two keys crossed, a panel for each combination of the others, one colour scale."""
    shown = [each for each in ranking.ranked if each.estimate is not None]
    axes_keys = _axes_keys(shown)
    if axes_keys is None or ranking.objective is None:
        return None
    across, down = axes_keys
    settings = [dict(each.setting) for each in shown]
    columns, rows = (level_order([setting[key] for setting in settings]) for key in (across, down))
    rest = [key for key in settings[0] if key not in axes_keys]
    panels = sorted(
        {tuple((key, s[key]) for key in rest) for s in settings}, key=lambda p: [level_key(v) for _, v in p]
    )
    hidden, panels = len(panels) - PANELS, panels[:PANELS]
    values = [each.estimate.value for each in shown if each.estimate]
    norm = _norm(values)
    wide = min(len(panels), 3)
    high = -(-len(panels) // wide)
    size = max(2.1, 0.72 * len(columns) + 0.6)
    drawn = figure(min(11, wide * size + 1.4), high * (0.5 * len(rows) + 0.95))
    grid = drawn.subplots(high, wide, squeeze=False, sharex=True, sharey=True)
    image: Any = None
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_visible(False)
            continue
        cells = np.full((len(rows), len(columns)), np.nan)
        for each, setting in zip(shown, settings, strict=True):
            if tuple((key, setting[key]) for key in rest) == panels[number] and each.estimate:
                cells[rows.index(setting[down]), columns.index(setting[across])] = each.estimate.value
        image = axes.imshow(cells, cmap=SCALE, norm=norm, aspect="auto")
        _write_cells(axes, cells, norm)
        style(axes, title=", ".join(f"{short_key(k)} {v}" for k, v in panels[number]), grid="")
        axes.set_xticks(range(len(columns)), [clean(c, 14) for c in columns])
        axes.set_yticks(range(len(rows)), [clean(r, 18) for r in rows])
        axes.set_xlabel(clean(short_key(across)) if number >= len(panels) - wide else "", fontsize=9, color=INK)
        axes.set_ylabel(clean(short_key(down)) if number % wide == 0 else "", fontsize=9, color=INK)
    bar = drawn.colorbar(image, ax=list(grid.flat), shrink=0.9, aspect=12)
    if norm.vmin > 0 and norm.vmax / norm.vmin > 3:
        log_axis(bar.ax.yaxis)
    bar.ax.tick_params(which="both", labelsize=8, labelcolor=INK, color=MUTED)
    bar.set_label(clean(ranking.objective), fontsize=9, color=INK)
    more = f" {hidden} more panels are not drawn." if hidden > 0 else ""
    alt = f"Heatmaps of {ranking.objective} on {ranking.dataset}: {short_key(across)} across, {short_key(down)} down."
    caption = f"{ranking.objective} on half B, one colour scale for all panels; empty cells are not ranked.{more}"
    return finish(drawn, f"{name}-heatmaps", alt, caption)


def shares(importance: Importance, name: str, dataset: str) -> Drawing | None:
    """Importance as bars."""
    found = list(importance.shares.items())[:15]
    if not found:
        return None
    drawn = figure(7, 0.8 + 0.27 * len(found))
    axes = drawn.subplots()
    names = [clean(" x ".join(short_key(part) for part in key.split(" x "))) for key, _ in found]
    axes.barh(range(len(found)), [100 * value for _, value in found], color=COLOURS[0], height=0.65)
    for row, (_, value) in enumerate(found):
        axes.annotate(f" {100 * value:.1f} %", (100 * value, row), va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(found)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    style(axes, x="share of the variance, %" if importance.method == "anova" else "importance, %", grid="x")
    alt = f"Importance on {dataset}: " + ", ".join(
        f"{n} {100 * v:.0f} %" for n, (_, v) in zip(names, found, strict=True)
    )
    caption = {
        "anova": "Shares of the variance of log(objective) over the full grid; residual: what seed and setting leave.",
        "ped-anova": "PED-ANOVA: what tells the best tenth of the runs from the rest; shares of what the keys explain.",
    }[importance.method]
    return finish(drawn, f"{name}-importance", alt, caption)


def marginals(ranking: Ranking, name: str) -> Drawing | None:
    """For each key, the settings at each of its levels and their geometric mean."""
    shown = [each for each in ranking.ranked if each.estimate is not None]
    keys = [key for key, levels in _levels(shown).items() if 1 < len(levels) <= 12][:6]
    if not keys or ranking.objective is None:
        return None
    wide = min(3, len(keys))
    drawn = figure(3.3 * wide, 2.7 * -(-len(keys) // wide))
    grid = drawn.subplots(-(-len(keys) // wide), wide, squeeze=False, sharey=True)
    for number, axes in enumerate(grid.flat):
        if number >= len(keys):
            axes.set_visible(False)
            continue
        levels = level_order([dict(each.setting)[keys[number]] for each in shown])
        means = []
        for place, level in enumerate(levels):
            found = [e.estimate.value for e in shown if e.estimate and dict(e.setting)[keys[number]] == level]
            axes.plot([place] * len(found), found, "o", color=GREY, markersize=3, alpha=0.6)
            means.append(mean_like(found) or math.nan)
        axes.plot(range(len(levels)), means, "D-", color=COLOURS[0], markersize=5)
        _maybe_log(axes, ranking, "y")
        style(axes, title=short_key(keys[number]), y=ranking.objective if number % wide == 0 else "", grid="y")
        axes.set_xticks(
            range(len(levels)), [clean(level, 12) for level in levels], rotation=0 if len(levels) < 6 else 40
        )
    alt = f"{ranking.objective} on {ranking.dataset} against each key that varies: {', '.join(map(short_key, keys))}."
    return finish(drawn, f"{name}-marginals", alt, "Points: settings. Diamonds: geometric mean at that level.")


def parallel(ranking: Ranking, name: str) -> Drawing | None:
    """Parallel coordinates: a line per setting, coloured by its value."""
    from matplotlib import colormaps

    shown = [each for each in ranking.ranked if each.estimate is not None]
    levels = {key: found for key, found in _levels(shown).items() if len(found) > 1}
    if len(levels) < 2 or ranking.objective is None:
        return None
    names = [*levels, ranking.objective]
    values = [each.estimate.value for each in shown if each.estimate]
    norm = _norm(values)
    drawn = figure(min(11.0, 1.6 * len(names) + 1.5), 3.6)
    axes = drawn.subplots()
    jitter = np.linspace(-0.025, 0.025, len(shown))
    for number, (each, value) in reversed(list(enumerate(zip(shown, values, strict=True)))):
        places = [levels[key].index(dict(each.setting)[key]) / (len(levels[key]) - 1) for key in levels]
        line = [*(place + jitter[number] for place in places), float(norm(value))]
        best = number == 0
        axes.plot(
            line,
            color=COLOURS[1] if best else colormaps[SCALE](0.3 + 0.65 * float(norm(value))),
            linewidth=3 if best else 1.0,
            alpha=1.0 if best else 0.75,
            rasterized=len(shown) > LINES,
        )
    for place, key in enumerate(levels):
        for index, level in enumerate(levels[key]):
            axes.annotate(
                clean(level, 12),
                (place, index / (len(levels[key]) - 1)),
                fontsize=8,
                color=INK,
                xytext=(4, 3),
                textcoords="offset points",
            )
    for share in (0.0, 0.5, 1.0):
        axes.annotate(
            f"{norm.inverse(share):.3g}",
            (len(names) - 1, share),
            fontsize=8,
            color=INK,
            xytext=(4, -3),
            textcoords="offset points",
        )
    style(axes, grid="x")
    axes.set_xticks(range(len(names)), [clean(short_key(key), 16) for key in names])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.margins(x=0.06)
    alt = f"Parallel coordinates of {len(shown)} settings on {ranking.dataset}; the best one is {shown[0].name}."
    return finish(
        drawn, f"{name}-parallel", alt, f"A line per setting, the best one thick; the last axis is {ranking.objective}."
    )


def level_key(text: str) -> tuple[int, float, str]:
    """Numbers by size, then texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _levels(shown: Sequence[Standing]) -> dict[str, list[str]]:
    keys = [key for key, _ in shown[0].setting] if shown else []
    return {key: level_order([dict(each.setting)[key] for each in shown]) for key in keys}


def _axes_keys(shown: Sequence[Standing]) -> tuple[str, str] | None:
    """Batch size across and learning rate down where they vary, else the two keys with most levels."""
    levels = {key: len(found) for key, found in _levels(shown).items() if len(found) > 1}
    if len(levels) < 2:
        return None
    if max(levels.values()) > 24:
        levels = {key: count for key, count in levels.items() if count <= 24}
        if len(levels) < 2:
            return None
    favourites = {"trainer.batch_size": 2, "optim.lr": 1}
    order = sorted(levels, key=lambda key: (key == "trainer.epochs", -favourites.get(key, 0), -levels[key]))
    return order[0], order[1]


def _norm(values: Sequence[float]) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    low, high = min(values), max(values)
    high = high if high > low else low + abs(low) * 0.01 + 1e-9
    return LogNorm(low, high) if low > 0 and high / low > 3 else Normalize(low, high)


def _maybe_log(axes: Any, ranking: Ranking, axis: str = "x") -> None:
    """A logarithmic axis where values span a lot."""
    values = [each.estimate.value for each in ranking.ranked if each.estimate]
    if not values or min(values) <= 0 or max(values) / min(values) < 3:
        return
    getattr(axes, f"set_{axis}scale")("log")
    log_axis(axes.xaxis if axis == "x" else axes.yaxis)


def _write_cells(axes: Any, cells: Any, norm: Any) -> None:
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            dark = float(norm(value)) < 0.55
            axes.text(
                column,
                row,
                f"{value:.3g}",
                ha="center",
                va="center",
                fontsize=8,
                color="#ffffff" if dark else "#111111",
            )
        else:
            axes.text(column, row, "–", ha="center", va="center", fontsize=8, color=MUTED)
