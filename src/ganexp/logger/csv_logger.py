"""`logger=csv`: nothing beyond the run's own metrics.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganexp.logger.base import Logger


class _Nothing:
    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None: ...
    def log(self, row: Mapping[str, float | None], step: int) -> None: ...
    def picture(self, name: str, path: Path, step: int) -> None: ...
    def finish(self, state: str) -> None: ...


def csv() -> Logger:
    """The default: the run's metrics.csv and pictures, and no tracking tool."""
    return _Nothing()
