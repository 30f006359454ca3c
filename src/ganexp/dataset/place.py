"""Where prepared and derived files live: the data root, or the user's cache where that cannot be written."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ganexp.atomic import left_over
from ganexp.errors import DataError

T = TypeVar("T")
log = logging.getLogger("ganexp")
LOCK = ".dataset.lock"


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


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes; OSError for what is none: opening a pipe would wait until somebody writes."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "something that is no regular file")
    return path.open("rb")


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


def cache_root(root: Path) -> Path | None:
    """The folder that stands in for an unwritable `root`: the user's cache, keyed by the root's absolute path.

    None where no home directory is known.
    """
    folder = _cache()
    return None if folder is None else folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:16]


def homes(root: Path) -> Iterator[Path | None]:
    """Where the files of `root` may be written, best first; the user's cache is not looked for before it is needed."""
    yield root
    yield cache_root(root)


def folder_of(home: Path, name: str) -> Path:
    """The folder of the prepared files of dataset `name` under a root or its stand-in."""
    return home / "prepared" / name


def in_first_writable(places: Iterable[Path | None], name: str, work: Callable[[Path], T]) -> T:
    """Do `work(home)` in the first of `places` where it can be done, saying so when that is not the first one.

    An OSError (read-only, no permission, disk full) moves on to the next.

    Raises:
        DataError: none of them can be written.
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
            _refuse_recorded(home)
            probe(folder)
            return work(home)
        except OSError as error:
            refusals.append(f"{folder} cannot be written ({error.strerror or error})")
    raise DataError(f"dataset.root: expected a folder that can be written, got none: {'; '.join(refusals)}")


def _refuse_recorded(home: Path) -> None:
    """PermissionError for a data root that a recorded configuration names, and the user does not."""
    named = os.environ.get(WRITABLE)
    if named is not None and str(home) not in named.split("\n") and home.parent != _cache():
        raise PermissionError(errno.EACCES, f"a recorded configuration alone names it; if you do: GANEXP_DATA={home}")


def _cache() -> Path | None:
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


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a dataset's folder, as `ganexp.locks.held`; the kernel frees it if its holder dies."""
    from ganexp.locks import held

    with held(folder / LOCK, waiting=f"waiting for another process that works on {folder}") as alone:
        yield alone


def once(path: Path, write: Callable[[Path], None], *beside: str) -> None:
    """Make sure that `path` exists: of all processes that ask at once, one calls `write(path)`, the others wait.

    Temporary files that a killed writer left are removed first, those of `path` and of the names `beside` it.
    """
    if path.exists():
        return
    with locked(path.parent) as alone:
        if path.exists():
            return
        for leftover in left_over(path.parent, lambda each: each.name in (path.name, *beside)) if alone else ():
            leftover.unlink(missing_ok=True)
        write(path)
