"""How a sweep ends when it is told to: like Ctrl-C for SIGTERM and SIGHUP too, and with the right exit status."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganexp.trainer.signals import ignore_next, restore, stop_signals


class Stop:
    """How a sweep was told to stop."""

    signal: int | None = None

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGHUP: end like Ctrl-C, workers being asked to save their work."""
        self.signal = number
        ignore_next(number)
        raise SystemExit(128 + number)

    def status(self, error: KeyboardInterrupt | SystemExit) -> int:
        """The exit status that belongs to the exception which ended the sweep."""
        if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
            return error.code
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def stopped_by() -> Iterator[Stop]:
    """Inside, SIGTERM and SIGHUP end the sweep as an exception does; outside the main thread nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [number for number in stop_signals() if number != signal.SIGINT]
    before = {number: signal.signal(number, stop.terminate) for number in numbers}
    try:
        yield stop
    finally:
        restore(before)


def until_stopped(work: Callable[[], None]) -> int | None:
    """Do `work`; the exit status that belongs to the signal which stopped it, or None where it came to its end."""
    try:
        with stopped_by() as stop:
            work()
    except (KeyboardInterrupt, SystemExit) as error:
        return stop.status(error)
    return None
