"""`logger=wandb`: Weights & Biases, online or offline."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ganexp.files.raster import open_raster
from ganexp.logger.base import Guarded, Logger, require
from ganexp.types.errors import ConfigError

MODES = ("online", "offline", "disabled")
FINISH_SECONDS = 300.0  # longest wait for uploads at the end of a run; the rest stays on disk for `wandb sync`


class _WandB:
    def __init__(self, wandb: ModuleType, settings: Mapping[str, Any]) -> None:
        self._wandb, self._settings = wandb, settings
        self._run: Any = None

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None:
        # The run's own id makes every attempt at it one run there; console="off" leaves our terminal output alone.
        self._run = self._wandb.init(
            **self._settings,
            id=run_id,
            name=run_dir.name,
            dir=str(run_dir),
            config=dict(config),
            resume="allow",
            reinit="finish_previous",
            settings=self._wandb.Settings(console="off", silent=True, finish_timeout=FINISH_SECONDS),
        )
        if self._settings["mode"] == "offline" and steps_done > 0:
            self._replay(run_dir / "metrics.csv", steps_done)

    def _replay(self, metrics: Path, steps_done: int) -> None:
        # An offline run cannot be resumed: syncing a later attempt's folder replaces what an earlier one's gave. So
        # each folder holds all rows from the first one on.
        with metrics.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if int(row["step"]) <= steps_done:
                    self.log({key: float(value) for key, value in row.items() if value}, int(row["step"]))

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        if step >= self._run.starting_step:  # a resumed run there cannot go back; what it holds already is the same
            self._run.log({key: value for key, value in row.items() if key != "step"}, step=step)

    def picture(self, name: str, path: Path, step: int) -> None:
        if step >= self._run.starting_step:
            with open_raster(path, ("PNG",)) as picture:
                self._run.log({name: self._wandb.Image(picture)}, step=step)

    def finish(self, state: str) -> None:
        self._run.summary["state"] = state
        self._run.finish(exit_code=0 if state in ("COMPLETED", "PRUNED") else 1)


def wandb(
    *,
    project: str = "ganexp",
    entity: str | None = None,
    group: str | None = None,
    tags: list[str] | None = None,
    mode: Literal["online", "offline", "disabled"] | None = None,
) -> Logger:
    """Track with Weights & Biases, under ganexp's run id.

    `entity` is the user or team (None: the account's default); `group` joins runs, e.g. those of one sweep. `mode` is
    $WANDB_MODE where it is None, or else "online". "offline" writes to the run directory, for `wandb sync` later (of a
    resumed run: the newest folder, which has all rows); "online" without credentials is a ConfigError.
    """
    module = require("wandb", "wandb")
    chosen = mode or os.environ.get("WANDB_MODE") or "online"
    if chosen not in MODES:
        raise ConfigError(f"WANDB_MODE: expected {', '.join(MODES)}, got {chosen!r}")
    if chosen == "online" and not module.login(prompt=False, verify=False):
        raise ConfigError(
            "logger=wandb: expected credentials, got none. Run `wandb login` first, or use logger.mode=offline"
        )
    settings = {"project": project, "entity": entity, "group": group, "tags": tags, "mode": chosen}
    return Guarded("wandb", _WandB(module, settings))
