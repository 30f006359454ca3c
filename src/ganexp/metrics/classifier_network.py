"""The small convolutional classifier behind cfd, and how it is trained: AdamW, one cycle of the rate, small shifts."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganexp.files.png import to_float
from ganexp.metrics.numerics import seeded
from ganexp.types import ImageShape

log = logging.getLogger("ganexp")


ARCHITECTURE = 1  # raised when the layers change: weights of another number are not read


class ClassifierNetwork(nn.Module):
    """Four convolutions, their global average as the features, one linear layer.

    Grey images get (16, 32, 64, 96) channels, others (32, 64, 96, 64): under 150,000 weights, so under 600 KB.
    Images larger than 48 pixels get one more halving for each doubling of their size.
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
        """96 for grey images, 64 for others."""
        return self.head.in_features

    def features(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> features float32 (B, feature_dim), none negative."""
        scaled = to_float(images).contiguous(memory_format=torch.channels_last)
        return self.body(self.stem(scaled)).mean(dim=(2, 3))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> logits float32 (B, classes)."""
        return self.head(self.features(images))  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, *, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained."""

    steps: int = 2000
    batch_size: int = 128  # images, drawn from seeded permutations
    lr: float = 0.01  # peak of the one-cycle schedule (Smith & Topin 2017)
    weight_decay: float = 0.01
    shift: int = 2  # images move by up to so many pixels each way, edges repeated
    seed: int = 0  # of weights, order and shifts


def train(images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, recipe: Recipe) -> ClassifierNetwork:
    """Train a classifier; it is returned in eval mode, on the CPU.

    The same arguments on the same machine with as many threads give the same weights.
    """
    channels, height, width = images.shape[1:]
    with seeded(recipe.seed):
        network = ClassifierNetwork((channels, height, width), classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=recipe.lr, total_steps=recipe.steps)
    cross_entropy = nn.CrossEntropyLoss()
    started = time.monotonic()
    for step, (batch, target) in enumerate(_batches(images, labels, recipe), start=1):
        loss = cross_entropy(network(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % max(1, recipe.steps // 10) == 0:
            seconds_left = (time.monotonic() - started) / step * (recipe.steps - step)
            log.info("classifier: step %d of %d, loss %.4f, %.0f s left", step, recipe.steps, loss.item(), seconds_left)
    return network.eval()


@torch.inference_mode()
def accuracy(network: ClassifierNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of `images` (at least one) that the network puts into the class of `labels`."""
    hits = 0
    for start in range(0, len(images), 500):
        logits = network(torch.from_numpy(np.array(images[start : start + 500])))
        hits += int((logits.argmax(dim=1).numpy() == labels[start : start + 500]).sum())
    return hits / len(images)


def _batches(images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(recipe.seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(recipe.steps):
        while len(order) < min(recipe.batch_size, len(images)):
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        chosen, order = order[: recipe.batch_size].sort().values.numpy(), order[recipe.batch_size :]
        batch = torch.from_numpy(np.array(images[chosen]))
        yield _shifted(batch, recipe.shift, generator), torch.from_numpy(np.array(labels[chosen]))


def _shifted(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own whole number of pixels in [-shift, shift] down and right, edges repeated."""
    count, channels, height, width = images.shape
    moves = torch.randint(-shift, shift + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width) + moves[1]).clamp(0, width - 1)
    image = torch.arange(count)[:, None, None, None]
    return images[image, torch.arange(channels)[None, :, None, None], rows[:, None, :, None], columns[:, None, None, :]]
