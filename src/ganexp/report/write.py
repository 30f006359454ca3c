"""Writing a report: report.html, report.md, figures/ and the summaries of its sweeps."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganexp.atomic import write_bytes, write_text
from ganexp.foreign import refuse_links
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
from ganexp.terminal import plain

log = logging.getLogger("ganexp")

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"

PICTURED = 12
"""Settings whose pictures stand in report.md."""


@dataclass(frozen=True)
class Report:
    """A report in memory: its pages, and the figures of report.md by file name."""

    html: str
    markdown: str
    figures: Mapping[str, bytes]


def write_report(sweep_dirs: Sequence[Path], out: Path | None = None, options: Options = NOTHING) -> Path:
    """Write the summary of each sweep, and one report of all of them; where it tests, note so in each sweep.

    Args:
        sweep_dirs: sweep directories.
        out: the report's folder; None: the sweep directory, or the folder that several have in common.
        options: what the verdict is asked.

    Returns:
        Path of report.html.

    Raises:
        DirectoryError: one holds no runs, or a damaged plan.
    """
    folder = out or home(sweep_dirs)
    tables = [_summary(directory, needed=directory.resolve() == folder.resolve()) for directory in sweep_dirs]
    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve() not in {directory.resolve() for directory in sweep_dirs}:
        named = [t.assign(sweep=d.resolve().name) for t, d in zip(tables, sweep_dirs, strict=True)]
        table = tables[0] if len(tables) == 1 else pd.concat(named, ignore_index=True)
        write_text(folder / SUMMARY, as_csv(table))
    return place(pages(noted(gather(sweep_dirs, options), options), folder, options), folder)


def place(report: Report, folder: Path) -> Path:
    """Write a report into a folder that is there; returns the path of report.html."""
    refuse_links(folder / FIGURES)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    for stale in (folder / FIGURES).iterdir():
        # not those that another process is writing at the same time, whose names begin with a dot
        ours = stale.suffix in (".svg", ".png") and not stale.name.startswith(".") and not stale.is_dir()
        if stale.name not in report.figures and ours:
            stale.unlink(missing_ok=True)
    for name, content in report.figures.items():
        write_bytes(folder / FIGURES / name, content)
    write_text(folder / MARKDOWN, report.markdown)
    write_text(folder / HTML, report.html)
    return folder / HTML


def try_report(sweep_dirs: Sequence[Path]) -> Path | None:
    """`write_report` at the end of a sweep, which it must not spoil: what goes wrong is logged, and None returned."""
    try:
        return write_report(sweep_dirs)
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


def _summary(directory: Path, *, needed: bool) -> pd.DataFrame:
    """The summary of a sweep, written into its directory; where that is read-only, only if it `needed` to be."""
    try:
        return write_summary(directory)
    except OSError as error:
        if needed:
            raise
        log.warning("%s: cannot be written (%s)", directory / SUMMARY, error.strerror or error)
        return summarise(directory)


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
