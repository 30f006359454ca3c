"""Digests of content: the same for the same pixels and labels on every machine, cached by size and time of the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganexp.dataset.npy import BLOCK_BYTES
from ganexp.dataset.place import locked
from ganexp.files.atomic import write_json

CACHE = "digests.json"


def digest_of(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def array_digest(array: NDArray[Any]) -> str:
    """Hex SHA-256 of type, shape and elements, in C order and little-endian."""
    little = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str} {tuple(array.shape)}\n".encode())
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], dtype=little).data)
    return digest.hexdigest()


def file_digest(path: Path, array: NDArray[Any], cache_dir: Path) -> str:
    """`array_digest` of the array that is mapped from `path`, once for each (path, size, time, inode).

    The digests are kept in `digests.json` in `cache_dir`, a folder that can be written.
    """
    status = path.stat()
    key = [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
    entry = _cached(cache_dir).get(str(path), {})
    if entry.get("key") != key:
        with locked(cache_dir):
            entries = _cached(cache_dir)
            entry = entries.get(str(path), {})
            if entry.get("key") != key:
                entries[str(path)] = entry = {"key": key, "sha256": array_digest(array)}
                write_json(cache_dir / CACHE, entries)
    return str(entry["sha256"])


def _cached(cache_dir: Path) -> dict[str, dict[str, Any]]:
    """The cached digests that are well-formed; a missing or damaged cache is an empty one."""
    try:
        cached = json.loads((cache_dir / CACHE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    entries = cached.items() if isinstance(cached, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, dict) and {"key", "sha256"} <= set(entry)}
