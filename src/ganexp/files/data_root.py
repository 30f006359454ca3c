"""Which folder is the data root, and which data roots may be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganexp.types.errors import DataError

WRITABLE = "GANEXP_WRITABLE"
"""Variable that names the data roots that may be written, a line each; unset: all."""


def expanded(key: str, path: Path) -> Path:
    """`path` with ~ expanded; DataError, naming `key`, where no home directory is known."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise DataError(f"{key}: expected a path without ~, as no home is known (set HOME), got {path}") from None


def absolute_root(root: Path) -> Path:
    """`root` with ~ expanded, independent of the working directory; DataError if it is a file."""
    root = Path(os.path.abspath(expanded("dataset.root", root)))  # noqa: PTH100  (resolve() would follow links)
    if root.exists() and not root.is_dir():
        raise DataError(f"dataset.root: expected a folder, got the file {root}")
    return root


def own_root() -> Path:
    """The data root that the user's environment names: GANEXP_DATA, or `data` in the working directory."""
    return absolute_root(Path(os.environ.get("GANEXP_DATA", "data")))


@contextmanager
def only_own_root(*named: Path) -> Iterator[None]:
    """Inside, no data roots are written but `own_root` and those `named`; for what somebody else may have recorded."""
    before = os.environ.get(WRITABLE)
    os.environ[WRITABLE] = "\n".join(str(root) for root in (own_root(), *map(absolute_root, named)))
    try:
        yield
    finally:
        del os.environ[WRITABLE]
        if before is not None:
            os.environ[WRITABLE] = before


def may_be_written(root: Path) -> bool:
    """Whether the user names a data root, or nobody limited what may be written (`only_own_root`)."""
    named = os.environ.get(WRITABLE)
    return named is None or str(root) in named.split("\n")
