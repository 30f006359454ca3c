"""Sentences of a report, written once for page, Markdown and terminal; and how numbers and texts are shown in them.

Each number of the page carries its name and exact value, so that it can be checked.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup, escape

from ganexp.report.settings import label
from ganexp.types import terminal

LISTED = 12  # settings named in a sentence
_PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Code:
    """Text to type."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Text that stands out."""

    text: str


Part = float | int | str | Code | Strong | None


@dataclass(frozen=True)
class Sentence:
    """One or more sentences that belong together."""

    key: str  # of its numbers in the page; unique in it
    text: str  # with {name} for each part
    parts: Mapping[str, Part] = field(default_factory=dict)  # name -> a number, or text that may hold anything
    lead: bool = False  # whether it is the first thing to be read
    muted: bool = False  # whether it is a remark

    @classmethod
    def of(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence with these parts."""
        return cls(key, text, parts)

    @classmethod
    def leading(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence to read first."""
        return cls(key, text, parts, lead=True)

    @classmethod
    def remark(cls, key: str, text: str, **parts: Part) -> Sentence:
        """A sentence to read last."""
        return cls(key, text, parts, muted=True)

    def below(self, name: str) -> Sentence:
        """The sentence with a key that begins with `name`."""
        return replace(self, key=f"{name}/{self.key}")

    @property
    def html(self) -> Markup:
        """For the page: every number with its exact value."""
        return Markup("").join(self._filled(self._html))

    @property
    def markdown(self) -> str:
        """For report.md."""
        return "".join(self._filled(_markdown))

    @property
    def plain(self) -> str:
        """For a terminal."""
        return "".join(self._filled(_plain)).replace("\u202f", " ")

    def _filled(self, show: Callable[[str, Part], str]) -> Iterator[str]:
        pieces = _PART.split(self.text)
        return (show(piece, self.parts[piece]) if at % 2 else piece for at, piece in enumerate(pieces))

    def _html(self, name: str, part: Part) -> str:
        if isinstance(part, Code):
            return Markup("<code>{}</code>").format(part.text)
        if isinstance(part, Strong):
            return Markup("<strong>{}</strong>").format(part.text)
        return escape(part) if isinstance(part, str) else number(f"{self.key}/{name}", part)


def _markdown(_: str, part: Part) -> str:
    if isinstance(part, Code):
        return code(part.text)
    if isinstance(part, Strong):
        return f"**{md(part.text)}**"
    return md(part) if isinstance(part, str) else readable(part)


def _plain(_: str, part: Part) -> str:
    if isinstance(part, Code | Strong):
        return part.text
    return part if isinstance(part, str) else readable(part)


def number(key: str, value: float | int | None, unit: str = "") -> Markup:
    """A number of the page: <data> with a key unique in it and the exact value; a dash for None."""
    return _data(key, value, readable(value) + unit)


def duration(key: str, seconds: float | None) -> Markup:
    """Seconds as a number with a fitting unit."""
    return _data(key, seconds, terminal.duration(seconds or 0.0))


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


def percent(share: float) -> float:
    """A share in percent, without noise of rounding."""
    return round(100 * share, 6)


def names_of(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return "; ".join(every[:LISTED]) + more


def name_of(setting: object) -> str:
    """A setting for display."""
    return label(setting) if isinstance(setting, tuple) else str(setting)


def command(overrides: Sequence[str], module: str = "ganexp") -> str:
    """A command line, quoted for a shell."""
    return shlex.join(["python", "-m", module, *overrides])


def shortened(text: str, width: int = 80) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def md(text: object) -> str:
    """Text that Markdown shows literally, also in a table."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~#!$])", r"\\\1", line)


def code(text: str) -> str:
    """Text as inline code in Markdown, also in a table."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")
