"""What all tests share: a data root that is made once, small runs, and one thread."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that the tests of one process share."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def ganexp(tmp_path: Path, data_root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m <module> ARGS` in tmp_path, to its end."""

    def run(
        *arguments: str, module: str = "ganexp", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *arguments]
        everything = {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1", **(env or {})}
        return subprocess.run(command, cwd=tmp_path, env=everything, capture_output=True, text=True, timeout=240)

    return run


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests/pins/record.py recorded with the code of version 0.1.0, unpacked; not to be written to."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(Path(__file__).parent / "pins" / "recorded.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def recorded(recorded_once: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy a directory that version 0.1.0 left (run, interrupted, grid or search) into tmp_path."""

    def copy(name: str) -> Path:
        return shutil.copytree(recorded_once / name, tmp_path / name)

    return copy
