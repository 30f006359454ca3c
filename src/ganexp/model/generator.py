"""Generators: (B, latent_dim), and labels (B,) where conditional -> (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganexp.model.parts import Affine, NewLayer, Residual, batch_norm, dcgan_weights, output_of, uniform_weights
from ganexp.types import ImageShape


class Generator(nn.Module):
    """z, and with classes the label as one-hot units beside it, through a body (Mirza and Osindero 2014, section 3.2).

    The units have a mean square of 1, as those of z have. `body` maps (B, latent_dim + num_classes or 0) to images
    (B, C, H, W) in [-1, 1]; `batch_independent` if it treats images one by one.
    """

    def __init__(self, body: nn.Module, num_classes: int | None, *, batch_independent: bool = True) -> None:
        super().__init__()
        self.body, self.num_classes, self.batch_independent = body, num_classes, batch_independent

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (B, latent_dim) and labels (B,) -> images (B, C, H, W) in [-1, 1]."""
        if self.num_classes is not None:
            assert labels is not None, "a conditional generator takes labels"
            z = torch.cat((z, one_hot(labels, self.num_classes).to(z.dtype) * self.num_classes**0.5), dim=1)
        images: Tensor = self.body(z)
        return images


def mlp_generator(
    image_shape: ImageShape, inputs: int, widths: Sequence[int], active: NewLayer, scale: float
) -> nn.Sequential:
    """Linear layers with activations between, and tanh at the end."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers += [nn.Linear(before, after), active()]
    last = nn.Linear(widths[-1], prod(image_shape))
    return nn.Sequential(*layers, last, output_of(scale), nn.Unflatten(1, image_shape))


def generator_2014(
    image_shape: ImageShape, inputs: int, widths: Sequence[int], spread: float, bias: float
) -> nn.Sequential:
    """ReLU layers and a sigmoid, mapped to [-1, 1]; weights uniform on (-spread, spread), last biases at `bias`."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    last = nn.Linear(widths[-1], prod(image_shape))
    body = nn.Sequential(*layers, last, nn.Sigmoid(), Affine(2.0, -1.0), nn.Unflatten(1, image_shape))
    uniform_weights(body, spread)
    nn.init.constant_(last.bias, bias)
    return body


def dcgan_generator(
    image_shape: ImageShape, inputs: int, dense: int, width: int, depth: int, active: NewLayer, norm: bool, scale: float
) -> nn.Sequential:
    """Linear to a coarse map, then transposed 4 x 4 convolutions of stride 2 (Radford et al. 2016, figure 1).

    A layer has twice the channels of the next; the last one before the image has `width`. Where `dense` is not 0, a
    linear layer of that many units comes first (after Chen et al. 2016, InfoGAN, table 1), not normalised: a batch of
    one image would give it no statistics.
    """
    channels = [width * 2 ** (depth - 1 - level) for level in range(depth)]
    rows, columns = (side // 2**depth for side in image_shape[1:])
    layers: list[nn.Module] = []
    if dense:
        layers += [nn.Linear(inputs, dense), active()]
    layers.append(nn.Linear(dense or inputs, channels[0] * rows * columns))
    layers += [nn.Unflatten(1, (channels[0], rows, columns)), *batch_norm(channels[0], norm), active()]
    for before, after in pairwise(channels):
        layers.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1))
        layers += [*batch_norm(after, norm), active()]
    layers.append(nn.ConvTranspose2d(channels[-1], image_shape[0], 4, stride=2, padding=1))
    body = nn.Sequential(*layers, output_of(scale))
    return dcgan_weights(body) if norm else body


def residual_generator(
    image_shape: ImageShape, inputs: int, width: int, depth: int, blocks: int, active: NewLayer, scale: float
) -> nn.Sequential:
    """Linear to a coarse map, residual blocks at each size, a convolution and tanh."""
    channels = [width * 2 ** (depth - level) for level in range(depth + 1)]
    rows, columns = (side // 2**depth for side in image_shape[1:])
    layers: list[nn.Module] = [nn.Linear(inputs, channels[0] * rows * columns)]
    layers.append(nn.Unflatten(1, (channels[0], rows, columns)))
    for level in range(depth):
        layers.append(Residual(channels[level], channels[level + 1], 2, active))
        layers += [Residual(channels[level + 1], channels[level + 1], 1, active) for _ in range(blocks - 1)]
    return nn.Sequential(*layers, active(), nn.Conv2d(width, image_shape[0], 3, padding=1), output_of(scale))
