"""Signals that ask a process to stop: a run saves first, and a cluster's engine may requeue the job."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ganexp.types.system import signals

REQUEUEING = signals("SIGUSR1", "SIGUSR2")  # by which a cluster's engine preempts a job
CLOSING = signals("SIGHUP", "SIGBREAK")  # of a terminal that closes; the second one is that of Windows


class Signals:
    """Records SIGINT, SIGTERM, SIGHUP and a cluster's preemption signal, instead of ending the process.

    A cluster's engine has its own handler for SIGUSR1 or SIGUSR2, which requeues the job: once the run is saved, that
    signal must be sent again.
    """

    received: int | None = None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.received not in REQUEUEING:
            self.received = number
        ignore_next(number)

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch signals inside; a no-op outside the main thread, where Python allows no handlers."""
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
    """The signals that ask a process to stop and save: those of CLOSING only where they were not ignored (nohup)."""
    closing = [number for number in CLOSING if signal.getsignal(number) is not signal.SIG_IGN]
    return (signal.SIGINT, signal.SIGTERM, *closing)


def ignore_next(number: int) -> None:
    """If `number` is SIGHUP, ignore it from now on: a terminal that closes sends it more than once."""
    if number in CLOSING:
        signal.signal(number, signal.SIG_IGN)


def restore(handlers: Mapping[Any, Any]) -> None:
    """Restore the handlers, except that a SIGHUP which came stays ignored."""
    for number, handler in handlers.items():
        if number not in CLOSING or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
