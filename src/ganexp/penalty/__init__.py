"""Penalties on the discriminator, each a function that returns one: (discriminator, real, fake) -> scalar, or None."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Penalty = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(discriminator, real (B, C, H, W), fake (B, C, H, W)) -> scalar that is added to the discriminator's loss."""


def none() -> Penalty | None:
    """No penalty."""
    return None
