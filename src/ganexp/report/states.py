"""The runs of a sweep as they are now: state, epoch, heartbeat, speed and time left of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ganexp.files import plan
from ganexp.files.found import expect_folder, instead_of
from ganexp.files.lease import heartbeat_age
from ganexp.files.plan import PlannedRun
from ganexp.files.record import read_result
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.metrics.words import score_of
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError


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
    folder: Path | None = None  # its directory

    @property
    def done(self) -> int:
        """Epochs done."""
        return self.status.epoch if self.status is not None else 0

    def number(self, name: str) -> float | None:
        """A number that the run itself reports, e.g. images_per_second."""
        value = (self.status.progress if self.status is not None else {}).get(name)
        return float(value) if isinstance(value, int | float) else None

    @property
    def seconds_left(self) -> float | None:
        """Until it ends, as it says itself while it runs."""
        return self.number("seconds_left") if self.state is State.RUNNING else None

    @property
    def score(self) -> str:
        """The final value of a completed run, with its word; read again only where result.json has changed."""
        path = RunFolder(self.folder).result_json if self.folder is not None else None
        if self.state is not State.COMPLETED or path is None or not path.exists():
            return ""
        return _score_in(path, path.stat().st_mtime_ns)


def progress_of(directory: Path) -> list[RunProgress]:
    """Every run of a sweep directory, or the one of a run directory; DirectoryError: neither a plan nor a run."""
    expect_folder(directory)
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
            f"{instead_of(directory)}"
        )
    return [_progress(folder) for folder in folders if not folder.is_symlink()]


def seconds_left(runs: Sequence[RunProgress]) -> float | None:
    """Estimated seconds until all is done, at the present pace; None where nothing runs.

    Each trajectory counts once, to the end of its longest run. Epochs are assumed to be equally long.
    """
    pace = [
        (run.epochs - run.done, seconds)
        for run in runs
        if (seconds := run.seconds_left) is not None and run.epochs > run.done
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


def _progress(folder: Path, planned: PlannedRun | None = None, setting: str = "") -> RunProgress:
    status = None if planned is not None and folder.is_symlink() else RunFolder(folder).current()
    current = State.PENDING if status is None else status.state
    age = heartbeat_age(folder) if current in (State.RUNNING, State.STALE) else 0.0
    if planned is not None:
        known = planned.run_dir, setting, planned.trajectory_id, planned.epochs
        return RunProgress(*known, current, status, age, folder)
    epochs, trajectory = (status.epochs, status.trajectory_id) if status is not None else (0, "")
    return RunProgress(folder.name, "", trajectory, epochs, current, status, age, folder)


@cache
def _score_in(path: Path, _: int) -> str:
    result = read_result(path)
    return "" if result is None else score_of(result)
