"""Which images are held out where a source has no test split: fixed for all time, whatever the seed or num_images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 20140610  # of every fixed permutation (the date of the first GAN paper)


def permutation(count: int) -> NDArray[np.int64]:
    """A fixed permutation of 0 .. count - 1, from the sorted raw 64-bit stream of PCG64.

    numpy guarantees that stream in all versions and on all machines, but not `Generator.permutation` (NEP 19).
    """
    keys = np.random.PCG64(SPLIT_SEED).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def grouped(order: NDArray[np.int64], labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """`order`, stably sorted by label where there are labels: every n-th of it is a stratified sample."""
    return order if labels is None else order[np.argsort(np.asarray(labels)[order], kind="stable")]


def held_out(count: int, fraction: float, labels: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Mask (count,) of the held-out images: a fixed sample, stratified by label where there are labels.

    The images are put into the fixed permutation's order, then stably by label; of that sequence every
    (1 / fraction)-th is taken, so that the total is exact and each class has its share within one image. Of at least 2
    images, at least one is held out and at least one is left.
    """
    order = grouped(permutation(count), labels)
    wanted = min(max(1, round(count * fraction)), count - 1)
    position = np.arange(count, dtype=np.int64)
    mask = np.zeros(count, dtype=np.bool_)
    mask[order] = (position + 1) * wanted // count > position * wanted // count
    return mask
