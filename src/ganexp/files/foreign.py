"""Reading files that a stranger may have written: of bounded size, plain files only, links never followed."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from ganexp.types.errors import DirectoryError
from ganexp.types.system import GUARDED, READ_FLAGS

SMALL, MEDIUM, LARGE = 1_000_000, 16_000_000, 64_000_000
"""Bytes that a file of one run may have (status, configuration; result, metrics.csv), and one of a whole sweep."""


def open_file(path: Path, most: int) -> BinaryIO:
    """Open a plain file for reading; the caller checks the folders above it (`refuse_links`).

    Raises:
        OSError: it is missing, a link, no plain file (a pipe would never end), or larger than `most` bytes.
    """
    if not GUARDED and not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(f"{path}: expected a plain file, got a link, folder, pipe or device")
    descriptor = os.open(path, READ_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path}: expected a plain file, got a folder, pipe or device")
        if status.st_size > most:
            raise OSError(f"{path}: expected at most {most:,} bytes, got {status.st_size:,}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a plain file.

    Raises:
        OSError: as `open_file`; or it grew beyond `most` while it was read.
    """
    with open_file(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"{path}: expected at most {most:,} bytes, got more")
    return content


def read_text(path: Path, most: int) -> str:
    """The UTF-8 text of a plain file, line ends as in memory.

    Raises:
        OSError: as `open_file`.
        ValueError: it is not UTF-8.
    """
    return io.TextIOWrapper(io.BytesIO(read_bytes(path, most)), encoding="utf-8").read()


def read_json(path: Path, most: int) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: as `open_file`.
        ValueError: it is not JSON, nested too deeply, or holds NaN, an infinity, or text that no file could hold.
    """
    text = read_text(path, most)
    try:
        value = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
    return value


def refuse_links(*paths: Path) -> None:
    """Refuse paths that are links: their targets belong to somebody else.

    Raises:
        DirectoryError: naming the first one and its target.
    """
    for path in paths:
        if path.is_symlink():
            raise DirectoryError(f"{path}: expected a file or folder of its own, got a link to {path.readlink()}")


def folder_below(base: Path, *names: str) -> Path:
    """A folder below a directory that somebody else may have recorded, made where it is missing.

    `names` are relative paths, joined. `base` itself may be a link.

    Raises:
        DirectoryError: a level below `base` is a link: its target belongs to somebody else.
    """
    path = base
    for name in Path(*names).parts:
        path = path / name
        refuse_links(path)
        path.mkdir(exist_ok=True)
    return path


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"expected numbers, got {name}")
