"""Pictures of a run: image grids, the loss figure, and paths through latent space.

Torch is not imported here, and matplotlib only where the loss figure is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganexp.files.atomic import replacing
from ganexp.types.errors import Diverged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

LOG_4 = math.log(4.0)
"""Discriminator loss at equilibrium, where D = 1/2 everywhere: -2 log(1/2) (Goodfellow 2014, Theorem 1: the value
function is -log 4 there). It holds for the sum of both cross-entropies, which is what `d_loss` is."""

READABLE_PIXELS = 64
"""Small images are scaled up as long as their longer side stays within this."""

BACKGROUND = 255
"""Grey value between the images of a grid: white, because generated digits have black borders."""

DEGENERATE_SINE = 1e-6

# Okabe & Ito's colours, which colour-blind readers can tell apart; line styles and markers differ as well.
BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#555555"


def to_float(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1], as feature extractors take them."""
    return images.float() / 127.5 - 1.0


def to_training_float(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1], as networks are trained on them: other last bits than `to_float`."""
    return images.float().sub_(127.5).div_(127.5)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Quantise images to 8 bits: `clamp(round((x + 1) * 127.5), 0, 255)`, halves rounded to even.

    It is the inverse of `x = v / 127.5 - 1`, so that every 8-bit value v survives the way there and back.

    Args:
        images: floating (N, C, H, W) in [-1, 1], on any device; values outside are clamped.

    Returns:
        uint8 (N, C, H, W) in [0, 255].

    Raises:
        ValueError: not four dimensions, or not floating.
        Diverged: an image holds NaN.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"expected floating images (N, C, H, W), got {images.dtype} {tuple(images.shape)}")
    pixels = (images.detach().float() + 1).mul_(127.5).round_().clamp_(0, 255)
    if bool(pixels.isnan().any()):
        raise Diverged("generated images: expected values in [-1, 1], got NaN")
    array: NDArray[np.uint8] = pixels.byte().cpu().numpy()
    return array


def grid(images: NDArray[np.uint8], columns: int, scale: int = 1, padding: int = 2) -> NDArray[np.uint8]:
    """Lay images out row by row on a white background.

    Args:
        images: uint8 (N, C, H, W), N >= 1, C 1 or 3.
        columns: images per row; fewer images than that make a narrower grid.
        scale: pixels of the grid per pixel of an image (nearest neighbour).
        padding: width of the gaps and of the border, in pixels of the grid.

    Returns:
        uint8 (rows * (H * scale + padding) + padding, columns * (W * scale + padding) + padding, C).

    Raises:
        ValueError: images of another type or shape, or a layout that is not positive.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[0] == 0 or images.shape[1] not in (1, 3):
        raise ValueError(f"expected uint8 images (N >= 1, 1 or 3, H, W), got {images.dtype} {images.shape}")
    if columns < 1 or scale < 1 or padding < 0:
        raise ValueError(f"expected columns, scale >= 1 and padding >= 0, got {columns}, {scale}, {padding}")
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    height, width = height * scale, width * scale
    cells = np.full((rows * columns, height + padding, width + padding, channels), BACKGROUND, np.uint8)
    pixels = images.transpose(0, 2, 3, 1)
    cells[:count, padding:, padding:] = pixels.repeat(scale, axis=1).repeat(scale, axis=2) if scale > 1 else pixels
    tiled = cells.reshape(rows, columns, height + padding, width + padding, channels).swapaxes(1, 2)
    tiled = tiled.reshape(rows * (height + padding), columns * (width + padding), channels)
    return np.pad(tiled, ((0, padding), (0, padding), (0, 0)), constant_values=BACKGROUND)


def save_png(path: Path | str, array: NDArray[np.uint8]) -> None:
    """Write a picture as PNG, atomically; the same array gives the same bytes.

    Args:
        path: the file; its folder must exist.
        array: uint8 (H, W), (H, W, 1) or (H, W, 3).
    """
    picture = Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", compress_level=3)


def save_grid(path: Path | str, images: NDArray[np.uint8], columns: int = 8) -> None:
    """Write images as one grid, small ones scaled up so that a person can read them (28x28 and 32x32: twice).

    Args:
        path: the PNG file; its folder must exist.
        images: uint8 (N, C, H, W), C 1 or 3.
        columns: images per row.
    """
    scale = max(1, READABLE_PIXELS // max(images.shape[2:]))
    save_png(path, grid(images, columns, scale))


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Interpolate between latent vectors along the great circle (Shoemake 1985; for GANs: White 2016, section 2.1).

    With w the angle between a and b: `sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b`. Where a and b are parallel,
    opposite, or one of them is zero, there is no such circle, and the path is the straight line.

    Args:
        a: floating (..., D), the start.
        b: floating (..., D), the end; its length may differ from a's.
        t: position in [0, 1]; a tensor must broadcast against (..., 1), e.g. (T, 1) for T points between two (D,).

    Returns:
        (..., D): a at t = 0, b at t = 1.
    """
    unit_a = a / a.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    unit_b = b / b.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    # Kahan's form of the angle: exact for small ones too, where the arc cosine is not.
    angle = 2 * (unit_a - unit_b).norm(dim=-1, keepdim=True).atan2((unit_a + unit_b).norm(dim=-1, keepdim=True))
    sine = angle.sin()
    degenerate = (sine < DEGENERATE_SINE) | (a == 0).all(-1, keepdim=True) | (b == 0).all(-1, keepdim=True)
    sine = sine.masked_fill(degenerate, 1.0)
    curved = ((1 - t) * angle).sin() / sine * a + (t * angle).sin() / sine * b
    path: Tensor = curved.where(~degenerate, (1 - t) * a + t * b)
    return path


def losses_figure(path: Path | str, rows: Sequence[Mapping[str, float | None]], warmup_epochs: int) -> None:
    """Draw losses.png: both losses and, where D gives a probability, D on real, held-out and generated images.

    The log 4 line belongs to losses whose D gives a probability: without any value of `d_heldout` or `d_generated`
    it is left out together with the right-hand panel. The warm-up line is drawn once training has gone past it.

    Args:
        path: the PNG file; its folder must exist.
        rows: rows of metrics.csv, one per epoch; D columns may be missing or None.
        warmup_epochs: epochs in which the generator used its warm-up loss; 0 for none.

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
