"""Penalties against closed forms: linear critics w . x, quadratic ones a |x|^2 / 2."""

import pytest
import torch
from torch import nn

from ganexp.loss import non_saturating, wgan
from ganexp.model import mlp
from ganexp.optim import adam
from ganexp.penalty import clip, none, r1, r1_r2, r2, wgan_gp
from ganexp.trainer.batches import Minibatch
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, train_step
from ganexp.types import Penalty
from ganexp.types.schedule import Moment, Schedule

SHAPE = (1, 2, 3)
START = Moment.start()


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randn(5, *SHAPE, dtype=torch.float64), torch.randn(5, *SHAPE, dtype=torch.float64)


def linear(w):
    return lambda x: x.flatten(1) @ w


def quadratic(a):
    return lambda x: a * x.flatten(1).square().sum(1) / 2


def value_and_gradient(penalty, critic_of, parameter, images):
    parameter = parameter.clone().requires_grad_(True)
    value = penalty.term(critic_of(parameter), *images)
    (gradient,) = torch.autograd.grad(value, parameter)
    return value.detach(), gradient


W = torch.tensor([3.0, 0.0, 4.0, 0.0, 0.0, 0.0], dtype=torch.float64)
A = torch.tensor(1.5, dtype=torch.float64)


@pytest.mark.parametrize(("make", "times"), [(r1, 1), (r2, 1), (r1_r2, 2)])
def test_gradient_penalties_of_a_linear_critic(make, times, images):
    value, gradient = value_and_gradient(make(gamma=0.4), linear, W, images)
    torch.testing.assert_close(value, torch.tensor(0.2 * 25 * times, dtype=torch.float64))
    torch.testing.assert_close(gradient, 0.4 * W * times)


@pytest.mark.parametrize(("make", "at"), [(r1, (0,)), (r2, (1,)), (r1_r2, (0, 1))])
def test_gradient_penalties_of_a_quadratic_critic(make, at, images):
    norms = sum(images[which].flatten(1).square().sum(1).mean() for which in at)
    value, gradient = value_and_gradient(make(gamma=3.0), quadratic, A, images)
    torch.testing.assert_close(value, 1.5 * A**2 * norms)
    torch.testing.assert_close(gradient, 3.0 * A * norms)


@pytest.mark.parametrize("target", [1.0, 0.0])
def test_wgan_gp_of_a_linear_critic(target, images):
    value, gradient = value_and_gradient(wgan_gp(weight=10.0, target=target), linear, W, images)
    torch.testing.assert_close(value, torch.tensor(10 * (5 - target) ** 2, dtype=torch.float64))
    torch.testing.assert_close(gradient, 20 * (5 - target) * W / 5)


def test_wgan_gp_looks_between_the_images_with_one_share_for_each():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    torch.manual_seed(0)
    wgan_gp().term(critic, torch.zeros(200, *SHAPE), torch.ones(200, *SHAPE))
    points = seen[0].flatten(1)
    assert torch.equal(points.amin(1), points.amax(1)), "all pixels of an image are mixed alike"
    assert 0 <= float(points.min()) < 0.05 < 0.95 < float(points.max()) <= 1
    assert float(points[:, 0].mean()) == pytest.approx(0.5, abs=0.07)


def test_wgan_gp_is_finite_where_the_gradient_vanishes():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    nn.init.zeros_(net[1].weight)
    wgan_gp().term(lambda x: net(x).squeeze(1), torch.zeros(4, *SHAPE), torch.ones(4, *SHAPE)).backward()
    assert torch.isfinite(net[1].weight.grad).all()


def test_no_penalty():
    assert none() is None


def test_lazy_penalties_are_taken_at_the_interval_and_times_as_much():
    penalty = r1(every_steps=4)
    assert [penalty.weight(step, START) for step in range(9)] == [4.0, 0, 0, 0, 4.0, 0, 0, 0, 4.0]


def test_a_schedule_multiplies_the_penalty():
    penalty = r1_r2(every_steps=2, schedule=Schedule("linear", start=10.0, end=1.0, kimg=4.0))
    assert penalty.weight(0, Moment(0, 0.0, 2.0)) == pytest.approx(2 * 5.5)


def make_state(**settings):
    torch.manual_seed(0)
    gan = mlp(SHAPE, latent_dim=5, generator_widths=(12,), discriminator_width=10, maxout_units=6, **settings)
    build = lambda parameters: adam(parameters, lr=1e-2)  # noqa: E731
    return TrainState(gan, build, build, ema=False, device=torch.device("cpu"))


def minibatch(step=0):
    return Minibatch([torch.rand(7, *SHAPE) * 2 - 1], Moment(step, float(step), 0.0))


def test_the_step_counts_the_discriminators_steps():
    taken = []
    penalty = Penalty(lambda critic, real, fake: critic(real).sum() * (taken.append(1) or 0.0), every_steps=5)
    state = make_state()
    for step in range(5):
        train_step(state, minibatch(step), Game(non_saturating(), penalty, 3, None, False))
    assert len(taken) == 3, "15 steps of the discriminator"


def test_weights_are_clipped_after_the_discriminators_last_step():
    state = make_state(dropout=0.0)
    train_step(state, minibatch(), Game(wgan(), clip(bound=0.03), 2, None, False))
    largest = max(float(p.detach().abs().max()) for p in state.discriminator.parameters())
    assert largest == pytest.approx(0.03)
    assert max(float(p.detach().abs().max()) for p in state.generator.parameters()) > 0.1


@pytest.mark.parametrize("make", [r1, r2, r1_r2, wgan_gp])
def test_penalties_are_taken_in_fp32_where_the_networks_run_in_bf16(make):
    state, found, wanted = make_state(dropout=0.0), [], make()

    def term(critic, real, fake):
        assert critic(real).dtype is fake.dtype is torch.float32
        found.append(float(wanted.term(critic, real, fake).detach()))
        return wanted.term(critic, real, fake)

    for step in range(3):
        train_step(state, minibatch(step), Game(non_saturating(), Penalty(term), 2, None, bf16=True))
    assert state.finite()
    assert len(found) == 6
    assert all(0 < value < 100 for value in found)
