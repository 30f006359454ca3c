"""The page's data block: what its charts, filters and tables work with, and what a dashboard serves as JSON.

Nothing is averaged in the browser: what the page draws is computed here, so that `--verify` can compute it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ganexp.report.chapters import Chapter
from ganexp.report.figures.curves import mean_curve
from ganexp.report.figures.losses import training_setting
from ganexp.report.figures.strips import Picture, by_epoch, real_images
from ganexp.report.generator import page_generators
from ganexp.report.ranking import Ranking, Standing
from ganexp.report.runs import RunRecord
from ganexp.report.settings import Setting, key_names, label
from ganexp.report.states import RunProgress, seconds_left
from ganexp.report.statistics.budget import best_of
from ganexp.report.study import Study
from ganexp.report.text.sentence import command
from ganexp.types.endings import State

FORMAT = 1
SINGLE_RUNS = 50  # runs whose own curves are in the page; of more, means over seeds
PICTURED = 20  # settings with pictures in the page, beside each failure, where there are more than SINGLE_RUNS runs
BYTES = 2_000_000  # of all pictures in the page
TOGETHER = 2_700_000  # of pictures and generators, as text
DIGITS = 6  # of losses and probabilities; scores are exact

# Name in the block -> column of metrics.csv.
AXES = {"epoch": "epoch", "step": "step", "images": "images_seen", "seconds": "train_seconds"}
TRACES = ("d_loss", "g_loss", "d_real", "d_heldout", "d_generated", "d_near_half")


@dataclass
class Pictures:
    """Pictures of runs by epoch, as long as there is room for them."""

    room: int = BYTES
    urls: dict[str, dict[str, str]] = field(default_factory=dict)  # run id -> epoch -> data URI

    def add(self, runs: Sequence[RunRecord]) -> None:
        """The last picture of each run first, then the others as long as there is room, run by run."""
        earlier = []
        for run in runs:
            pictures = list(by_epoch(run))
            self._add(run, pictures[:1])
            earlier.append((run, pictures[1:]))
        for run, pictures in earlier:
            self._add(run, pictures)

    def _add(self, run: RunRecord, pictures: Sequence[tuple[int, Picture]]) -> None:
        for epoch, picture in pictures:
            if (size := len(picture.inline)) <= self.room:
                self.room -= size
                self.urls.setdefault(run.run_id, {})[str(epoch)] = picture.inline


def data_block(
    study: Study, chapters: Sequence[Chapter], links: Mapping[str, str], live: Sequence[RunProgress] | None = None
) -> dict[str, Any]:
    """The block as plain JSON; `links`: run id -> URL of its folder, `live`: the runs as they are now."""
    generators = page_generators({part.id: part.ranking.best.lead for part in chapters if part.ranking.best})
    pictures = Pictures(min(BYTES, TOGETHER - len(json.dumps(generators))))
    progress = {each.folder: each for each in live or () if each.folder is not None}
    pictures.add(_pictured(study, [chapter.ranking for chapter in chapters]))
    return {
        "format": FORMAT,
        "live": live is not None,
        "left": seconds_left(live or ()),
        "names": [sweep.directory.resolve().name for sweep in study.sweeps],
        "chapters": [_chapter(chapter, single=len(study.runs) <= SINGLE_RUNS) for chapter in chapters],
        "runs": [_run(run, number, links, progress.get(run.folder)) for number, run in enumerate(study.runs)],
        "pictures": pictures.urls,
        "generators": generators,
        "real": {chapter.id: _inline(real_images(chapter.ranking)) for chapter in chapters},
    }


def _inline(picture: Picture | None) -> str | None:
    return None if picture is None else picture.inline


def _pictured(study: Study, rankings: Sequence[Ranking]) -> list[RunRecord]:
    """Runs whose pictures are in the page, the most wanted ones first: the best settings', then failures."""
    few, chosen = len(study.runs) <= SINGLE_RUNS, dict[str, RunRecord]()
    for ranking in rankings:
        best = ranking.standings[: None if few else PICTURED]
        chosen |= {standing.lead.run_id: standing.lead for standing in best}
    for run in (run for ranking in rankings for standing in ranking.standings for run in standing.runs):
        if few or run.state in (State.FAILED, State.DIVERGED):
            chosen.setdefault(run.run_id, run)
    return list(chosen.values())


def _chapter(chapter: Chapter, *, single: bool) -> dict[str, Any]:
    ranking = chapter.ranking
    ids = {standing.setting: number for number, standing in enumerate(ranking.standings)}
    return {
        "id": chapter.id,
        "title": chapter.title,
        "dataset": ranking.dataset,
        "objective": ranking.objective,
        "direction": ranking.direction,
        "floor": ranking.standings[0].floor(ranking.objective or "") if ranking.standings else None,
        "keys": list(chapter.keys),
        "names": list(key_names(chapter.keys).values()),
        "metrics": list(chapter.metrics),
        "settings": [_setting(chapter, standing) for standing in ranking.standings],
        "trainings": [
            _training(ranking.objective, group, ids, single=single) for group in _trainings(ranking.standings)
        ],
        "budget": _budget(ranking),
    }


