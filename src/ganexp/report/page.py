"""The report as text: report.html and report.md, laid out by the templates."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from ganexp.report.chapters import Chapter, chapters
from ganexp.report.facts import anchors, overview
from ganexp.report.figures.strips import joined
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.search import SearchRecord, searches
from ganexp.report.settings import NO_OPTIONS, VerdictOptions, short_key
from ganexp.report.statistics.importance import MIN_TRIALS
from ganexp.report.study import Study
from ganexp.report.text import sentence
from ganexp.report.text.history import history
from ganexp.report.text.remarks import older_protocols, together
from ganexp.types import terminal
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plural

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"

NARROW = 24  # longer values are broken into lines
FLAGGED = 40  # flags that are listed one by one
PICTURED = 12  # settings whose pictures stand in report.md


@dataclass(frozen=True)
class Report:
    """A report in memory: its pages, and the figures of report.md by file name."""

    html: str
    markdown: str
    figures: Mapping[str, bytes]

    def files(self, suffix: str = "") -> dict[str, bytes]:
        """Name -> content; `suffix` tells them from other reports in the same folder."""
        folder = f"{FIGURES}{suffix}"
        text = self.markdown.replace(f"]({FIGURES}/", f"]({folder}/")
        pages = {f"report{suffix}.md": text.encode(), f"report{suffix}.html": self.html.encode()}
        return {**{f"{folder}/{name}": content for name, content in self.figures.items()}, **pages}


def render(study: Study, rankings: Sequence[Ranking], out: Path, options: VerdictOptions = NO_OPTIONS) -> Report:
    """The report of a study, to be written into the folder `out`."""
    parts, searched = chapters(study, rankings, options), searches(study)
    script = (Path(__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")
    sizes = {run.values.get("trainer.batch_size") for run in study.runs}
    batches = sorted(size for size in sizes if isinstance(size, int))
    context = {
        "study": study,
        "chapters": parts,
        "facts": overview(study),
        "together": [*together(rankings), *older_protocols(study)],
        "history": history(study, rankings),
        "searches": searched,
        "anchors": anchors(rankings),
        "names": [sweep.directory.resolve().name for sweep in study.sweeps],
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "link": lambda run: _link(run.folder, out),
        "script": Markup(script),  # noqa: S704  (our own file)
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "batches": (batches[0], batches[-1]) if len(batches) > 1 else None,
    }
    html = _environment(autoescape=True).get_template("report.html.j2").render(**context)
    markdown = _environment(autoescape=False).get_template("report.md.j2").render(**context)
    return Report(html, markdown, _figures(parts, searched))


def _figures(parts: Sequence[Chapter], searched: Sequence[SearchRecord]) -> dict[str, bytes]:
    figures = {f"{drawing.name}.svg": drawing.file.encode() for search in searched for drawing in search.drawings}
    for part in parts:
        drawings = [drawing for section in part.drawings.values() for drawing in section]
        figures |= {f"{drawing.name}.svg": drawing.file.encode() for drawing in drawings}
        strips = enumerate(part.strips[:PICTURED], 1)
        figures |= {f"{part.id}-pictures-{number}.png": joined(strip) for number, strip in strips}
        figures |= {f"{picture.name}.png": picture.png for picture in part.extra}
    return figures


def _link(folder: Path, out: Path) -> str:
    """A relative URL of a folder; it begins with a dot, as a folder may be named javascript:..."""
    try:
        path = Path(os.path.relpath(folder.parent.resolve() / folder.name, out.resolve())).as_posix()
    except ValueError:  # on Windows
        raise DirectoryError(f"--out: expected a folder on the drive of {folder}, got {out}") from None
    return "./" + quote(path)


def _environment(*, autoescape: bool) -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ganexp.report", "templates"),
        # Off for Markdown alone, which escapes by filters of its own.
        autoescape=autoescape,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "n": sentence.number,
        "duration": sentence.duration,
        "plural": plural,
        "MIN_TRIALS": MIN_TRIALS,
        "FLAGGED": FLAGGED,
        "multiple": multiple,
        "bar": bar,
    }
    filters = (sentence.readable, terminal.duration, sentence.command, sentence.shortened, sentence.md, sentence.code)
    environment.filters |= {function.__name__: function for function in (short_key, *filters)}
    environment.filters["width"] = lambda text: "short" if len(text) <= NARROW else "long"
    return environment


def multiple(value: float | None, floor: float | None) -> float | None:
    """A value as a multiple of its floor; None where the floor is not positive."""
    return value / floor if value is not None and floor is not None and floor > 0 else None


def bar(ranking: Ranking, standing: Standing) -> float:
    """Length of a bar in the leaderboard, percent of the cell; logarithmic where values span more than tenfold."""
    values = [each.estimate.value for each in ranking.ranked if each.estimate is not None]
    value = standing.estimate.value if standing.estimate else 0.0
    low, high = min(values), max(values)
    if low <= 0 or high / low < 10:
        return round(max(0.0, 100 * value / high), 1) if high > 0 else 0.0
    return round(4 + 96 * float(np.log(value / low) / np.log(high / low)), 1)
