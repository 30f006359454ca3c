"""Samples of early generators: a small GAN of two perceptrons, its samples after a few and after many steps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

STEPS = (8000, 3000, 1000, 300)  # generator steps, the best generator first
COUNT = 5000
LATENT = 64


def early_samples(name: str, images: NDArray[np.uint8], cache: Path) -> dict[int, NDArray[np.uint8]]:
    """uint8 (COUNT, C, H, W) after each number of steps; kept in `cache`."""
    path = cache / f"{name}_generators.npz"
    if not path.exists():
        np.savez(path, **{str(steps): samples for steps, samples in _trained(images).items()})
    with np.load(path) as file:
        return {steps: file[str(steps)] for steps in STEPS}


def _trained(images: NDArray[np.uint8]) -> dict[int, NDArray[np.uint8]]:
    torch.manual_seed(0)
    shape, size = images.shape[1:], math.prod(images.shape[1:])
    generator = nn.Sequential(
        nn.Linear(LATENT, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, size),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        nn.Linear(size, 256),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(256, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 1),
    )
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.99)) for net in (generator, critic))
    samples = {}
    for step in range(1, max(STEPS) + 1):
        real = torch.from_numpy(images[np.random.RandomState(step).randint(0, len(images), 64)]).float().flatten(1)
        fake = generator(torch.randn(64, LATENT))
        d_loss = (
            functional.softplus(-critic(real / 127.5 - 1)).mean() + functional.softplus(critic(fake.detach())).mean()
        )
        adam_d.zero_grad()
        d_loss.backward()
        adam_d.step()
        g_loss = functional.softplus(-critic(fake)).mean()
        adam_g.zero_grad()
        g_loss.backward()
        adam_g.step()
        if step in STEPS:
            with torch.inference_mode():
                pixels = (generator(torch.randn(COUNT, LATENT)) + 1) * 127.5
            samples[step] = pixels.round().clamp(0, 255).to(torch.uint8).numpy().reshape(COUNT, *shape)
    return samples
