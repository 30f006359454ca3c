"""Whether every number of a written report is what the runs' files say now."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

from ganexp.files.foreign import LARGE, read_bytes, read_text
from ganexp.report.page import FIGURES, HTML, MARKDOWN, Report
from ganexp.report.settings import NO_OPTIONS, VerdictOptions
from ganexp.report.summary import FILE as SUMMARY
from ganexp.report.summary import as_csv, summarise
from ganexp.report.write import make
from ganexp.types.errors import DirectoryError

T = TypeVar("T")

SHOWN_CHARACTERS = 120

NUMBER = re.compile(r'<data data-key="([^"]*)" value="([^"]*)">([^<]*)</data>')
APART = re.compile(r"<(svg|style|time|script)\b.*?</\1>", re.DOTALL)
PICTURES = re.compile(r'<(svg class="span".*?)</svg>|<img (src="data:[^"]+" alt="[^"]*")', re.DOTALL)
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
SCRIPTS = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def differences(sweep_dirs: Sequence[Path], folder: Path, options: VerdictOptions = NO_OPTIONS) -> list[str]:
    """One line for each number, text or figure of the report in `folder` that differs from the runs' files.

    `options` must be those that the report was written with.

    Raises:
        DirectoryError: there is no report, or nothing to recompute it from.
    """
    lines = changes(folder, lambda: make(sweep_dirs, folder, options))
    return [*lines, *(line for directory in sweep_dirs for line in _summary(directory))]


def changes(folder: Path, recompute: Callable[[], Report]) -> list[str]:
    """What of the report in `folder` differs from a recomputed one; DirectoryError where there is none."""
    try:
        html, markdown = read_text(folder / HTML, LARGE), read_text(folder / MARKDOWN, LARGE)
    except (OSError, ValueError) as error:
        raise DirectoryError(f"{folder}: expected a report to verify ({error})") from None
    fresh = recompute()
    lines = [
        f"{HTML}: {key}: the page says {_number(before)}, the files say {_number(now)}"
        for key, before, now in _differing(_numbers(html), _numbers(fresh.html))
    ]
    lines = lines or _lines(HTML, _text(html), _text(fresh.html))
    block = _differing(dict(_leaves(_block(html))), dict(_leaves(_block(fresh.html))))
    lines += [
        f"{HTML}: data: {key}: the page says {_shown(old)}, the files say {_shown(now)}" for key, old, now in block
    ]
    pictures = _differing(_pictures(html), _pictures(fresh.html))
    lines += [f"{HTML}: {name} differs" for name, _, _ in pictures]
    lines += _lines(MARKDOWN, markdown.splitlines(), fresh.markdown.splitlines())
    for name, content in fresh.figures.items():
        path = folder / FIGURES / name
        if not _holds(path, content):
            lines.append(f"{FIGURES}/{name}: {'differs' if path.exists() else 'missing'}")
    return lines


def _holds(path: Path, content: bytes) -> bool:
    try:
        return not path.parent.is_symlink() and read_bytes(path, LARGE) == content
    except OSError:
        return False


def _numbers(page: str) -> dict[str, tuple[str, str]]:
    """Key of a number -> its exact value, and its text."""
    return {unescape(key): (value, text) for key, value, text in NUMBER.findall(page)}


def _text(page: str) -> list[str]:
    """The visible text without figures, the time and `_numbers`; a number in any other form counts as text."""
    pieces = re.split(r"<[^>]*>", APART.sub("<>", NUMBER.sub("<>", page)))
    return [" ".join(unescape(piece).split()) for piece in pieces if piece.strip()]


def _differing(before: Mapping[str, T], now: Mapping[str, T]) -> list[tuple[str, T | None, T | None]]:
    keys = {**before, **now}
    return [(key, before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)]


def _number(number: tuple[str, str] | None) -> str:
    return "nothing" if number is None else f"{number[1]} (exactly {number[0]})"


def _pictures(page: str) -> dict[str, str]:
    """Pictures, bars and scripts of the page by number, compared literally."""
    pictures = {f"picture {at}": bar or image for at, (bar, image) in enumerate(PICTURES.findall(page), 1)}
    return pictures | {f"script {at}": text for at, text in enumerate(SCRIPTS.findall(page), 1)}


def _block(page: str) -> Any:
    """The data block of a page, which may be a stranger's; None where there is none."""
    found = DATA.search(page)
    try:
        return json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        return None


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Path -> value of everything in plain JSON."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from _leaves(each, f"{place}/{key}" if place else str(key))
    if not isinstance(value, dict | list) or not value:
        yield place, value


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)[:SHOWN_CHARACTERS]


def _lines(name: str, before: Sequence[str], now: Sequence[str]) -> list[str]:
    changed = difflib.unified_diff(list(before), list(now), lineterm="", n=0)
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    words = {"-": "the report says", "+": "the files say"}
    return [f"{name}: {words[line[0]]}: {line[1:][:SHOWN_CHARACTERS]}" for line in lines]


def _summary(sweep_dir: Path) -> list[str]:
    try:
        text = read_text(sweep_dir / SUMMARY, LARGE)
    except (OSError, ValueError):
        return [f"{sweep_dir / SUMMARY}: missing"]
    return _lines(SUMMARY, text.splitlines(), as_csv(summarise(sweep_dir)).splitlines())