def _setting(chapter: Chapter, standing: Standing) -> dict[str, Any]:
    estimate, objective = standing.estimate, chapter.ranking.objective
    return {
        "rank": standing.rank,
        "name": standing.name,
        "values": [_level(text) for _, text in standing.setting],
        "value": _exact(estimate.value if estimate else None),
        "low": _exact(estimate.low if estimate else None),
        "high": _exact(estimate.high if estimate else None),
        "word": standing.word(objective) if standing.rank else None,
        "together": standing.together,
        "why": standing.why,
        "seconds": _exact(sum(run.seconds for run in standing.done) / len(standing.done) if standing.done else None),
        "metrics": [_exact(standing.mean(name)) for name in chapter.metrics],
        "runs": [run.run_id for run in standing.runs],
    }


def _level(text: str) -> float | str:
    """A number where the text is one."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _budget(ranking: Ranking) -> list[float]:
    """The expected best of 1, 2, ... settings."""
    values = [standing.estimate.value for standing in ranking.ranked if standing.estimate]
    return [float(value) for value in best_of(values, ranking.direction)] if len(values) > 1 else []


def _trainings(standings: Sequence[Standing]) -> list[list[Standing]]:
    """Settings that are read off the same trajectories, together."""
    groups: list[tuple[Setting, set[str], list[Standing]]] = []
    for standing in standings:
        setting, paths = training_setting(standing.setting), {run.trajectory_id for run in standing.runs}
        for other, shared, members in groups:
            if other == setting and shared & paths:
                shared |= paths
                members.append(standing)
                break
        else:
            groups.append((setting, paths, [standing]))
    return [members for _, _, members in groups]


def _training(
    objective: str | None, group: Sequence[Standing], ids: Mapping[Setting, int], *, single: bool
) -> dict[str, Any]:
    """The curves of one training: of each seed to its longest run, or of their means."""
    longest: dict[int, RunRecord] = {}
    for run in (run for standing in group for run in standing.runs):
        if run.seed not in longest or len(run.rows) > len(longest[run.seed].rows):
            longest[run.seed] = run
    runs = [run for run in longest.values() if len(run.rows)]
    mean = mean_curve([run for run in runs if run.state is State.COMPLETED] or runs, objective or "")
    curves = [_curve(run.rows, objective) | {"seed": run.seed, "run": run.run_id} for run in runs] if single else []
    return {
        "name": label(group[0].setting if len(group) == 1 else training_setting(group[0].setting)),
        "settings": [ids[standing.setting] for standing in group],
        "mean": _columns(mean, {**AXES, "value": "value", "low": "low", "high": "high"}, exact=True),
        "seeds": curves,
        "traces": {} if single or not runs else _curve(_mean_rows(runs), None),
    }


def _mean_rows(runs: Sequence[RunRecord]) -> pd.DataFrame:
    return pd.concat([run.rows for run in runs]).groupby("epoch").mean().reset_index()


def _curve(rows: pd.DataFrame, objective: str | None) -> dict[str, Any]:
    scored = {} if objective is None else _columns(rows, {"value": objective}, exact=True)
    return _columns(rows, {**AXES, **{name: name for name in TRACES}}) | scored


def _columns(table: pd.DataFrame, names: Mapping[str, str], *, exact: bool = False) -> dict[str, list[Any]]:
    """Columns as lists; those without any value are left out."""
    show = _exact if exact else _short
    there = {name: column for name, column in names.items() if column in table and table[column].notna().any()}
    return {name: [show(value) for value in table[column].tolist()] for name, column in there.items()}


def _exact(value: Any) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)


def _short(value: Any) -> float | int | None:
    return _exact(float(f"{value:.{DIGITS}g}") if value is not None and abs(value) < 1e15 and value % 1 else value)


def _run(run: RunRecord, number: int, links: Mapping[str, str], now: RunProgress | None) -> dict[str, Any]:
    """A run; everything that repeats it is with it."""
    data = run.provenance.get("dataset") or {}
    return {
        "id": run.run_id,
        "number": number,
        "dataset": run.dataset,
        "seed": run.seed,
        "state": run.state.value,
        "epoch": run.done,
        "epochs": run.epochs,
        "left": now.seconds_left if now else None,
        "error": run.error[:2000],
        "value": _exact(run.value(run.objective[0])) if run.objective else None,
        "objective": run.objective[0] if run.objective else None,
        "seconds": _exact(run.seconds),
        "folder": links.get(run.run_id),
        "command": command(run.overrides),
        "overrides": list(run.overrides),
        "versions": run.provenance.get("versions") or {},
        "machine": {key: run.provenance.get(key) for key in ("machine", "cpu", "device", "threads")},
        "fingerprint": data.get("fingerprint"),
    }
