"""losses.png: the losses of a run, and its discriminator's output on real and generated images. Without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganexp.files.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_4 = math.log(4.0)
"""Discriminator loss at equilibrium, where D = 1/2 everywhere: -2 log(1/2) (Goodfellow 2014, Theorem 1: the value
function is -log 4 there). It holds for the sum of both cross-entropies, which is what `d_loss` is."""

# Okabe & Ito's colours, which colour-blind readers can tell apart; line styles and markers differ as well.
BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#555555"


def losses_figure(path: Path | str, rows: Sequence[Mapping[str, float | None]], warmup_epochs: int) -> None:
    """Draw losses.png: both losses and, where D gives a probability, D on real, held-out and generated images.

    D columns of `rows` may be missing or None; without any value of `d_heldout` or `d_generated` the log 4 line, which
    holds for losses with a probability, and the right-hand panel are left out. The warm-up line is drawn once training
    has passed `warmup_epochs`, the epochs in which the generator used its warm-up loss (0: none).

    Raises:
        ValueError: no rows.
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("loss figure: expected at least one epoch, got none")
    probabilistic = any(row.get(column) is not None for row in rows for column in ("d_heldout", "d_generated"))
    figure = Figure(figsize=(11 if probabilistic else 6, 4.2), dpi=100, layout="constrained", facecolor="white")
    axes = figure.subplots(1, 2 if probabilistic else 1, squeeze=False)[0]
    _draw_losses(axes[0], rows, warmup_epochs, with_equilibrium=probabilistic)
    if probabilistic:
        _draw_probabilities(axes[1], rows)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_losses(
    axes: Axes, rows: Sequence[Mapping[str, float | None]], warmup_epochs: int, with_equilibrium: bool
) -> None:
    _curve(axes, rows, "d_loss", "discriminator", BLUE, "o-")
    _curve(axes, rows, "g_loss", "generator", VERMILLION, "s--")
    if with_equilibrium:
        axes.axhline(LOG_4, color=GREY, linestyle=":", linewidth=1.5, label="log 4 (equilibrium)")
    if 0 < warmup_epochs < max(row["epoch"] or 0 for row in rows):
        axes.axvline(
            warmup_epochs + 0.5,
            color=GREY,
            linestyle=(0, (6, 2, 1, 2)),
            linewidth=1.2,
            label=f"warm-up ends (epoch {warmup_epochs})",
        )
    _finish(axes, "Losses, mean of each epoch", "loss")


def _draw_probabilities(axes: Axes, rows: Sequence[Mapping[str, float | None]]) -> None:
    _curve(axes, rows, "d_real", "real, training (train mode)", BLUE, "o-")
    _curve(axes, rows, "d_heldout", "real, held-out", GREEN, "^-.")
    _curve(axes, rows, "d_generated", "generated", VERMILLION, "s--")
    _curve(axes, rows, "d_near_half", "share of images within 0.4 to 0.6", PURPLE, "x:")
    axes.axhline(0.5, color=GREY, linestyle=":", linewidth=1.5, label="0.5 (equilibrium)")
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, "Mean D: probability that an image is real", "probability or share")


def _curve(
    axes: Axes, rows: Sequence[Mapping[str, float | None]], column: str, label: str, color: str, style: str
) -> None:
    values = [math.nan if (value := row.get(column)) is None else value for row in rows]
    epochs = [row["epoch"] or 0 for row in rows]
    every = max(1, len(rows) // 20)
    axes.plot(epochs, values, style, color=color, label=label, markevery=every, markersize=4, linewidth=1.5)


def _finish(axes: Axes, title: str, ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
