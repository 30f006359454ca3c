"""The discriminator's output on held-out and on generated images, in eval mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Probabilities in this range count as near the equilibrium's 0.5 (Goodfellow 2014, Proposition 1).
NEAR_HALF = (0.4, 0.6)


@torch.no_grad()
def observe(
    discriminator: nn.Module,
    heldout: Tensor,
    generated: Tensor,
    labels: tuple[Tensor, Tensor] | None = None,
) -> dict[str, float]:
    """Mean D on both sets, and the share of all these images that D puts near 0.5.

    `heldout`, which D never trained on, and `generated` are float32 (N, C, H, W) and (M, C, H, W) in [-1, 1]; `labels`
    are those of both. The discriminator's mode is restored.

    Returns:
        d_heldout, d_generated, d_near_half, each in [0, 1].
    """
    inputs = [(heldout,), (generated,)] if labels is None else [(heldout, labels[0]), (generated, labels[1])]
    was_training = discriminator.training
    discriminator.eval()
    try:
        on_real, on_fake = (torch.sigmoid(discriminator(*each).float()).cpu().double() for each in inputs)
    finally:
        discriminator.train(was_training)
    both = torch.cat((on_real, on_fake))
    near = (both >= NEAR_HALF[0]) & (both <= NEAR_HALF[1])
    return {
        "d_heldout": float(on_real.mean()),
        "d_generated": float(on_fake.mean()),
        "d_near_half": float(near.double().mean()),
    }
