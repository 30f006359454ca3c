"""The report as text: everything is computed here, from a Study, and laid out by the templates."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from ganexp.files.drawing import drawn
from ganexp.report import charts, curves, wording
from ganexp.report.anchors import anchors
from ganexp.report.collect import Run, Study, short_key
from ganexp.report.confirmed import Confirmed, confirmed
from ganexp.report.draw import Drawing
from ganexp.report.findings import NOTHING, Ranking, Standing, rankings
from ganexp.report.flags import Flag, flags
from ganexp.report.history import history
from ganexp.report.importance import MIN_TRIALS, Importance, importance
from ganexp.report.options import Options
from ganexp.report.overview import overview
from ganexp.report.search import searches
from ganexp.report.sentence import Sentence
from ganexp.report.statistics import Comparison
from ganexp.report.strips import Picture, Strip, epochs_of, strips, whole
from ganexp.report.together import together
from ganexp.report.verdict import verdict

FIRST = (
    "cfd",
    "fid",
    "kid",
    "inception_score",
    "precision",
    "recall",
    "density",
    "coverage",
    "memorization",
    "parzen_ll",
)
"""Metrics in the order of the leaderboard's columns."""

NO_METRIC = (
    *("epoch", "step", "images_seen", "train_seconds", "d_loss", "g_loss"),
    *("d_real", "d_fake", "d_heldout", "d_generated"),
)

NARROW = 24
"""Longer values are broken into lines."""

FLAGGED = 40
"""Flags that are listed one by one."""


@dataclass(frozen=True)
class Chapter:
    """All that the page says about one ranking.

    Attributes:
        id: of its parts in the page.
        title: data set, and protocol where there are several.
        ranking: the settings.
        metrics: further metric columns of the leaderboard.
        keys: columns that name the setting.
        importance: what matters.
        drawings: figures by section: "verdict", "heatmaps", "matters", "curves", "losses".
        strips: pictures by setting.
        epochs: columns of the pictures.
        extra: neighbours and interpolation of the best setting.
        flags: warnings of its runs.
        confirmed: winners trained again.
        confirmation: the comparison among those.
    """

    id: str
    title: str
    ranking: Ranking
    metrics: tuple[str, ...]
    keys: tuple[str, ...]
    importance: Importance
    drawings: Mapping[str, Sequence[Drawing]]
    strips: Sequence[Strip]
    epochs: Sequence[int]
    extra: Sequence[Picture]
    flags: Sequence[Flag]
    confirmed: Sequence[Confirmed]
    confirmation: Comparison | None
    verdict: Sequence[Sentence] = ()


def chapters(study: Study, options: Options = NOTHING) -> list[Chapter]:
    """Everything that is said, ranking by ranking."""
    found = rankings(study, options)
    several = {r.dataset for r in found if sum(other.dataset == r.dataset for other in found) > 1}
    order = study.runs if study.searched else ()
    return [
        replace(
            _chapter(study, r, f"r{n}", r.dataset in several, order),
            verdict=verdict(study, r, f"r{n}/verdict", options),
        )
        for n, r in enumerate(found)
    ]


def html(study: Study, parts: Sequence[Chapter], out: Path) -> str:
    """report.html, to be written into the folder `out`."""
    return str(_environment(autoescape=True).get_template("report.html.j2").render(**_context(study, parts, out)))


def markdown(study: Study, parts: Sequence[Chapter], out: Path) -> str:
    """report.md, to be written into the folder `out`; its figures are in figures/."""
    return str(_environment(autoescape=False).get_template("report.md.j2").render(**_context(study, parts, out)))


def _context(study: Study, parts: Sequence[Chapter], out: Path) -> dict[str, Any]:
    script = (Path(__file__).parent / "templates" / "page.js").read_text()
    return {
        "study": study,
        "chapters": parts,
        "facts": overview(study),
        "together": together([part.ranking for part in parts]),
        "history": history(study, [part.ranking for part in parts]),
        "searches": searches(study),
        "anchors": anchors([part.ranking for part in parts]),
        "names": [sweep.directory.resolve().name for sweep in study.sweeps],
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "link": lambda run: _link(run.folder, out),
        "script": Markup(script),  # noqa: S704  (our own file)
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "batches": _batches(study),
    }


def _link(folder: Path, out: Path) -> str:
    """A relative URL of a folder. It begins with a dot: a folder may be named javascript:..."""
    path = Path(os.path.relpath(folder.parent.resolve() / folder.name, out.resolve())).as_posix()
    return "./" + quote(path)


