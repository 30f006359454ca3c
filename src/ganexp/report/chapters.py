"""Chapters of the page: all that it says about one ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ganexp.files.drawing import drawn
from ganexp.report.facts import Flag, flags
from ganexp.report.figures import by_setting, curves, losses
from ganexp.report.figures.strips import Picture, whole
from ganexp.report.figures.svg import Drawing
from ganexp.report.ranking import Ranking, Standing, columns, title
from ganexp.report.runs import RunRecord
from ganexp.report.settings import VerdictOptions
from ganexp.report.statistics.compare import compare
from ganexp.report.statistics.comparison import Comparison, SettingEstimate
from ganexp.report.statistics.importance import Importance, importance
from ganexp.report.study import Study
from ganexp.report.text.sentence import Sentence, readable
from ganexp.report.text.verdict import verdict
from ganexp.types.endings import State

# Columns of the leaderboard, in this order; other metrics follow by name.
ORDER = (
    *("cfd", "rfd", "fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "memorization"),
    *("parzen_ll", "d_near_half"),
)

NO_METRIC = (
    *("epoch", "step", "images_seen", "train_seconds", "d_loss", "g_loss"),
    *("d_real", "d_fake", "d_heldout", "d_generated"),
)

# Drawn at the end of a run that sets `metrics.pictures`.
EXTRA_PICTURES = {
    "neighbours": "samples of the best setting, each left of its nearest training image",
    "interpolation": "interpolations of the best setting between latent vectors, one a row",
}


@dataclass(frozen=True)
class Confirmed:
    """A winner as claimed, and as it is on new seeds."""

    standing: Standing
    claimed: SettingEstimate
    again: SettingEstimate
    seeds: tuple[int, ...]

    @property
    def words(self) -> str:
        """'claimed 78.6, confirmed 92.6 (71.6 to 120)'."""
        low, high = self.again.low, self.again.high
        span = f"{readable(low)} to {readable(high)}" if low is not None else "too few new seeds for an interval"
        text = f"claimed {readable(self.claimed.value)}, confirmed {readable(self.again.value)} ({span})"
        return text.replace("\u202f", " ")


@dataclass(frozen=True)
class Chapter:
    """All that the page says about one ranking."""

    id: str  # of its parts in the page
    title: str  # data set, and protocol where there are several
    ranking: Ranking
    verdict: Sequence[Sentence]
    metrics: tuple[str, ...]  # further metric columns of the leaderboard
    keys: tuple[str, ...]  # columns that name the setting
    importance: Importance
    extra: Sequence[Picture]  # neighbours and interpolation of the best setting
    flags: Sequence[Flag]  # warnings of its runs
    confirmed: Sequence[Confirmed]  # winners trained again
    confirmation: Comparison | None  # of those


def chapters(study: Study, rankings: Sequence[Ranking], options: VerdictOptions) -> list[Chapter]:
    """A chapter for each ranking."""
    return [
        _chapter(study, ranking, f"r{number}", title(ranking, rankings), options)
        for number, ranking in enumerate(rankings)
    ]


def confirmed(study: Study, ranking: Ranking) -> tuple[list[Confirmed], Comparison | None]:
    """The winners of a ranking that were trained again, best first, and how they compare on the new seeds."""
    used = {run.seed for standing in ranking.standings for run in standing.runs}
    runs = [
        run
        for run in study.confirmed
        if run.dataset == ranking.dataset and run.seed not in used and run.protocol == ranking.protocol
        if ranking.objective and run.value(ranking.objective) is not None
    ]
    if not runs:
        return [], None
    comparison = compare(*columns(runs, ranking.objective), direction=ranking.direction)
    again = {estimate.setting: estimate for estimate in comparison.estimates}
    rows = []
    for standing in ranking.ranked:
        if standing.setting in again and standing.estimate is not None:
            seeds = tuple(run.seed for run in runs if run.setting == standing.setting)
            rows.append(Confirmed(standing, standing.estimate, again[standing.setting], seeds))
    return rows, comparison


def _chapter(study: Study, ranking: Ranking, name: str, title: str, options: VerdictOptions) -> Chapter:
    matters = _importance(ranking)
    winners, confirmation = confirmed(study, ranking)
    return Chapter(
        id=name,
        title=title,
        ranking=ranking,
        verdict=verdict(study, ranking, f"{name}/verdict", options),
        metrics=_metrics(ranking),
        keys=tuple(key for key, _ in ranking.standings[0].setting) if ranking.standings else (),
        importance=matters,
        extra=_extra(ranking, name),
        flags=[flag for standing in ranking.standings for run in standing.runs for flag in flags(run)],
        confirmed=winners,
        confirmation=confirmation,
    )


def drawings(chapter: Chapter, order: Sequence[RunRecord]) -> dict[str, list[Drawing]]:
    """Figures for paper by section: "verdict", "heatmaps", "matters", "curves", "losses"; `order`: see budget_curve."""
    ranking, name = chapter.ranking, chapter.id
    shares = drawn(by_setting.shares, chapter.importance, name, ranking.dataset)
    sections = {
        "verdict": [drawn(by_setting.intervals, ranking, name)],
        "heatmaps": [drawn(by_setting.heatmaps, ranking, name)],
        "matters": [shares, drawn(by_setting.marginals, ranking, name)],
        "curves": [drawn(curves.learning_curves, ranking, name), drawn(curves.budget_curve, ranking, name, order)],
        "losses": [drawn(draw, ranking, name) for draw in (losses.losses, losses.equilibrium)],
    }
    return {key: [each for each in section if each is not None] for key, section in sections.items()}


def _metrics(ranking: Ranking) -> tuple[str, ...]:
    names = {name for standing in ranking.standings for run in standing.done for name in run.final}
    names = {name for name in names if not name.endswith("_half_a") and name not in NO_METRIC}
    names -= {ranking.objective or ""}
    return tuple(sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)))


def _importance(ranking: Ranking) -> Importance:
    measured = [(run, run.value(ranking.objective or "") or 0.0) for each in ranking.standings for run in each.done]
    if ranking.objective is None or not measured:
        return Importance("none", {}, "nothing was measured")
    for run in (run for standing in ranking.standings for run in standing.runs if run.state is State.PRUNED):
        column = next((name for name in (ranking.objective, f"{ranking.objective}_half_a") if name in run.rows), None)
        reported = [] if column is None else run.rows[column].dropna().tolist()
        measured += [(run, float(reported[-1]))] if reported else []
    runs, values = [run for run, _ in measured], [value for _, value in measured]
    if min(values) > 0:
        values = [float(np.log(value)) for value in values]
    factors = pd.DataFrame([{key: _level(run, key) for key, _ in run.setting} for run in runs])
    return importance(factors, [run.seed for run in runs], values, ranking.direction)


def _level(run: RunRecord, key: str) -> Any:
    value = run.values.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else dict(run.setting)[key]


def _extra(ranking: Ranking, name: str) -> list[Picture]:
    if ranking.best is None:
        return []
    folder = ranking.best.lead.folder / "samples"
    pictures = [whole(folder / f"{kind}.png", f"{name}-{kind}", alt) for kind, alt in EXTRA_PICTURES.items()]
    return [picture for picture in pictures if picture is not None]
