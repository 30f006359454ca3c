"""The runs of a sweep as they are now: state, epoch, heartbeat, speed and time left of each, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ganexp.files import plan
from ganexp.files.lease import STALE_SECONDS, heartbeat_age
from ganexp.files.plan import PlannedRun
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import LONG_TABLE, columns, console, duration, last_line, plain, say

# What needs attention comes first.
ORDER = (
    *(State.RUNNING, State.STALE, State.FAILED, State.DIVERGED, State.INTERRUPTED),
    *(State.PENDING, State.PRUNED, State.COMPLETED),
)

STYLES = {
    State.RUNNING: "cyan",
    State.STALE: "magenta",
    State.FAILED: "bold red",
    State.DIVERGED: "red",
    State.INTERRUPTED: "yellow",
    State.COMPLETED: "green",
}

HEADINGS = ("run", "setting", "state", "epoch", "heartbeat", "images/s", "left", "error")


@dataclass(frozen=True)
class RunProgress:
    """One run as it is now."""

    name: str  # of its directory
    setting: str  # what differs between the runs, e.g. "batch_size=16 lr=0.0001"; "" without a plan
    trajectory_id: str  # runs that share it are one training
    epochs: int  # requested
    state: State
    status: Status | None  # its status.json, if it is there
    age: float = 0.0  # seconds since its heartbeat; 0 where no process works on it

    @property
    def done(self) -> int:
        """Epochs done."""
        return self.status.epoch if self.status is not None else 0

    def number(self, name: str) -> float | None:
        """A number that the run itself reports, e.g. images_per_second."""
        value = (self.status.progress if self.status is not None else {}).get(name)
        return float(value) if isinstance(value, int | float) else None


def progress_of(directory: Path) -> list[RunProgress]:
    """Every run of a sweep directory, or the one of a run directory; DirectoryError: neither a plan nor a run."""
    if (directory / "status.json").exists():
        return [_progress(directory)]
    planned_runs = plan.read(directory)
    if planned_runs is not None:
        settings = planned_runs.settings()
        return [_progress(directory / run.run_dir, run, settings[run.run_id]) for run in planned_runs.runs.values()]
    folders = [folder for folder in sorted(directory.glob("*/")) if (folder / "status.json").exists()]
    if not folders:
        raise DirectoryError(
            f"{directory}: expected a sweep or run directory, got one with neither {plan.FILE} nor runs"
        )
    return [_progress(folder) for folder in folders if not folder.is_symlink()]


def seconds_left(runs: Sequence[RunProgress]) -> float | None:
    """Estimated seconds until all is done, at the present pace; None where nothing runs.

    Each trajectory counts once, to the end of its longest run. Epochs are assumed to be equally long.
    """
    pace = [
        (run.epochs - run.done, seconds)
        for run in runs
        if (seconds := _left(run)) is not None and run.epochs > run.done
    ]
    if not pace:
        return None
    per_epoch = sum(seconds for _, seconds in pace) / sum(epochs for epochs, _ in pace)
    longest: dict[str, int] = {}
    for run in runs:
        if not run.state.final:
            longest[run.trajectory_id] = max(longest.get(run.trajectory_id, 0), run.epochs - run.done)
    working = sum(run.state is State.RUNNING for run in runs)
    return per_epoch * sum(longest.values()) / max(1, working)


def render(directory: Path, runs: Sequence[RunProgress], rows: int | None = None) -> Group:
    """The table of a sweep, of at most `rows` runs."""
    ordered = sorted(runs, key=lambda run: ORDER.index(run.state))
    headings, *cells = _used([_cells(run) for run in ordered[:rows]])
    table = Table(*headings)
    for run, row in zip(ordered, cells, strict=False):
        table.add_row(*map(Text, row), style=STYLES.get(run.state, ""))
    hidden = len(runs) - len(cells)
    more = [Text(f"... and {hidden} more")] if hidden else []
    return Group(table, *more, Text(_closing(directory, runs)))


def _used(rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    used = [number for number in range(len(HEADINGS)) if any(row[number] for row in rows)]
    return [[row[number] for number in used] for row in (HEADINGS, *rows)]


def _closing(directory: Path, runs: Sequence[RunProgress]) -> str:
    counts = Counter(run.state for run in runs)
    words = ", ".join(f"{counts[each]} {each}" for each in ORDER if counts[each])
    remaining = seconds_left(runs)
    time_left = "" if remaining is None else f"; about {duration(remaining)} left"
    return f"{plain(directory)}: {len(runs)} run{'s' * (len(runs) != 1)}: {words}{time_left}"


def show(directory: Path, runs: Sequence[RunProgress]) -> None:
    """Print the table of a sweep; a long one without borders."""
    if len(runs) <= LONG_TABLE:
        console().print(render(directory, runs))
        return
    ordered = sorted(runs, key=lambda run: ORDER.index(run.state))
    print("\n".join(columns(_used([_cells(run) for run in ordered]))))
    say(_closing(directory, runs))


def _progress(folder: Path, planned: PlannedRun | None = None, setting: str = "") -> RunProgress:
    status = None if planned is not None and folder.is_symlink() else RunFolder(folder).current()
    current = State.PENDING if status is None else status.state
    age = heartbeat_age(folder) if current in (State.RUNNING, State.STALE) else 0.0
    if planned is not None:
        return RunProgress(planned.run_dir, setting, planned.trajectory_id, planned.epochs, current, status, age)
    epochs, trajectory = (status.epochs, status.trajectory_id) if status is not None else (0, "")
    return RunProgress(folder.name, "", trajectory, epochs, current, status, age)


def _left(run: RunProgress) -> float | None:
    return run.number("seconds_left") if run.state is State.RUNNING else None


def _cells(run: RunProgress) -> tuple[str, ...]:
    running = run.state in (State.RUNNING, State.STALE) and run.status is not None
    age = ("in the future" if run.age < -STALE_SECONDS else duration(max(0.0, run.age))) if running else ""
    speed, remaining = run.number("images_per_second"), _left(run)
    note = run.status.note if run.status is not None else ""
    error = run.status.error if run.status is not None and run.state is not State.COMPLETED else None
    return (
        plain(run.name.rpartition("-")[2] if run.setting else run.name),
        plain(run.setting),
        run.state.value,
        f"{run.done}/{run.epochs}",
        age,
        "" if speed is None else f"{speed:,.0f}",
        "" if remaining is None else duration(remaining),
        plain(note if not error else f"{error.get('type')}: {last_line(error.get('message', ''))}"),
    )
