"""What all tests share: a data root that is made once, small runs, and one thread."""

from __future__ import annotations

import os
import subprocess
import sys
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
