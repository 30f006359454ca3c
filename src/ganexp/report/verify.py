"""Is every number of a written report what the runs' files say now?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

from ganexp.files.foreign import LARGE, read_bytes, read_text
from ganexp.report.findings import NOTHING
from ganexp.report.options import Options
from ganexp.report.summary import FILE as SUMMARY
from ganexp.report.summary import as_csv, summarise
from ganexp.report.write import FIGURES, HTML, MARKDOWN, Report, make
from ganexp.types.errors import DirectoryError

SHOWN_CHARACTERS = 120


def differences(sweep_dirs: Sequence[Path], folder: Path, options: Options = NOTHING) -> list[str]:
    """One line for each number, text or figure of the report in `folder` that differs; empty where nothing does.

    Args:
        sweep_dirs: the sweeps it is about.
        folder: where report.html and report.md lie.
        options: what the verdict was asked.

    Raises:
        DirectoryError: there is no report, or nothing to recompute it from.
    """
    found = changes(folder, lambda: make(sweep_dirs, folder, options))
    for sweep in sweep_dirs:
        found += _summary(sweep)
    return found


def changes(folder: Path, recompute: Callable[[], Report]) -> list[str]:
    """What of the report in `folder` differs from the one that is recomputed.

    Raises:
        DirectoryError: there is no report.
    """
    try:
        page, markdown = read_text(folder / HTML, LARGE), read_text(folder / MARKDOWN, LARGE)
    except (OSError, ValueError) as error:
        raise DirectoryError(f"{folder}: expected a report to verify ({error})") from None
    fresh = recompute()
    found = _numbers(page, fresh.html)
    found += _lines(HTML, _text(page), _text(fresh.html)) if not found else []
    found += _drawings(page, fresh.html)
    found += _lines(MARKDOWN, markdown.splitlines(), fresh.markdown.splitlines())
    for name, content in fresh.figures.items():
        path = folder / FIGURES / name
        if not path.exists() or not _holds(path, content):
            found.append(f"{FIGURES}/{name}: {'differs' if path.exists() else 'missing'}")
    return found


def _holds(path: Path, content: bytes) -> bool:
    try:
        return not path.parent.is_symlink() and read_bytes(path, LARGE) == content
    except OSError:
        return False


class _Reader(HTMLParser):
    """Collects <data> elements by key, and the visible text without figures, style and time."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, tuple[str, str]] = {}
        self.text: list[str] = []
        self._key: str | None = None
        self._value = ""
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("svg", "style", "time"):
            self._skipped.append(tag)
        if tag == "data":
            given = dict(attrs)
            self._key, self._value = given.get("data-key") or "?", given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if self._skipped and tag == self._skipped[-1]:
            self._skipped.pop()
        if tag == "data":
            self._key = None

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._key is not None:
            self.numbers[self._key] = (self._value, data)
        elif data.strip():
            self.text.append(" ".join(data.split()))


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def _numbers(page: str, fresh: str) -> list[str]:
    there, now = _read(page).numbers, _read(fresh).numbers
    found = []
    for key in {**there, **now}:
        if there.get(key) != now.get(key):
            found.append(f"{HTML}: {key}: the page says {_told(there.get(key))}, the files say {_told(now.get(key))}")
    return found


def _told(number: tuple[str, str] | None) -> str:
    return "nothing" if number is None else f"{number[1]} (exactly {number[0]})"


def _text(page: str) -> list[str]:
    return _read(page).text


def _drawings(page: str, fresh: str) -> list[str]:
    """Figures by id, compared as they are: the same data and the same matplotlib draw the same."""
    pattern = re.compile(r'<figure id="([^"]+)">(.*?)</figure>|<img (src="data:[^"]+" alt="[^"]*")', re.DOTALL)

    def parts(text: str) -> dict[str, str]:
        return {
            name or f"picture {number}": body or image
            for number, (name, body, image) in enumerate(pattern.findall(text), 1)
        }

    there, now = parts(page), parts(fresh)
    return [f"{HTML}: figure {name} differs" for name in {**there, **now} if there.get(name) != now.get(name)]


def _lines(name: str, there: Sequence[str], now: Sequence[str]) -> list[str]:
    changed = difflib.unified_diff(list(there), list(now), lineterm="", n=0)
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    words = {"-": "the report says", "+": "the files say"}
    return [f"{name}: {words[line[0]]}: {line[1:][:SHOWN_CHARACTERS]}" for line in lines]


def _summary(sweep: Path) -> list[str]:
    try:
        there = read_text(sweep / SUMMARY, LARGE)
    except (OSError, ValueError):
        return [f"{sweep / SUMMARY}: missing"]
    now = as_csv(summarise(sweep))
    return _lines(SUMMARY, there.splitlines(), now.splitlines())
