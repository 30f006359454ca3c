"""The original's way to train, written afresh: what ganexp's speed is compared with.

torchvision's dataset with PIL transforms in a shuffling DataLoader; five discriminator steps, each with a pass of its
own over the real images and over fresh generated ones, and binary cross-entropy on sigmoid outputs; plain Adam for both
networks; two discriminator passes in the generator's step, over the generated images and over the real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

LATENT, PIXELS, D_STEPS = 100, 784, 5


class Maxout(nn.Module):
    """The largest of two linear pieces for each unit."""

    def __init__(self, inputs: int, outputs: int, pieces: int = 2) -> None:
        super().__init__()
        self.outputs, self.pieces = outputs, pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return self.linear(x).view(len(x), self.outputs, self.pieces).max(dim=2).values


def generator() -> nn.Module:
    """z (B, 100) -> images (B, 1, 28, 28) in [-1, 1]."""
    widths = [nn.Linear(LATENT, 512), nn.LeakyReLU(0.2), nn.Linear(512, 1024), nn.LeakyReLU(0.2)]
    return nn.Sequential(*widths, nn.Linear(1024, PIXELS), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))


def discriminator() -> nn.Module:
    """Images (B, 1, 28, 28) -> probabilities (B, 1)."""
    layers = [nn.Flatten(), nn.Linear(PIXELS, 512), nn.LeakyReLU(0.2), nn.Dropout(0.3), Maxout(512, 256)]
    return nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(256, 1), nn.Sigmoid())


def loader(batch: int, root: str, images: int | None = None) -> DataLoader[tuple[Tensor, Tensor]]:
    """Minibatches of the first `images` (all) training images and their labels."""
    transform = transforms.Compose([transforms.Resize(28), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    mnist = MNIST(root, train=True, transform=transform)
    return DataLoader(Subset(mnist, range(images or len(mnist))), batch_size=batch, shuffle=True)


def training(rate: float = 1e-4) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function that takes one training step on real images, of new networks; gives the losses of D and G."""
    g, d, loss = generator(), discriminator(), nn.BCELoss()
    optimizer_g, optimizer_d = torch.optim.Adam(g.parameters(), lr=rate), torch.optim.Adam(d.parameters(), lr=rate)

    def step(real: Tensor) -> tuple[Tensor, Tensor]:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        for _ in range(D_STEPS):
            fake = g(torch.randn(len(real), LATENT)).detach()
            optimizer_d.zero_grad()
            d_loss = loss(d(real), ones) + loss(d(fake), zeros)
            d_loss.backward()
            optimizer_d.step()
        optimizer_g.zero_grad()
        judged = d(g(torch.randn(len(real), LATENT)))
        with torch.no_grad():
            d(real)
        g_loss = loss(judged, ones)
        g_loss.backward()
        optimizer_g.step()
        return d_loss.detach(), g_loss.detach()

    return step


def prepare(batch: int, root: str, precision: str) -> Callable[[float], float]:
    """A function seconds -> images/s that trains for about so long."""
    assert precision == "fp32"
    minibatches, step = loader(batch, root), training()

    def endless() -> Iterator[Tensor]:
        while True:
            for images, _ in minibatches:
                yield images

    batches = endless()

    def run(seconds: float) -> float:
        images, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            real = next(batches)
            step(real)
            images += len(real)
        return images / (time.perf_counter() - started)

    return run
