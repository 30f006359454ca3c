"""The report as text: report.html and report.md, laid out by the templates."""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ganexp.report.chapters import Chapter, chapters, drawings
from ganexp.report.data import PICTURED as PICTURED_SETTINGS
from ganexp.report.data import SINGLE_RUNS, data_block
from ganexp.report.facts import anchors, overview
from ganexp.report.figures.strips import Strip, animation, joined, strips
from ganexp.report.figures.svg import Drawing
from ganexp.report.looks import noted, without_claims
from ganexp.report.ranking import Ranking
from ganexp.report.search import searches
from ganexp.report.settings import NO_OPTIONS, VerdictOptions, key_names, short_key
from ganexp.report.states import RunProgress
from ganexp.report.statistics.importance import MIN_TRIALS
from ganexp.report.study import Study
from ganexp.report.text import sentence
from ganexp.report.text.glossary import GLOSSARY
from ganexp.report.text.history import history
from ganexp.report.text.remarks import older_protocols, together
from ganexp.report.winner import first_screen, repeating
from ganexp.types import terminal
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plural

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("echarts.min.js", "page.js", "charts.js", "generator.js", "live.js")

FIRST_SCREEN = ("/level", "/others", "/few")  # keys of the verdict's sentences that stand above the pictures
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
    parts = chapters(study, rankings, options)
    order = study.runs if study.searched else ()
    drawn = {part.id: _that_can_be_saved(drawings(part, order)) for part in parts}
    pictures = {part.id: strips(part.ranking, part.id) for part in parts}
    context = _context(study, rankings, parts, out) | {"drawings": drawn, "strips": pictures}
    markdown = _environment(autoescape=False).get_template("report.md.j2").render(**context)
    return Report(_html(context), markdown, _figures(parts, drawn, pictures))


def _that_can_be_saved(sections: Mapping[str, Sequence[Drawing]]) -> dict[str, list[Drawing]]:
    return {key: [drawing for drawing in section if drawing.is_drawn] for key, section in sections.items()}


def render_live(study: Study, rankings: Sequence[Ranking], out: Path, runs: Sequence[RunProgress]) -> tuple[str, Any]:
    """The page of a sweep that may still run, and its data block; `runs`: as they are now.

    Claims are made once every run has ended and a report has noted its look at them: each look costs a part of the
    error rate.
    """
    done, seen = all(run.state.final for run in runs), noted(study.looks)
    shown = [each if done and each.runs in seen else without_claims(each) for each in rankings]
    context = _context(study, shown, chapters(study, shown, NO_OPTIONS), out, runs)
    return _html(context | {"running": not done}), context["data"]


def _context(
    study: Study,
    rankings: Sequence[Ranking],
    parts: Sequence[Chapter],
    out: Path,
    live: Sequence[RunProgress] | None = None,
) -> dict[str, Any]:
    """What the templates speak of."""
    scripts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS[: 4 if live is None else 5]]
    sizes = {run.values.get("trainer.batch_size") for run in study.runs}
    batches = sorted(size for size in sizes if isinstance(size, int))
    linked = () if study.table or live is not None else study.runs  # a dashboard serves no folders
    links = {run.run_id: _link(run.folder, out) + "/" for run in linked}
    return {
        "study": study,
        "chapters": parts,
        "facts": overview(study),
        "together": [*together(rankings), *older_protocols(study)],
        "history": history(study, rankings),
        "searches": searches(study),
        "anchors": anchors(rankings),
        "names": [sweep.directory.resolve().name for sweep in study.sweeps],
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "links": links,
        "scripts": [Markup(script) for script in scripts],  # noqa: S704  (our own files, and the library's)
        "hashes": [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts],
        "batches": (batches[0], batches[-1]) if len(batches) > 1 else None,
        "first": {part.id: first_screen(part) for part in parts},
        "animations": {part.id: animation(part.ranking.best.lead) for part in parts if part.ranking.best},
        "data": data_block(study, parts, links, live),
        "live": live is not None,
        "running": False,
    }


def _html(context: Mapping[str, Any]) -> str:
    return str(_environment(autoescape=True).get_template("report.html.j2").render(**context))


def _figures(
    parts: Sequence[Chapter],
    drawn: Mapping[str, Mapping[str, Sequence[Drawing]]],
    pictures: Mapping[str, Sequence[Strip]],
) -> dict[str, bytes]:
    figures: dict[str, bytes] = {}
    for part in parts:
        figures |= {f"{each.name}.svg": each.svg.encode() for section in drawn[part.id].values() for each in section}
        strips = enumerate(pictures[part.id][:PICTURED], 1)
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


@functools.cache
def _environment(*, autoescape: bool) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
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
        "scale": scale,
        "GLOSSARY": GLOSSARY,
        "SINGLE_RUNS": SINGLE_RUNS,
        "PICTURED_SETTINGS": PICTURED_SETTINGS,
    }
    filters = (sentence.readable, terminal.duration, sentence.command, sentence.shortened, sentence.md, sentence.code)
    environment.filters |= {function.__name__: function for function in (key_names, short_key, *filters)}
    environment.filters["again"] = lambda run: sentence.command(repeating(run.overrides))
    environment.tests["first"] = lambda line: line.lead or line.key.endswith(FIRST_SCREEN)
    environment.filters["width"] = lambda text: "short" if len(text) <= NARROW else "long"
    return environment


def multiple(value: float | None, floor: float | None) -> float | None:
    """A value as a multiple of its floor; None where the floor is not positive."""
    return value / floor if value is not None and floor is not None and floor > 0 else None


def scale(ranking: Ranking) -> Callable[[float], float]:
    """Value -> its place between 0 and 100 in the leaderboard's bars; logarithmic where values span threefold."""
    estimates = [each.estimate for each in ranking.ranked if each.estimate is not None]
    ends = [end for e in estimates for end in (e.value, e.low, e.high) if end is not None and math.isfinite(end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if low > 0 and high / low >= 3:
        return lambda value: round(100 * math.log(max(value, low) / low) / math.log(high / low), 1)
    return lambda value: round(100 * (value - low) / (high - low or 1.0), 1)
