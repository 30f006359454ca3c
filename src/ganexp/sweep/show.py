"""What a user of a sweep sees on the terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ganexp.files.plan import short
from ganexp.report import try_report
from ganexp.report.summary import FILE, summarise, write_summary
from ganexp.sweep.conduct import BADLY_ENDED, Conductor
from ganexp.sweep.jobs import SweepJob
from ganexp.sweep.points import Point, telling
from ganexp.types.endings import State
from ganexp.types.terminal import count, duration, last_line, print_table, say

log = logging.getLogger("ganexp")

TABLE_ROWS = 40
"""Runs or trials that are listed one by one; of more, files tell."""

MEASURED = ("cfd", "precision", "recall", "d_loss", "g_loss", "train_seconds")
"""Columns of that list, where anything was measured."""

FAILURES = 10
"""Failures that are told in full."""


def opening(directory: Path, asked: Sequence[Point], wanted: Sequence[Point]) -> None:
    """One line before anything starts: what was asked for."""
    trajectories = len({point.trajectory_id for point in wanted})
    line = f"{directory}: {count(len(wanted), 'run')} of {count(trajectories, 'trajectory', 'trajectories')}"
    if len(asked) > len(wanted):
        line += f" ({len(asked)} points asked for, {len(asked) - len(wanted)} of them the same run as another)"
    say(line)


def follow(conductor: Conductor, keys: Sequence[str]) -> None:
    """Have a line printed for each job as it ends, and when other processes are waited for."""
    started = time.monotonic()
    naming = [key for key in keys if key != "trainer.epochs"]

    def told(job: SweepJob, states: dict[str, State]) -> None:
        words = ", ".join(f"epochs={p.epochs} {states[p.run_id]}" for p in job.points)
        name = short(telling(job.point.overrides, naming)) or job.point.name
        elapsed = duration(time.monotonic() - started)
        say(f"[{conductor.ended}/{conductor.launched}] {name}: {words} ({elapsed} since the start)")

    def waits(held: Sequence[Point]) -> None:
        say(f"waiting for {count(len(held), 'run')} that other processes are at work on")

    conductor.told, conductor.waits = told, waits


def closing(conductor: Conductor, keys: Sequence[str], *, interrupted: bool, report: bool) -> bool:
    """Write the summary and tell how the sweep stands.

    Returns:
        Whether every run that was asked for is COMPLETED (or was pruned).
    """
    table = _summary(conductor).set_index("run_id")
    asked = table.loc[[point.run_id for point in conductor.points]]
    if len(asked) <= TABLE_ROWS:
        _show_results(conductor.points, asked, keys)
    for _, row in asked[asked["error"].notna()].head(FAILURES).iterrows():
        say(f"{row['state']} {row['run_dir']}: {last_line(str(row['error']))}")
    words = ", ".join(f"{number} {name}" for name, number in asked["state"].value_counts().items() if number)
    say(f"{words}; {conductor.directory / FILE}")
    if report and not interrupted:
        refresh_report(conductor.directory, changed=conductor.launched > 0)
    if interrupted:
        say("stopped; the same command goes on")
    elif any(asked["state"].isin(BADLY_ENDED)):
        say("what failed is left as it is; sweep.retry=failed tries again")
    return bool(asked["state"].isin([State.COMPLETED, State.PRUNED]).all())


def refresh_report(directory: Path, *, changed: bool) -> None:
    """Write a sweep directory's report where something has changed, or where there is none yet, and say where it is."""
    stale = changed or not (directory / "report.html").exists()
    if stale and (page := try_report([directory])) is not None:
        say(page)


def _summary(conductor: Conductor) -> pd.DataFrame:
    """The summary as it is now, also where it cannot be written: a full disk must not hide how the sweep stands."""
    try:
        conductor.record_again()
        return write_summary(conductor.directory, beside=True)
    except OSError as error:
        log.error("%s: cannot be written (%s)", conductor.directory / FILE, error.strerror or error)
        return summarise(conductor.directory)


def _show_results(points: Sequence[Point], rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """What was measured of each run, beside what tells it from the others."""
    columns = [name for name in MEASURED if rows[name].notna().any()]
    table = []
    for point in points:
        row = rows.loc[point.run_id]
        cells = ("" if pd.isna(row[name]) else f"{row[name]:.4g}" for name in columns)
        table.append((short(telling(point.overrides, keys)) or point.name, str(row["state"]), *cells))
    print_table(("setting", "state", *columns), table)
