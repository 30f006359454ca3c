"""An exponential moving average of the generator's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Buffers of torch's normalisation layers that images in eval mode depend on.
RUNNING_STATISTICS = ("running_mean", "running_var")


def decay(images: int, half_life_kimg: float) -> float:
    """Decay of one update, beta = 0.5 ** (images / (1000 half_life_kimg)) (Karras et al. 2024, EDM2, training loop).

    `images` counts the real images drawn since the last update.
    """
    return float(0.5 ** (images / (1000.0 * half_life_kimg)))


def half_life(kimg: float, rampup: float | None, images_seen: int) -> float:
    """The half-life at this point of a training, in thousands of images.

    It is `kimg`, but at most the share `rampup` of the images seen, so that the average soon forgets how training began
    (Karras et al. 2020, StyleGAN2-ADA, training loop: 0.05); None: `kimg` from the start.
    """
    return kimg if rampup is None else min(kimg, rampup * images_seen / 1000.0)


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, beta: float) -> None:
    """average <- beta average + (1 - beta) model, for parameters and running statistics; other buffers are copied.

    `average` has the structure of `model` and is changed in place; beta is in [0, 1). Running means and variances of
    batch normalisation follow the last ten batches or so; those of one moment would move a good generator's images more
    than its last epoch of training does.
    """
    averages: list[Tensor] = list(average.parameters())
    models: list[Tensor] = list(model.parameters())
    for (name, kept), current in zip(average.named_buffers(), model.buffers(), strict=True):
        if name.rpartition(".")[2] in RUNNING_STATISTICS:
            averages.append(kept)
            models.append(current)
        else:
            kept.copy_(current)
    torch._foreach_lerp_(averages, models, 1.0 - beta)
