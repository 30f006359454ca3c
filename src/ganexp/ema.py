"""An exponential moving average of the generator's weights."""

from __future__ import annotations

import torch
from torch import nn


def decay(images: int, half_life_kimg: float) -> float:
    """Decay of one update: beta = 0.5 ** (images / (1000 kimg)) (Karras et al. 2024, EDM2, training loop).

    Args:
        images: real images drawn since the last update.
        half_life_kimg: half-life in thousands of images.
    """
    return float(0.5 ** (images / (1000.0 * half_life_kimg)))


def half_life(kimg: float, rampup: float | None, images_seen: int) -> float:
    """The half-life at this point of a training, in thousands of images.

    Args:
        kimg: in the end.
        rampup: until then this share of the images seen, so that the average soon forgets how training began
            (Karras et al. 2020, StyleGAN2-ADA, training loop: 0.05); None: `kimg` from the start.
        images_seen: real images drawn so far.
    """
    return kimg if rampup is None else min(kimg, rampup * images_seen / 1000.0)


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, beta: float) -> None:
    """average <- beta average + (1 - beta) model, for parameters; buffers are copied.

    Args:
        average: module of the same structure as `model`; changed in place.
        model: the module being trained.
        beta: decay in [0, 1).
    """
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1.0 - beta)
    for kept, current in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(current)
