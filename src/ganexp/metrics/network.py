"""The small convolutional classifier behind cfd: its layers, and nothing about training or files."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganexp.types import ImageShape

ARCHITECTURE = 1
"""Raised when the layers change: weights of another number are not read."""


class ClassifierNetwork(nn.Module):
    """Four convolutions, their global average as the features, one linear layer.

    Grey images get (16, 32, 64, 96) channels, others (32, 64, 96, 64): under 150,000 weights, so under 600 KB.
    Images larger than 48 pixels get one more halving for each doubling of their size.

    Args:
        image_shape: (C, H, W).
        classes: number of classes.
    """

    def __init__(self, image_shape: ImageShape, classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        widths = (16, 32, 64, 96) if channels == 1 else (32, 64, 96, 64)
        halvings = max(0, (max(height, width) - 1) // 48).bit_length()
        self.stem = nn.Sequential(
            _convolution(channels, widths[0], kernel=5, stride=2),
            *(_convolution(widths[0], widths[0], kernel=3, stride=2) for _ in range(halvings)),
        )
        self.body = nn.Sequential(
            *(_convolution(a, b, kernel=3, stride=s) for (a, b), s in zip(pairwise(widths), (1, 2, 1), strict=True))
        )
        self.head = nn.Linear(widths[-1], classes)

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector: 96 for grey images, 64 for others."""
        return self.head.in_features

    def features(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> features float32 (B, feature_dim), none negative."""
        scaled = (images.to(torch.float32) / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
        return self.body(self.stem(scaled)).mean(dim=(2, 3))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> logits float32 (B, classes)."""
        return self.head(self.features(images))  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, *, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
