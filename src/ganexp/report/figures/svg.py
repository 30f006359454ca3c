"""What all figures of the report share: colours that every reader can tell apart, and SVG that follows the page."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

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
INK, MUTED, LINE = "#123456", "#789abc", "#c0ffee"  # placeholders for the page's own colours

IN_PAGE = {
    **{INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"},
    **{colour.lower(): f"var(--c{number})" for number, colour in enumerate(COLOURS)},
}
IN_FILE = {INK: "#1b1b1b", MUTED: "#5c5c5c", LINE: "#d9d9d9"}


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    name: str  # of its file, without suffix
    alt: str  # what it shows, for who cannot see it
    caption: str  # how to read it
    svg: str  # as it comes from matplotlib, with colours to be filled in

    @property
    def inline(self) -> str:
        """For the page: takes its colours from there."""
        return self._with(IN_PAGE)

    @property
    def file(self) -> str:
        """A file of its own, on white."""
        text = self._with(IN_FILE)
        start = text.index(">", text.index("<svg")) + 1
        return text[:start] + '<rect width="100%" height="100%" fill="#ffffff"/>' + text[start:]

    def _with(self, colours: dict[str, str]) -> str:
        text = self.svg
        for mark, colour in colours.items():
            text = text.replace(mark, colour)
        return text


def figure(width: float, height: float) -> Figure:
    """An empty figure of width x height inches, transparent, in the page's ink."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, facecolor="none", layout="constrained")


def style(
    axes: Axes,
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    size: float = 9,
    grid: Literal["both", "x", "y", ""] = "both",
) -> None:
    """Plain axes in the page's colours."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=size - 1, width=0.6)
    if grid:
        axes.grid(color=LINE, linewidth=0.6, axis=grid)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(clean(title), fontsize=size, loc="left", color=INK)
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
    """Ticks at 1, 2, 5, 10, ... in plain figures, for an axis whose scale is logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 1.0
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if decades < 3.2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def finish(drawn: Figure, name: str, alt: str, caption: str) -> Drawing:
    """The figure as SVG; ids get the figure's name, so that several figures can stand in one page."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    mark = re.sub(r"[^a-z0-9]", "", name.lower())
    svg = re.sub(r'id="([^"]+)"', rf'id="{mark}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{mark}-", svg)
    svg = re.sub(r"(\.\d\d)\d+(?=[ \"LMz\n])", r"\1", svg)
    return Drawing(name, alt, caption, svg)


def clean(text: str, width: int = 48) -> str:
    """Text for a figure: one line of at most `width` characters, never read as a formula."""
    line = plain(" ".join(text.split()))
    line = line if len(line) <= width else line[: width - 1] + "…"
    return line.replace("$", r"\$")
