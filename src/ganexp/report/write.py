"""Writing a report: report.html, report.md, figures/ and the summaries of its sweeps."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganexp.files import owned
from ganexp.report.collect import Study
from ganexp.report.draw import Drawing
from ganexp.report.findings import NOTHING
from ganexp.report.gather import gather, noted
from ganexp.report.options import Options
from ganexp.report.page import Chapter, chapters, html, markdown
from ganexp.report.search import searches
from ganexp.report.strips import joined
from ganexp.report.summary import FILE as SUMMARY
from ganexp.report.summary import as_csv, summarise, write_summary
from ganexp.types.terminal import plain

log = logging.getLogger("ganexp")

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"
STALE = re.compile(r"report(-[0-9]+)?\.(html|md)|figures(-[0-9]+)?/[^/.][^/]*\.(svg|png)")
"""Names that reports have had; those of an earlier report are removed where the new one has no such file."""

PICTURED = 12
"""Settings whose pictures stand in report.md."""


@dataclass(frozen=True)
class Report:
    """A report in memory: its pages, and the figures of report.md by file name."""

    html: str
    markdown: str
    figures: Mapping[str, bytes]

    def files(self, suffix: str = "") -> dict[str, bytes]:
        """Name -> content of its files; `suffix` tells them from others in the same folder."""
        place = f"{FIGURES}{suffix}"
        text = self.markdown.replace(f"]({FIGURES}/", f"]({place}/")
        pages = {f"report{suffix}.md": text.encode(), f"report{suffix}.html": self.html.encode()}
        return {**{f"{place}/{name}": content for name, content in self.figures.items()}, **pages}


def write_report(
    sweep_dirs: Sequence[Path],
    out: Path | None = None,
    options: Options = NOTHING,
    *,
    force: bool = False,
    beside: bool = False,
) -> Path:
    """Write the summary of each sweep, and one report of all of them; where it tests, note so in each sweep.

    Args:
        sweep_dirs: sweep directories.
        out: the report's folder; None: the sweep directory, or the folder that several have in common.
        options: what the verdict is asked.
        force: replace files of the user's.
        beside: leave files of the user's as they are, and write under other names; else they are refused.

    Returns:
        Path of report.html.

    Raises:
        DirectoryError: one holds no runs, or a damaged plan, or a file of the user's is in the way.
    """
    folder = out or home(sweep_dirs)
    places = {directory.resolve() for directory in sweep_dirs}
    tables = [summarise(directory) for directory in sweep_dirs]
    study = gather(sweep_dirs, options)
    more: dict[str, bytes] = {}
    if folder.resolve() not in places:
        named = [t.assign(sweep=d.resolve().name) for t, d in zip(tables, sweep_dirs, strict=True)]
        table = tables[0] if len(tables) == 1 else pd.concat(named, ignore_index=True)
        more[SUMMARY] = as_csv(table).encode()
    if not beside:
        owned.check(folder, {HTML: None, MARKDOWN: None, **more}, force=force)  # before a look is noted
        for directory, table in zip(sweep_dirs, tables, strict=True):
            owned.check(directory, {SUMMARY: as_csv(table).encode()}, force=force)
    for directory, table in zip(sweep_dirs, tables, strict=True):
        _write_summary(directory, table, needed=directory.resolve() == folder.resolve(), force=force, beside=beside)
    report = pages(noted(study, options), folder, options)
    return place(report, folder, more, force=force, beside=beside)


def place(
    report: Report, folder: Path, more: Mapping[str, bytes] | None = None, *, force: bool = False, beside: bool = False
) -> Path:
    """Write a report, and `more` files with it, into a folder; returns the path of report.html.

    A figure that cannot be written is left out with a warning: the pages and tables stand without it.

    Raises:
        DirectoryError: a file of the user's is in the way, with neither `force` nor `beside`.
    """
    files = {**report.files(), **(more or {})}

    def write(files: Mapping[str, bytes]) -> str:
        return owned.write(folder, files, force=force, beside=report.files if beside else None, stale=STALE)

    try:
        suffix = write(files)
    except OSError as error:
        log.warning("%s: not every file could be written (%s); the pages alone are", folder, error.strerror or error)
        suffix = write({name: content for name, content in files.items() if "/" not in name})
    return folder / f"report{suffix}.html"


def try_report(sweep_dirs: Sequence[Path]) -> Path | None:
    """`write_report` at the end of a sweep, which it must not spoil: what goes wrong is logged, and None returned."""
    try:
        return write_report(sweep_dirs, beside=True)
    except Exception as error:
        log.warning("the report could not be written: %s: %s", type(error).__name__, plain(error))
        return None


def make(sweep_dirs: Sequence[Path], folder: Path, options: Options = NOTHING) -> Report:
    """The report as it would be written into `folder`, from the files as they are now."""
    return pages(gather(sweep_dirs, options), folder, options)


def pages(study: Study, folder: Path, options: Options = NOTHING) -> Report:
    """The report of a study, to be written into `folder`."""
    parts = chapters(study, options)
    drawings = [drawing for search in searches(study) for drawing in search.drawings]
    return Report(html(study, parts, folder), markdown(study, parts, folder), _figures(parts, drawings))


def _write_summary(directory: Path, table: pd.DataFrame, *, needed: bool, force: bool, beside: bool) -> None:
    """The summary of a sweep, in its directory; where that is read-only, only if it `needed` to be."""
    try:
        write_summary(directory, table, force=force, beside=beside)
    except OSError as error:
        if needed:
            raise
        log.warning("%s: cannot be written (%s)", directory / SUMMARY, error.strerror or error)


def home(sweep_dirs: Sequence[Path]) -> Path:
    """Where a report goes: the sweep's own directory, or the folder that several have in common."""
    if len(sweep_dirs) == 1:
        return sweep_dirs[0]
    return Path(os.path.commonpath([directory.resolve().parent for directory in sweep_dirs]))


def _figures(parts: Sequence[Chapter], drawings: Sequence[Drawing]) -> dict[str, bytes]:
    """Every figure by file name: of the chapters, and `drawings` besides."""
    found = {f"{drawing.name}.svg": drawing.file.encode() for drawing in drawings}
    for part in parts:
        for drawing in (drawing for each in part.drawings.values() for drawing in each):
            found[f"{drawing.name}.svg"] = drawing.file.encode()
        for number, strip in enumerate(part.strips[:PICTURED], 1):
            found[f"{part.id}-pictures-{number}.png"] = joined(strip)
        for picture in part.extra:
            found[f"{picture.name}.png"] = picture.png
    return found
