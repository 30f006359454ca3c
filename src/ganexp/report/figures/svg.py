"""What all figures for paper share: colours that every reader can tell apart, axes, and their files."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from ganexp.files.drawing import decoration, default_style
from ganexp.report.text.phrases import decimal
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette, with two more.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F00")

DASHES = ("-", "--", "-.", ":")  # a second means to tell lines apart
SCALE = "cividis"  # for heatmaps: even in lightness, and made for colour-blind readers

GREY = "#8a8a8a"
INK, MUTED, LINE = "#1b1b1b", "#5c5c5c", "#d9d9d9"


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    name: str  # of its file, without suffix
    alt: str  # what it shows, for who cannot see it
    caption: str  # how to read it
    sheet: Figure

    @cached_property
    def svg(self) -> str:
        """As SVG on white, the same for the same data."""
        text = self.saved("svg").decode()
        text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
        return re.sub(r"(\.\d\d)\d+(?=[ \"LMz\n])", r"\1", text)

    @property
    def is_drawn(self) -> bool:
        """Whether it can be saved; where it cannot, a warning says so."""
        text = ""
        with decoration(f"figure {self.name}"):
            text = self.svg
        return bool(text)

    def saved(self, kind: Literal["svg", "pdf", "png"]) -> bytes:
        """As a file of that kind, without a date."""
        from matplotlib import rc_context

        data = io.BytesIO()
        undated = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
        with default_style(), rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name, "pdf.fonttype": 42}):
            self.sheet.savefig(data, format=kind, dpi=220, metadata=undated[kind])
        return data.getvalue()


def figure(width: float, height: float) -> Figure:
    """An empty figure of width x height inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, facecolor="white", layout="constrained")


@cache
def _spoken() -> tuple[type, type]:
    """The usual formatter of ticks, and one that speaks the present language."""
    from matplotlib.ticker import ScalarFormatter

    class Spoken(ScalarFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return decimal(super().__call__(x, pos))

    return ScalarFormatter, Spoken


def style(
    axes: Axes,
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    size: float = 9,
    grid: Literal["both", "x", "y", ""] = "both",
) -> None:
    """Plain axes."""
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=size - 1, width=0.6)
    if grid:
        axes.grid(color=LINE, linewidth=0.6, axis=grid)
    axes.set_axisbelow(True)
    usual, spoken = _spoken()
    for axis in (axes.xaxis, axes.yaxis):
        if type(axis.get_major_formatter()) is usual:
            axis.set_major_formatter(spoken())
    if title:
        axes.set_title(title, fontsize=size, loc="left", color=INK)
    axes.set_xlabel(clean(x), fontsize=size, color=INK)
    axes.set_ylabel(clean(y), fontsize=size, color=INK)


def panels(
    count: int, wide: int, width: float, height: float, *, sharex: bool = False, sharey: bool = True
) -> tuple[Figure, Any]:
    """A figure of width x height inches and its axes, `wide` in a row; those after the first `count` are hidden."""
    sheet = figure(width, height)
    grid = sheet.subplots(-(-count // wide), wide, squeeze=False, sharex=sharex, sharey=sharey)
    for axes in list(grid.flat)[count:]:
        axes.set_visible(False)
    return sheet, grid


def legend(axes: Axes) -> None:
    """A small legend without a frame, its texts in the colours of their lines."""
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor")


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def log_scale(axes: Axes, name: Literal["x", "y"]) -> None:
    """A logarithmic x or y axis."""
    axes.set(**{f"{name}scale": "log"})
    log_axis(axes.xaxis if name == "x" else axes.yaxis)


def log_axis(axis: Axis) -> None:
    """Ticks at 1, 2, 5, 10, ... in plain figures for a logarithmic axis; round numbers where those would be too few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 1.0
    ticks: Any = LogLocator(10, subs=(1, 2, 5) if decades < 3.2 else (1,)).tick_values(low, high)
    if sum(low <= tick <= high for tick in ticks) < 3:
        ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if tick > 0]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: decimal(f"{value:,.0f}" if value >= 100 else f"{value:.6g}"))
    )
    axis.set_minor_locator(NullLocator())


def clean(text: str, width: int = 48) -> str:
    """Text for a figure: one line of at most `width` characters, never read as a formula."""
    line = plain(" ".join(text.split()))
    line = line if len(line) <= width else line[: width - 1] + "…"
    return line.replace("$", r"\$")
