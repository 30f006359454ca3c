"""The fast step (many fakes from one pass, one pass over real and fake, fused Adam) against the plain formula."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ganexp.loss import minimax, non_saturating, relativistic
from ganexp.model import mlp
from ganexp.optim import adam
from ganexp.trainer.batches import Minibatch
from ganexp.trainer.state import SUMS, TrainState
from ganexp.trainer.step import Game, noise, train_step
from ganexp.types import GAN
from ganexp.types.schedule import Moment

SHAPE = (1, 6, 6)


def make_state(*, dropout=0.0, gan=None, ema=False, lr=1e-2):
    torch.manual_seed(0)
    gan = gan or mlp(
        SHAPE, latent_dim=5, generator_widths=(12,), discriminator_width=10, maxout_units=6, dropout=dropout
    )
    make = lambda parameters: adam(parameters, lr=lr)  # noqa: E731
    return TrainState(gan, make, make, ema=ema, device=torch.device("cpu"))


def batch(reals, step=0):
    return Minibatch(reals, Moment(step, float(step), 0.0))


def game(loss=None, d_steps=3, ema_kimg=None, penalty=None, *, reuse_fakes=False):
    return Game(loss or non_saturating(), penalty, d_steps, ema_kimg, bf16=False, reuse_fakes=reuse_fakes)


def plain_step(state, reals, d_steps, saturating, reuse_fakes):
    """Goodfellow 2014, Algorithm 1, as a textbook would write it; same order of random numbers."""
    generator, discriminator = state.generator, state.discriminator
    size = len(reals[0])
    before = noise(state.gan, size * (d_steps - reuse_fakes), torch.device("cpu"))
    z = torch.cat((before, noise(state.gan, size, torch.device("cpu"))))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=1e-2, foreach=False)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-2, foreach=False)
    for k in range(d_steps):
        real = discriminator(reals[k % len(reals)])
        fake = discriminator(generator(z[k * size : (k + 1) * size]).detach())
        loss = binary_cross_entropy_with_logits(real, torch.ones(size))
        loss = loss + binary_cross_entropy_with_logits(fake, torch.zeros(size))
        optimizer_d.zero_grad()
        loss.backward()
        optimizer_d.step()
    fake = torch.sigmoid(discriminator(generator(z[-size:])))
    g_loss = torch.log(1 - fake).mean() if saturating else -torch.log(fake).mean()
    optimizer_g.zero_grad()
    g_loss.backward()
    optimizer_g.step()


@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize(("d_steps", "draws"), [(3, 1), (3, 3), (1, 1)])
@pytest.mark.parametrize("reuse_fakes", [False, True])
def test_equals_the_plain_formula(saturating, d_steps, draws, reuse_fakes):
    reals = [torch.rand(7, *SHAPE) * 2 - 1 for _ in range(draws)]
    rules = game(minimax() if saturating else non_saturating(), d_steps, reuse_fakes=reuse_fakes)
    fast = make_state()
    plain = copy.deepcopy(fast)
    torch.manual_seed(5)
    train_step(fast, batch(reals), rules)
    torch.manual_seed(5)
    plain_step(plain, reals, d_steps, saturating, reuse_fakes)
    for ours, theirs in zip(fast.generator.parameters(), plain.generator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(fast.discriminator.parameters(), plain.discriminator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own look at it while it traces
def test_compiled_networks_make_the_same_step():
    reals = [torch.rand(7, *SHAPE) * 2 - 1]
    plain = make_state(ema=True)
    compiled = copy.deepcopy(plain)
    for net in (compiled.generator, compiled.discriminator):
        net.compile(backend="aot_eager")
    for state in (plain, compiled):
        torch.manual_seed(5)
        train_step(state, batch(reals), game(relativistic(), ema_kimg=0.008))
    pairs = [(plain.generator, compiled.generator), (plain.discriminator, compiled.discriminator)]
    for ours, theirs in [*pairs, (plain.average, compiled.average)]:
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(theirs.state_dict()[name], value, rtol=1e-5, atol=1e-6)


class Recorder(nn.Module):
    """A network that remembers the sizes of the batches it saw."""

    def __init__(self, net, batch_independent):
        super().__init__()
        self.net, self.batch_independent, self.sizes = net, batch_independent, []

    def forward(self, x):
        self.sizes.append(len(x))
        return self.net(x)


@pytest.mark.parametrize("declares", [True, False])
def test_batches_are_joined_only_for_nets_that_declare_to_treat_images_one_by_one(declares):
    made = mlp(SHAPE, latent_dim=5, generator_widths=(12,), discriminator_width=10, maxout_units=6)
    gan = GAN(Recorder(made.generator, declares), Recorder(made.discriminator, declares), 5)
    train_step(make_state(gan=gan), batch([torch.zeros(7, *SHAPE)]), game())
    assert gan.generator.sizes == ([21, 7] if declares else [7, 7, 7, 7])
    assert gan.discriminator.sizes == ([14, 14, 14, 7] if declares else [7] * 7)


def test_sums_are_weighted_by_images():
    state = make_state()
    train_step(state, batch([torch.zeros(7, *SHAPE)]), game())
    once = state.sums.clone()
    assert float(once[SUMS.index("weight")]) == 7
    assert 0 < float(once[SUMS.index("d_real")]) / 7 < 1
    train_step(state, batch([torch.zeros(3, *SHAPE)]), game())
    assert float(state.sums[SUMS.index("weight")]) == 10


def test_the_discriminator_can_learn_again_after_the_generator_step():
    state = make_state()
    train_step(state, batch([torch.zeros(7, *SHAPE)]), game())
    assert all(p.requires_grad for p in state.discriminator.parameters())


def test_average_follows_the_generator():
    state = make_state(ema=True)
    before = [p.clone() for p in state.average.parameters()]
    train_step(state, batch([torch.zeros(8, *SHAPE)]), game(ema_kimg=0.008))
    for average, old, new in zip(state.average.parameters(), before, state.generator.parameters(), strict=True):
        torch.testing.assert_close(average, 0.5 * old + 0.5 * new.detach())


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_noise_has_zero_mean_and_unit_variance(latent):
    torch.manual_seed(1)
    z = noise(GAN(nn.Identity(), nn.Identity(), 10, latent), 20_000, torch.device("cpu"))
    assert abs(float(z.mean())) < 0.01
    assert float(z.var()) == pytest.approx(1.0, abs=0.01)
    if latent == "uniform":
        assert float(z.abs().max()) <= 3**0.5


def test_bf16_sees_the_weights_of_the_step_before():
    seen = []
    sound = non_saturating()

    def discriminator(real, fake):
        seen.append(real.detach().clone())
        return sound.discriminator(real, fake)

    rules = Game(replace(sound, discriminator=discriminator), None, 3, None, bf16=True)
    train_step(make_state(lr=0.1), batch([torch.rand(7, *SHAPE)]), rules)
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_bf16_steps_are_finite_and_keep_fp32_weights():
    state = make_state(dropout=0.3)
    for _ in range(3):
        train_step(state, batch([torch.rand(7, *SHAPE)]), Game(non_saturating(), None, 2, None, bf16=True))
    assert state.finite()
    assert all(p.dtype is torch.float32 for p in state.generator.parameters())


class Noted(nn.Module):
    """A conditional network that remembers which labels came with which images."""

    def __init__(self, net):
        super().__init__()
        self.net, self.batch_independent, self.labels = net, net.batch_independent, []

    def forward(self, x, labels):
        self.labels.append(labels.tolist())
        return self.net(x, labels)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("independent", [False, True])
def test_a_fake_has_the_label_of_the_real_image_beside_it(fresh, independent):
    made = mlp(SHAPE, latent_dim=5, generator_widths=(12,), maxout_units=6, conditional=True, num_classes=3)
    gan = GAN(Noted(made.generator), Noted(made.discriminator), 5, num_classes=3)
    gan.generator.batch_independent = gan.discriminator.batch_independent = independent
    labels = [torch.tensor([0, 1, 2, 0]), torch.tensor([2, 2, 1, 0])][: 2 if fresh else 1]
    reals = [torch.zeros(4, *SHAPE) for _ in labels]
    first, last = labels[0].tolist(), labels[-1].tolist()
    loss = relativistic()
    train_step(make_state(gan=gan), Minibatch(reals, Moment.start(), labels), game(loss, d_steps=2))
    if independent:
        assert gan.generator.labels == [first + last, last]
        assert gan.discriminator.labels == [first * 2, last * 2, last, last]
    else:
        assert gan.generator.labels == [first, last, last]
        assert gan.discriminator.labels == [first, first, last, last, last, last]


def test_the_generator_is_compared_with_the_last_real_batch():
    """Relativistic: its loss is softplus of D(real) - D(fake), pair by pair."""
    state = make_state()
    real = torch.rand(7, *SHAPE)
    plain = copy.deepcopy(state)
    torch.manual_seed(5)
    train_step(state, batch([torch.zeros(7, *SHAPE), real]), game(relativistic(), d_steps=2))
    torch.manual_seed(5)
    noise(plain.gan, 14, torch.device("cpu"))
    plain.discriminator.load_state_dict(state.discriminator.state_dict())
    fake = plain.generator(noise(plain.gan, 7, torch.device("cpu")))
    g_loss = torch.nn.functional.softplus(plain.discriminator(real) - plain.discriminator(fake)).mean()
    assert float(state.sums[SUMS.index("g_loss")]) / 7 == pytest.approx(float(g_loss.detach()), rel=1e-5)
    g_loss.backward()
    for ours, wanted in zip(state.generator.parameters(), plain.generator.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, wanted.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("loss", "calls"), [(non_saturating(), 2 * 3 + 1), (relativistic(), 2 * 3 + 2)])
def test_both_players_see_real_and_generated_images_through_it(loss, calls):
    seen = []

    def augment(images):
        seen.append(images.requires_grad)
        return images * 0.5

    halved, plain = make_state(), make_state()
    torch.manual_seed(1)
    real = torch.rand(7, *SHAPE)
    train_step(halved, batch([real]), Game(loss, None, 3, None, False, augment=augment))
    assert len(seen) == calls
    assert seen.count(True) == 1  # the generator's step
    torch.manual_seed(1)
    train_step(plain, batch([real]), Game(loss, None, 3, None, False, augment=None))
    assert not torch.equal(halved.sums, plain.sums)
