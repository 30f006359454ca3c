"""What not every operating system has: signals, ways to open a file, and the promises that rest on them."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

WINDOWS = os.name == "nt"
PATIENCE_SECONDS = 2.0  # how long Windows is asked again to replace a file that another process reads

NOT_PROMISED = {
    "O_NOFOLLOW": '"Nothing outside is touched": a link put in the place of a file while a command works may be '
    "followed, and a junction of Windows counts as a folder of its own",
    "O_NONBLOCK": '"Memory stays bounded": a pipe put in the place of a file while a command works is waited for',
}
"""Flag of `os.open` -> what docs/security.md promises, and does not hold on a system without it."""

WITHOUT_FLOAT64 = ("mps",)  # kinds of torch devices

GUARDED = all(hasattr(os, flag) for flag in NOT_PROMISED)

READ_FLAGS = os.O_RDONLY  # with which a file is opened that a stranger may have written, as far as this system can
for _flag in ("O_CLOEXEC", "O_NOINHERIT", "O_BINARY", *NOT_PROMISED):
    READ_FLAGS |= getattr(os, _flag, 0)


def cores() -> int:
    """Cores that this process may use: affinity and container limits count."""
    from joblib import cpu_count

    return int(cpu_count())


def signals(*names: str) -> tuple[signal.Signals, ...]:
    """The signals of these names that this system has."""
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


def signal_self(number: int) -> None:
    """Send a signal to this process, from any thread; its handler runs in the main thread."""
    if WINDOWS:  # where os.kill ends the process without calling the handler
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


@functools.cache
def name_missing_guards() -> None:
    """Say on standard error, once, which promises of docs/security.md do not hold on this system."""
    for flag, promise in NOT_PROMISED.items():
        if not hasattr(os, flag):
            sys.stderr.write(f"ganexp: this system has no {flag}, so docs/security.md does not promise {promise}\n")


def total_memory() -> int:
    """Bytes of memory of this machine."""
    import psutil

    return int(psutil.virtual_memory().total)


def peak_memory() -> int:
    """The most bytes of memory that this process has held so far, shared pages of files included."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", memory.rss))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def patiently(change: Callable[[], Any]) -> None:
    """Replace or remove a file. Windows refuses that while another process reads the file: then it is tried again."""
    until = time.monotonic() + (PATIENCE_SECONDS if WINDOWS else 0.0)
    while True:
        try:
            change()
            return
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)
