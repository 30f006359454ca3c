"""A reader that looks at every file of a sweep all the time, and remembers each that was not whole."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

PAUSE_SECONDS = 0.002

LASTING = ("status.json", "metrics.csv", "result.json", "plan.json", "summary.csv", "report.html", "losses.png")
"""Files that, once there, are there for good."""


def check(path: Path, data: bytes) -> None:
    """Raise ValueError where `data` is not the whole content of the file at `path`."""
    for end, rule in RULES.items():
        if path.name.endswith(end):
            rule(data)
            return


def _json(data: bytes) -> None:
    if not isinstance(json.loads(data), dict):
        raise ValueError("no mapping")


def _table(data: bytes) -> None:
    rows = list(csv.reader(io.StringIO(data.decode())))
    if not data.endswith(b"\n") or len(rows[0]) < 5 or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("a row is not whole")


def _tensors(data: bytes) -> None:
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
    if start + max(ends) != len(data):
        raise ValueError(f"expected {start + max(ends)} bytes, got {len(data)}")


def _ends(*wanted: bytes) -> Callable[[bytes], None]:
    def rule(data: bytes) -> None:
        if not data.rstrip(b"\n").endswith(wanted) or not data:
            raise ValueError(f"ends with {data[-10:]!r}")

    return rule


def _line(data: bytes) -> None:
    if not data.endswith(b"\n"):
        raise ValueError("the last line is not whole")


RULES: dict[str, Callable[[bytes], None]] = {
    ".json": _json,
    ".csv": _table,
    ".safetensors": _tensors,
    ".png": _ends(b"IEND\xaeB`\x82"),
    ".html": _ends(b"</html>"),
    ".svg": _ends(b"</svg>"),
    ".yaml": _line,
    ".md": _ends(b""),
}


class Reader:
    """Looks at everything below a folder from entering to leaving, which fails if anything was not whole.

    Attributes:
        looks: contents that were read, by kind of file.
        faults: what was not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.looks: Counter[str] = Counter()
        self.faults: list[str] = []
        self._known: dict[Path, tuple[int, int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reader")

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            assert not self.faults, "\n".join(self.faults[:20])

    def _watch(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            here = {path for path in _files(self.folder) if self._look(path)}
            for path in [p for p in self._known if p.name in LASTING and p not in here and not p.exists()]:
                self._known.pop(path)
                self.faults.append(f"{path}: was there and is gone")

    def _look(self, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            found = os.fstat(descriptor)
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._known.get(path) != stamp:
                self._known[path] = stamp
                self._judge(path, os.read(descriptor, 1 << 26))
        finally:
            os.close(descriptor)
        return True

    def _judge(self, path: Path, data: bytes) -> None:
        self.looks[path.suffix] += 1
        try:
            check(path, data)
        except (ValueError, LookupError, TypeError) as error:
            self.faults.append(f"{path}: {len(data)} bytes, not whole ({error})")


def _files(folder: Path) -> Iterator[Path]:
    """Files of the contract below a folder; not those with a temporary name, and no logs or locks."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif not entry.name.startswith(".") and not entry.name.endswith(".log"):
            yield Path(entry.path)
