"""Pictures of squares, and samplers that give pictures back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.types import Dataset, Sampler

MakeDataset = Callable[..., Dataset]


def squares(count: int, channels: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    random = np.random.RandomState(1)
    labels = (np.arange(count) % 3).astype(np.int64)
    images = random.randint(0, 60, (count, channels, size, size))
    for image, label in zip(images, labels, strict=True):
        image[:, 4 * label : 4 * label + 4, 2:8] += random.randint(100, 190)
    return images.astype(np.uint8), labels


def sampler_of(images: NDArray[np.uint8]) -> Sampler:
    """A sampler that gives uint8 images back as float32 in [-1, 1], from the first on, over and over."""

    def sample(count: int) -> Tensor:
        return torch.from_numpy(images[np.arange(count) % len(images)]).float() / 127.5 - 1.0

    return sample
