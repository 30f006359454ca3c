"""The small convolutional classifier behind cfd, and how it is trained: AdamW, one cycle of the rate, varied light.

Chosen by faults of four data sets (analysis/metrics/README.md): features that keep their place and are normalised, of
training images whose contrast, background and noise vary, are moved little by what eyes hardly see and much by
displacement, lost detail and lost classes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ganexp.files.atomic import replacing
from ganexp.files.png import to_float
from ganexp.metrics.numerics import seeded
from ganexp.types import ImageShape
from ganexp.types.doing import doing

ARCHITECTURE = 2  # raised when the layers change: weights of another number are not read
LARGEST = 64  # pixels; longer sides are shrunk to it, by averages
WIDTHS = (16, 32, 32)  # channels of the convolutions; the third is for sides above SMALL pixels
SMALL = 32
GROUPS = 4
UNITS = 128
LEAST_SPREAD = 0.001  # variance added in every direction, as a share of the largest
BALANCED_BY = 10_000  # training images at most
KEEP_SECONDS = 5.0  # between two copies of an unfinished training


class ClassifierNetwork(nn.Module):
    """Two convolutions of 3 x 3 (three for large images), each normalised and halved; 128 units; logits.

    Behind each convolution: group normalisation (Wu & He 2018), ReLU, max-pooling; the units are linear and rectified.
    The features are these units turned and scaled, so that what tells classes apart does not hide all other
    differences. At most 290,000 weights: 580 kB in half precision.
    """

    def __init__(self, image_shape: ImageShape, classes: int) -> None:
        super().__init__()
        inputs, height, width = image_shape
        self.size = (min(height, LARGEST), min(width, LARGEST))
        channels = WIDTHS if max(self.size) > SMALL else WIDTHS[:2]
        stages = []
        for outputs in channels:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
            stages += [convolution, nn.GroupNorm(GROUPS, outputs), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            inputs = outputs
        self.body = nn.Sequential(*stages, nn.Flatten())
        places = math.prod(math.ceil(side / 2 ** len(channels)) for side in self.size)
        self.units = nn.Linear(inputs * places, UNITS)
        self.head = nn.Linear(UNITS, classes)
        self.balance = nn.Linear(UNITS, UNITS).requires_grad_(False)  # set once the rest is trained

    @property
    def feature_dim(self) -> int:
        """128."""
        return self.head.in_features

    def features(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> features float32 (B, 128)."""
        return self.balance(self.active(to_float(images)))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) -> logits float32 (B, classes)."""
        return self.head(self.active(to_float(images)))  # type: ignore[no-any-return]

    def active(self, images: Tensor) -> Tensor:
        """Images float32 (B, C, H, W) in [-1, 1] -> units float32 (B, 128), none negative."""
        if images.shape[2:] != self.size:
            images = functional.adaptive_avg_pool2d(images, self.size)
        return self.units(self.body(images)).relu()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; contrast, background and noise vary in half of the images each."""

    epochs: float = 1.0
    least_steps: int = 300
    batch_size: int = 64  # images, drawn from seeded permutations
    lr: float = 0.002  # peak of the one-cycle schedule (Smith & Topin 2017)
    weight_decay: float = 0.01
    contrast: float = 0.3  # grey levels are multiplied by 1 - contrast to 1 + contrast
    background: float = 32.0  # black is raised by up to so many of 255 levels; of colour images, all levels, or lowered
    noise: float = 32.0  # standard deviation of Gaussian noise, up to so many levels
    balance: float = 0.25  # 0: directions in which images of the data set differ much count most; 1: all count alike
    seed: int = 0  # of weights, order and variations

    def steps(self, images: int) -> int:
        """Optimizer steps for so many training images."""
        return max(self.least_steps, math.ceil(self.epochs * images / self.batch_size))


def train(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    recipe: Recipe,
    *,
    name: str = "the data set",
    kept: Path | None = None,
) -> ClassifierNetwork:
    """Train a classifier; it is returned in eval mode, on the CPU, its weights rounded to half precision.

    The same arguments on the same machine with as many threads give the same weights. What is done so far is `kept` in
    a file every few seconds, and when the work is interrupted: the next call goes on from there.
    """
    training, steps = _begun(kept, images, labels, classes, recipe), recipe.steps(len(images))
    saved_at = time.monotonic()
    with doing(f"training the classifier of {name}, once: steps", steps) as done:
        try:
            while training.steps_done < steps:
                training.step()
                done(training.steps_done)
                if kept is not None and time.monotonic() - saved_at > KEEP_SECONDS:
                    training.put_aside(kept)
                    saved_at = time.monotonic()
        except BaseException:
            if kept is not None:
                training.put_aside(kept)
            raise
    _balance(training.network.eval(), images, recipe.balance)
    return training.network.half().float()


