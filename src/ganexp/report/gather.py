"""What a report is made of: the sweeps with their baseline, and the looks that it notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganexp.files.contents import OneLook
from ganexp.report.collect import Study, collect
from ganexp.report.findings import NOTHING, Ranking, rankings
from ganexp.report.noted import note, now, read_looks
from ganexp.report.options import Options

LONGEST = 1000
"""Characters of a verdict as it is noted."""


def gather(sweep_dirs: Sequence[Path], options: Options = NOTHING) -> Study:
    """The sweeps, and of a baseline that is a sweep directory its best setting.

    Raises:
        DirectoryError: a directory holds neither a plan nor runs, or a damaged plan.
    """
    folder = options.folder
    if folder is None or folder.resolve() in {directory.resolve() for directory in sweep_dirs}:
        return collect(sweep_dirs)
    study = collect([*sweep_dirs, folder])
    alone = replace(study, runs=study.sweeps[-1].runs, looks=())
    best = {(run.run_id) for each in rankings(alone) if each.best is not None for run in each.best.runs}
    others = {run.run_id for sweep in study.sweeps[:-1] for run in sweep.runs}
    runs = tuple(run for run in study.runs if run.run_id in others | best)
    return replace(study, sweeps=study.sweeps[:-1], runs=runs, looks=read_looks(sweep_dirs))


def noted(study: Study, options: Options = NOTHING) -> Study:
    """Note in every sweep directory that its settings were tested; the study with those looks."""
    tested = [each for each in rankings(study, options) if each.claims]
    for sweep in study.sweeps:
        own = {run.run_id for run in sweep.runs}
        looks = [_look(each) for each in tested if any(run.run_id in own for s in each.ranked for run in s.done)]
        note(sweep.directory, looks)
    return replace(study, looks=read_looks(sweep.directory for sweep in study.sweeps))


def _look(ranking: Ranking) -> OneLook:
    comparison, best = ranking.comparison, ranking.best
    assert comparison is not None and best is not None and ranking.objective is not None
    counts = [each.seeds for each in comparison.estimates]
    words = "is the best" if comparison.single else f"comes first, {len(comparison.told_apart)} are worse"
    return {
        "time": now(),
        "dataset": ranking.dataset[:500],
        "objective": ranking.objective[:500],
        "protocol": ranking.protocol[:200],
        "runs": ranking.runs,
        "run_count": sum(counts),
        "settings": len(counts),
        "seeds": [min(counts), max(counts)],
        "level": comparison.level,
        "verdict": f"{best.name[: LONGEST // 2]} {words}",
    }
