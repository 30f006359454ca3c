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

from ganexp.files.png import to_float
from ganexp.metrics.classifier_network import Recipe, varied

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
    balance: float = 0.0  # each principal axis of the features keeps its spread to the power of 1 - balance
    grid: int = 0  # whether the convolutions' output, averaged over grid x grid places, is a second block of features
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
    """A body and a linear layer to logits; `turn` makes the features of what the body gives."""

    turn: Tensor

    def __init__(self, net: Net, shape: Shape, classes: int) -> None:
        super().__init__()
        self.body, self.net = net.body(shape), net
        self.register_buffer("turn", torch.empty(0))
        with torch.no_grad():
            units = self.body(torch.zeros(2, *shape)).shape[1]
            self.turn = torch.eye(self._blocks(torch.zeros(2, *shape)).shape[1])
        self.head = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images float (B, C, H, W) in [-1, 1] -> logits (B, classes)."""
        return self.head(functional.relu(self.body(x)))  # type: ignore[no-any-return]

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8]) -> Tensor:
        """Images uint8 (N, C, H, W) -> features (N, D)."""
        return self._all_blocks(images) @ self.turn

    @torch.inference_mode()
    def calibrate(self, images: NDArray[np.uint8]) -> None:
        """Give both blocks the same spread, and balance the axes, on real images."""
        blocks = self._all_blocks(images).double()
        scale = torch.ones(blocks.shape[1], dtype=torch.float64)
        if self.net.grid:
            units = self.head.in_features
            for block in (slice(0, units), slice(units, None)):
                scale[block] = blocks[:, block].var(dim=0).sum().rsqrt()
        variances, axes = torch.linalg.eigh(torch.cov((blocks * scale).T))
        variances = variances.clamp_min(0) + 0.001 * variances.max()
        self.turn = (scale[:, None] * axes * variances ** (-self.net.balance / 2)).float()

    def _all_blocks(self, images: NDArray[np.uint8]) -> Tensor:
        starts = range(0, len(images), 500)
        return torch.cat([self._blocks(to_float(torch.from_numpy(np.array(images[i : i + 500])))) for i in starts])

    def _blocks(self, x: Tensor) -> Tensor:
        units = self.body(x)
        units = functional.relu(units) if self.net.rectified else units
        if not self.net.grid:
            return units  # type: ignore[no-any-return]
        places = self.body[0][:-1](x)  # type: ignore[index, operator]
        return torch.cat([units, functional.adaptive_avg_pool2d(places, self.net.grid).flatten(1)], dim=1)


def photometric(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Contrast, background and noise as in training the packaged classifier, so many times as strong."""
    usual = Recipe()
    recipe = Recipe(
        contrast=strength * usual.contrast, background=strength * usual.background, noise=strength * usual.noise
    )
    return varied((x + 1) * 127.5, recipe, generator) / 127.5 - 1


def train(net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Classifier, float]:
    """The network in eval mode and the seconds that its training took."""
    torch.manual_seed(net.seed)
    model = Classifier(net, images.shape[1:], int(labels.max()) + 1)
    started = time.monotonic()
    _fit(model, net, images, labels)
    model.eval().calibrate(images[:10_000])
    return model, time.monotonic() - started


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
        x = to_float(torch.from_numpy(images[chosen]))
        x = photometric(x, generator, net.photometric) if net.photometric else x
        loss = functional.cross_entropy(model(x), torch.from_numpy(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def groups(number: int) -> Callable[[int], nn.Module]:
    """GroupNorm of a number of groups."""
    return lambda width: nn.GroupNorm(number, width)


G4 = groups(4)
GROUPED = Net(conv_body(units=128, norm=G4), photometric=1, rectified=True)

CANDIDATES: dict[str, Net] = {
    "plain": Net(conv_body(units=128), epochs=4, rectified=True),
    "photometric": Net(conv_body(units=128), photometric=1, rectified=True),
    "grouped": GROUPED,
    "grouped, not photometric": replace(GROUPED, photometric=0),
    "grouped, before ReLU": replace(GROUPED, rectified=False),
    "grouped, mean pool": replace(GROUPED, body=conv_body(units=128, norm=G4, pool="mean")),
    "grouped, several layers": replace(GROUPED, grid=4),
    "grouped, two nets": replace(GROUPED, body=side_by_side(conv_body(units=64), conv_body(units=64, norm=G4))),
}

REFERENCES: dict[str, Net] = {
    "lenet": Net(conv_body((20, 50), 84, kernel=5), epochs=2, rectified=True, seed=11, lr=1e-3),
    "strided": Net(
        conv_body((24, 48, 64), 100, pool="stride", activation=lambda: nn.LeakyReLU(0.2)), epochs=2, seed=12, lr=1e-3
    ),
    "perceptron": Net(mlp_body(), epochs=2, rectified=True, seed=13, lr=1e-3),
}
