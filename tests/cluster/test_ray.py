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

    def in_the_middle() -> int | None:
        for path in (place / "ray-killed").glob("*/status.json"):
            status = json.loads(path.read_text())
            if status["state"] == "RUNNING" and status["epoch"] > 30:
                return int(status["holder"]["pid"])
        return None

    os.kill(int(str(wait_for(in_the_middle))), signal.SIGKILL)
    pd.testing.assert_frame_equal(ended(place, "ray-killed", process), slow_by_joblib)
    assert "going on after step" in (place / "ray-killed.log").read_text()
