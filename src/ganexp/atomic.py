"""Files that are either whole or absent: write beside, flush to disk, rename over."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"^\.(.+\.[0-9a-f]{8}\.tmp(\..+)?|tmp[0-9A-Za-z]{6})$")
"""Names that `replacing` gives, and those that safetensors writes under."""


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success it replaces `path` atomically, on error it is removed.

    Args:
        path: the file to write; its folder must exist.

    Yields:
        A path that does not exist yet, with the same suffix as `path`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` to `path` as indented JSON, atomically. NaN and infinities are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def copy(source: Path | str, target: Path | str) -> None:
    """Copy a file's content to `target` atomically."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def left_over(folder: Path) -> list[Path]:
    """The temporary files in a folder: those of writers that were killed, if nobody writes there now."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    return [path for path in folder.iterdir() if _TEMPORARY.match(path.name)]


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
