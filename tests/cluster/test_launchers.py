"""One grid by every launcher."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from small_grid import GRID
from test_slurm import SLURM


@pytest.mark.parametrize("launcher", ["basic", "submitit_local"])
def test_every_launcher_gives_the_same_summary(
    launcher: str, finished: Callable[..., pd.DataFrame], by_joblib: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(finished(launcher, *GRID, f"hydra/launcher={launcher}"), by_joblib)


@pytest.mark.usefixtures("slurm")
def test_slurm_gives_the_same_summary(finished: Callable[..., pd.DataFrame], by_joblib: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(finished("slurm", *GRID, *SLURM), by_joblib)


def test_ray_gives_the_same_summary(
    finished: Callable[..., pd.DataFrame],
    by_joblib: pd.DataFrame,
    ray_cluster: str,
) -> None:
    address = f"+hydra.launcher.ray.init.address={ray_cluster}"
    pd.testing.assert_frame_equal(finished("ray", *GRID, "hydra/launcher=ray", address), by_joblib)
