import math

import pytest
import torch

from ganexp.config.run_config import load
from ganexp.config.run_spec import canonical, run_id, trajectory_id
from ganexp.optim import adam, sgd
from ganexp.trainer.state import TrainState
from ganexp.types import GAN
from ganexp.types.errors import ConfigError
from ganexp.types.schedule import Moment, Schedule
from helpers import compose_config

HALF = Moment(10, 5.0, 50.0)


@pytest.mark.parametrize(
    ("schedule", "start", "half", "end"),
    [
        (Schedule(), 1.0, 1.0, 1.0),
        (Schedule("constant", start=3.0), 3.0, 3.0, 3.0),
        (Schedule("linear", epochs=10), 1.0, 0.5, 0.0),
        (Schedule("linear", start=10.0, end=1.0, kimg=100), 10.0, 5.5, 1.0),
        (Schedule("cosine", end=0.2, epochs=10), 1.0, 0.6, 0.2),
        (Schedule("exponential", end=0.01, kimg=100), 1.0, 0.1, 0.01),
    ],
)
def test_factors_at_both_ends_and_halfway(schedule, start, half, end):
    assert schedule.at(Moment.start()) == pytest.approx(start)
    assert schedule.at(HALF) == pytest.approx(half)
    assert schedule.at(Moment(20, 10.0, 100.0)) == pytest.approx(end)
    assert schedule.at(Moment(90, 45.0, 450.0)) == pytest.approx(end), "it stays there"


def test_cosine_is_flat_at_both_ends():
    quarter = Schedule("cosine", epochs=20).at(HALF)
    assert quarter == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_epochs_are_counted_from_one():
    assert [Moment(0, epochs, 0.0).epoch for epochs in (0.0, 0.99, 1.0, 4.5)] == [1, 1, 2, 5]


@pytest.mark.parametrize("make", [adam, sgd, torch.optim.SGD])
def test_optimizers_follow_their_schedules_from_the_value_that_was_given(make):
    gan = GAN(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), 1)
    build = lambda parameters: make(parameters, lr=0.5)  # noqa: E731
    device = torch.device("cpu")
    state = TrainState(gan, build, build, ema=False, device=device, schedules_d={"lr": Schedule("linear", epochs=10)})
    for epochs, expected in ((5.0, 0.25), (8.0, 0.1), (0.0, 0.5)):
        state.apply_schedules(Moment(0, epochs, 0.0))
        assert state.optimizer_d.param_groups[0]["lr"] == pytest.approx(expected)
        assert state.optimizer_g.param_groups[0]["lr"] == 0.5


def test_our_steps_use_the_scheduled_rate():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = sgd([parameter], lr=0.5)
    optimizer.param_groups[0]["lr"] = 0.25
    parameter.grad = torch.ones(1)
    optimizer.step()
    assert float(parameter.detach()) == -0.25


def ids(*overrides):
    identity = canonical(load(compose_config("metrics=none", *overrides)), "digits", "f" * 16, defaults=False)
    return run_id(identity), trajectory_id(identity)


FIXED = ("optim/schedule=linear", "optim.schedule.lr.epochs=null", "optim.schedule.lr.kimg=100")


@pytest.mark.parametrize(
    ("overrides", "shared"),
    [
        ((), True),
        (("optim/schedule=constant",), True),
        (FIXED, True),
        (("penalty=r1", "penalty/schedule=constant"), True),
        (("optim/schedule=linear", "optim.schedule.lr.epochs=30"), True),
        (("optim/schedule=linear",), False),
        (("optim/schedule=cosine",), False),
        (("penalty=r1_r2", "penalty/schedule=linear"), False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_schedules_over_the_whole_training_make_their_own_trajectory(overrides, shared):
    short, long = ids("trainer.epochs=20", *overrides), ids("trainer.epochs=50", *overrides)
    assert short[0] != long[0]
    assert (short[1] == long[1]) == shared


def test_schedules_change_the_run_and_a_constant_one_does_not():
    assert ids(*FIXED) != ids()
    assert ids("optim/schedule=constant") == ids()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("optim/schedule=linear", "optim.schedule.lr.kimg=10"), r"optim\.schedule.*either epochs or kimg"),
        (("optim.schedule.lr.kimg=10",), r"optim\.schedule.*neither epochs nor kimg"),
        (("optim/schedule=exponential", "optim.schedule.lr.end=0"), r"optim\.schedule.*start and end above 0"),
        (("optim/schedule=linear", "optim.schedule.lr.end=-1"), r"optim\.schedule.*greater than or equal to 0, got -1"),
        (("+optim.schedule.momentun={shape:linear,epochs:3}", "optim=sgd"), r"momentun: unknown key.*mean 'momentum'"),
        (("+optim.schedule.betas={shape:linear,epochs:3}",), r"optim\.schedule\.betas: unknown key"),
        (("optim.schedule.lr.shape=square",), r"optim\.schedule.*expected 'constant'.*got 'square'"),
        (("penalty=r1", "penalty/schedule=linear", "penalty.schedule.epochs=0"), r"penalty\.schedule\.epochs.*got 0"),
        (("penalty=r1", "penalty.gamma=-1"), r"penalty\.gamma: expected a value greater than 0, got -1"),
    ],
)
def test_wrong_schedules_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(compose_config("metrics=none", *overrides))
