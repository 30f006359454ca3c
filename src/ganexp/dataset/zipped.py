"""Zip files read in memory, within bounds: nothing is extracted, and names in them are no paths."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ganexp.dataset.listing import EXTENSIONS, is_picture
from ganexp.dataset.place import open_regular
from ganexp.types.errors import DataError

MOST_BYTES = 2 * 2**30  # of what a zip unpacks to: it is held in memory
MOST_AT_ONCE = 32 * 2**20  # bytes of one picture, and of a zip's directory (250,000 pictures or more)


class _Bounded(io.BufferedReader):
    """A file of which no more than MOST_AT_ONCE bytes are read at once, such as the directory of a zip."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_AT_ONCE:
            raise DataError(f"expected a zip whose directory has {MOST_AT_ONCE} bytes at most, got {size}")
        return super().read(size)


@contextmanager
def unzipped(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`, for reading in memory; any error inside becomes a DataError that names it."""
    try:
        with open_regular(path) as opened:
            raw = io.FileIO(opened.fileno(), closefd=False)
            with _Bounded(raw) as file, zipfile.ZipFile(file) as archive:
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
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        pictures = sorted((entry for entry in entries if _shown(entry.filename)), key=lambda entry: entry.filename)
        if not pictures:
            names = ", ".join(EXTENSIONS)
            raise DataError(f"{path}: expected pictures ({names}), got a zip with {len(entries)} other files")
        largest = max(pictures, key=lambda entry: entry.file_size)
        bound(f"{path}/{largest.filename}", largest.file_size, MOST_AT_ONCE)
        bound(f"{path}: pictures", sum(entry.file_size for entry in pictures), MOST_BYTES)
        packed = [Packed(archive.read(entry), f"{path}/{entry.filename}") for entry in pictures]
    return packed, len(entries) - len(pictures)


def _shown(name: str) -> bool:
    """Whether a zip's entry is a picture, and in no hidden folder."""
    parts = PurePosixPath(name).parts
    folders = [part for part in parts[:-1] if part not in (".", "..")]
    return is_picture(parts[-1]) and not any(part.startswith(".") or part == "__MACOSX" for part in folders)


def bound(what: str, size: int, most: int) -> None:
    """Raise DataError where `what` unpacks to more than `most` bytes."""
    if size > most:
        raise DataError(f"{what}: expected at most {most} bytes unpacked, got {size}")
