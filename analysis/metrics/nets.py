"""Networks whose features `faults.py` compares: candidates for cfd, and references that were not looked at."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Net:
    """How a network is built and trained; `body` gives features (B, D), then ReLU and a linear layer give logits."""

    body: Callable[[Shape], nn.Module]
    epochs: float = 1.0
    photometric: float = 0.0  # how far contrast, background and noise vary in training; 1: 0.7-1.3, 32, 32 grey levels
    lr: float = 2e-3
    batch_size: int = 64
    seed: int = 0
    rectified: bool = False  # whether features are taken after the ReLU
    weight_decay: float = 0.01


def _feature_size(layers: nn.Module, shape: Shape) -> int:
    with torch.no_grad():
        return int(layers(torch.zeros(1, *shape)).shape[1])


def conv_body(
    widths: tuple[int, ...] = (16, 32),
    units: int = 64,
    *,
    kernel: int = 3,
    norm: Callable[[int], nn.Module] | None = None,
    pool: str = "max",
    activation: Callable[[], nn.Module] = nn.ReLU,
    first_norm: bool = True,
) -> Callable[[Shape], nn.Module]:
    """Convolutions, each followed by norm, activation and a pool or stride of 2; flattened; a linear layer."""

    def make(shape: Shape) -> nn.Module:
        layers: list[nn.Module] = []
        inputs = shape[0]
        for width in widths:
            stride = 2 if pool == "stride" else 1
            layers.append(nn.Conv2d(inputs, width, kernel, stride, padding=kernel // 2))
            layers += [norm(width)] if norm and (first_norm or inputs > shape[0]) else []
            layers.append(activation())
            layers += {"max": [nn.MaxPool2d(2)], "mean": [nn.AvgPool2d(2)], "blur": [Blur(width)]}.get(pool, [])
            inputs = width
        front = nn.Sequential(*layers, nn.Flatten())
        return nn.Sequential(front, nn.Linear(_feature_size(front, shape), units))

    return make


class SideBySide(nn.Module):
    """The features of several bodies, one after the other."""

    def __init__(self, bodies: list[nn.Module]) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(bodies)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> features (B, D)."""
        return torch.cat([body(x) for body in self.bodies], dim=1)


def side_by_side(*bodies: Callable[[Shape], nn.Module]) -> Callable[[Shape], nn.Module]:
    """Several bodies whose features are joined, trained together."""
    return lambda shape: SideBySide([body(shape) for body in bodies])


class Blur(nn.Module):
    """Max over 2x2 at stride 1, then a binomial filter at stride 2 (Zhang 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        kernel = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (kernel[:, None] * kernel / 16).expand(width, 1, 3, 3).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, width, H/2, W/2)."""
        x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
        kernel: Tensor = self.kernel  # type: ignore[assignment]
        return functional.conv2d(
            functional.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=len(kernel)
        )


def mlp_body(units: int = 96) -> Callable[[Shape], nn.Module]:
    """A perceptron with one hidden layer."""
    return lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 256), nn.ReLU(), nn.Linear(256, units))


class Classifier(nn.Module):
    """A body and a linear layer to logits."""

    def __init__(self, net: Net, shape: Shape, classes: int) -> None:
        super().__init__()
        self.body, self.rectified = net.body(shape), net.rectified
        with torch.no_grad():
            units = self.body(torch.zeros(2, *shape)).shape[1]
        self.head = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images float (B, C, H, W) in [-1, 1] -> logits (B, classes)."""
        return self.head(functional.relu(self.body(x)))  # type: ignore[no-any-return]

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8]) -> Tensor:
        """Images uint8 (N, C, H, W) -> features (N, D)."""
        parts = [self.body(scaled(torch.from_numpy(np.array(images[i : i + 500])))) for i in range(0, len(images), 500)]
        return functional.relu(torch.cat(parts)) if self.rectified else torch.cat(parts)


def scaled(images: Tensor) -> Tensor:
    """8-bit values to [-1, 1]."""
    return images.float() / 127.5 - 1


def photometric(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Contrast 0.7 to 1.3, background up to 32 of 255, noise of up to 32 grey levels; each for half of the images."""
    contrast, level = 0.3 * strength, 32 * strength

    def drawn(low: float, high: float, neutral: float) -> Tensor:
        values = low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator)
        return torch.where(torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5, values, torch.tensor(neutral))

    x = (x + 1) * 127.5
    if x.shape[1] == 3:
        x = (x - 127.5) * drawn(1 - contrast, 1 + contrast, 1.0) + 127.5 + drawn(-level, level, 0.0)
    else:
        x = torch.maximum(x * drawn(1 - contrast, 1 + contrast, 1.0), drawn(0, level, 0.0))
    x = x + drawn(0, level, 0.0) * torch.randn(x.shape, generator=generator)
    return x.clamp(0, 255) / 127.5 - 1


def train(net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Classifier, float]:
    """The network in eval mode and the seconds that its training took."""
    torch.manual_seed(net.seed)
    model = Classifier(net, images.shape[1:], int(labels.max()) + 1)
    started = time.monotonic()
    _fit(model, net, images, labels)
    return model.eval(), time.monotonic() - started


def _fit(model: Classifier, net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    steps = max(300, math.ceil(net.epochs * len(images) / net.batch_size))
    optimizer = torch.optim.AdamW(model.parameters(), lr=net.lr, weight_decay=net.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=net.lr, total_steps=steps)
    generator = torch.Generator().manual_seed(net.seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < net.batch_size:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        chosen, order = order[: net.batch_size].numpy(), order[net.batch_size :]
        x = scaled(torch.from_numpy(images[chosen]))
        x = photometric(x, generator, net.photometric) if net.photometric else x
        loss = functional.cross_entropy(model(x), torch.from_numpy(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def groups(number: int) -> Callable[[int], nn.Module]:
    """GroupNorm of a number of groups."""
    return lambda width: nn.GroupNorm(number, width)


GROUPED = Net(conv_body(units=128, norm=groups(4)), photometric=1)

PHOTOMETRIC = Net(conv_body(units=128), photometric=1)

CANDIDATES: dict[str, Net] = {
    "plain": Net(conv_body(units=128), epochs=4, rectified=True),
    "photometric": PHOTOMETRIC,
    "photometric x 2": replace(PHOTOMETRIC, photometric=2),
    "grouped": GROUPED,
    "one group": replace(GROUPED, body=conv_body(units=128, norm=groups(1))),
    "grouped, blur pool": replace(GROUPED, body=conv_body(units=128, norm=groups(4), pool="blur")),
    "grouped, not photometric": replace(GROUPED, photometric=0),
    "joint": Net(side_by_side(conv_body(units=64), conv_body(units=64, norm=groups(4))), photometric=1),
    "joint, blur pool": Net(
        side_by_side(conv_body(units=64, pool="blur"), conv_body(units=64, norm=groups(4), pool="blur")), photometric=1
    ),
    "late norm": replace(GROUPED, body=conv_body(units=128, norm=groups(4), first_norm=False)),
}

REFERENCES: dict[str, Net] = {
    "lenet": Net(conv_body((20, 50), 84, kernel=5), epochs=2, rectified=True, seed=11, lr=1e-3),
    "strided": Net(
        conv_body((24, 48, 64), 100, pool="stride", activation=lambda: nn.LeakyReLU(0.2)), epochs=2, seed=12, lr=1e-3
    ),
    "perceptron": Net(mlp_body(), epochs=2, rectified=True, seed=13, lr=1e-3),
}
