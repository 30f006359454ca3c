"""Generators: (B, latent_dim) -> (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from ganexp.types import ImageShape


class MLPGenerator(nn.Module):
    """Linear layers with LeakyReLU between and tanh at the end."""

    batch_independent = True

    def __init__(self, image_shape: ImageShape, latent_dim: int, widths: Sequence[int], leak: float) -> None:
        super().__init__()
        self.image_shape = image_shape
        sizes = [latent_dim, *widths]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(leak)]
        self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], prod(image_shape)), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """z (B, latent_dim) -> images (B, C, H, W) in [-1, 1]."""
        images: Tensor = self.net(z)
        return images.view(-1, *self.image_shape)
