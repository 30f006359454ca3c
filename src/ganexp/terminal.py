"""Words and widths for people at a terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_ELSEWHERE = 160
"""Columns where the output is no terminal."""


HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that show nothing themselves: control, format, halves of pairs, line separators."""


def console() -> Console:
    """Where to print: as wide as the terminal, or wide enough for tables in a file."""
    from rich.console import Console

    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=WIDTH_ELSEWHERE)


def plain(text: object) -> str:
    """Text that cannot act on a terminal: what is not printable, but for line ends and tabs, is spelled out in hex.

    A file may be a stranger's. Control characters move the cursor, set titles and more; marks of direction show text in
    another order than it has.
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in HIDDEN else _spelled(c) for c in str(text))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.4 h', '2.1 d'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def last_line(text: str) -> str:
    """The last line of an error that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def count(number: int, one: str, many: str | None = None) -> str:
    """'1 job', '2 jobs'."""
    return f"{number} {one if number == 1 else many or one + 's'}"
