"""What a user of a sweep sees on the terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ganexp.report import try_report
from ganexp.report.summary import FILE, summarise, write_summary
from ganexp.sweep.conduct import BADLY_ENDED, Conductor
from ganexp.sweep.jobs import Job
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from ganexp.types.terminal import count, duration, last_line, print_table, say

log = logging.getLogger("ganexp")

TABLE_ROWS = 40  # longest list of runs or trials; for more, see the files
MEASURED = ("cfd", "rfd", "precision", "recall", "d_loss", "g_loss", "train_seconds")  # columns of that list
FAILURES = 10  # failures that are printed in full


class Watch:
    """The lines between a sweep's first and last, about runs or trials (`what`), with the time since the start."""

    def __init__(self, what: str) -> None:
        self.what, self.started = what, time.monotonic()

    def ended(self, line: str) -> None:
        """Print that a job has ended."""
        say(f"{line} ({duration(time.monotonic() - self.started)} since the start)")

    def waits(self, number: int) -> None:
        """Print that only other processes are at work."""
        say(f"waiting for {count(number, self.what)} that other processes are at work on")


def opening(directory: Path, requested: Sequence[Point], runs: Sequence[Point]) -> None:
    """Print what was asked for."""
    trajectories = len({point.trajectory_id for point in runs})
    line = f"{directory}: {count(len(runs), 'run')} of {count(trajectories, 'trajectory', 'trajectories')}"
    if len(requested) > len(runs):
        same = len(requested) - len(runs)
        line += f" ({len(requested)} points asked for, {same} of them the same run as another)"
    say(line)


def follow(conductor: Conductor, keys: Sequence[str]) -> None:
    """Print a line for each job as it ends, and when the sweep waits for other processes."""
    watch, naming = Watch("run"), [key for key in keys if key != "trainer.epochs"]

    def on_end(job: Job, states: dict[str, State]) -> None:
        words = ", ".join(f"epochs={p.epochs} {states[p.run_id]}" for p in job.points)
        name = job.point.setting(naming) or job.point.run_dir
        watch.ended(f"[{conductor.jobs_returned}/{conductor.jobs_launched}] {name}: {words}")

    conductor.on_end, conductor.on_wait = on_end, lambda held: watch.waits(len(held))


def closing(conductor: Conductor, keys: Sequence[str], *, stopped: str, urgent: bool, report: bool) -> bool:
    """Write the summary and print how the sweep stands; returns whether every point is COMPLETED (or PRUNED)."""
    table = _summary(conductor).set_index("run_id")
    rows = table.loc[[point.run_id for point in conductor.points]]
    if len(rows) <= TABLE_ROWS:
        _show_results(conductor.points, rows, keys)
    for _, row in rows[rows["error"].notna()].head(FAILURES).iterrows():
        say(f"{row['state']} {row['run_dir']}: {last_line(str(row['error']))}")
    words = ", ".join(f"{number} {name}" for name, number in rows["state"].value_counts().items() if number)
    say(f"{words}; {conductor.directory / FILE}")
    if report and not urgent:
        refresh_report(conductor.directory, changed=conductor.jobs_launched > 0)
    good = bool(rows["state"].isin([State.COMPLETED, State.PRUNED]).all())
    how_to_go_on("" if good else stopped, failed=any(rows["state"].isin(BADLY_ENDED)))
    return good


def refresh_report(directory: Path, *, changed: bool) -> None:
    """Write the report where something has changed or there is none yet, and print where it is."""
    stale = changed or not (directory / "report.html").exists()
    if stale and (page := try_report([directory])) is not None:
        say(page)


def how_to_go_on(stopped: str, *, failed: bool) -> None:
    """Print how to finish an incomplete sweep; `stopped` says why it ended early, if it did."""
    if stopped:
        say(f"{stopped}; the same command goes on")
    if failed:
        say("what failed is left as it is; sweep.retry=failed tries again")


def _summary(conductor: Conductor) -> pd.DataFrame:
    """The summary as it is now, also where it cannot be written (a full disk)."""
    try:
        conductor.record_again()
        return write_summary(conductor.directory, beside=True)
    except OSError as error:
        log.error("%s: cannot be written (%s)", conductor.directory / FILE, error.strerror or error)
        return summarise(conductor.directory)


def _show_results(points: Sequence[Point], rows: pd.DataFrame, keys: Sequence[str]) -> None:
    columns = [name for name in MEASURED if name in rows and rows[name].notna().any()]
    table = []
    for point in points:
        row = rows.loc[point.run_id]
        cells = ("" if pd.isna(row[name]) else f"{row[name]:.4g}" for name in columns)
        table.append((point.setting(keys) or point.run_dir, str(row["state"]), *cells))
    print_table(("setting", "state", *columns), table)
