"""Writing a report: report.html, report.md, figures/ and the summaries of its sweeps."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ganexp.files import owned
from ganexp.report.looks import read_looks, record_looks, without_claims
from ganexp.report.page import HTML, MARKDOWN, Report, render
from ganexp.report.ranking import Ranking, rankings
from ganexp.report.settings import NO_OPTIONS, VerdictOptions
from ganexp.report.study import Study, read_study
from ganexp.report.summary import FILE as SUMMARY
from ganexp.report.summary import as_csv, summarise, write_summary

log = logging.getLogger("ganexp")

# Names of report files; those of an earlier report are removed where the new one has no such file.
STALE = re.compile(r"report(-[0-9]+)?\.(html|md)|figures(-[0-9]+)?/[^/.][^/]*\.(svg|png)")


class Written(NamedTuple):
    """A report on disk, and what it says."""

    page: Path  # report.html
    study: Study
    rankings: tuple[Ranking, ...]


def write_sweeps(
    sweep_dirs: Sequence[Path],
    out: Path | None = None,
    options: VerdictOptions = NO_OPTIONS,
    *,
    force: bool = False,
    beside: bool = False,
    claims: bool = True,
) -> Written:
    """Write all summaries and one report; where it tests, record so in each sweep. DirectoryError: see the package.

    Without `claims` it tests nothing.
    """
    folder = out or home(sweep_dirs)
    study = read_sweeps(sweep_dirs, options)
    tables = {sweep.directory: summarise(sweep) for sweep in study.sweeps}
    more: dict[str, bytes] = {}
    if folder.resolve() not in {directory.resolve() for directory in tables}:
        named = [table.assign(sweep=directory.resolve().name) for directory, table in tables.items()]
        table = pd.concat(named, ignore_index=True) if len(tables) > 1 else next(iter(tables.values()))
        more[SUMMARY] = as_csv(table).encode()
    if not beside:
        owned.check(folder, {HTML: None, MARKDOWN: None, **more}, force=force)  # before a look is recorded
        for directory, table in tables.items():
            owned.check(directory, {SUMMARY: as_csv(table).encode()}, force=force)
    for directory, table in tables.items():
        try:
            write_summary(directory, table, force=force, beside=beside)
        except OSError as error:
            if directory.resolve() == folder.resolve():
                raise
            log.warning("%s: cannot be written (%s)", directory / SUMMARY, error.strerror or error)
    results = rankings(study, options)
    results = results if claims else tuple(without_claims(ranking) for ranking in results)
    return place(study, results, folder, options, more, force=force, beside=beside)


def place(
    study: Study,
    results: tuple[Ranking, ...],
    folder: Path,
    options: VerdictOptions,
    more: Mapping[str, bytes] | None = None,
    *,
    force: bool = False,
    beside: bool = False,
) -> Written:
    """Record that a study was looked at, and write its report, with `more` files, into a folder.

    A figure that cannot be written is left out with a warning: the pages and tables stand without it.
    """
    study = record_looks(study, results)
    report = render(study, results, folder, options)

    def write(files: Mapping[str, bytes]) -> str:
        return owned.write(folder, files, force=force, beside=report.files if beside else None, stale=STALE)

    files = {**report.files(), **(more or {})}
    try:
        suffix = write(files)
    except OSError as error:
        log.warning("%s: not every file could be written (%s); the pages alone are", folder, error.strerror or error)
        suffix = write({name: content for name, content in files.items() if "/" not in name})
    return Written(folder / f"report{suffix}.html", study, results)


def make(sweep_dirs: Sequence[Path], folder: Path, options: VerdictOptions = NO_OPTIONS) -> Report:
    """The report that `write_sweeps` would write into `folder`, from the present files."""
    study = read_sweeps(sweep_dirs, options)
    return render(study, rankings(study, options), folder, options)


def read_sweeps(sweep_dirs: Sequence[Path], options: VerdictOptions) -> Study:
    """The sweeps, with the best settings of a baseline that is another sweep; DirectoryError: see the package."""
    folder = options.folder
    if folder is None or folder.resolve() in {directory.resolve() for directory in sweep_dirs}:
        return read_study(sweep_dirs)
    study = read_study([*sweep_dirs, folder])
    *sweeps, base = study.sweeps
    alone = rankings(replace(study, runs=base.runs, looks=()))
    best = {run.run_id for ranking in alone if ranking.best is not None for run in ranking.best.runs}
    run_ids = best | {run.run_id for sweep in sweeps for run in sweep.runs}
    runs = tuple(run for run in study.runs if run.run_id in run_ids)
    return replace(study, sweeps=tuple(sweeps), runs=runs, looks=read_looks(sweep_dirs))


def home(sweep_dirs: Sequence[Path]) -> Path:
    """The report's default folder."""
    if len(sweep_dirs) == 1:
        return sweep_dirs[0]
    return Path(os.path.commonpath([directory.resolve().parent for directory in sweep_dirs]))
