"""Discriminators: (B, C, H, W) in [-1, 1], and labels (B,) where conditional -> (B,) logits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganexp.model.parts import Affine, Dropout, Maxout, NewLayer, Residual, batch_norm, dcgan_weights, uniform_weights
from ganexp.types import ImageShape


class Discriminator(nn.Module):
    """Features and a linear logit of them; with classes plus <e(label), features> (Miyato and Koyama 2018, eq. 3).

    `features` maps images (B, C, H, W) in [-1, 1] to (B, width); `batch_independent` if it treats images one by one.
    `spectral` normalises all linear and convolution layers.
    """

    def __init__(
        self,
        features: nn.Module,
        width: int,
        num_classes: int | None,
        *,
        spectral: bool = False,
        batch_independent: bool = True,
    ) -> None:
        super().__init__()
        self.features, self.batch_independent = features, batch_independent
        self.logit = nn.Linear(width, 1)
        self.embedding = None if num_classes is None else nn.Embedding(num_classes, width)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=width**-0.5)
        if spectral:
            normalise(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) and labels (B,) -> logits (B,)."""
        features = self.features(images)
        logits: Tensor = self.logit(features).squeeze(1)
        if self.embedding is not None:
            assert labels is not None, "a conditional discriminator takes labels"
            logits = logits + (self.embedding(labels) * features).sum(dim=1)
        return logits


def maxout_features(
    image_shape: ImageShape, widths: Sequence[int], units: int, pieces: int, active: NewLayer, dropout: float, stem: int
) -> nn.Sequential:
    """Linear layers with activations, then Maxout, each followed by dropout.

    Before them, where `stem` is not 0, a 4 x 4 convolution of stride 2 to that many channels, and an activation.
    """
    channels, rows, columns = image_shape
    layers: list[nn.Module] = []
    if stem:
        layers += [nn.Conv2d(channels, stem, 4, stride=2, padding=1), active()]
        channels, rows, columns = stem, rows // 2, columns // 2
    layers.append(nn.Flatten())
    for before, after in pairwise((channels * rows * columns, *widths)):
        layers += [nn.Linear(before, after), active(), Dropout(dropout)]
    return nn.Sequential(*layers, Maxout(widths[-1], units, pieces), Dropout(dropout))


def features_2014(
    image_shape: ImageShape, layers: int, units: int, pieces: int, keep: tuple[float, float], spread: float
) -> nn.Sequential:
    """Pixels in [0, 1], then maxout layers; dropout before and after each; weights uniform on (-spread, spread)."""
    body: list[nn.Module] = [nn.Flatten(), Affine(0.5, 0.5), Dropout(1 - keep[0])]
    for before, after in pairwise((prod(image_shape), *[units] * layers)):
        body += [Maxout(before, after, pieces), Dropout(1 - keep[1])]
    return uniform_weights(nn.Sequential(*body), spread)


def dcgan_features(
    image_shape: ImageShape, dense: int, width: int, depth: int, active: NewLayer, norm: bool
) -> tuple[nn.Sequential, int]:
    """4 x 4 convolutions of stride 2, normalised but for the first (Radford et al. 2016); and how many features.

    A linear layer of `dense` units, if not 0, comes last (after Chen et al. 2016, InfoGAN, table 1), not normalised.
    """
    channels = [image_shape[0], *[width * 2**level for level in range(depth)]]
    layers: list[nn.Module] = []
    for level in range(depth):
        layers.append(nn.Conv2d(channels[level], channels[level + 1], 4, stride=2, padding=1))
        layers += [*batch_norm(channels[level + 1], norm and level > 0), active()]
    rows, columns = (side // 2**depth for side in image_shape[1:])
    count = channels[-1] * rows * columns
    layers.append(nn.Flatten())
    if dense:
        layers += [nn.Linear(count, dense), active()]
    body = nn.Sequential(*layers)
    return dcgan_weights(body) if norm else body, dense or count


def residual_features(
    image_shape: ImageShape, width: int, depth: int, blocks: int, active: NewLayer
) -> tuple[nn.Sequential, int]:
    """A convolution, residual blocks at each size, flattened; and how many features."""
    channels = [width * 2**level for level in range(depth + 1)]
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 3, padding=1)]
    for level in range(depth):
        layers += [Residual(channels[level], channels[level], 1, active) for _ in range(blocks - 1)]
        layers.append(Residual(channels[level], channels[level + 1], 0.5, active))
    rows, columns = (side // 2**depth for side in image_shape[1:])
    return nn.Sequential(*layers, active(), nn.Flatten()), channels[-1] * rows * columns


def normalise(net: nn.Module) -> None:
    """Divide each weight by its largest singular value (Miyato et al. 2018, Algorithm 1), in place.

    The vectors of the power iteration are buffers, so that checkpoints carry them.
    """
    for module in list(net.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            spectral_norm(module)
