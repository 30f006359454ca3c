"""Zip files read within bounds: nothing is extracted, and names in them are no paths."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ganexp.dataset.listing import EXTENSIONS, Listing, is_picture
from ganexp.dataset.picture import File
from ganexp.dataset.place import open_regular
from ganexp.types.errors import DataError

MOST_BYTES = 2 * 2**30  # of what a zip unpacks to: it is held in memory
MOST_ON_DEMAND = 10 * 10**9  # of what the pictures of a data set unpack to: one is held in memory at a time
MOST_ENTRIES, MOST_DIRECTORY = 5_000_000, 2**30  # files in it, and bytes of its directory
MOST_AT_ONCE = 32 * 2**20  # bytes of one picture, and of a zip's directory (250,000 pictures or more)


class _Bounded(io.BufferedReader):
    """A file of which no more than `most` bytes are read at once, such as the directory of a zip."""

    most = MOST_AT_ONCE

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.most:
            raise DataError(f"expected a zip whose directory has {self.most} bytes at most, got {size}")
        return super().read(size)


@contextmanager
def unzipped(path: Path, most: int | None = None) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`, for reading in memory; any error inside becomes a DataError that names it."""
    try:
        with open_regular(path) as opened:
            raw = io.FileIO(opened.fileno(), closefd=False)
            with _Bounded(raw) as file:
                file.most = most or MOST_AT_ONCE
                with zipfile.ZipFile(file) as archive:
                    yield archive
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{path}: expected a zip file, got {error.strerror or error}") from None
    except Exception as error:  # damaged, encrypted, or compressed in an unknown way
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: expected a zip file that can be read, got {reason}") from None


class Packed(io.BytesIO):
    """A picture's file in memory."""

    def __init__(self, content: bytes, label: str) -> None:
        super().__init__(content)
        self._label = label

    def __str__(self) -> str:
        return self._label


def zipped_pictures(path: Path) -> tuple[list[Packed], int]:
    """The pictures in a zip by name, and how many other files it has; hidden folders, as those of macOS, are others."""
    with unzipped(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith(("/", "\\"))]
        pictures = sorted((entry for entry in entries if _shown(_path(entry))), key=_path)
        if not pictures:
            names = ", ".join(EXTENSIONS)
            raise DataError(f"{path}: expected pictures ({names}), got a zip with {len(entries)} other files")
        largest = max(pictures, key=lambda entry: entry.file_size)
        bound(f"{path}/{largest.filename}", largest.file_size, MOST_AT_ONCE)
        bound(f"{path}: pictures", sum(entry.file_size for entry in pictures), MOST_BYTES)
        packed = [Packed(archive.read(entry), f"{path}/{entry.filename}") for entry in pictures]
    return packed, len(entries) - len(pictures)


@dataclass(frozen=True)
class Zipped:
    """A picture in a zip that stays closed until it is decoded."""

    archive: Path
    entry: zipfile.ZipInfo

    def unpacked(self) -> BinaryIO:
        """Its content, in memory."""
        return Packed(_open(self.archive).read(self.entry), str(self))

    def __str__(self) -> str:
        return f"{self.archive}/{self.entry.filename}"


@dataclass(frozen=True)
class ZipListing(Listing):
    """The pictures of a zip, by size and checksum instead of size and time."""

    entries: Mapping[str, zipfile.ZipInfo]

    def file(self, name: str) -> File:
        """The picture of this path."""
        return Zipped(self.top, self.entries[name])


def list_zip(path: Path) -> ZipListing:
    """The pictures in a zip, sorted by name; nothing is unpacked.

    Raises:
        DataError: no zip, no pictures, too many or too large ones, or entries that are links, encrypted, or lead out.
    """
    with unzipped(path, MOST_DIRECTORY) as archive:
        infos = [entry for entry in archive.infolist() if not entry.filename.endswith(("/", "\\"))]
        bound(f"{path}: entries", len(infos), MOST_ENTRIES, "entries")
        for entry in infos:
            if (problem := _problem(entry)) is not None:
                raise DataError(f"{path}/{entry.filename}: {problem}")
        shown = {_path(entry): entry for entry in infos if _shown(_path(entry))}
        entries = dict(sorted(shown.items()))
        if not entries:
            names = ", ".join(EXTENSIONS)
            raise DataError(f"{path}: expected pictures ({names}), got a zip with {len(infos)} other files")
        for entry in entries.values():
            bound(f"{path}/{entry.filename}", entry.file_size, MOST_AT_ONCE)
        bound(f"{path}: pictures", sum(entry.file_size for entry in entries.values()), MOST_ON_DEMAND)
    pictures = tuple((name, entry.file_size, entry.CRC) for name, entry in entries.items())
    return ZipListing(path, pictures, len(infos) - len(entries), entries)


def _problem(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry is refused, whatever is in it."""
    parts = PurePosixPath(_path(entry)).parts
    if ".." in parts or parts[:1] == ("/",):
        return "expected a path inside the zip, got one that leads out of it"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "expected a file, got a link; make the zip with the files themselves"
    if entry.flag_bits & 1:
        return "expected a file that can be read, got an encrypted one; make the zip without a password"
    return None


def _path(entry: zipfile.ZipInfo) -> str:
    """An entry's path, "/"-separated: some programs of Windows write backslashes."""
    return entry.filename.replace("\\", "/")


@lru_cache(maxsize=4)
def _open(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _shown(name: str) -> bool:
    """Whether a zip's entry is a picture, and in no hidden folder."""
    parts = PurePosixPath(name).parts
    folders = [part for part in parts[:-1] if part not in (".", "..")]
    return is_picture(parts[-1]) and not any(part.startswith(".") or part == "__MACOSX" for part in folders)


def bound(what: str, size: int, most: int, unit: str = "bytes unpacked") -> None:
    """Raise DataError where `what` unpacks to more than `most` bytes."""
    if size > most:
        raise DataError(f"{what}: expected at most {most} {unit}, got {size}")
