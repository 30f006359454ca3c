"""Signals that ask a process to stop: a run saves first, and a cluster's engine may take the job back to its queue."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

REQUEUEING = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which a cluster's engine tells a job to make room."""


class Signals:
    """Remembers SIGINT, SIGTERM and SIGHUP instead of dying of them, and whatever tells a cluster's job to make room.

    A cluster's engine has a handler of its own for SIGUSR1 or SIGUSR2, which requeues the job: once the run is saved,
    that signal is to be sent again.
    """

    received: int | None = None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.received not in REQUEUEING:
            self.received = number
        ignore_next(number)

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch them inside; outside the main thread, where Python allows no handlers, do nothing."""
        try:
            before = {number: signal.signal(number, self._remember) for number in _requested()}
        except ValueError:
            yield self
            return
        try:
            yield self
        finally:
            restore(before)


def _requested() -> list[signal.Signals]:
    cluster = [number for number in REQUEUEING if callable(signal.getsignal(number))]
    return [*stop_signals(), *cluster]


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals by which a process is asked to stop and save: SIGHUP only where it was not ignored (nohup)."""
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


def ignore_next(number: int) -> None:
    """Ignore SIGHUP from now on where `number` is it: a terminal that closes sends it more than once."""
    if number == signal.SIGHUP:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def restore(handlers: Mapping[Any, Any]) -> None:
    """Give signals the handlers that they had, but for a SIGHUP that came and is ignored since."""
    for number, handler in handlers.items():
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
