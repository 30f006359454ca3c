"""Files that are either whole or absent: write beside, flush to disk, rename over."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ganexp.types.system import WINDOWS, patiently

LOST = (errno.EIO, errno.ENOSPC, errno.EDQUOT)  # errors of fsync by which written bytes are not on disk

# Names that `replacing` gives, around the name of the final file.
_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}\.tmp(?P<suffix>(\.[^.]+)?)")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success it replaces `path` atomically, on error it is removed.

    Yields:
        The path of an empty file, with the same suffix as `path`. The final file gets the mode that the umask gives,
        even if the writer replaces the empty file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield temporary
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        _flush(temporary)
        patiently(partial(temporary.replace, path))
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, *parts: bytes | memoryview) -> None:
    """Write `parts`, one after the other, to `path` atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


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


def left_over(folder: Path, own: Callable[[Path], object]) -> list[Path]:
    """Temporary files of killed writers in a folder, if nobody writes now; links are not followed.

    `own` says whether ganexp writes a path: only files that would have become such files are returned.
    """
    if not folder.is_dir() or folder.is_symlink():
        return []
    names = [(path, _TEMPORARY.fullmatch(path.name)) for path in folder.iterdir()]
    return [p for p, m in names if m and own(folder / (m["stem"] + m["suffix"])) and p.is_file() and not p.is_symlink()]


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # a mounted drive may not know fsync; that bytes were lost is an error anywhere
        if error.errno in LOST:
            raise
    finally:
        os.close(descriptor)
