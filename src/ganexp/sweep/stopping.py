"""How a sweep ends: by itself, or by Ctrl-C, SIGTERM or SIGHUP; in either case its end is written down and printed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganexp.trainer.signals import ignore_next, restore, stop_signals


class Stop:
    """The signal that stopped a sweep, or None."""

    signal: int | None = None

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGHUP: end like Ctrl-C; workers are asked to save their work."""
        self.signal = number
        ignore_next(number)
        raise SystemExit(128 + number)

    def status(self, error: KeyboardInterrupt | SystemExit) -> int:
        """The exit status for the exception that ended the sweep."""
        if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
            return error.code
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def stopped_by() -> Iterator[Stop]:
    """Inside, SIGTERM and SIGHUP end the sweep as an exception does; outside the main thread nothing changes."""
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


def run_to_end(work: Callable[[], None], closing: Callable[..., bool]) -> None:
    """Do `work`, and whatever happens call `closing`, which writes and prints how the sweep stands.

    `closing` takes whether the sweep was `interrupted`, and returns whether all of its runs are well.

    Raises:
        SystemExit: 128 + n where signal n stopped the work; 1 where not all runs are well.
    """
    status = 0
    try:
        with stopped_by() as stop:
            work()
    except (KeyboardInterrupt, SystemExit) as error:
        status = stop.status(error)
    good = closing(interrupted=status != 0)
    sys.stdout.flush()
    if status or not good:
        raise SystemExit(status or 1)
