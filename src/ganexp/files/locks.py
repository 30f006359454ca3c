"""Locks on files: the kernel's, released when their holder dies. Where a filesystem has none, work goes on without."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout, has_fcntl

from ganexp.files.atomic import left_over
from ganexp.types.doing import doing
from ganexp.types.system import WINDOWS

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # errors of a filesystem without locks


def file_lock(path: Path) -> FileLock:
    """A lock on the file `path`, not yet taken.

    filelock's substitute for a missing flock, a marker file, is not used: that of a holder which died on another host
    stays for ever, and looking for one opens the directory for writing. (filelock gives nothing else to a system
    without flock that is not Windows: `take` leaves it alone.)
    """
    return FileLock(path, is_singleton=False, thread_local=False, fallback_to_soft=False)


def take(lock: FileLock, seconds: float = -1) -> bool:
    """Take a lock, waiting for at most `seconds`; -1: without limit. Returns False on a filesystem without locks.

    Raises:
        Timeout: somebody else holds it.
        OSError: its file cannot be opened.
    """
    if not (has_fcntl or WINDOWS):
        return False
    try:
        lock.acquire(timeout=seconds, poll_interval=0.01 if 0 <= seconds < 1 else 0.05)
    except NotImplementedError:
        return False
    except Timeout:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS and error.filename is not None:  # the file itself cannot be opened
            raise
        return False
    return True


@contextmanager
def held(path: Path, *, seconds: float = -1, waiting: str = "") -> Iterator[bool]:
    """Hold the lock on `path` inside, after at most `seconds` of waiting; -1: without limit.

    `waiting` is logged where another process holds it. Yields False on a filesystem without locks: others may be at the
    same work.

    Raises:
        Timeout: another process holds it for longer than that.
    """
    lock = file_lock(path)
    try:
        locked = take(lock, 0 if waiting else seconds)
    except Timeout:
        if not waiting:
            raise
        with doing(waiting):
            locked = take(lock, seconds)
    try:
        yield locked
    finally:
        lock.release()


@contextmanager
def alone(path: Path, names: Collection[str], waiting: str) -> Iterator[None]:
    """Hold the lock on `path` inside, while files of these names are made in its folder.

    Temporary files that their killed makers left are removed first.
    """
    with held(path, waiting=waiting) as locked:
        for leftover in left_over(path.parent, lambda file: file.name in names) if locked else ():
            leftover.unlink(missing_ok=True)
        yield
