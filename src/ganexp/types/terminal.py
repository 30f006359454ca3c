"""Words and widths for people at a terminal, and streams whose failure costs messages and no work."""

from __future__ import annotations

import codecs
import errno
import io
import logging
import os
import re
import select
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console


TICK_SECONDS = 2.0  # between two progress lines
LONG_TABLE = 200  # items above which it is said from the start how far they are

Item = TypeVar("Item")

WIDTH_ELSEWHERE = 160  # columns where the output is no terminal
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # invisible characters: control, format, surrogates, line separators


def console() -> Console:
    """Where to print: as wide as the terminal or COLUMNS, else wide enough for tables; no text is read as markup."""
    from rich.console import Console

    output = Console(highlight=False, markup=False, emoji=False)
    if not output.is_terminal and not os.environ.get("COLUMNS"):
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


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table without borders; fast for any number of rows."""
    sizes = [[cells(cell) for cell in row] for row in rows]
    widths = [max(column) for column in zip(*sizes, strict=True)]
    for row, size in zip(rows, sizes, strict=True):
        padded = (cell + " " * (most - used) for cell, used, most in zip(row, size, widths, strict=True))
        yield "  ".join(padded).rstrip()


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def duration(seconds: float) -> str:
    """'4.2 s', '12 min', '3.4 h', '2.1 d'."""
    for limit, unit, size in ((100.0, "s", 1), (6000.0, "min", 60), (48 * 3600.0, "h", 3600)):
        if seconds < limit:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds / 86400:.1f} d"


def in_units(size: float) -> str:
    """'0 B', '1.5 MB', ..."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


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


NAMES = {1: "standard output", 2: "standard error"}  # by file descriptor


class _Lossy(io.FileIO):
    """A stream whose writes never fail: what nobody reads, or a full disk does not take, is lost."""

    complained = failed = False

    def write(self, data: ReadableBuffer) -> int:
        """As `io.FileIO`; bytes that cannot be written count as written."""
        try:
            written = super().write(data)
        except OSError as error:
            written, self.failed = None, True
            self._complain(error)
        return memoryview(data).nbytes if written is None else written

    def _complain(self, error: OSError) -> None:
        """Say once on standard error why messages are missing, except where the reader closed the stream."""
        if not self.complained and self.fileno() == 1 and error.errno not in (errno.EPIPE, errno.EIO):
            self.complained = True
            sys.stderr.write(f"ganexp: {NAMES[1]}: {error.strerror}; its messages are lost\n")


class _Gate(io.TextIOWrapper):
    """A stream whose text cannot act on a terminal, whichever library prints it."""

    def write(self, text: str) -> int:
        """As `io.TextIOWrapper`; hidden characters are spelled out, except those that draw on a terminal."""
        if text.translate(_LINES).isprintable():
            return super().write(text)
        pieces = _DRAWING.split(text) if self.isatty() or os.environ.get("FORCE_COLOR") else [text]
        drawn = [piece if odd % 2 else "\r".join(map(plain, piece.split("\r"))) for odd, piece in enumerate(pieces)]
        super().write("".join(drawn))
        return len(text)


_LINES = dict.fromkeys(map(ord, "\n\t\r"), " ")
_DRAWING = re.compile(r"(\x1b\[[0-9;?]{0,20}[A-HJKSTfhlmsu])")
"""Colours and moves of the cursor, by which progress bars and tables are drawn: no titles, no clipboard, no keys."""


class _Record(logging.LogRecord):
    """A log record whose message and traceback cannot act on a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info:
            self.exc_text = plain(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802  (the library's name)
        return plain(super().getMessage())


def keep_working() -> None:
    """From now on a reader that goes away, or a full log disk, costs messages and ends nothing.

    Everything that is logged or printed to the standard streams passes through `ganexp.types.terminal.plain`.
    Characters that the locale cannot encode are spelled out too. Streams that a notebook, a launcher or a test has
    replaced are left alone; closed ones discard what is written.
    """
    logging.setLogRecordFactory(_Record)
    _open_closed()
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lossy(descriptor, stream))


def speak_utf8() -> None:
    """Restart Python in UTF-8 where the locale is ASCII, which cannot encode other file names."""
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _lossy(descriptor: int, like: io.TextIOWrapper | None) -> io.TextIOWrapper:
    raw = _Lossy(descriptor, "w", closefd=False)
    unbuffered = like is not None and like.write_through
    buffer: Any = raw if unbuffered else io.BufferedWriter(raw)  # as Python itself does for -u
    if like is not None and not isinstance(getattr(like.buffer, "raw", like.buffer), io.FileIO):
        buffer = like.buffer  # a console of Windows, which takes characters, not bytes
    stream = _Gate(
        buffer,
        encoding="utf-8" if like is None else like.encoding,
        errors="backslashreplace",
        line_buffering=like is not None and like.line_buffering,
        write_through=unbuffered,
    )
    if like is not None:
        like.flush()
    return stream


def _open_closed() -> None:
    """Open closed standard streams to /dev/null: else the next opened file would receive their messages."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def reader_gone() -> bool:
    """Whether nobody can read standard output any more: the pipe's other end or the terminal is closed.

    Where pipes cannot be asked (Windows), it is known once a message was lost.
    """
    if not hasattr(select, "poll"):
        raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
        return isinstance(raw, _Lossy) and raw.failed
    poll = select.poll()
    poll.register(1, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
