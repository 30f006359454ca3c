"""looks.json: every report that tests settings notes in the sweep directory that somebody looked, and at what."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from ganexp.files.atomic import write_json
from ganexp.files.contents import Looks, OneLook, check
from ganexp.files.foreign import MEDIUM, read_json, refuse_links
from ganexp.files.locks import held
from ganexp.types.errors import DirectoryError

log = logging.getLogger("ganexp")

FILE = "looks.json"
FORMAT = 1


def read_looks(directories: Iterable[Path]) -> tuple[OneLook, ...]:
    """What was noted in sweep directories, in the order of time, each look once; a damaged file counts as none."""
    looks: dict[str, OneLook] = {}
    for directory in directories:
        try:
            for look in _read(directory):
                looks.setdefault(look["runs"], look)
        except (OSError, ValueError) as error:
            log.warning("%s: the looks noted in it are not counted: %s", directory / FILE, _short(error))
    return tuple(sorted(looks.values(), key=lambda look: look["time"]))


def note(directory: Path, looks: Sequence[OneLook]) -> None:
    """Add looks to those of a sweep directory; those that are in it are not noted again.

    A directory that cannot be written to, and a file that is no list of looks, stay as they are, and a warning says so.
    """
    try:
        refuse_links(directory / FILE)
        before = _read(directory)
        have = {look["runs"] for look in before}
        if all(look["runs"] in have for look in looks):
            return
        with held(directory / f".{FILE}.lock", seconds=10):
            before = _read(directory)
            have = {look["runs"] for look in before}
            value = {"format": FORMAT, "looks": [*before, *(look for look in looks if look["runs"] not in have)]}
            check(Looks, value)
            write_json(directory / FILE, value)
    except (OSError, ValueError, Timeout, DirectoryError) as error:
        log.warning("%s: this look could not be noted, later reports will not count it: %s", directory, _short(error))


def digest(kind: Sequence[str], runs: Iterable[tuple[str, float]]) -> str:
    """What was looked at: equal for equal runs with equal values."""
    return hashlib.blake2b(repr([*kind, sorted(runs)]).encode(), digest_size=16).hexdigest()


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(directory: Path) -> list[OneLook]:
    try:
        content: Any = read_json(directory / FILE, MEDIUM)
    except FileNotFoundError:
        return []
    check(Looks, content)
    return list(content["looks"])


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
