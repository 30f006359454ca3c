"""How runs and commands end: the states of a run, and one table from an exception to its state, exit status and words.

The exit status 128 + n of a signal is added where signals are known: trainer/run.py, sweep/stopping.py.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum

from ganexp.types.errors import Diverged, Interrupted, LeaseLost, Pruned, Refused, in_words, lack_of_memory

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
"""Exit statuses of every command, beside 128 + n for signal n; INTERRUPTED is that of Ctrl-C."""

MISTYPED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
"""What a file system says of a name that was mistyped."""


class State(StrEnum):
    """The state of a run. PENDING and STALE are never written: readers infer them."""

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
class Ending:
    """What an exception means to the run that it ends, and to the command that it reaches."""

    state: State | None  # of the run; None: another process writes it
    exit_status: int  # of the command
    message: str  # for the user
    reason: dict[str, str] | None = None  # {"type", "message"} for status.json
    needs_traceback: bool = False  # an error in code, ganexp's or the user's, not in what was requested


def ending(error: BaseException) -> Ending:
    """The state, exit status and message that belong to an exception."""
    message = in_words(error)
    reason = {"type": type(error).__name__, "message": message}
    match error:
        case Interrupted():
            return Ending(State.INTERRUPTED, INTERRUPTED, "stopped between two steps; the same command goes on")
        case Pruned():
            return Ending(State.PRUNED, FAILED, message)
        case Diverged():
            return Ending(State.DIVERGED, FAILED, message, reason)
        case LeaseLost():
            return Ending(None, FAILED, f"stopped: {message}")
        case Refused():
            return Ending(State.FAILED, REFUSED, message, reason)
        case OSError():
            named = error.filename is not None and error.strerror is not None
            status = REFUSED if error.errno in MISTYPED else FAILED
            return Ending(State.FAILED, status, f"{error.filename}: {error.strerror}" if named else message, reason)
    return Ending(State.FAILED, FAILED, message, reason, needs_traceback=lack_of_memory(error) is None)
