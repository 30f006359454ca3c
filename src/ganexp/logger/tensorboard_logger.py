"""`logger=tensorboard`: event files in the run directory (`tensorboard --logdir SWEEP_DIR` shows all its runs)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganexp.files.foreign import folder_below
from ganexp.files.raster import open_raster
from ganexp.logger.base import Guarded, Logger, require
from ganexp.types.errors import ConfigError


class _TensorBoard:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._writer: Any = None

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str, steps_done: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Readers drop what an earlier event file holds at purge_step and later, so that no row shows twice.
        purge_step = steps_done + 1 if steps_done else 0
        self._writer = SummaryWriter(log_dir=str(folder_below(run_dir, self._folder)), purge_step=purge_step)
        if not steps_done:
            text = json.dumps({"run_id": run_id, **config}, indent=2, default=str)
            self._writer.add_text("config", f"```json\n{text}\n```", global_step=0)
        self._writer.flush()

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        for key, value in row.items():
            if key != "step":
                self._writer.add_scalar(key, value, step)
        self._writer.flush()  # a killed run must not take its rows along

    def picture(self, name: str, path: Path, step: int) -> None:
        with open_raster(path, ("PNG",)) as picture:
            self._writer.add_image(name, np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def finish(self, state: str) -> None:
        self._writer.add_text("state", state)
        self._writer.close()


def tensorboard(*, folder: str = "tensorboard") -> Logger:
    """Write scalars named like the columns of metrics.csv, over the generator step, and the pictures.

    The event files go to `folder`; ConfigError where that is not inside the run directory.
    """
    if Path(folder).is_absolute() or ".." in Path(folder).parts:
        raise ConfigError(f"logger.folder: expected a folder inside the run directory, got {folder!r}")
    require("torch.utils.tensorboard", "tensorboard")
    return Guarded("tensorboard", _TensorBoard(folder))
