from __future__ import annotations

from collections.abc import Callable

from ganexp.sweep.jobs import Job, distinct, jobs_for
from ganexp.sweep.points import Point

Make = Callable[..., list[Point]]


def told(jobs: list[Job]) -> list[tuple[int, list[int]]]:
    """(epochs, epochs read off) of each job."""
    return [(job.point.epochs, [point.epochs for point in job.read_off]) for job in jobs]


def epochs(make_points: Make, *numbers: int) -> list[Point]:
    return make_points(*((f"trainer.epochs={number}",) for number in numbers))


def test_runs_that_differ_in_epochs_alone_are_one_job(make_points: Make) -> None:
    points = make_points(*((f"optim.lr={rate}", f"trainer.epochs={n}") for rate in (1, 2) for n in (50, 20, 100)))
    jobs = jobs_for(points)
    assert told(jobs) == [(100, [20, 50]), (100, [20, 50])]
    assert sorted(point.run_id for job in jobs for point in job.points) == sorted(point.run_id for point in points)


def test_a_job_is_told_what_to_read_off(make_points: Make) -> None:
    points = make_points(("trainer.epochs=20",), ("trainer.milestones=[7,20]", "trainer.epochs=50"))
    (job,) = jobs_for(points)
    assert job.overrides[-3:] == ["trainer.epochs=50", "trainer.milestones=[7,20]", "sweep.read_off=[20]"]
    assert sum(text.startswith("trainer.milestones=") for text in job.overrides) == 1


def test_a_single_run_is_told_nothing_more(make_points: Make) -> None:
    (job,) = jobs_for(epochs(make_points, 3))
    assert job.overrides == list(job.point.overrides)


def test_equal_points_are_made_once(make_points: Make) -> None:
    points = epochs(make_points, 2, 3, 2)
    assert distinct(points) == points[:2]


def test_the_longest_job_comes_first(make_points: Make) -> None:
    sizes = make_points(*((f"trainer.batch_size={size}",) for size in (48, 4, 16)))
    assert [job.point.values["trainer.batch_size"] for job in jobs_for(sizes)] == [4, 16, 48]


def test_a_finished_run_in_between_parts_a_trajectory(make_points: Make) -> None:
    ten, twenty, fifty, hundred = epochs(make_points, 10, 20, 50, 100)
    assert told(jobs_for([ten, fifty, hundred], [twenty])) == [(100, [50]), (10, [])]
    assert told(jobs_for([fifty, hundred], [ten, twenty])) == [(100, [50])]
    assert told(jobs_for([ten, twenty, fifty], [hundred])) == [(50, [10, 20])]


def test_runs_that_end_elsewhere_than_at_an_epoch_share_nothing(make_points: Make) -> None:
    points = make_points(*(("trainer.max_steps=5", f"trainer.epochs={number}") for number in (1, 2)))
    assert sorted(told(jobs_for(points))) == [(1, []), (2, [])]
