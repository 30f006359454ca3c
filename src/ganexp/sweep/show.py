"""What a user of a sweep sees on the terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ganexp.files.record import reported
from ganexp.files.run_folder import RunFolder
from ganexp.report import closing_of, try_report
from ganexp.report.summary import FILE, summarise, write_summary
from ganexp.sweep.conduct import BADLY_ENDED, Conductor
from ganexp.sweep.jobs import Job
from ganexp.sweep.pace import Pace
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from ganexp.types.terminal import console, count, duration, in_units, last_line, say

log = logging.getLogger("ganexp")

FAILURES = 10  # failures that are printed in full


class Watch:
    """The lines between a sweep's first and last, about runs or trials (`what`), with the time since the start."""

    def __init__(self, what: str) -> None:
        self.what, self.started = what, time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def ended(self, line: str, left: float | None = None) -> None:
        """Print that a job has ended; `left` are the seconds until all have, if that is known."""
        remaining = "" if left is None else f", about {duration(left)} left"
        say(f"{line} ({duration(self.elapsed())}{remaining})")

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
    watch, pace, naming = Watch("run"), Pace(), [key for key in keys if key != "trainer.epochs"]

    def on_end(job: Job, states: dict[str, State]) -> None:
        words = [_ended(conductor.directory / p.run_dir, states[p.run_id]) for p in job.points]
        if len(words) > 1 or "trainer.epochs" in keys:
            words = [f"epochs={p.epochs} {each}" for p, each in zip(job.points, words, strict=True)]
        pace.learn(conductor.directory, job)
        name = job.point.setting(naming) or job.point.run_dir
        line = f"[{conductor.jobs_returned}/{conductor.jobs_launched}] {name}: {', '.join(words)}"
        watch.ended(line, pace.left(conductor))

    conductor.on_end, conductor.on_wait = on_end, lambda held: watch.waits(len(held))


def _ended(run_dir: Path, state: State) -> str:
    """The objective's value of a completed run, as its report prints it, else the state."""
    result = RunFolder(run_dir).result() if state is State.COMPLETED else None
    name, value = reported(result) if result is not None else (None, None)
    return str(state) if value is None else f"{name} {value:.4g}"


def closing(
    conductor: Conductor, keys: Sequence[str], *, stopped: str, urgent: bool, report: bool, until_claim: bool = False
) -> bool:
    """Write the summary and print how the sweep stands; returns whether every point is COMPLETED (or PRUNED).

    Claims are made where a `report` has noted its look at them; with `until_claim`, looks belong to its stages alone.
    """
    table = _summary(conductor).set_index("run_id")
    rows = table.loc[[point.run_id for point in conductor.points]]
    settings = closing_of(conductor.directory, set(rows.index))
    for line in settings.table(console().width) if settings else ():
        say(line)
    for _, row in rows[rows["error"].notna()].head(FAILURES).iterrows():
        say(f"{row['state']} {row['run_dir']}: {last_line(str(row['error']))}")
    words = ", ".join(f"{number} {name}" for name, number in rows["state"].value_counts().items() if number)
    say(f"{words}; {conductor.directory / FILE}")
    if size := sum(_size(conductor.directory / name) for name in rows["run_dir"]):
        say(f"{in_units(size)} are kept for longer runs to start from; `ganexp clean` drops them")
    page, tests = None, not (stopped and until_claim)
    if report and not urgent:
        changed = conductor.jobs_launched > 0 or (tests and settings is not None and settings.unnoted)
        page = refreshed(conductor.directory, changed=changed, claims=tests)
    for line in settings.best() if settings else ():
        say(line)
    if page is not None:
        say(f"report: {page}")
    good = bool(rows["state"].isin([State.COMPLETED, State.PRUNED]).all())
    how_to_go_on("" if good else stopped, failed=any(rows["state"].isin(BADLY_ENDED)))
    return good


def _size(run_dir: Path) -> int:
    """Bytes of a run's full states."""
    return sum(path.stat().st_size for path in RunFolder(run_dir).state_checkpoints())


def refresh_report(directory: Path, *, changed: bool) -> None:
    """Write the report where something has changed or there is none yet, and print where it is."""
    if (page := refreshed(directory, changed=changed)) is not None:
        say(f"report: {page}")


def refreshed(directory: Path, *, changed: bool, claims: bool = True) -> Path | None:
    """Write the report where something has changed or there is none yet; where it is, or None: it cannot be written."""
    page = directory / "report.html"
    return try_report([directory], claims=claims) if changed or not page.exists() else page


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
