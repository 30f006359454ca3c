"""What is done to real and to generated images alike before the discriminator sees them, in both players' steps.

Each is a function that returns one: images float32 (B, C, H, W) in [-1, 1] -> the same shape, another draw for each
image, in which gradients reach the generator. Random numbers come from torch's default generator, which every training
step seeds anew: nothing random is stored. Scores and sample grids see images as they are.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le, Lt
from torch import Tensor
from torch.nn.functional import pad

from ganexp.types import Augment

Shift = Annotated[float, Ge(0), Le(0.5)]
Share = Annotated[float, Ge(0), Lt(1)]


def none() -> Augment | None:
    """Images are seen as they are."""
    return None


def flip() -> Augment:
    """Every second image is mirrored left to right, by chance: not for digits and letters."""

    def augment(images: Tensor) -> Tensor:
        return torch.where(_uniform(images) < 0.5, images.flip(3), images)

    return augment


def diffaugment(*, colour: bool = True, translation: Shift = 0.125, cutout: Share = 0.5) -> Augment:
    """Differentiable augmentation for small data sets (Zhao et al. 2020, arXiv 2006.10738, section 3.2 and its code).

    `colour`: brightness moved by -0.5 .. 0.5, then saturation times 0 .. 2, then contrast times 0.5 .. 1.5.
    `translation`: by at most this share of the sides, 0 behind it. `cutout`: a square of this share of the sides is 0.
    """

    def augment(images: Tensor) -> Tensor:
        if colour:
            images = _coloured(images)
        if translation:
            images = _moved(images, translation)
        return _cut_out(images, cutout) if cutout else images

    return augment


def _uniform(images: Tensor) -> Tensor:
    """A number in [0, 1) for each image, (B, 1, 1, 1)."""
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


def _coloured(images: Tensor) -> Tensor:
    images = images + _uniform(images) - 0.5
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * _uniform(images)) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def _whole(images: Tensor, low: int, high: int) -> Tensor:
    """A whole number in low .. high for each image, (B, 1)."""
    return torch.randint(low, high + 1, (len(images), 1), device=images.device)


def _moved(images: Tensor, share: float) -> Tensor:
    """Each image moved by whole pixels; what comes in is 0."""
    places = []
    for size in images.shape[2:]:
        most = int(size * share + 0.5)
        place = torch.arange(size, device=images.device) + _whole(images, -most, most)
        places.append((place + 1).clamp(0, size + 1))  # in an image with a border of zeros
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    bordered = pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    return bordered[batch, places[0][:, :, None], places[1][:, None, :]].permute(0, 3, 1, 2)


def _cut_out(images: Tensor, share: float) -> Tensor:
    """A rectangle of each image set to 0, whose middle may lie at its edge."""
    inside = []
    for size in images.shape[2:]:
        side = int(size * share + 0.5)
        away = torch.arange(size, device=images.device) - _whole(images, 0, size - side % 2)
        inside.append((away >= -(side // 2)) & (away < side - side // 2))
    return images * ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])


OPTIONS = (diffaugment, flip, none)  # what `_target_` may name in conf/augment
