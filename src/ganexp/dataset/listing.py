"""The pictures of a folder: found and listed, not opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganexp.types.errors import DataError

if TYPE_CHECKING:
    from ganexp.dataset.picture import File

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder."""

    top: Path
    pictures: tuple[tuple[str, int, int], ...]  # path ("/"-separated), bytes and time of change (ns), by path
    skipped: int  # files that are hidden, or no pictures by their extension

    def file(self, name: str) -> File:
        """The picture of this path."""
        return self.top / name


def list_pictures(key: str, top: Path) -> Listing:
    """List the pictures in the folder `top`, which the configuration's `key` names, and below; links are followed.

    Raises:
        DataError: no such folder, no pictures, a link that leads nowhere or round in a circle, or a picture that is no
            regular file.
    """
    if not top.is_dir():
        raise DataError(f"{key}: expected a folder of pictures, got {top}, which is no folder")
    pictures, skipped = [], 0
    for path, entry in _files(top):
        if not is_picture(entry.name):
            skipped += 1
        else:
            pictures.append((path, *_size_and_time(entry)))
    if not pictures:
        raise DataError(f"{key}: expected pictures ({', '.join(EXTENSIONS)}) in {top}, got {skipped} other files")
    pictures.sort()
    return Listing(top, tuple(pictures), skipped)


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture by its extension, and not hidden."""
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError as error:
        raise DataError(f"{entry.path}: expected a picture, got {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{entry.path}: expected a picture, got something that is no regular file")
    return status.st_size, status.st_mtime_ns


def _files(top: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Path relative to `top` and entry of every file, without hidden folders; one met twice is refused."""
    seen: set[tuple[int, int]] = set()
    pending = [""]
    while pending:
        inside = pending.pop()
        folder = top / inside
        try:
            status = folder.stat()
            entries = [(entry, _is_folder(entry)) for entry in os.scandir(folder)]
        except OSError as error:
            raise DataError(f"{folder}: expected a folder that can be read, got {error.strerror or error}") from None
        if (status.st_dev, status.st_ino) in seen:
            raise DataError(f"{folder}: expected every folder once, got one that symbolic links lead to again")
        seen.add((status.st_dev, status.st_ino))
        pending.extend(f"{inside}{entry.name}/" for entry, is_dir in entries if is_dir and entry.name[0] != ".")
        yield from ((f"{inside}{entry.name}", entry) for entry, is_dir in entries if not is_dir)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: not a folder; refused where it is read, if it is named like a picture
        return False
