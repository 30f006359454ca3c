from __future__ import annotations

from collections.abc import Callable

import pytest

from ganexp.sweep.points import Point
from ganexp.types.errors import ConfigError

Make = Callable[..., list[Point]]


def test_equal_values_are_one_run_however_they_are_written(make_points: Make) -> None:
    runs = make_points(("optim.lr=1e-5",), ("optim.lr=0.00001",), ("optim.lr=2e-5",))
    assert runs[0].run_id == runs[1].run_id != runs[2].run_id


def test_epochs_alone_make_one_trajectory(make_points: Make) -> None:
    short, long, other = make_points(
        ("trainer.epochs=1",), ("trainer.epochs=9",), ("trainer.epochs=9", "trainer.batch_size=16")
    )
    assert short.trajectory_id == long.trajectory_id != other.trajectory_id
    assert short.run_id != long.run_id
    assert (short.epochs, long.epochs, long.images_per_epoch) == (1, 9, 48)


def test_a_value_that_follows_the_number_of_epochs_makes_a_trajectory_of_its_own(make_points: Make) -> None:
    warmup = ("loss=minimax", "loss.warmup_epochs=${trainer.epochs}")
    short, long = make_points((*warmup, "trainer.epochs=1"), (*warmup, "trainer.epochs=2"))
    assert short.trajectory_id != long.trajectory_id


def test_values_hold_what_a_table_of_runs_needs(make_points: Make) -> None:
    (point,) = make_points(("loss=minimax", "optim.generator.lr=0.5", "seed=4", "trainer.real_batch=fresh"))
    expected = {"dataset": "digits", "model": "mlp", "loss": "minimax", "optim": "adam", "lr": 0.5, "optim.lr": 1e-4}
    assert {key: point.values[key] for key in expected} == expected
    assert point.values["seed"] == 4
    assert point.values["metrics.objective"] is None
    assert point.images_per_epoch == 48 * 5
    assert not any(key.startswith(("sweep.", "hydra")) for key in point.values)


def test_steps_and_seconds_end_a_run_elsewhere_than_at_an_epoch(make_points: Make) -> None:
    plain, steps, seconds = make_points((), ("trainer.max_steps=5",), ("trainer.max_seconds=5",))
    assert (plain.shareable, steps.shareable, seconds.shareable) == (True, False, False)


def test_more_work_weighs_more(make_points: Make) -> None:
    base, epochs, small, steps = make_points(
        (), ("trainer.epochs=100",), ("trainer.batch_size=4",), ("trainer.d_steps=9",)
    )
    assert all(base.weight < more.weight for more in (epochs, small, steps))


def test_a_bad_value_names_its_points_and_what_was_expected(make_points: Make) -> None:
    grid = [(f"optim.lr={rate}", f"trainer.batch_size={size}") for rate in ("0.1", "-1") for size in (8, 16)]
    with pytest.raises(ConfigError) as error:
        make_points(*grid, keys=("optim.lr", "trainer.batch_size"))
    message = str(error.value)
    assert "nothing was started" in message
    assert "point 3 of 4 (optim.lr=-1 trainer.batch_size=8) and 1 more" in message
    assert "optim.lr" in message.splitlines()[-1]
    assert "got -1" in message


def test_every_different_error_is_told(make_points: Make) -> None:
    with pytest.raises(ConfigError) as error:
        make_points(("trainer.epochs=0",), ("trainer.nothing=1",), ("trainer.epochs=abc",), ("loss=nothing",))
    told = str(error.value)
    assert all(f"point {number} of 4" in told for number in (1, 2, 3, 4))
    assert "trainer.nothing: unknown key" in told
    assert "minimax" in told


def test_more_than_a_handful_of_errors_are_counted(make_points: Make) -> None:
    with pytest.raises(ConfigError, match="and 3 other errors"):
        make_points(*((f"trainer.epochs=-{number}",) for number in range(8)))


def test_data_that_does_not_suffice_is_refused(make_points: Make) -> None:
    grid = ((), ("trainer.batch_size=49",))
    with pytest.raises(ConfigError, match=r"other 1 of 2 points.*\n.*point 2 of 2 .*batch_size: expected at most 48"):
        make_points(*grid)
    assert len(make_points(*grid, skip_refused=True)) == 1


def test_a_key_that_goes_nowhere_is_refused_before_the_start(make_points: Make) -> None:
    grid = (("++trainer.batchsize=16",), ("++trainer.batchsize=64",))
    with pytest.raises(ConfigError, match=r"nothing was started.*\n.*trainer\.batchsize: unknown key.*'batch_size'"):
        make_points(*grid, keys=("++trainer.batchsize",))
