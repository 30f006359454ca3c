"""Downloads through torchvision, which knows where the files are and what their checksums must be."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganexp.types.doing import doing

TIMEOUT_SECONDS = 30.0  # longest silence of the server

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class FetchError(Exception):
    """torchvision could not download or read the files; the message says why."""


def download(name: str, folder: str, archives: Sequence[str], roots: Sequence[Path], home: Path) -> None:
    """Have `torchvision.datasets.<name>` download into `home/<folder>`, where torchvision keeps its files.

    The download goes to a scratch folder first and is moved when it is complete and its checksums are right. Of
    `archives`, paths below a root, those in one of `roots` are not downloaded.

    Raises:
        FetchError: no network, a wrong checksum, or any other failure in torchvision.
        OSError: the disk is full or cannot be written.
    """
    scratch = home / f".download-{name}"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for archive in archives:
            (scratch / archive).parent.mkdir(parents=True, exist_ok=True)
            for copy in (root / archive for root in roots if (root / archive).is_file()):
                shutil.copyfile(copy, scratch / archive)
        with doing(f"downloading {name} to {home / folder}"):
            torchvision_dataset(name, scratch, download=True)
        (home / folder).mkdir(parents=True, exist_ok=True)
        for file in (scratch / folder).iterdir():
            if file.suffix != ".gz":
                file.replace(home / folder / file.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def torchvision_dataset(name: str, root: Path, *, train: bool = True, download: bool = False) -> Any:
    """`torchvision.datasets.<name>(root, train, download=download)`; any error becomes FetchError."""
    try:
        with warnings.catch_warnings(), _socket_timeout(TIMEOUT_SECONDS):
            warnings.simplefilter("ignore")  # pickles of numpy 1 warn under numpy 2
            import torchvision.datasets

            return getattr(torchvision.datasets, name)(str(root), train=train, download=download)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        raise FetchError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
