"""How a sweep ends: by itself, by its time or first failure, by Ctrl-C, SIGTERM or SIGHUP.

In each case its end is written down and printed.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ganexp.trainer.signals import CLOSING, ignore_next, restore, stop_signals
from ganexp.types.endings import FAILED
from ganexp.types.system import signal_self

OVER = "the time of this command is over (sweep.max_seconds={:g})"


class FirstFailure(Exception):
    """A run failed in a sweep with `sweep.stop_on_failure`."""


IMPATIENT_SECONDS = 2.0  # after which a second Ctrl-C is meant, and ends the workers without waiting for them


class Stop:
    """The signal that stopped a sweep, or None."""

    signal: int | None = None
    time_is_over = False
    _at = 0.0  # when the first signal came, on the monotonic clock

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGHUP: end like Ctrl-C; workers are asked to save their work."""
        self.signal = number
        self._let_workers_save()
        ignore_next(number)
        raise SystemExit(128 + number)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C as Python does, once."""
        self._let_workers_save()
        raise KeyboardInterrupt

    def _let_workers_save(self) -> None:
        """Take no notice of further signals: `timeout` and engines of clusters send theirs twice."""
        self._at = time.monotonic()
        for number in (signal.SIGTERM, *CLOSING, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._again)

    def _again(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and time.monotonic() - self._at > IMPATIENT_SECONDS:
            raise KeyboardInterrupt
        ignore_next(number)

    def end_time(self) -> None:
        """For the timer's thread: SIGTERM's handler, the sweep's or that of a run in this process, does the rest."""
        self.time_is_over = True
        signal_self(signal.SIGTERM)

    def status(self, error: KeyboardInterrupt | SystemExit) -> int:
        """The exit status for the exception that ended the sweep."""
        if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
            return error.code
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def stopped_by(seconds: float | None = None) -> Iterator[Stop]:
    """Inside, SIGTERM and SIGHUP end the sweep as an exception does, and so does its time, if any.

    Outside the main thread nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [number for number in stop_signals() if number != signal.SIGINT]
    before: dict[int, Any] = {number: signal.signal(number, stop.terminate) for number in numbers}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, stop.interrupt)
    timer = threading.Timer(min(seconds or 0.0, threading.TIMEOUT_MAX), stop.end_time)
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
        if seconds:
            timer.join()  # its signal must not meet the handlers that were there before
        restore(before)


def run_to_end(work: Callable[[], None], closing: Callable[..., bool], options: Any, launcher: Any) -> None:
    """Do `work`, and whatever happens call `closing`, which writes and prints how the sweep stands.

    `closing` takes why the sweep `stopped` ("": it did not) and whether that was `urgent` (a signal), and returns
    whether everything that was asked for is done and well. `options` is the configuration's section `sweep`; `launcher`
    may have `cancel`, which stops jobs that would outlive it.

    Raises:
        SystemExit: 128 + n where signal n stopped the work; 1 where not everything is well.
    """
    status, why = 0, ""
    try:
        with stopped_by(options.max_seconds) as stop:
            work()
    except FirstFailure:
        why = "stopped at the first failure (sweep.stop_on_failure)"
    except (KeyboardInterrupt, SystemExit) as error:
        status, why = (0, OVER.format(options.max_seconds)) if stop.time_is_over else (stop.status(error), "stopped")
    if why and not status:
        getattr(launcher, "cancel", lambda: None)()
    good = closing(stopped=why, urgent=status != 0)
    sys.stdout.flush()
    if status or not good:
        raise SystemExit(status or FAILED)
