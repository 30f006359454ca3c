"""The discriminator's output on held-out and on generated images, in eval mode."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ganexp.files.record import PROBABILITY_COLUMNS, Row
from ganexp.trainer.build import reseed_for_own_code
from ganexp.types.errors import Diverged

if TYPE_CHECKING:
    from ganexp.trainer.hooks import Session

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


def observed(session: Session) -> Row:
    """What the discriminator of a run at work says now, as columns; empty ones where its output is no probability.

    Raises:
        Diverged: a value is not finite.
    """
    spec, training = session.spec, session.training
    if not spec.config.loss.build().probabilistic:
        return dict.fromkeys(PROBABILITY_COLUMNS, None)
    reseed_for_own_code(spec.config, training.device, "observe", training.step)
    generated = session.sample(len(session.heldout)).to(training.device)
    probabilities = observe(training.discriminator, session.heldout, generated, _labels(session))
    for name, value in probabilities.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value}")
    return {**probabilities}


def _labels(session: Session) -> tuple[Tensor, Tensor] | None:
    """Labels of the held-out and of the generated images; None: unconditional."""
    real, count = session.spec.dataset.reference_labels, len(session.heldout)
    fake = session.sample.labels(count)
    if real is None or fake is None:
        return None
    device = session.training.device
    return torch.from_numpy(np.array(real[:count])).to(device), fake.to(device)
