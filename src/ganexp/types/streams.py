"""Standard streams whose failure costs messages and no work, and through which nothing acts on a terminal."""

from __future__ import annotations

import codecs
import errno
import io
import logging
import os
import re
import select
import sys
from typing import TYPE_CHECKING, Any

from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NAMES = {1: "standard output", 2: "standard error"}  # by file descriptor


class _Lossy(io.FileIO):
    """A stream whose writes never fail: what nobody reads, or a full disk does not take, is lost."""

    complained = False

    def write(self, data: ReadableBuffer) -> int:
        """As `io.FileIO`; bytes that cannot be written count as written."""
        try:
            written = super().write(data)
        except OSError as error:
            written = None
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
    stream = _Gate(
        raw if unbuffered else io.BufferedWriter(raw),  # as Python itself does for -u
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
    """Whether nobody can read standard output any more: the pipe's other end or the terminal is closed."""
    poll = select.poll()
    poll.register(1, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
