"""Which folder is the data root, and which data roots may be written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganexp.types.errors import DataError

WRITABLE = "GANEXP_WRITABLE"  # environment variable: the data roots that may be written to, one a line; unset: all


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
    """The data root of the environment: GANEXP_DATA, or `data` in the working directory."""
    return absolute_root(Path(os.environ.get("GANEXP_DATA", "data")))


@contextmanager
def only_own_root(*named: Path) -> Iterator[None]:
    """Inside, only `own_root` and the roots `named` are written to; for configurations recorded by somebody else."""
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
