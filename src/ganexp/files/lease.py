"""The right to work on a run directory: one holder at a time, and whether the holder is still alive."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import Timeout

from ganexp.files import status as status_json
from ganexp.files.locks import file_lock, held, take
from ganexp.files.status import Status
from ganexp.types.endings import State
from ganexp.types.errors import LeaseLost
from ganexp.types.terminal import plain

BEAT_SECONDS = 5.0  # between two heartbeats of a holder

STALE_SECONDS = 60.0  # a holder on another host is gone where its heartbeat is this far in the past or future

LOCK_SECONDS = 0.2  # readers that probe a lock have it for milliseconds: one taken for so long belongs to a holder

LOCK, STATUS = ".lock", "status.json"


class HeldError(Exception):
    """Another process is at work on this run; the message names it."""


class Lease:
    """The right to work on a run directory, kept by a file lock and a heartbeat.

    A context manager; the directory must exist. Entering takes the lock and writes nothing, leaving releases it. From
    `begin` on, a thread refreshes the heartbeat; where it finds another holder's token it stops writing, and `lost`
    becomes true. On a filesystem without locks the heartbeat alone counts: two processes that start within the same
    moment may both work, until the next heartbeat of one of them finds the other's token.

    Attributes:
        locked: whether this process has the file lock: nobody else writes there, whatever the heartbeat says.
        lost: whether another process has taken the run over.

    Raises:
        HeldError: another process holds the run (on entering).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.token = secrets.token_hex(8)
        self.lost = False
        self.locked = False
        self._status: Status | None = None
        self._lock = file_lock(directory / LOCK)
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="ganexp-heartbeat")

    def __enter__(self) -> Lease:
        try:
            self.locked = take(self._lock, LOCK_SECONDS)
        except Timeout:
            raise HeldError(_holder(self._read())) from None
        status = self._read()
        running = status is not None and status.state is State.RUNNING
        local = status is not None and (status.holder or {}).get("host") == socket.gethostname()
        if running and not (self.locked and local) and is_fresh(self.directory):
            self._lock.release()
            raise HeldError(_holder(status))
        return self

    def begin(self, status: Status) -> None:
        """Write the first status of this holder, and start its heartbeat."""
        self._write(replace(status, holder={"host": socket.gethostname(), "pid": os.getpid(), "token": self.token}))
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._lock.release()

    def update(self, **changes: Any) -> None:
        """Change fields of the status and write it.

        Raises:
            LeaseLost: another process has taken the run over.
        """
        with self._guard:
            assert self._status is not None, "begin() comes first"
            self.check()
            self._write(replace(self._status, **changes))

    def check(self) -> None:
        """Check, before writing anything in the run directory, that this process still holds it.

        Raises:
            LeaseLost: another process has taken the run over.
        """
        status = self._read()
        if status is not None and status.holder is not None and status.holder.get("token") != self.token:
            self.lost = True
        if self.lost:
            raise LeaseLost(f"{self.directory}: taken over by {_holder(status)}")

    def _read(self) -> Status | None:
        return status_json.read(self.directory / STATUS)

    def _write(self, status: Status) -> None:
        self._status = replace(status, heartbeat=status_json.now())
        status_json.write(self.directory / STATUS, self._status)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self.update()
            except LeaseLost:
                return
            except OSError:
                continue


def heartbeat_age(directory: Path) -> float:
    """Seconds since status.json was written, by the clock of its filesystem; infinite without one.

    Both times are those of files, since the clocks of hosts may differ by minutes.
    """
    try:
        written = (directory / STATUS).stat().st_mtime
    except OSError:
        return float("inf")
    return _filesystem_now(directory) - written


def is_fresh(directory: Path) -> bool:
    """Whether the heartbeat is a living holder's; one in the future only means that a clock was wrong."""
    return abs(heartbeat_age(directory)) <= STALE_SECONDS


def holder_gone(directory: Path, status: Status) -> bool:
    """Whether the process that holds a run no longer works on it."""
    if (status.holder or {}).get("host") != socket.gethostname():
        return not is_fresh(directory)
    try:
        with held(directory / LOCK, seconds=0) as locked:
            return locked or heartbeat_age(directory) > STALE_SECONDS
    except Timeout:
        return False
    except OSError:
        return not is_fresh(directory)


def _filesystem_now(folder: Path) -> float:
    """The time of a file written now; where none can be written, this host's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"now")
            probe.flush()
            os.fsync(probe.fileno())
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _holder(status: Status | None) -> str:
    holder = (status.holder if status is not None else None) or {}
    return plain(f"process {holder.get('pid', '?')} on {holder.get('host', '?')}")
