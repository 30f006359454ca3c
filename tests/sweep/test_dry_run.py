from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganexp.sweep import dry_run
from ganexp.sweep.jobs import Job
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from synthetic import planned, write_identity, write_run

Make = Callable[..., list[Point]]


def measured_run(sweep: Path, number: int, **trainer: Any) -> Path:
    """A finished run of 1796 images in 2 seconds, 898 images a second."""
    folder = write_run(sweep, planned(number), State.COMPLETED)
    write_identity(folder, **trainer)
    return folder


def test_time_follows_the_pace_of_a_run_like_it(
    tmp_path: Path, make_points: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (point,) = make_points(("trainer.batch_size=16", "trainer.epochs=10"))
    monkeypatch.setattr(dry_run, "_kind", lambda values: (values["dataset"], values["trainer.batch_size"]))
    speeds = dry_run.measured([measured_run(tmp_path, 1)], threads=1)
    assert dry_run.seconds_of(Job(point), speeds) == pytest.approx(10 * 48 / 898)
    assert dry_run.seconds_of(Job(point), speeds, start=4) == pytest.approx(6 * 48 / 898)


def test_no_run_like_it_no_estimate(tmp_path: Path, make_points: Make) -> None:
    folders = [measured_run(tmp_path, 1), tmp_path / "nothing", write_run(tmp_path, planned(2), State.RUNNING)]
    speeds = dry_run.measured(folders, threads=1)
    assert len(speeds) == 1
    (point,) = make_points(("trainer.batch_size=17",))
    assert dry_run.seconds_of(Job(point), speeds) is None


def test_runs_with_other_threads_do_not_count(tmp_path: Path) -> None:
    assert dry_run.measured([measured_run(tmp_path, 1)], threads=2) == {}


def test_the_kind_of_a_measured_run_is_that_of_a_point(tmp_path: Path, make_points: Make) -> None:
    (point,) = make_points(("trainer.batch_size=16",))
    folder = measured_run(tmp_path, 1)
    model = {key.removeprefix("model."): value for key, value in point.values.items() if key.startswith("model.")}
    write_identity(folder, model)
    assert dry_run.seconds_of(Job(point), dry_run.measured([folder], threads=1)) is not None


@pytest.mark.parametrize(
    ("durations", "workers", "together"), [([5, 4, 3, 2, 1], 2, 8), ([5, 4], 1, 9), ([5, 4], 9, 5), ([], 2, 0)]
)
def test_jobs_go_to_whoever_is_free_first(durations: list[float], workers: int, together: float) -> None:
    assert dry_run.total_seconds(durations, workers) == together
