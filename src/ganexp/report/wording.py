"""Numbers and texts as the page shows them; each number carries its name and exact value, so that it can be checked."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from markupsafe import Markup, escape


def number(key: str, value: float | int | None, unit: str = "") -> Markup:
    """A number of the page: <data> with a key that is unique in it and the exact value; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Markup('<span class="none">–</span>')
    text = readable(value) + unit
    return Markup('<data data-key="{}" value="{!r}">{}</data>').format(key, _plain(value), text)


def duration(key: str, seconds: float | None) -> Markup:
    """Seconds as a number with a fitting unit."""
    if seconds is None or not math.isfinite(seconds):
        return Markup('<span class="none">–</span>')
    return Markup('<data data-key="{}" value="{!r}">{}</data>').format(key, _plain(seconds), in_words(seconds))


def readable(value: float | int | None) -> str:
    """Three significant digits, whole numbers in full; '–' for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}".replace(",", "\u202f")
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.2e}"
    decimals = max(0, 2 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}".replace(",", "\u202f")


def in_words(seconds: float) -> str:
    """'4.2 s', '12 min', '3.4 h', '2.1 d'."""
    for limit, unit, size in ((100.0, "s", 1), (6000.0, "min", 60), (48 * 3600.0, "h", 3600)):
        if seconds < limit:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds / 86400:.1f} d"


def plural(count: int, one: str, many: str | None = None) -> str:
    """'1 run', '2 runs'; the word alone is returned."""
    return one if count == 1 else many or one + "s"


def command(overrides: Sequence[str], module: str = "ganexp") -> str:
    """A command line that a shell reads as meant."""
    return shlex.join(["python", "-m", module, *overrides])


def shortened(text: str, width: int = 80) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def md(text: object) -> str:
    """Text that Markdown shows as it is, in a table too."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~#!$])", r"\\\1", line)


def code(text: str) -> str:
    """Text as inline code in Markdown, in a table too."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")


def anchor(text: str) -> Markup:
    """Text as a part of an id."""
    return escape(re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-").lower())


def _plain(value: float | int) -> float | int:
    """Without numpy's own types, whose representation differs between versions."""
    return int(value) if isinstance(value, int) else float(value)
