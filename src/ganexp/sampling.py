"""Images from a generator: always the same ones for the same weights, however many are asked for at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganexp.rng import derive
from ganexp.types import Sampler

BLOCK = 256
"""Images are generated in padded blocks of this many, so that the numbers do not depend on the count asked for."""


def latents(latent: str, latent_dim: int, count: int, seed: int) -> Tensor:
    """Latent vectors float32 (count, latent_dim), prefix-stable; torch's default generator is left alone.

    Args:
        latent: "normal" or "uniform" (on (-sqrt 3, sqrt 3)).
        latent_dim: length of z.
        count: how many.
        seed: which ones.
    """
    blocks = []
    for block in range(-(-count // BLOCK)):
        generator = torch.Generator().manual_seed(derive(seed, "latent", block))
        if latent == "normal":
            blocks.append(torch.randn(BLOCK, latent_dim, generator=generator))
        else:
            blocks.append((torch.rand(BLOCK, latent_dim, generator=generator) * 2 - 1) * 3.0**0.5)
    return torch.cat(blocks)[:count]


@torch.no_grad()
def decode(generator: nn.Module, z: Tensor, device: torch.device) -> Tensor:
    """Images float32 (N, C, H, W) in [-1, 1], on the CPU, of latent vectors z (N, latent_dim).

    Runs in eval mode, in blocks padded to `BLOCK`; the module's mode is put back.
    """
    was_training = generator.training
    generator.eval()
    images = []
    try:
        for part in torch.split(z, BLOCK):
            padded = torch.zeros(BLOCK, z.shape[1])
            padded[: len(part)] = part
            images.append(generator(padded.to(device)).float().cpu()[: len(part)])
    finally:
        generator.train(was_training)
    return torch.cat(images)


def sampler(generator: nn.Module, latent: str, latent_dim: int, device: torch.device, seed: int = 0) -> Sampler:
    """A function n -> float32 (n, C, H, W) in [-1, 1] over fixed latent vectors."""

    def sample(count: int) -> Tensor:
        return decode(generator, latents(latent, latent_dim, count, seed), device)

    return sample
