from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganexp.files.record import is_cadence
from ganexp.sweep import costs
from ganexp.sweep.costs import Costs
from ganexp.sweep.jobs import jobs_for
from ganexp.sweep.points import Point
from ganexp.trainer.run import execute
from ganexp.trainer.timing import Cost, cost_of
from helpers import TINY, make_spec

Make = Callable[..., list[Point]]


def costs_for(folder: Path, points: list[Point], speeds: costs.Speeds | None = None) -> Costs:
    jobs = jobs_for(points)
    return Costs(folder, jobs, [0] * len(jobs), speeds or {})


def by_batch(found: Costs) -> dict[int, float | None]:
    batches = (job.point.values["trainer.batch_size"] for job in found.jobs)
    return dict(zip(batches, found.seconds(), strict=True))


def test_a_run_writes_the_bytes_and_takes_the_steps_that_were_measured(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    spec = make_spec(tmp_path, *TINY)
    cost = cost_of(spec, threads=1)
    assert not spec.directory.exists()
    execute(spec)
    assert cost.state_bytes == pytest.approx(spec.folder.state_checkpoints()[0].stat().st_size, rel=0.05)
    assert cost.generator_bytes == pytest.approx(spec.folder.generator_checkpoints()[0].stat().st_size, rel=0.05)
    assert cost.picture_bytes == pytest.approx(spec.folder.samples_png(4).stat().st_size, rel=0.5)
    assert 0 < cost.step < 1 and 0 < cost.epoch < 5 and cost.scoring == 0.0


def test_scoring_is_timed_where_nothing_must_be_trained_first(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    scored = [each for each in TINY if not each.startswith("metrics")]
    cost = cost_of(make_spec(tmp_path, *scored, "metrics.num_samples=20"), threads=1)
    assert cost.scoring is not None and cost.scoring > 0
    small = make_spec(tmp_path, *scored, "metrics.num_samples=20", "dataset.image_size=8")  # none is packaged for these
    assert cost_of(small, threads=1).scoring is None
    assert not list(small.dataset.cache_dir.glob("classifier_*"))


def test_each_kind_of_training_is_timed_once_and_time_adds_up(
    tmp_path: Path, make_points: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[int] = []

    def fake(spec: object, threads: int) -> Cost:
        timed.append(threads)
        return Cost(step=1.0, epoch=10.0, scoring=100.0, state_bytes=7, generator_bytes=5, picture_bytes=3)

    monkeypatch.setattr(costs, "cost_of", fake)
    keys = ("trainer.batch_size=16", "trainer.batch_size=48")
    points = make_points(
        *[(key, f"trainer.epochs={epochs}", f"seed={s}") for key in keys for epochs in (2, 4) for s in (0, 1)]
    )
    found = costs_for(tmp_path, points)
    found.measure(threads=3)
    assert timed == [3, 3]
    scorings = sum(is_cadence(epoch, None) for epoch in range(1, 5)) + 2
    assert by_batch(found) == {16: 4 * 3 + 40 + 100 * scorings, 48: 4 * 1 + 40 + 100 * scorings}
    disk = found.disk(workers=2)
    assert disk is not None and disk.states == 4 * 7
    assert disk.peak - disk.end == 2 * 2 * 7
    assert disk.end == costs.REPORT + 4 * (7 + 3 * 5 + 6 * 3 + 2 * costs.SMALL_FILES)
    assert not found.without_scoring()


def test_what_was_measured_goes_before_what_is_timed_and_the_rest_by_its_work(
    tmp_path: Path, make_points: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(spec: object, threads: int) -> Cost:
        raise RuntimeError("no")

    monkeypatch.setattr(costs, "cost_of", fails)
    points = make_points(("trainer.batch_size=16",), ("trainer.batch_size=48",))
    speeds = {costs.kind(points[0].values): [2.0]}
    found = costs_for(tmp_path, points, speeds)
    found.measure(threads=1)
    like = points[0].epochs * 48 / 2.0
    assert by_batch(found) == {16: like, 48: pytest.approx(like * points[1].weight / points[0].weight)}
    assert found.disk(1) is None
