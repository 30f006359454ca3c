"""status.json: what a run is doing, who holds it, and whether the holder is still there."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import Timeout

from ganexp.files.atomic import write_json
from ganexp.files.foreign import SMALL, read_json
from ganexp.files.locks import file_lock, held, take
from ganexp.files.record import read_result
from ganexp.types.errors import LeaseLost
from ganexp.types.terminal import plain

BEAT_SECONDS = 5.0
"""A holder writes its heartbeat this often."""
STALE_SECONDS = 60.0
"""On another host, a holder whose heartbeat is older than this, or as far in the future, is taken for gone."""
LOCK_SECONDS = 0.2
"""A lock that stays taken for so long belongs to a holder; readers that look for one take it for much less."""


MOST_EPOCHS = 2**53
"""Larger numbers are none that this program wrote."""


MOST_WORDS = 20_000
"""Characters of an error that are written down."""


class State(StrEnum):
    """What has become of a run. PENDING and STALE are never written: readers infer them."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    INTERRUPTED = "INTERRUPTED"
    FAILED = "FAILED"
    DIVERGED = "DIVERGED"
    PRUNED = "PRUNED"
    PENDING = "PENDING"
    STALE = "STALE"

    @property
    def final(self) -> bool:
        """Whether a run in this state is over, well or badly."""
        return self in (State.COMPLETED, State.FAILED, State.DIVERGED, State.PRUNED)


@dataclass(frozen=True)
class Status:
    """The content of status.json.

    Attributes:
        state: what the run is doing.
        epoch: epochs done.
        epochs: epochs asked for.
        run_id, trajectory_id: the run's identity.
        heartbeat: UTC, ISO 8601.
        error: {"type", "message"} of what ended the run badly, or None.
        holder: {"host", "pid", "token"} of the process that writes.
        progress: free numbers for displays, e.g. images_per_second, seconds_left.
        note: what a reader of its numbers must know; "" where that is nothing.
    """

    state: State
    epoch: int
    epochs: int
    run_id: str
    trajectory_id: str
    heartbeat: str = ""
    error: Mapping[str, str] | None = None
    holder: Mapping[str, Any] | None = None
    progress: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class HeldError(Exception):
    """Another process is at work on this run."""


def now() -> str:
    """The time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(run_dir: Path) -> Status | None:
    """The status of a run directory as written, or None where there is none or it is unreadable."""
    try:
        return _parse(read_json(run_dir / "status.json", SMALL))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parse(raw: Mapping[str, Any]) -> Status:
    """The status that a status.json holds; ValueError, TypeError or KeyError where that is none."""
    _check(raw, str, "state", "run_id", "trajectory_id")
    _check(raw, int, "epoch", "epochs")
    if not (0 <= raw["epoch"] < MOST_EPOCHS and 0 <= raw["epochs"] < MOST_EPOCHS):
        raise ValueError(f"expected epochs, got {raw['epoch']} of {raw['epochs']}")
    given = {key: raw[key] for key in ("heartbeat", "error", "holder", "progress", "note") if raw.get(key) is not None}
    _check(given, str, *given.keys() & {"heartbeat", "note"})
    _check(given, dict, *given.keys() - {"heartbeat", "note"})
    if "error" in given:
        given["error"] = {key: str(value) for key, value in given["error"].items()}
    if "progress" in given:
        given["progress"] = {key: value for key, value in given["progress"].items() if _is_number(value)}
    identity = {key: raw[key] for key in ("epoch", "epochs", "run_id", "trajectory_id")}
    return Status(state=State(raw["state"]), **identity, **given)


def _check(raw: Mapping[str, Any], kind: type, *keys: str) -> None:
    for key in keys:
        if not isinstance(raw[key], kind):
            raise TypeError(f"{key}: expected {kind.__name__}, got {raw[key]!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < MOST_EPOCHS


def effective(run_dir: Path) -> Status | None:
    """The status with STALE in place of a RUNNING whose holder is gone, and INTERRUPTED of a COMPLETED without result.

    A result.json that is gone or damaged is made again by the same command, from the run's checkpoints.
    """
    status = read(run_dir)
    if status is not None and status.state is State.COMPLETED and read_result(run_dir / "result.json") is None:
        error = {"type": "NoResult", "message": "result.json is gone or damaged; the same command makes it again"}
        return Status(**{**asdict(status), "state": State.INTERRUPTED, "error": error})
    if status is None or status.state is not State.RUNNING or not _holder_gone(run_dir, status):
        return status
    return Status(**{**asdict(status), "state": State.STALE})


def write(run_dir: Path, status: Status) -> None:
    """Replace status.json atomically; of a very long error its beginning is kept."""
    content = asdict(status)
    if not status.note:
        del content["note"]
    if status.error is not None:
        content["error"] = {key: _writable(value[:MOST_WORDS]) for key, value in status.error.items()}
    write_json(run_dir / "status.json", content)


def _writable(text: str) -> str:
    """`text` without halves of surrogate pairs, as file names of another encoding have them."""
    return text.encode("utf-8", "replace").decode()


def heartbeat_age(run_dir: Path) -> float:
    """Seconds since status.json was written, by the clock of the filesystem that it lies on; infinite without one.

    The clocks of hosts may differ by minutes. Both times that are compared here are those of files.
    """
    try:
        written = (run_dir / "status.json").stat().st_mtime
    except OSError:
        return float("inf")
    return _filesystem_now(run_dir) - written


def _is_fresh(run_dir: Path) -> bool:
    """Whether a heartbeat is one of a living holder; one that is to come says only that a clock was wrong."""
    return abs(heartbeat_age(run_dir)) <= STALE_SECONDS


def _filesystem_now(folder: Path) -> float:
    """The time that a file gets which is written now; where none can be written, this host's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"now")
            probe.flush()
            os.fsync(probe.fileno())
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _holder_gone(run_dir: Path, status: Status) -> bool:
    if (status.holder or {}).get("host") != socket.gethostname():
        return not _is_fresh(run_dir)
    try:
        with held(run_dir / ".lock", seconds=0) as locked:
            return locked or heartbeat_age(run_dir) > STALE_SECONDS
    except Timeout:
        return False
    except OSError:
        return not _is_fresh(run_dir)


