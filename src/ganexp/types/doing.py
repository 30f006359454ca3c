"""Work that takes a while: said before it begins, and how far it is, to whoever listens."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ganexp.types.terminal import duration, plain

log = logging.getLogger("ganexp")

LINE_SECONDS = 10.0  # between two lines about one work

Listener = Callable[[str, bool], None]
"""Takes the words, and whether the work is about to begin; "": it is over. What it raises ends the work."""

_listeners: list[Listener] = []


@contextmanager
def telling(listener: Listener) -> Iterator[None]:
    """Inside, `listener` is told, instead of the one outside."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def doing(what: str, total: int | None = None, *, quick: bool = False) -> Iterator[Callable[[int], None]]:
    """Say that `what` is about to begin; the function that is given says how many of `total` are done.

    `quick`: no line has to say so, as it took no time when it was last done. Without a listener, it is logged.
    """
    started = time.monotonic()

    def tell(text: str, begins: bool = False) -> None:
        if _listeners:
            _listeners[-1](text, begins and not quick)
        elif begins:
            log.info("%s", text)

    def done(number: int) -> None:
        words = f"{what}: {number:,}"
        if total:
            left = (time.monotonic() - started) / max(1, number) * (total - number)
            words += f" of {total:,}, about {duration(left)} left"
        tell(words)

    tell(f"{what} ..." if total is None else f"{what}: {total:,} to do", True)
    yield done
    tell("")


def spaced(write: Callable[[str], None], seconds: float = LINE_SECONDS) -> Listener:
    """A listener that writes what begins, and then at most every so many seconds how far it is."""
    last = time.monotonic()

    def listen(text: str, begins: bool) -> None:
        nonlocal last
        if text and (begins or time.monotonic() - last >= seconds):
            last = time.monotonic()
            write(text)

    return listen


def on_stderr() -> Listener:
    """Lines on standard error, for commands whose results go to standard output."""
    return spaced(lambda text: print(plain(f"ganexp: {text}"), file=sys.stderr, flush=True))
