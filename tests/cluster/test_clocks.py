"""Two hosts with clocks ten minutes apart and a shared filesystem whose locks do nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from small_grid import SLOW, Sweep, ended, wait_for

HOST = """
import fcntl, os, socket
fcntl.flock = lambda descriptor, operation: None
socket.gethostname = lambda: os.environ["FAKE_HOST"]
"""
"""sitecustomize.py: locks that do nothing, as on some NFS mounts, and a host name of one's own."""


@pytest.fixture(scope="module")
def faketime() -> str:
    """Path of libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "libfaketime"], check=True, capture_output=True)
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("no libfaketime here")
    return str(found[0])


def test_no_run_is_made_twice_and_none_is_lost(
    place: Path, sweep: Sweep, faketime: str, slow_by_joblib: pd.DataFrame
) -> None:
    (place / "fake").mkdir()
    (place / "fake" / "sitecustomize.py").write_text(HOST)
    python = {"PYTHONPATH": f"{place / 'fake'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    clock = {"LD_PRELOAD": faketime, "FAKETIME": "+600s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    asked = (*SLOW, "hydra.launcher.n_jobs=1")
    here = sweep("clocks", *asked, env={**python, "FAKE_HOST": "here"})
    wait_for(lambda: list((place / "clocks").glob("*/metrics.csv")))
    there = sweep("clocks", *asked, env={**python, **clock, "FAKE_HOST": "there"})
    began = time.time()
    for process in (here, there):
        pd.testing.assert_frame_equal(ended(place, "clocks", process), slow_by_joblib)
    log = (place / "clocks.log").read_text()
    scored = re.findall(r"epochs=20 cfd \S+, epochs=300 cfd \S+", log)
    assert len(scored) == 2, f"two trainings, each by one host:\n{log}"
    newest = max(path.stat().st_mtime for path in (place / "clocks").glob("*/result.json"))
    assert newest < began + 600
