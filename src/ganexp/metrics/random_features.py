"""Features that no label trained: two convolutions with random weights, made from the shape of the images alone.

Random convolutional features tell real from generated images about as well as trained ones, and do not depend on what a
network was trained for (Naeem et al. 2020, section 4). These ones are little moved by brightness, contrast and fine
noise (each image is normalised, weak responses are cut off, the rest is averaged), and much by displacement and lost
detail (the averages keep their place in a coarse grid). Chosen by faults of MNIST and digits: shifts, blur, noise,
backgrounds, lost classes.
"""

from __future__ import annotations

import hashlib
import json
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganexp.metrics.classifiers import class_logits, classifier, why_none
from ganexp.metrics.extractor import Extractor
from ganexp.types import Dataset, ImageShape

LARGEST = 64  # pixels; longer sides are shrunk to it, by averages
FILTERS = (32, 64)  # of the two convolutions, 3 x 3 each
THRESHOLD = 0.5  # responses of the first one, in standard deviations of the image, count from here on
GRID = 7  # averages over each image: GRID x GRID
DIM = 96
EPSILON = 0.03  # added to the standard deviation of an image whose pixels lie in [0, 1]
SEED = 0


def random_features(dataset: Dataset, device: torch.device) -> Extractor:
    """The random network for images of the dataset's shape; the same on every machine."""
    weights = _weights(dataset.image_shape)
    recipe = json.dumps([LARGEST, FILTERS, THRESHOLD, GRID, DIM, EPSILON, SEED, dataset.image_shape])
    content = recipe.encode() + b"".join(weight.numpy().tobytes() for weight in weights)
    network = _Network(*(weight.to(device) for weight in weights))
    return Extractor("random", hashlib.sha256(content).hexdigest(), network, DIM, device=device)


def classifier_or_random(dataset: Dataset, device: torch.device) -> Extractor:
    """The classifier of `dataset`, or the random network where it has no labels to train one with."""
    return classifier(dataset, device) if why_none(dataset) is None else random_features(dataset, device)


TRAINED = (classifier, class_logits, classifier_or_random)  # where the data set has labels, these need a classifier


def _weights(shape: ImageShape) -> tuple[Tensor, Tensor, Tensor]:
    """Uniform in [-1, 1), float32, from the raw PCG64 stream, which numpy promises never to change."""
    random = np.random.PCG64(SEED)

    def uniform(*size: int) -> Tensor:
        bits = random.random_raw(prod(size)) >> np.uint64(11)
        return torch.from_numpy(bits * 2.0**-52 - 1.0).float().reshape(size)

    first, second = FILTERS
    return uniform(first, shape[0], 3, 3), uniform(second, first, 3, 3), uniform(second * GRID * GRID, DIM)


class _Network:
    """Images uint8 (B, C, H, W) -> features float32 (B, DIM)."""

    def __init__(self, first: Tensor, second: Tensor, projection: Tensor) -> None:
        self.first = _unit(first - first.mean(dim=(2, 3), keepdim=True))  # blind to brightness
        self.second = _unit(second)
        self.projection = projection * (3 / len(projection)) ** 0.5  # keeps lengths in expectation

    def __call__(self, images: Tensor) -> Tensor:
        height, width = (min(side, LARGEST) for side in images.shape[2:])
        pixels = functional.adaptive_avg_pool2d(images.float() / 255, (height, width))
        deviation, mean = torch.std_mean(pixels, dim=(1, 2, 3), correction=0, keepdim=True)
        edges = (_convolved((pixels - mean) / (deviation + EPSILON), self.first) - THRESHOLD).relu()
        halved = functional.adaptive_avg_pool2d(edges, (-(-height // 2), -(-width // 2)))
        shapes = _convolved(functional.group_norm(halved, 1), self.second).relu()
        features: Tensor = functional.adaptive_avg_pool2d(shapes, GRID).flatten(1) @ self.projection
        return features


def _unit(filters: Tensor) -> Tensor:
    return filters / filters.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()


def _convolved(images: Tensor, filters: Tensor) -> Tensor:
    """Images convolved with 3 x 3 filters, their borders repeated, so that a background has no edges."""
    return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), filters)
