"""Penalties on the discriminator, each a function that returns one.

Gradients are summed over pixels and channels, and averaged over the batch. They are taken in float32, also where the
networks run in bfloat16. Settings that several penalties have: `gamma` or `weight`, the factor of the term; `schedule`,
a factor of that over the training; `every_steps`: the term is taken in every so many discriminator steps, so many times
as large.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganexp.types import Critic, Penalty
from ganexp.types.bounds import NonNegative, Positive, PositiveInt
from ganexp.types.schedule import Schedule

CONSTANT = Schedule()


def none() -> Penalty | None:
    """No penalty."""
    return None


def r1(*, gamma: Positive = 1.0, every_steps: PositiveInt = 1, schedule: Schedule = CONSTANT) -> Penalty:
    """gamma/2 E |grad D(x)|^2 at real images (Mescheder et al. 2018, equation 9)."""

    def term(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        return gamma / 2 * squared_gradient(critic, real).mean()

    return Penalty(term, every_steps, schedule, per_image=True)


def r2(*, gamma: Positive = 1.0, every_steps: PositiveInt = 1, schedule: Schedule = CONSTANT) -> Penalty:
    """gamma/2 E |grad D(G(z))|^2 at generated images (Mescheder et al. 2018, equation 10)."""

    def term(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        return gamma / 2 * squared_gradient(critic, fake).mean()

    return Penalty(term, every_steps, schedule, per_image=True)


def r1_r2(*, gamma: Positive = 1.0, every_steps: PositiveInt = 1, schedule: Schedule = CONSTANT) -> Penalty:
    """R1 and R2 together (Huang et al. 2024, R3GAN, section 2.2), in one pass; gamma is the weight of each."""

    def term(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        return gamma / 2 * squared_gradient(critic, torch.cat((real, fake))).sum() / len(real)

    return Penalty(term, every_steps, schedule, per_image=True)


def wgan_gp(
    *, weight: Positive = 10.0, target: NonNegative = 1.0, every_steps: PositiveInt = 1, schedule: Schedule = CONSTANT
) -> Penalty:
    """weight E (|grad D(x)| - target)^2 between real and generated images (Gulrajani et al. 2017, equation 3)."""

    def term(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        share = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype, device=real.device)
        length = (squared_gradient(critic, torch.lerp(real, fake, share)) + 1e-12).sqrt()
        return weight * (length - target).square().mean()

    return Penalty(term, every_steps, schedule, per_image=True)


def clip(*, bound: Positive = 0.01) -> Penalty:
    """Each weight of the discriminator is kept within [-bound, bound] (Arjovsky et al. 2017, Algorithm 1)."""

    @torch.no_grad()
    def constrain(discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():
            parameter.clamp_(-bound, bound)

    return Penalty(constrain=constrain, lipschitz_only=True)


def squared_gradient(critic: Critic, images: Tensor) -> Tensor:
    """|grad D(x)|^2 at each of the images (B, C, H, W): (B,), differentiable in D's weights.

    The critic must treat images one by one.
    """
    at = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1)


OPTIONS = (clip, none, r1, r1_r2, r2, wgan_gp)  # what `_target_` may name in conf/penalty
