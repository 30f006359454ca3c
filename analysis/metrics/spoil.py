"""Faults of images, in four severities each: what `faults.py` spoils real images by."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch.nn import functional

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pool:
    """Real images to spoil: a random order of a dataset's training images, and one draw's random numbers."""

    images: Pixels  # (N, C, H, W), shuffled
    labels: NDArray[np.int64]
    count: int  # images in a cell
    random: np.random.RandomState
    draw: int

    @property
    def start(self) -> Pixels:
        """The first `count` images."""
        return np.array(self.images[: self.count])

    def of(self, classes: NDArray[np.int64]) -> Pixels:
        """`count` images of some classes; where there are fewer, they come again."""
        positions = np.flatnonzero(np.isin(self.labels, classes))
        return np.array(self.images[np.resize(positions, self.count)])


@dataclass(frozen=True)
class Fault:
    """One kind of fault: its severities, mildest first, and how a pool is spoilt by one of them."""

    severities: tuple[float, float, float, float]
    spoil: Callable[[Pool, float], Pixels]
    group: str = ""  # "photometric": background, contrast and noise, which have bars of their own
    colour: bool = True  # whether colour images have it
    grey: bool = True


def _quantised(images: NDArray[np.floating]) -> Pixels:  # type: ignore[type-arg]
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def _background(pool: Pool, level: float) -> Pixels:
    """Black raised to `level`, figures untouched; colour images get brighter."""
    images = pool.start.astype(np.float32)
    return _quantised(images + level if images.shape[1] == 3 else np.maximum(images, level))


def _contrast(pool: Pool, factor: float) -> Pixels:
    return _quantised(pool.start.astype(np.float32) * factor)


def _gamma(pool: Pool, gamma: float) -> Pixels:
    return _quantised(255 * (pool.start.astype(np.float32) / 255) ** gamma)


def _noise(pool: Pool, sd: float) -> Pixels:
    images = pool.start.astype(np.float32)
    return _quantised(images + sd * pool.random.standard_normal(images.shape).astype(np.float32))


def _checkerboard(pool: Pool, level: float) -> Pixels:
    images = pool.start.astype(np.float32)
    rows, columns = np.indices(images.shape[2:])
    return _quantised(images + level * (1 - 2 * ((rows + columns) % 2)))


def _salt_and_pepper(pool: Pool, share: float) -> Pixels:
    images = pool.start
    hit = pool.random.uniform(size=images.shape) < share
    return np.where(hit, 255 * pool.random.randint(0, 2, images.shape), images).astype(np.uint8)


def _among(pool: Pool, share: float, other: Pixels) -> Pixels:
    """A share of the images replaced by `other`."""
    images, replaced = pool.start, max(1, round(share * pool.count))
    images[:replaced] = other[:replaced]
    return images


def _noise_images(pool: Pool, share: float) -> Pixels:
    return _among(pool, share, pool.random.randint(0, 256, pool.start.shape).astype(np.uint8))


def _grey_images(pool: Pool, share: float) -> Pixels:
    """A share of the images is the mean image: a generator that has found the average."""
    images = pool.start
    return _among(pool, share, np.broadcast_to(_quantised(images.mean(axis=0)), images.shape))


def _shifted(images: Pixels, down: int, right: int) -> Pixels:
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (abs(down),) * 2, (abs(right),) * 2))
    return padded[:, :, abs(down) - down :, abs(right) - right :][:, :, :height, :width]


SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _shift(pool: Pool, pixels: float) -> Pixels:
    """All images moved one way, black moving in; another way in each draw."""
    down, right = SIDES[pool.draw % 4]
    return _shifted(pool.start, int(pixels) * down, int(pixels) * right)


def _jitter(pool: Pool, pixels: float) -> Pixels:
    """Each image moved its own way."""
    images, ways = pool.start, pool.random.randint(0, 4, pool.count)
    for way, (down, right) in enumerate(SIDES):
        images[ways == way] = _shifted(images[ways == way], int(pixels) * down, int(pixels) * right)
    return images


def _blur(pool: Pool, sigma: float) -> Pixels:
    return _quantised(ndimage.gaussian_filter(pool.start.astype(np.float32), sigma=(0, 0, sigma, sigma)))


def _pixelated(pool: Pool, factor: float) -> Pixels:
    images = torch.from_numpy(pool.start).float()
    small = functional.interpolate(images, scale_factor=1 / factor, mode="area")
    return _quantised(functional.interpolate(small, images.shape[2:], mode="bilinear").numpy())


def _dilated(pool: Pool, amount: float) -> Pixels:
    return _stroke(pool, amount, ndimage.grey_dilation)


def _eroded(pool: Pool, amount: float) -> Pixels:
    return _stroke(pool, amount, ndimage.grey_erosion)


def _stroke(pool: Pool, amount: float, operator: Callable[..., Pixels]) -> Pixels:
    """Strokes thicker or thinner by up to a pixel on each side (amount 1); above 1 by two pixels."""
    images, reach = pool.start, 3 if amount <= 1 else 5
    spoilt = operator(images, size=(1, 1, reach, reach)).astype(np.float32)
    return _quantised(images + min(1.0, amount) * (spoilt - images))


def _rotated(pool: Pool, degrees: float) -> Pixels:
    signs = torch.from_numpy(pool.random.choice([-1.0, 1.0], pool.count)).float()
    angle = signs * np.deg2rad(degrees)
    zero = torch.zeros_like(angle)
    rows = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], dim=1).view(-1, 2, 3)
    return _sampled(pool.start, functional.affine_grid(rows, list(pool.start.shape), align_corners=False))


def _warped(pool: Pool, pixels: float) -> Pixels:
    """Elastic warp (Simard et al. 2003): smooth random displacements of `pixels` root mean square."""
    images = pool.start
    count, _, height, width = images.shape
    field = pool.random.standard_normal((count, 2, height, width)).astype(np.float32)
    smooth = ndimage.gaussian_filter(field, sigma=(0, 0, 3, 3))
    smooth *= pixels / np.sqrt(np.mean(smooth**2))
    identity = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(images.shape), align_corners=False)
    scale = torch.tensor([2 / width, 2 / height])
    return _sampled(images, identity + torch.from_numpy(smooth).permute(0, 2, 3, 1) * scale)


def _sampled(images: Pixels, grid: torch.Tensor) -> Pixels:
    moved = functional.grid_sample(torch.from_numpy(images).float(), grid, padding_mode="zeros", align_corners=False)
    return _quantised(moved.numpy())


def _jpeg(pool: Pool, quality: float) -> Pixels:
    images = pool.start
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(
            buffer, "JPEG", quality=int(quality)
        )
        pixels = np.asarray(Image.open(buffer))
        image[:] = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return images


def _mixed(pool: Pool, weight: float) -> Pixels:
    """Each image mixed with one of another class."""
    images, labels = pool.start.astype(np.float32), pool.labels[: pool.count]
    order = np.argsort(labels, kind="stable")
    partner = np.empty(pool.count, dtype=np.int64)
    partner[order] = np.roll(order, pool.count // 3)
    return _quantised((1 - weight) * images + weight * images[partner])


def _dropped(pool: Pool, classes: float) -> Pixels:
    kept = np.roll(np.arange(10), -3 * pool.draw - 1)[int(classes) :]
    return pool.of(kept)


def _repeated(pool: Pool, times: float) -> Pixels:
    return np.array(pool.images[np.resize(np.arange(max(2, pool.count // int(times))), pool.count)])


def _occluded(pool: Pool, side: float) -> Pixels:
    """A black square of `side` pixels at a random place."""
    images, side = pool.start, int(side)
    height, width = images.shape[2:]
    tops = pool.random.randint(0, height - side + 1, pool.count)
    lefts = pool.random.randint(0, width - side + 1, pool.count)
    for image, top, left in zip(images, tops, lefts, strict=True):
        image[:, top : top + side, left : left + side] = 0
    return images


def _upside_down(pool: Pool, share: float) -> Pixels:
    return _among(pool, share, pool.start[:, :, ::-1])


def _desaturated(pool: Pool, share: float) -> Pixels:
    images = pool.start.astype(np.float32)
    return _quantised(images + share * (images.mean(axis=1, keepdims=True) - images))


PHOTOMETRIC = "photometric"

FAULTS: dict[str, Fault] = {
    "background": Fault((5, 10, 25, 50), _background, PHOTOMETRIC),
    "contrast": Fault((0.9, 0.8, 0.65, 0.5), _contrast, PHOTOMETRIC),
    "gamma": Fault((0.9, 0.8, 0.65, 0.5), _gamma, PHOTOMETRIC),
    "noise": Fault((8, 16, 32, 64), _noise, PHOTOMETRIC),
    "checkerboard": Fault((8, 16, 32, 64), _checkerboard, PHOTOMETRIC),
    "salt and pepper": Fault((0.005, 0.01, 0.02, 0.05), _salt_and_pepper, PHOTOMETRIC),
    "noise images": Fault((0.01, 0.03, 0.1, 0.3), _noise_images),
    "grey images": Fault((0.03, 0.1, 0.3, 1.0), _grey_images),
    "shift": Fault((1, 2, 3, 4), _shift, colour=False),
    "jitter": Fault((1, 2, 3, 4), _jitter, colour=False),
    "blur": Fault((0.5, 0.75, 1, 2), _blur),
    "pixelated": Fault((1.5, 2, 3, 4), _pixelated),
    "thicker": Fault((0.25, 0.5, 1, 2), _dilated),
    "thinner": Fault((0.25, 0.5, 1, 2), _eroded),
    "rotation": Fault((5, 10, 20, 40), _rotated),
    "warp": Fault((0.5, 1, 2, 3), _warped),
    "jpeg": Fault((40, 20, 10, 4), _jpeg),
    "mixed": Fault((0.1, 0.2, 0.35, 0.5), _mixed),
    "classes dropped": Fault((1, 3, 5, 9), _dropped),
    "repeated": Fault((4, 10, 50, 500), _repeated),
    "occluded": Fault((3, 5, 8, 12), _occluded),
    "upside down": Fault((0.05, 0.15, 0.4, 1.0), _upside_down),
    "desaturated": Fault((0.25, 0.5, 0.75, 1.0), _desaturated, PHOTOMETRIC, grey=False),
}
