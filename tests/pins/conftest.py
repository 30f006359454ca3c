from __future__ import annotations

import runpy
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit status and everything it printed."""

    status: int
    text: str


@pytest.fixture
def door(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """`python -m ganexp.NAME ARGS` in tmp_path, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GANEXP_DATA", str(data_root))

    def run(name: str, *arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", [f"ganexp.{name}", *map(str, arguments)])
        capfd.readouterr()
        status: object = 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*found in sys.modules.*", RuntimeWarning)
            try:
                runpy.run_module(f"ganexp.{name}", run_name="__main__", alter_sys=False)
            except SystemExit as ending:
                status = ending.code or 0
        return Ended(int(str(status)), "".join(capfd.readouterr()))

    return run
