"""Discriminators: (B, C, H, W) in [-1, 1] -> (B,) logits."""

from __future__ import annotations

from functools import reduce
from math import prod

import torch
from torch import Tensor, nn

from ganexp.types import ImageShape


class Maxout(nn.Module):
    """max_j (x W_j + b_j) over `pieces` linear maps (Goodfellow et al. 2013, Maxout Networks, equation 1)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, inputs) -> (B, outputs)."""
        pieces: tuple[Tensor, ...] = self.linear(x).chunk(self.pieces, dim=1)
        return reduce(torch.maximum, pieces)


class MaxoutDiscriminator(nn.Module):
    """Linear, LeakyReLU, Dropout, Maxout, Dropout, Linear."""

    batch_independent = True

    def __init__(
        self, image_shape: ImageShape, width: int, maxout_units: int, pieces: int, leak: float, dropout: float
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(image_shape), width),
            nn.LeakyReLU(leak),
            nn.Dropout(dropout),
            Maxout(width, maxout_units, pieces),
            nn.Dropout(dropout),
            nn.Linear(maxout_units, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B,)."""
        logits: Tensor = self.net(images)
        return logits.squeeze(1)
