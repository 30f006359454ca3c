"""What every logger does, the one that does nothing, and how failures are kept away from the run."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from ganexp.types.errors import ConfigError

_log = logging.getLogger(__name__)

PATIENCE = 10


class Logger(Protocol):
    """Receives a run's rows and pictures as they come, called in the order below; `step` never decreases."""

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None:
        """Begin, or go on after a resume or a restart.

        `run_dir` exists, `config` is resolved and has plain containers only, `run_id` is the same for every attempt at
        the run. `steps_done` generator steps were logged by a former attempt (0: none); what it logged of later steps
        is replaced, or kept where the tool cannot replace: never doubled.
        """

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        """Log one row of metrics.csv; None values are empty cells."""

    def picture(self, name: str, path: Path, step: int) -> None:
        """Log a PNG file under `name`, e.g. "samples"."""

    def finish(self, state: str) -> None:
        """End with the run's state, e.g. "COMPLETED"."""


class _Nothing:
    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None: ...
    def log(self, row: Mapping[str, float | None], step: int) -> None: ...
    def picture(self, name: str, path: Path, step: int) -> None: ...
    def finish(self, state: str) -> None: ...


def csv() -> Logger:
    """`logger=csv`, the default: the run's own metrics.csv and pictures, and no tracking tool."""
    return _Nothing()


class Guarded:
    """A logger whose failures are warned of once and change nothing else; steps already logged are skipped.

    A failed call is lost for the tracking tool (metrics.csv has every row); a failed start is tried again with later
    rows. So that a dead network does not slow training, the next try waits `PATIENCE` times as long as the failed one
    took.
    """

    def __init__(self, name: str, logger: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._logger, self._clock = name, logger, clock
        self._begin: Callable[[], None] | None = None
        self._started = self._warned = False
        self._steps_done = 0
        self._retry_at = float("-inf")

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None:
        """See `Logger.start`."""
        self._steps_done = steps_done
        self._warned = False
        self._retry_at = float("-inf")
        self._begin = lambda: self._logger.start(run_dir, config, run_id, steps_done)
        self._started = self._attempt(self._begin)

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        """See `Logger.log`; empty cells are left out."""
        if self._due(step):
            filled = {key: value for key, value in row.items() if value is not None}
            self._attempt(lambda: self._logger.log(filled, step))

    def picture(self, name: str, path: Path, step: int) -> None:
        """See `Logger.picture`."""
        if self._due(step):
            self._attempt(lambda: self._logger.picture(name, path, step))

    def finish(self, state: str) -> None:
        """See `Logger.finish`; it is tried after any earlier failure."""
        if self._started:
            self._attempt(lambda: self._logger.finish(state))
        self._started, self._begin = False, None

    def _due(self, step: int) -> bool:
        if self._begin is None or step <= self._steps_done or self._clock() < self._retry_at:
            return False
        self._started = self._started or self._attempt(self._begin)
        return self._started

    def _attempt(self, call: Callable[[], None]) -> bool:
        began = self._clock()
        try:
            call()
        except Exception as error:  # whatever a tracking tool raises, the run goes on
            ended = self._clock()
            self._retry_at = ended + PATIENCE * (ended - began)
            if not self._warned:
                self._warned = True
                _log.warning(
                    "logger=%s failed (%s: %s). The run goes on; rows may be missing there, metrics.csv has them all.",
                    self._name,
                    type(error).__name__,
                    error,
                )
            return False
        return True


def require(module: str, extra: str) -> ModuleType:
    """Import a tracking package, which `pip install ganexp[extra]` installs; ConfigError where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"logger={extra}: expected its package to be installed, got {type(error).__name__}: {error}. "
            f"Install it with: pip install ganexp[{extra}]"
        ) from error
