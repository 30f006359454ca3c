"""The small grids that the cluster tests make, and waiting for them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd

SECONDS = ["train_seconds", "images_per_second"]
"""Columns that differ from one time to the next."""

BASE = (
    *("dataset.num_images=48", "model.latent_dim=8", "model.generator_widths=[16]", "model.discriminator_width=16"),
    *("model.maxout_units=8", "trainer.d_steps=2", "trainer.sample_images=4", "metrics.num_samples=64"),
    *("sweep.report=false", "trainer.threads=1"),
)
GRID = (*BASE, "trainer.epochs=2,3", "trainer.batch_size=12,20")
SLOW = (*BASE, "trainer.epochs=20,300", "trainer.batch_size=12,20", "trainer.samples_every_epochs=null")
"""The same with runs that take long enough to be disturbed."""

T = TypeVar("T")

Sweep = Callable[..., "subprocess.Popen[str]"]


def ended(place: Path, name: str, process: subprocess.Popen[str], seconds: float = 300.0) -> pd.DataFrame:
    """Wait for a sweep and give its summary, seconds aside."""
    status = process.wait(seconds)
    assert status == 0, (place / f"{name}.log").read_text()
    table = pd.read_csv(place / name / "summary.csv").drop(columns=SECONDS)
    assert set(table["state"]) == {"COMPLETED"}
    return table


def wait_for(found: Callable[[], T | None], seconds: float = 120.0) -> T:
    """What `found` gives once it gives something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds:.0f} s")
