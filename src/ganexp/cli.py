"""What every command does with an error: one clear message and the right exit status."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from ganexp.config.mistakes import composition_message
from ganexp.types.endings import FAILED, INTERRUPTED, REFUSED, ending
from ganexp.types.errors import ConfigError, DirectoryError, Diverged, Refused
from ganexp.types.system import name_missing_guards
from ganexp.types.terminal import keep_working, plain, speak_utf8

LONGEST_WORD = 500  # characters of a word in a message that are shown: a value that was typed may be of any length


def start(command: Callable[..., None]) -> None:
    """Run one of the commands with the arguments of the command line; for a process that does nothing else."""
    import typer

    speak_utf8()
    keep_working()
    typer.run(command)


@contextmanager
def reporting() -> Iterator[None]:
    """Inside, refusals, NaN, and a lack of disk or memory end the process with one message; see `ending`."""
    name_missing_guards()
    try:
        yield
    except (Refused, Diverged, OSError, MemoryError, RuntimeError) as error:
        end = ending(error)
        if end.needs_traceback:
            raise
        stop(end.message, end.exit_status)


def stop(message: str, status: int = REFUSED) -> NoReturn:
    """End the process with one message on standard error."""
    sys.stderr.write(f"ganexp: {_shortened(plain(message))}\n")
    raise SystemExit(status)


def _shortened(message: str) -> str:
    return re.sub(rf"(\S{{{LONGEST_WORD}}})\S+", r"\1...", message)


def run_reported(program: Callable[[], None], wants_traceback: bool) -> None:
    """Run Hydra's program; errors of the configuration and refusals end with status 2, others with 1.

    `program` calls Hydra with HYDRA_FULL_ERROR=1, so that exceptions come through; `wants_traceback` raises them again.
    """
    try:
        program()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        if wants_traceback:
            raise
        if (refusal := refusal_of(error)) is not None:
            stop(str(refusal))
        traceback.print_exception(error)
        raise SystemExit(FAILED) from None


def refusal_of(error: Exception) -> Refused | None:
    """The refusal that an error of Hydra's program means, before any run has begun; None: an error in code."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    cause: BaseException | None = error
    while cause is not None:  # a resolver's error arrives wrapped
        if isinstance(cause, Refused):
            return cause
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, HydraException | OmegaConfBaseException) or _by_hydra_alone(error):
        return ConfigError(composition_message(error))
    return DirectoryError(ending(error).message) if isinstance(error, OSError) else None


def _by_hydra_alone(error: BaseException) -> bool:
    """Whether an error arose before any of ganexp's code ran: about the command line, or a folder that it names."""
    modules = {str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)}
    return not any(name.startswith("ganexp.") for name in modules - {__name__, "ganexp.__main__", "ganexp.session"})


def wants_traceback() -> bool:
    """Whether the user asked Hydra for full errors."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"
