"""Numbers and texts as the page shows them; each number carries its name and exact value, so that it can be checked."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from ganexp.report.settings import label

LISTED = 12
"""Settings named in a sentence."""


def number(key: str, value: float | int | None, unit: str = "") -> Markup:
    """A number of the page: <data> with a key that is unique in it and the exact value; a dash where there is none."""
    return _data(key, value, readable(value) + unit)


def duration(key: str, seconds: float | None) -> Markup:
    """Seconds as a number with a fitting unit."""
    return _data(key, seconds, in_words(seconds or 0.0))


def _data(key: str, value: float | int | None, text: str) -> Markup:
    if value is None or not math.isfinite(value):
        return Markup('<span class="none">–</span>')
    exact = int(value) if isinstance(value, int) else float(value)  # numpy's types are spelled otherwise
    return Markup('<data data-key="{}" value="{!r}">{}</data>').format(key, exact, text)


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


def percent(share: float) -> float:
    """A share in percent, without noise of rounding."""
    return round(100 * share, 6)


def names_of(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return "; ".join(every[:LISTED]) + more


def name_of(setting: object) -> str:
    """A setting for the eye."""
    return label(setting) if isinstance(setting, tuple) else str(setting)


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
