"""Tables of text that fit a terminal and never cut a cell."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ganexp.types.terminal import cells, columns, console, plain


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()) -> None:
    """Print a table, as wide as the terminal: see `fitted`."""
    print("\n".join(fitted([headings, *rows], console().width, spare)), flush=True)


def fitted(rows: Sequence[Sequence[str]], width: int, spare: Sequence[str] = ()) -> list[str]:
    """The lines of a table whose first row holds its headings; fast for any number of rows.

    Where it is wider than `width`, the columns in `spare` are left out one by one, in that order; then each row becomes
    a paragraph. No cell is ever cut: settings that differ look different.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    for name in (None, *spare):
        kept = [number for number, heading in enumerate(rows[0]) if heading != name]
        rows = [[row[number] for number in kept] for row in rows]
        lines = list(columns(rows))
        if max(map(cells, lines)) <= width:
            return lines
    headings, *rest = rows
    texts = [", ".join(f"{h} {cell}".strip() for h, cell in zip(headings, row, strict=True) if cell) for row in rest]
    paragraph = textwrap.TextWrapper(max(10, width), subsequent_indent="  ", break_on_hyphens=False)
    return [line for text in texts for line in paragraph.wrap(text)]


def one_line(text: object) -> str:
    """`plain` text without line ends and tabs, which are spelled out too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")