class _Training:
    """A classifier's training, which can be put aside and taken up again."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, recipe: Recipe) -> None:
        channels, height, width = images.shape[1:]
        self.images, self.labels, self.recipe = images, labels, recipe
        with seeded(recipe.seed):
            self.network = ClassifierNetwork((channels, height, width), classes)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=recipe.lr, total_steps=recipe.steps(len(images))
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.order = torch.empty(0, dtype=torch.int64)
        self.steps_done = 0

    def step(self) -> None:
        """One optimizer step on the next batch."""
        batch, target = self._batch()
        loss = functional.cross_entropy(self.network.head(self.network.active(batch)), target)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.steps_done += 1

    def _batch(self) -> tuple[Tensor, Tensor]:
        size = self.recipe.batch_size
        while len(self.order) < min(size, len(self.images)):
            self.order = torch.cat([self.order, torch.randperm(len(self.images), generator=self.generator)])
        chosen, self.order = self.order[:size].sort().values.numpy(), self.order[size:]
        batch = torch.from_numpy(np.array(self.images[chosen]))
        levels = varied(batch.float(), self.recipe, self.generator)
        return to_float(levels), torch.from_numpy(np.array(self.labels[chosen]))

    def put_aside(self, path: Path) -> None:
        """Write everything that going on needs."""
        state = {name: getattr(self, name).state_dict() for name in ("network", "optimizer", "schedule")}
        state |= {"generator": self.generator.get_state(), "order": self.order.clone(), "steps_done": self.steps_done}
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def take_up(self, path: Path) -> None:
        """Go on from what `put_aside` wrote; any error where it is missing or damaged."""
        state = torch.load(path, weights_only=True)
        for name in ("network", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.order, self.steps_done = state["order"], int(state["steps_done"])


def _begun(kept: Path | None, *arguments: Any) -> _Training:
    """The training that is kept in a file; a new one where there is none, or a damaged one."""
    training = _Training(*arguments)
    try:
        if kept is not None:
            training.take_up(kept)
    except Exception:  # whatever a damaged file raises
        return _Training(*arguments)
    return training


@torch.no_grad()
def _balance(network: ClassifierNetwork, images: NDArray[np.uint8], strength: float) -> None:
    """Set the balance: along each principal axis of the units, their spread to the power of 1 - `strength` is left."""
    chosen = np.linspace(0, len(images) - 1, min(len(images), BALANCED_BY)).round().astype(np.int64)
    parts = [network.active(to_float(torch.from_numpy(np.array(images[part])))) for part in _parts(chosen)]
    units = torch.cat(parts).double()
    mean, covariance = units.mean(dim=0), torch.cov(units.T)
    variances, axes = torch.linalg.eigh(covariance)
    variances = variances.clamp_min(0) + LEAST_SPREAD * variances.max()
    turned = (axes * variances ** (-strength / 2)).T
    network.balance.weight.copy_(turned)
    network.balance.bias.copy_(-turned @ mean)


@torch.inference_mode()
def accuracy(network: ClassifierNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of `images` (at least one) that the network puts into the class of `labels`."""
    hits = 0
    for part in _parts(np.arange(len(images))):
        logits = network(torch.from_numpy(np.array(images[part])))
        hits += int((logits.argmax(dim=1).numpy() == labels[part]).sum())
    return hits / len(images)


def _parts(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [positions[start : start + 500] for start in range(0, len(positions), 500)]


def varied(levels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Grey levels (B, C, H, W) of images in another light; contrast of colour images varies about middle grey."""

    def drawn(low: float, high: float, neutral: float) -> Tensor:
        values = low + (high - low) * torch.rand(len(levels), 1, 1, 1, generator=generator)
        return torch.where(torch.rand(values.shape, generator=generator) < 0.5, values, torch.tensor(neutral))

    factor = drawn(1 - recipe.contrast, 1 + recipe.contrast, 1.0)
    if levels.shape[1] == 1:
        levels = torch.maximum(levels * factor, drawn(0, recipe.background, 0.0))
    else:
        levels = (levels - 127.5) * factor + 127.5 + drawn(-recipe.background, recipe.background, 0.0)
    levels = levels + drawn(0, recipe.noise, 0.0) * torch.randn(levels.shape, generator=generator)
    return levels.clamp(0, 255)
