from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganexp.files.atomic import write_json
from ganexp.files.status import Status, write
from ganexp.sweep import pace
from ganexp.sweep.conduct import Conductor
from ganexp.sweep.jobs import Job
from ganexp.sweep.points import Point
from ganexp.types.endings import State
from synthetic import planned, write_identity, write_run

OF_EACH = {"train_seconds": 1.0, "images_per_second": None}  # what every result.json has

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
    monkeypatch.setattr(pace, "kind", lambda values: (values["dataset"], values["trainer.batch_size"]))
    speeds = pace.measured([measured_run(tmp_path, 1)], threads=1)
    assert pace.seconds_of(Job(point), speeds) == pytest.approx(10 * 48 / 898)
    assert pace.seconds_of(Job(point), speeds, start=4) == pytest.approx(6 * 48 / 898)


def test_no_run_like_it_no_estimate(tmp_path: Path, make_points: Make) -> None:
    folders = [measured_run(tmp_path, 1), tmp_path / "nothing", write_run(tmp_path, planned(2), State.RUNNING)]
    speeds = pace.measured(folders, threads=1)
    assert len(speeds) == 1
    (point,) = make_points(("trainer.batch_size=17",))
    assert pace.seconds_of(Job(point), speeds) is None


def test_runs_with_other_threads_do_not_count(tmp_path: Path) -> None:
    assert pace.measured([measured_run(tmp_path, 1)], threads=2) == {}


def test_the_kind_of_a_measured_run_is_that_of_a_point(tmp_path: Path, make_points: Make) -> None:
    (point,) = make_points(("trainer.batch_size=16",))
    folder = measured_run(tmp_path, 1)
    model = {key.removeprefix("model."): value for key, value in point.values.items() if key.startswith("model.")}
    write_identity(folder, model)
    assert pace.seconds_of(Job(point), pace.measured([folder], threads=1)) is not None


@pytest.mark.parametrize(
    ("durations", "workers", "together"), [([5, 4, 3, 2, 1], 2, 8), ([5, 4], 1, 9), ([5, 4], 9, 5), ([], 2, 0)]
)
def test_jobs_go_to_whoever_is_free_first(durations: list[float], workers: int, together: float) -> None:
    assert pace.total_seconds(durations, workers) == together


def conductor_of(folder: Path, points: list[Point]) -> Conductor:
    conductor = Conductor(folder, points, None, None, retry=False)
    conductor.waiting = [Job(point) for point in points]
    return conductor


def test_time_left_is_that_of_like_jobs_else_by_the_work_of_a_step(
    tmp_path: Path, make_points: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace.Pace, "_workers", lambda *_: 1)
    grid = [(f"trainer.batch_size={batch}", f"trainer.epochs={epochs}") for batch in (16, 48) for epochs in (2, 4)]
    first, like, other, longer = make_points(*grid)
    conductor = conductor_of(tmp_path, [first, like, other, longer])
    learnt = pace.Pace()
    assert learnt.left(conductor) is None
    for point in (first, like):
        (tmp_path / point.run_dir).mkdir()
    write_json(
        (tmp_path / first.run_dir / "result.json"),
        {"final": {}, "images_seen": 96, "total_seconds": 10.0, "read_off": None, **OF_EACH},
    )
    conductor.waiting.pop(0)
    learnt.learn(tmp_path, Job(first))
    by_work = 10.0 * (other.weight + longer.weight) / first.weight
    assert learnt.left(conductor) == pytest.approx(20.0 + by_work)
    half = Status(State.RUNNING, 2, 4, like.run_id, like.trajectory_id)
    write(tmp_path / like.run_dir / "status.json", half)
    assert learnt.left(conductor) == pytest.approx(10.0 + by_work)
    conductor.waiting.clear()
    assert learnt.left(conductor) is None


def test_a_run_that_was_read_off_teaches_no_pace(tmp_path: Path, make_points: Make) -> None:
    (point,) = make_points(("trainer.batch_size=16",))
    content = {"final": {}, "images_seen": 96, "total_seconds": 0.1, "read_off": "another", **OF_EACH}
    (tmp_path / point.run_dir).mkdir()
    write_json(tmp_path / point.run_dir / "result.json", content)
    learnt = pace.Pace()
    learnt.learn(tmp_path, Job(point))
    assert learnt.speeds == {}
