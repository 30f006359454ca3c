"""One training step: d_steps discriminator updates, then one generator update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganexp.trainer.batches import Minibatch
from ganexp.trainer.copies import Copies
from ganexp.trainer.ema import decay, half_life, update_ema
from ganexp.trainer.state import TrainState
from ganexp.types import GAN, AdversarialLoss, Augment, Critic, Optimizer, Penalty
from ganexp.types.schedule import Moment


@dataclass(frozen=True)
class Game:
    """The rules of one run."""

    loss: AdversarialLoss
    penalty: Penalty | None
    d_steps: int  # discriminator steps for each generator step
    ema_kimg: float | None  # half-life of the generator's average, in thousands of images
    bf16: bool  # matrix products in bfloat16
    ema_rampup: float | None = None  # bound of the half-life as a share of the images seen
    reuse_fakes: bool = False  # the generator's step sees the last discriminator step's images, not new ones
    # Code that is not ganexp's takes part, so each step seeds Python's and numpy's generators too.
    own_code: bool = False
    augment: Augment | None = None  # what the discriminator sees of images

    def seen(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W), real or generated, as the discriminator sees them this time."""
        return images if self.augment is None else self.augment(images.float())


def train_step(state: TrainState, batch: Minibatch, game: Game) -> None:
    """Goodfellow et al. 2014, Algorithm 1, one iteration; adds to `state.sums`.

    A generated image has the label, if any, of the real image at its place in the batch.
    """
    generator, discriminator, loss, now = state.generator, state.discriminator, game.loss, batch.now
    reals, size = batch.reals, len(batch.reals[0])
    state.apply_schedules(now)
    # Without autocast's cache, which would keep the weights as they were before the first update.
    autocast = torch.autocast(state.device.type, torch.bfloat16, enabled=game.bf16, cache_enabled=False)
    with autocast, state.copies_g.used(), state.copies_d.used():
        fakes, d_losses, judged = _fakes(state, batch, game), [], []
        for k in range(game.d_steps):
            real, fake = game.seen(reals[k % len(reals)]), game.seen(fakes[k].detach())
            critic = given(discriminator, batch.labels_of(k))
            on_real, on_fake = _logits(discriminator, critic, real, fake)
            d_loss = loss.discriminator(on_real, on_fake) + _penalty(game, critic, real, fake, k, now)
            _descend(state.optimizer_d, d_loss, state.copies_d)
            if game.penalty is not None and game.penalty.constrain is not None:
                game.penalty.constrain(discriminator)
            state.copies_d.refresh()
            d_losses.append(d_loss.detach())
            judged.append(torch.stack((on_real.detach(), on_fake.detach())))
        with _frozen(discriminator):
            critic = given(discriminator, batch.labels_of(-1))
            on_fake = one_each(critic(game.seen(fakes[-1]))).float()
            beside = one_each(critic(game.seen(reals[-1]))).float() if loss.generator_uses_real else None
            g_loss = loss.generator_at(now.epoch)(beside, on_fake)
            _descend(state.optimizer_g, g_loss, state.copies_g)
    if state.average is not None and game.ema_kimg is not None:
        images = size * len(reals)
        kimg = half_life(game.ema_kimg, game.ema_rampup, round(1000 * now.kimg) + images)
        update_ema(state.average, generator, decay(images, kimg))
    d_mean = torch.stack(d_losses).mean()
    d_probability = torch.sigmoid(torch.stack(judged)).mean(dim=(0, 2))
    state.sums += size * torch.stack((d_mean, g_loss.detach(), *d_probability, torch.ones_like(d_mean)))


def given(net: nn.Module, labels: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A net with fixed labels (B,), for inputs of B rows or a multiple; the net itself where `labels` is None."""
    if labels is None:
        return net
    return lambda x: net(x, labels.repeat(len(x) // len(labels)))


def noise(gan: GAN, count: int, device: torch.device) -> Tensor:
    """Latent vectors (count, latent_dim) of zero mean and unit variance, from torch's default generator."""
    if gan.latent == "normal":
        return torch.randn(count, gan.latent_dim, device=device)
    return (torch.rand(count, gan.latent_dim, device=device) * 2 - 1) * math.sqrt(3.0)


def _fakes(state: TrainState, batch: Minibatch, game: Game) -> list[Tensor]:
    """Generated images: a batch for each discriminator step, then one with gradients for the generator's step.

    The last is new, or has the images of the last discriminator step.
    """
    with torch.no_grad():
        fakes = _without_gradient(state, batch, game.d_steps - game.reuse_fakes)
    return [*fakes, given(state.generator, batch.labels_of(-1))(noise(state.gan, len(batch.reals[0]), state.device))]


def _without_gradient(state: TrainState, batch: Minibatch, count: int) -> tuple[Tensor, ...]:
    """The first `count` batches of generated images; one pass for all where the net treats images one by one."""
    size, device = len(batch.reals[0]), state.device
    labels = [batch.labels_of(k) for k in range(count)]
    if count > 1 and batch_independent(state.generator):
        together = None if batch.labels is None else torch.cat([each for each in labels if each is not None])
        images = given(state.generator, together)(noise(state.gan, size * count, device))
        return tuple(torch.split(images, size))
    return tuple(given(state.generator, each)(noise(state.gan, size, device)) for each in labels)


def _logits(discriminator: nn.Module, critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real and generated images, (B,) each; one pass where the net treats images one by one."""
    if batch_independent(discriminator):
        both = one_each(critic(torch.cat((real, fake.to(real.dtype)))))
        return both[: len(real)].float(), both[len(real) :].float()
    return one_each(critic(real)).float(), one_each(critic(fake)).float()


def one_each(logits: Tensor) -> Tensor:
    """Logits (B,), of own networks that give (B, 1) too."""
    return logits.squeeze(1) if logits.ndim == 2 and logits.shape[1] == 1 else logits


def _penalty(game: Game, critic: Critic, real: Tensor, fake: Tensor, k: int, now: Moment) -> Tensor | float:
    """The penalty's term in discriminator step k (from 0), always in float32."""
    weight = game.penalty.weight(now.step * game.d_steps + k, now) if game.penalty is not None else 0.0
    if game.penalty is None or game.penalty.term is None or not weight:
        return 0.0
    with torch.autocast(real.device.type, enabled=False):
        return weight * game.penalty.term(critic, real, fake.float())


def batch_independent(net: nn.Module) -> bool:
    """Whether the net declares that an image's output does not depend on the rest of its batch."""
    return bool(getattr(net, "batch_independent", False))


def _descend(optimizer: Optimizer, loss: Tensor, copies: Copies) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    copies.hand_gradients()
    optimizer.step()


@contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    """No gradients to the net's weights inside."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)
