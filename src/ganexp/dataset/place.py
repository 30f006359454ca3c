"""Where prepared and derived files live: the data root, or the user's cache where that cannot be written."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ganexp.files.data_root import may_be_written
from ganexp.types.errors import DataError

T = TypeVar("T")
log = logging.getLogger("ganexp")
LOCK = ".dataset.lock"


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, else OSError: opening a pipe waits for a writer."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "something that is no regular file")
    return path.open("rb")


def cache_root(root: Path) -> Path | None:
    """The user's cache, keyed by the root's absolute path, for an unwritable `root`; None without a home directory."""
    folder = user_cache()
    return None if folder is None else folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:16]


def homes(root: Path) -> Iterator[Path | None]:
    """Where the files of `root` may be written, best first; the user's cache is looked up only when needed."""
    yield root
    yield cache_root(root)


def folder_of(home: Path, name: str) -> Path:
    """The folder of the prepared files of dataset `name` under a root or its stand-in."""
    return home / "prepared" / name


def in_first_writable(places: Iterable[Path | None], name: str, work: Callable[[Path], T]) -> T:
    """Do `work(home)` in the first of `places` where it can be done, with a warning if that is not the first.

    An OSError (read-only, no permission, disk full) moves on to the next; DataError where none can be written.
    """
    refusals: list[str] = []
    for home in places:
        if home is None:
            refusals.append("no cache directory is known: set HOME, XDG_CACHE_HOME or dataset.root")
            break
        folder = folder_of(home, name)
        if refusals:
            log.warning("%s: files of this dataset go to %s", refusals[-1], folder)
        try:
            if not may_be_written(home) and home.parent != user_cache():
                reason = f"a recorded configuration alone names it; if you do: GANEXP_DATA={home}"
                raise PermissionError(errno.EACCES, reason)
            probe(folder)
            return work(home)
        except OSError as error:
            refusals.append(f"{folder} cannot be written ({error.strerror or error})")
    raise DataError(f"dataset.root: expected a folder that can be written, got none: {'; '.join(refusals)}")


def user_cache() -> Path | None:
    """The folder of ganexp in the user's cache, which may be missing; None without a home directory."""
    from platformdirs import user_cache_dir

    try:
        folder = Path(user_cache_dir("ganexp"))
    except RuntimeError:  # neither HOME nor a user of this number
        return None
    return folder if folder.is_absolute() else None


def probe(folder: Path) -> None:
    """Create `folder` if need be, and a file in it; OSError if that cannot be done."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
        pass


def locked(folder: Path, *names: str) -> AbstractContextManager[None]:
    """The lock of a dataset's folder, held while files of these `names` are made there; see `ganexp.files.locks`."""
    from ganexp.files.locks import alone

    return alone(folder / LOCK, names, f"waiting for another process that works on {folder}")


def once(path: Path, write: Callable[[Path], None], *beside: str) -> None:
    """Make sure that `path` exists: of all processes that ask at once, one calls `write(path)`, the others wait.

    What a killed writer left of `path`, and of the names `beside` it, is removed first.
    """
    if path.exists():
        return
    with locked(path.parent, path.name, *beside):
        if not path.exists():
            write(path)
