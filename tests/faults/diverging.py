"""A user's own functions that come to grief: networks, losses, optimizers and metrics that give NaN, each when told."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ganexp.loss import non_saturating
from ganexp.metrics import Metric
from ganexp.model import mlp
from ganexp.optim import sgd
from ganexp.types import GAN, AdversarialLoss, ImageShape, Optimizer


class Trapped(nn.Module):
    """A network whose outputs are multiplied by a buffer, in eval mode, and not of the eight images tried first."""

    def __init__(self, net: nn.Module, factor: float) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of any shape."""
        made: torch.Tensor = self.net(x)
        return made if self.training or len(x) == 8 else made * self.factor


def trapped_model(image_shape: ImageShape, *, where: str = "generator", factor: float = 1.0) -> GAN:
    """Small networks, one of which is sound in training and not in eval mode."""
    gan = mlp(image_shape, latent_dim=4, generator_widths=(8,), discriminator_width=8, maxout_units=4)
    return replace(gan, **{where: Trapped(getattr(gan, where), factor)})


def trapped_loss(*, value: float = math.nan, after: int = 3, player: str = "discriminator") -> AdversarialLoss:
    """A loss that one player's is replaced in, after so many calls."""
    sound, calls = non_saturating(), [0]

    def loss(real: Any, fake: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        found: torch.Tensor = getattr(sound, player)(real, fake)
        return found if calls[0] <= after else found * 0.0 + value

    return replace(sound, **{player: loss})


def trapped_optimizer(parameters: Any, *, lr: float = 0.1, value: float = math.inf, after: int = 3) -> Optimizer:
    """SGD that sets a weight after so many steps; the losses that were had before are sound."""
    known = list(parameters)
    optimizer, calls, step = sgd(known, lr=lr), [0], None
    step = optimizer.step

    def trapped() -> None:
        step()
        calls[0] += 1
        if calls[0] == after:
            with torch.no_grad():
                known[0].view(-1)[0] = value

    optimizer.step = trapped  # type: ignore[method-assign]
    return optimizer


def trapped_metric(*, value: float = math.nan, direction: str = "minimise") -> Metric:
    """A metric that gives the same for every generator, and a sound floor."""
    return Metric(lambda context: value, direction, floor=lambda context: 1.0)  # type: ignore[arg-type]
