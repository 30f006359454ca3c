"""From the runs that are missing to the jobs that make them: one for each trajectory, the longest first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ganexp.sweep.points import Point


@dataclass(frozen=True)
class SweepJob:
    """One training.

    Attributes:
        point: the longest run that it makes.
        read_off: shorter runs of the same trajectory that it writes as it passes their last epochs.
    """

    point: Point
    read_off: tuple[Point, ...] = ()

    @property
    def points(self) -> tuple[Point, ...]:
        """Every run that it makes."""
        return (*self.read_off, self.point)

    @property
    def overrides(self) -> list[str]:
        """For the launcher: those of the longest run, and what it is to read off on its way."""
        if not self.read_off:
            return list(self.point.overrides)
        epochs = [point.epochs for point in self.read_off]
        milestones = sorted({*self.point.milestones, *epochs})
        kept = [text for text in self.point.overrides if _key(text) not in ("trainer.milestones", "sweep.read_off")]
        return [*kept, f"trainer.milestones={_list(milestones)}", f"sweep.read_off={_list(epochs)}"]


def distinct(points: Sequence[Point]) -> list[Point]:
    """The first point of each run: equal runs are made once."""
    first: dict[str, Point] = {}
    for point in points:
        first.setdefault(point.run_id, point)
    return list(first.values())


def jobs_for(missing: Sequence[Point], done: Sequence[Point] = ()) -> list[SweepJob]:
    """The jobs that make the runs in `missing`, the one that is likely to take longest first.

    Runs of one trajectory are one job, unless a finished run lies between them: a job starts from the longest
    finished run that is shorter than its own longest, and so never passes the epochs before that.

    Args:
        missing: distinct runs that are to be made.
        done: runs whose files are there.
    """
    jobs: list[SweepJob] = []
    finished = by_trajectory(done)
    for identifier, runs in by_trajectory(missing).items():
        jobs += _of_trajectory(runs, [point.epochs for point in finished.get(identifier, ())])
    return sorted(jobs, key=lambda job: -job.point.weight)


def by_trajectory(points: Iterable[Point]) -> dict[str, list[Point]]:
    """trajectory_id -> its points, in order."""
    trajectories: dict[str, list[Point]] = {}
    for point in points:
        trajectories.setdefault(point.trajectory_id, []).append(point)
    return trajectories


def _of_trajectory(runs: Sequence[Point], finished: Collection[int]) -> list[SweepJob]:
    alone = [SweepJob(point) for point in runs if not point.shareable]
    stretches: dict[int, list[Point]] = {}
    for point in sorted((p for p in runs if p.shareable), key=lambda p: p.epochs):
        start = max((epochs for epochs in finished if epochs < point.epochs), default=0)
        stretches.setdefault(start, []).append(point)
    return [*alone, *(SweepJob(group[-1], tuple(group[:-1])) for group in stretches.values())]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _list(epochs: Sequence[int]) -> str:
    return f"[{','.join(str(epoch) for epoch in epochs)}]"