def _batches(study: Study) -> tuple[int, int] | None:
    """The smallest and the largest batch, where they differ."""
    sizes = {run.values.get("trainer.batch_size") for run in study.runs}
    known = sorted(size for size in sizes if isinstance(size, int))
    return (known[0], known[-1]) if len(known) > 1 else None


def _environment(*, autoescape: bool) -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("ganexp.report", "templates"),
        # Off for Markdown alone, which escapes by filters of its own.
        autoescape=autoescape,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "n": wording.number,
        "duration": wording.duration,
        "plural": wording.plural,
        "MIN_TRIALS": MIN_TRIALS,
        "FLAGGED": FLAGGED,
        "multiple": multiple,
        "bar": bar,
    }
    made.filters |= {
        "short_key": short_key,
        "width": lambda text: "short" if len(text) <= NARROW else "long",
        "readable": wording.readable,
        "in_words": wording.in_words,
        "command": wording.command,
        "shortened": wording.shortened,
        "md": wording.md,
        "code": wording.code,
    }
    return made


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


def _chapter(study: Study, ranking: Ranking, name: str, several: bool, order: Sequence[Run]) -> Chapter:
    title = f"{ranking.dataset}, protocol {ranking.protocol[:8]}" if several else ranking.dataset
    if several and ranking.objective is None:
        title = f"{ranking.dataset}, not measured"
    matters = _importance(ranking)
    pictures = strips(ranking, name)
    runs = [run for each in ranking.standings for run in each.runs]
    winners, confirmation = confirmed(study, ranking)
    return Chapter(
        id=name,
        title=title,
        ranking=ranking,
        metrics=_metrics(ranking),
        keys=_keys(ranking),
        importance=matters,
        drawings=_drawings(ranking, matters, name, order),
        strips=pictures,
        epochs=epochs_of(pictures),
        extra=_extra(ranking, name),
        flags=flags(runs),
        confirmed=winners,
        confirmation=confirmation,
    )


def _drawings(ranking: Ranking, matters: Importance, name: str, order: Sequence[Run]) -> dict[str, list[Drawing]]:
    made = {
        "verdict": [drawn(charts.intervals, ranking, name)],
        "heatmaps": [drawn(charts.heatmaps, ranking, name)],
        "matters": [
            drawn(charts.shares, matters, name, ranking.dataset),
            drawn(charts.marginals, ranking, name),
            drawn(charts.parallel, ranking, name),
        ],
        "curves": [drawn(curves.learning_curves, ranking, name), drawn(curves.budget_curve, ranking, name, order)],
        "losses": [drawn(curves.losses, ranking, name), drawn(curves.equilibrium, ranking, name)],
    }
    return {section: [drawing for drawing in each if drawing is not None] for section, each in made.items()}


def _metrics(ranking: Ranking) -> tuple[str, ...]:
    names = {name for each in ranking.standings for run in each.done for name in run.final}
    names = {name for name in names if not name.endswith("_half_a") and name not in NO_METRIC}
    names -= {ranking.objective or ""}
    order = [*FIRST, "d_near_half"]
    return tuple(sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name)))


def _keys(ranking: Ranking) -> tuple[str, ...]:
    return tuple(key for key, _ in ranking.standings[0].setting) if ranking.standings else ()


def _importance(ranking: Ranking) -> Importance:
    runs = [run for each in ranking.ranked for run in each.done]
    if ranking.objective is None or not runs:
        return Importance("none", {}, "nothing was measured")
    values = [run.value(ranking.objective) or 0.0 for run in runs]
    if min(values) > 0:
        values = [float(np.log(value)) for value in values]
    factors = pd.DataFrame([{key: _level(run, key) for key, _ in run.setting} for run in runs])
    return importance(factors, [run.seed for run in runs], values, ranking.direction)


def _level(run: Run, key: str) -> Any:
    value = run.values.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else dict(run.setting)[key]


def _extra(ranking: Ranking, name: str) -> list[Picture]:
    """Pictures of the best setting that a run draws at its end where `metrics.pictures` asks for them."""
    if ranking.best is None:
        return []
    folder = ranking.best.lead.folder / "samples"
    words = {
        "neighbours": "samples of the best setting, each left of its nearest training image",
        "interpolation": "interpolations of the best setting between latent vectors, one a row",
    }
    found = [whole(folder / f"{kind}.png", f"{name}-{kind}", alt) for kind, alt in words.items()]
    return [picture for picture in found if picture is not None]
