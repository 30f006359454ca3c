"""What all tests share: a data root that is made once, small runs, and one thread."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from warm import Command


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
def environment(data_root: Path) -> dict[str, str]:
    """The environment variables of a command."""
    return {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Command]]:
    """Begin `python -m <module> ARGS` in tmp_path; it does not outlive the test."""
    begun = []

    def begin(*arguments: str, module: str = "ganexp", env: Mapping[str, str] | None = None) -> Command:
        begun.append(Command(arguments, module=module, cwd=tmp_path, env={**environment, **(env or {})}))
        return begun[-1]

    yield begin
    for command in begun:
        command.close()


@pytest.fixture
def ganexp(start: Callable[..., Command]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m <module> ARGS` in tmp_path, to its end."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = start(*arguments, **options)
        told = command.communicate()
        return subprocess.CompletedProcess(command.args, command.wait(), *told)

    return run


@pytest.fixture
def new_python(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `ganexp`, for what a Python does or reads when it starts: seconds slower."""

    def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command, everything = [sys.executable, "-m", "ganexp", *arguments], {**environment, **(env or {})}
        return subprocess.run(command, cwd=tmp_path, env=everything, capture_output=True, text=True, timeout=240)

    return run


@pytest.fixture
def no_losses_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process whose losses.png is empty: drawing it takes longer than a tiny training."""
    monkeypatch.setattr("ganexp.trainer.figures.losses_figure", lambda path, *_: Path(path).touch())


@pytest.fixture
def every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process write a full state after every epoch, however short it is."""
    monkeypatch.setattr("ganexp.trainer.states.SAVING_SHARE", float("inf"))


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
