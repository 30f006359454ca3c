"""Sweep and run directories that are there: what can be named where a command was given a folder that is none."""

from __future__ import annotations

import os
from pathlib import Path

from ganexp.files import plan
from ganexp.files.lease import STATUS
from ganexp.types.errors import DirectoryError, suggested

PLACES = (".", "outputs", "multirun")  # where commands put runs and sweeps, and users their own
LISTED = 5  # directories that a message names


def directories(top: Path) -> list[Path]:
    """The sweep and run directories in a folder, its outputs/ and its multirun/, the newest first; no links."""
    files = [file for place in PLACES for name in (plan.FILE, STATUS) for file in (top / place).glob(f"*/{name}")]
    times = {file.parent: file.lstat().st_mtime for file in files if not file.parent.is_symlink()}
    return sorted(times, key=lambda folder: (-times[folder], folder))


def expect_folder(path: Path) -> None:
    """Refuse a path that is no folder.

    Raises:
        DirectoryError: saying what sweeps and runs there are instead.
    """
    if not path.is_dir():
        got = "a file" if os.path.lexists(path) else "a path that does not exist"
        raise DirectoryError(f"{path}: expected a folder, got {got}{instead_of(path)}")


def instead_of(path: Path) -> str:
    """The end of a message about a folder that is not what was asked for: which sweeps and runs there are."""
    if (path / plan.FILE).exists() and (runs := [str(folder) for folder in directories(path)]):
        return f"; that is a sweep, whose runs are {_some(runs)}"
    places = [Path(), *(folder for folder in (path.parent, path) if folder.is_dir())]
    others = [str(folder) for place in reversed(places) for folder in directories(place)]
    names = [name for name in dict.fromkeys(others) if name != str(path)]
    if not names:
        return f"; there is no sweep or run here (in {', '.join(PLACES)})"
    return f"; sweeps and runs here: {_some(names)}.{suggested(str(path), names)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
