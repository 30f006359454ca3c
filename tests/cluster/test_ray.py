"""A Ray cluster of two nodes on this machine."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pandas as pd
from small_grid import SLOW, Sweep, ended, wait_for


def test_a_run_whose_worker_is_killed_goes_on_from_its_checkpoint(
    place: Path, sweep: Sweep, ray_cluster: str, slow_by_joblib: pd.DataFrame
) -> None:
    process = sweep("ray-killed", *SLOW, "hydra/launcher=ray", f"+hydra.launcher.ray.init.address={ray_cluster}")

    def in_the_middle() -> tuple[int, Path] | None:
        for path in (place / "ray-killed").glob("*/status.json"):
            status = json.loads(path.read_text())
            if status["state"] == "RUNNING" and status["epoch"] > 30:
                return int(status["holder"]["pid"]), path.with_name("metrics.csv")
        return None

    pid, table = wait_for(in_the_middle)
    begun = rows(table)
    os.kill(pid, signal.SIGKILL)
    pd.testing.assert_frame_equal(ended(place, "ray-killed", process), slow_by_joblib)
    assert rows(table) == begun, "seconds of the first epochs, which no second beginning would measure alike"


def rows(table: Path) -> list[str]:
    """Heading and first ten epochs of a metrics.csv."""
    return table.read_text().splitlines()[:11]