class Lease:
    """The right to work on a run directory, kept by a file lock and a heartbeat.

    A context manager: entering takes the lock and writes nothing, leaving gives it back. From `begin` on, a thread
    refreshes the heartbeat; where it finds another holder's token it stops writing, and `lost` becomes true. On a
    filesystem that knows no locks the heartbeat alone counts: two processes that start within the same moment may both
    work, until the next heartbeat of one of them finds the other's token.

    Args:
        run_dir: the run's directory; must exist.

    Attributes:
        locked: whether the file lock is ours: nobody else writes in the directory, whatever the heartbeat says.
        lost: whether another process has taken the run over.

    Raises:
        HeldError: another process holds the run (on entering).
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.token = secrets.token_hex(8)
        self.lost = False
        self.locked = False
        self._status: Status | None = None
        self._lock = file_lock(run_dir / ".lock")
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="ganexp-heartbeat")

    def __enter__(self) -> Lease:
        try:
            self.locked = take(self._lock, LOCK_SECONDS)
        except Timeout:
            raise HeldError(_describe(read(self.run_dir))) from None
        there = read(self.run_dir)
        judged = there is not None and (not self.locked or (there.holder or {}).get("host") != socket.gethostname())
        running = there is not None and judged and there.state is State.RUNNING
        if running and _is_fresh(self.run_dir):
            self._lock.release()
            raise HeldError(_describe(there))
        return self

    def begin(self, status: Status) -> None:
        """Write the first status of this holder, and keep its heartbeat from now on."""
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "token": self.token}
        self._write(Status(**{**asdict(status), "holder": holder}))
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
            self._write(Status(**{**asdict(self._status), **changes}))

    def check(self) -> None:
        """Make sure, before writing anything in the run directory, that it is still ours.

        Raises:
            LeaseLost: another process has taken the run over.
        """
        there = read(self.run_dir)
        if there is not None and there.holder is not None and there.holder.get("token") != self.token:
            self.lost = True
        if self.lost:
            raise LeaseLost(f"{self.run_dir}: taken over by {_describe(there)}")

    def _write(self, status: Status) -> None:
        self._status = Status(**{**asdict(status), "heartbeat": now()})
        write(self.run_dir, self._status)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self.update()
            except LeaseLost:
                return
            except OSError:
                continue


def _describe(status: Status | None) -> str:
    holder = (status.holder if status is not None else None) or {}
    return plain(f"process {holder.get('pid', '?')} on {holder.get('host', '?')}")
