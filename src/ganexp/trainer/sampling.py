"""Images from a generator: the same for the same weights, however many are drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ganexp.types.rng import derive

STEPS = 10  # pictures in one row of an interpolation, both ends included

DEGENERATE_SINE = 1e-6

BLOCK = 256  # images are generated in padded blocks of this many, so that an image does not depend on their number


def latents(latent: str, latent_dim: int, count: int, seed: int) -> Tensor:
    """Latent vectors float32 (count, latent_dim), prefix-stable; torch's default generator is left alone.

    `latent` is "normal" or "uniform" (on (-sqrt 3, sqrt 3)).
    """
    blocks = []
    for block in range(-(-count // BLOCK)):
        generator = torch.Generator().manual_seed(derive(seed, "latent", block))
        if latent == "normal":
            blocks.append(torch.randn(BLOCK, latent_dim, generator=generator))
        else:
            blocks.append((torch.rand(BLOCK, latent_dim, generator=generator) * 2 - 1) * 3.0**0.5)
    return torch.cat(blocks)[:count]


def draw_labels(counts: Sequence[int], count: int, seed: int) -> Tensor:
    """Labels int64 (count,) as often as in the training data, in random order, prefix-stable.

    Each block of `BLOCK` labels is a stratified sample, one from each `BLOCK`-th part of the training labels in their
    order, as the halves of the reference are stratified: independent draws would add their own noise to cfd
    (analysis/metrics). `counts` are the training images of each label.
    """
    bounds = torch.tensor(counts, dtype=torch.float64).cumsum(0)
    blocks = []
    for block in range(-(-count // BLOCK)):
        generator = torch.Generator().manual_seed(derive(seed, "label", block))
        strata = torch.randperm(BLOCK, generator=generator)
        points = (strata + torch.rand(BLOCK, generator=generator, dtype=torch.float64)) / BLOCK * bounds[-1]
        blocks.append(torch.searchsorted(bounds, points, right=True))
    return torch.cat(blocks)[:count]


@torch.no_grad()
def decode(generator: nn.Module, z: Tensor, device: torch.device, labels: Tensor | None = None) -> Tensor:
    """Images float32 (N, C, H, W) in [-1, 1], on the CPU, of latent vectors z (N, latent_dim).

    Runs in eval mode, in blocks padded to `BLOCK`; the module's mode is restored. A conditional generator takes labels.
    """
    was_training = generator.training
    generator.eval()
    images = []
    try:
        for start in range(0, len(z), BLOCK):
            part = slice(start, start + BLOCK)
            inputs = [_padded(z[part])] if labels is None else [_padded(z[part]), _padded(labels[part])]
            images.append(generator(*(x.to(device) for x in inputs)).float().cpu()[: len(z[part])])
    finally:
        generator.train(was_training)
    return torch.cat(images)


@dataclass(frozen=True)
class GeneratorSampler:
    """A `Sampler` over fixed latent vectors, and fixed labels where the generator takes some."""

    generator: nn.Module  # z, or z and labels -> images
    latent: str  # distribution of z
    latent_dim: int
    device: torch.device
    seed: int = 0
    label_counts: Sequence[int] | None = None  # training images of each label, for a conditional generator

    def __call__(self, count: int) -> Tensor:
        """The first `count` images, float32 (count, C, H, W) in [-1, 1]."""
        z = latents(self.latent, self.latent_dim, count, self.seed)
        return decode(self.generator, z, self.device, self.labels(count))

    def redrawn(self) -> GeneratorSampler:
        """Draw B of the same generator: other latent vectors and labels, of the values that are reported on half B."""
        return replace(self, seed=derive(self.seed, "half B"))

    def labels(self, count: int) -> Tensor | None:
        """The labels of the first `count` images, int64 (count,); None: unconditional."""
        return None if self.label_counts is None else draw_labels(self.label_counts, count, self.seed)


def sampler(
    generator: nn.Module,
    latent: str,
    latent_dim: int,
    device: torch.device,
    seed: int = 0,
    label_counts: Sequence[int] | None = None,
) -> GeneratorSampler:
    """A function n -> float32 (n, C, H, W) in [-1, 1] over fixed latent vectors (and labels)."""
    return GeneratorSampler(generator, latent, latent_dim, device, seed, label_counts)


def interpolations(sample: GeneratorSampler, rows: int, labels: Tensor | None = None) -> Tensor:
    """Images along great circles between pairs of latent vectors (White 2016), `STEPS` to a row, ends included.

    `rows` counts the pairs; `labels`, int64 (rows,), replace those that `sample` draws.

    Returns:
        float32 (rows * STEPS, C, H, W) in [-1, 1], row after row.
    """
    ends = latents(sample.latent, sample.latent_dim, 2 * rows, sample.seed).view(rows, 2, sample.latent_dim)
    points = [slerp(ends[:, 0], ends[:, 1], step / (STEPS - 1)) for step in range(STEPS)]
    z = torch.stack(points, dim=1).reshape(rows * STEPS, sample.latent_dim)
    labels = sample.labels(rows) if labels is None else labels
    repeated = None if labels is None else labels.repeat_interleave(STEPS)
    return decode(sample.generator, z, sample.device, repeated)


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Interpolate between latent vectors along the great circle (Shoemake 1985; for GANs: White 2016, section 2.1).

    With w the angle between a and b: `sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b`. Where a and b are parallel,
    opposite, or one of them is zero, there is no such circle, and the path is the straight line.

    a and b are floating (..., D) and their norms may differ; t in [0, 1] must broadcast against (..., 1), e.g. (T, 1)
    for T points between two (D,). Returns (..., D): a at t = 0, b at t = 1.
    """
    unit_a = a / a.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    unit_b = b / b.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    # Kahan's form of the angle: exact for small ones too, where the arc cosine is not.
    angle = 2 * (unit_a - unit_b).norm(dim=-1, keepdim=True).atan2((unit_a + unit_b).norm(dim=-1, keepdim=True))
    sine = angle.sin()
    degenerate = (sine < DEGENERATE_SINE) | (a == 0).all(-1, keepdim=True) | (b == 0).all(-1, keepdim=True)
    sine = sine.masked_fill(degenerate, 1.0)
    curved = ((1 - t) * angle).sin() / sine * a + (t * angle).sin() / sine * b
    path: Tensor = curved.where(~degenerate, (1 - t) * a + t * b)
    return path


def _padded(rows: Tensor) -> Tensor:
    """`rows` with zero rows appended, up to `BLOCK`."""
    padded = torch.zeros(BLOCK, *rows.shape[1:], dtype=rows.dtype)
    padded[: len(rows)] = rows
    return padded
