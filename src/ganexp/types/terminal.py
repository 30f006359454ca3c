"""Words and widths for people at a terminal."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

TICK_SECONDS = 2.0  # between two progress lines
LONG_TABLE = 200  # rows above which a table has no borders, because drawing them takes too long

Item = TypeVar("Item")

WIDTH_ELSEWHERE = 160  # columns where the output is no terminal
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # invisible characters: control, format, surrogates, line separators


def console() -> Console:
    """Where to print: as wide as the terminal, or wide enough for tables in a file; no text is read as markup."""
    from rich.console import Console

    output = Console(highlight=False, markup=False, emoji=False)
    if not output.is_terminal:
        output.width = WIDTH_ELSEWHERE
    return output


def plain(text: object) -> str:
    """Text that cannot act on a terminal: hidden characters, except line ends and tabs, are spelled out in hex.

    The text may come from a stranger's file. Control characters move the cursor, set titles and more; direction marks
    show text in another order than it has.
    """
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in HIDDEN else c.encode("unicode_escape").decode("ascii")
        for c in str(text)
    )


def say(text: object) -> None:
    """Print a line as it is: neither wrapped nor read as markup."""
    print(plain(text), flush=True)


def ticking(items: Sequence[Item], done: str) -> Iterator[Item]:
    """The items one by one; long or slow sequences print every few seconds how many are `done`."""
    printed_at = time.monotonic() if len(items) <= LONG_TABLE else -TICK_SECONDS
    for number, item in enumerate(items):
        if time.monotonic() - printed_at > TICK_SECONDS:
            printed_at = time.monotonic()
            say(f"{number:,} of {len(items):,} {done}")
        yield item


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, with borders if it is not long."""
    from rich.table import Table
    from rich.text import Text

    rows = [[plain(cell) for cell in row] for row in rows]
    if len(rows) > LONG_TABLE:
        print("\n".join(columns([headings, *rows])), flush=True)
        return
    table = Table(*headings)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table without borders; fast for any number of rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def duration(seconds: float) -> str:
    """'4.2 s', '12 min', '3.4 h', '2.1 d'."""
    for limit, unit, size in ((100.0, "s", 1), (6000.0, "min", 60), (48 * 3600.0, "h", 3600)):
        if seconds < limit:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds / 86400:.1f} d"


def last_line(text: str) -> str:
    """The last line of an error message that is not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def count(number: int, one: str, many: str | None = None) -> str:
    """'1 job', '2 jobs'."""
    return f"{number} {plural(number, one, many)}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """'job' of 1, 'jobs' of 2."""
    return one if number == 1 else many or one + "s"
