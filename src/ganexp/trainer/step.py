"""One training step: d_steps discriminator updates, then one generator update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganexp.ema import decay, update_ema
from ganexp.penalty import Penalty
from ganexp.trainer.state import TrainState
from ganexp.types import GAN, AdversarialLoss, Optimizer


@dataclass(frozen=True)
class Game:
    """The rules of one run.

    Attributes:
        loss: both players' losses.
        penalty: added to the discriminator's loss, or None.
        d_steps: discriminator steps for each generator step.
        ema_kimg: half-life of the generator's average in thousands of images, or None.
        bf16: matrix products in bfloat16.
    """

    loss: AdversarialLoss
    penalty: Penalty | None
    d_steps: int
    ema_kimg: float | None
    bf16: bool


def train_step(state: TrainState, reals: Sequence[Tensor], epoch: int, game: Game) -> None:
    """Goodfellow et al. 2014, Algorithm 1, one iteration; adds to `state.sums`.

    Args:
        state: changed in place.
        reals: one batch that all discriminator steps see, or one for each; float32 (B, C, H, W) in [-1, 1].
        epoch: 1-based, for the generator's warm-up.
        game: the rules.
    """
    generator, discriminator, loss = state.generator, state.discriminator, game.loss
    batch = len(reals[0])
    with torch.autocast(state.device.type, torch.bfloat16, enabled=game.bf16):
        d_losses, judged = [], []
        for k, fake in enumerate(_fakes(state, batch, game.d_steps)):
            real = reals[k % len(reals)]
            on_real, on_fake = _judge(discriminator, real, fake)
            d_loss = loss.discriminator(on_real, on_fake)
            if game.penalty is not None:
                d_loss = d_loss + game.penalty(discriminator, real, fake)
            _descend(state.optimizer_d, d_loss)
            d_losses.append(d_loss.detach())
            judged.append(torch.stack((on_real.detach(), on_fake.detach())))
        with _frozen(discriminator):
            on_fake = discriminator(generator(noise(state.gan, batch, state.device))).float()
            beside = discriminator(reals[-1]).float() if loss.generator_uses_real else None
            g_loss = loss.generator_at(epoch)(beside, on_fake)
            _descend(state.optimizer_g, g_loss)
    if state.average is not None and game.ema_kimg is not None:
        update_ema(state.average, generator, decay(batch * len(reals), game.ema_kimg))
    d_mean = torch.stack(d_losses).mean()
    d_probability = torch.sigmoid(torch.stack(judged)).mean(dim=(0, 2))
    state.sums += batch * torch.stack((d_mean, g_loss.detach(), *d_probability, torch.ones_like(d_mean)))


def noise(gan: GAN, count: int, device: torch.device) -> Tensor:
    """Latent vectors (count, latent_dim) of zero mean and unit variance, from torch's default generator."""
    if gan.latent == "normal":
        return torch.randn(count, gan.latent_dim, device=device)
    return (torch.rand(count, gan.latent_dim, device=device) * 2 - 1) * math.sqrt(3.0)


@torch.no_grad()
def _fakes(state: TrainState, batch: int, count: int) -> tuple[Tensor, ...]:
    """`count` batches of generated images; one pass for all of them where the net treats images one by one."""
    if _batch_independent(state.generator):
        images: Tensor = state.generator(noise(state.gan, batch * count, state.device))
        return tuple(torch.split(images, batch))
    return tuple(state.generator(noise(state.gan, batch, state.device)) for _ in range(count))


def _judge(discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real and generated images, (B,) each; one pass where the net treats images one by one."""
    if _batch_independent(discriminator):
        both: Tensor = discriminator(torch.cat((real, fake.to(real.dtype))))
        return both[: len(real)].float(), both[len(real) :].float()
    return discriminator(real).float(), discriminator(fake).float()


def _batch_independent(net: nn.Module) -> bool:
    """Whether the net declares that an image's output does not depend on the rest of its batch."""
    return bool(getattr(net, "batch_independent", False))


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


@contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    """No gradients to the net's weights inside."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)
