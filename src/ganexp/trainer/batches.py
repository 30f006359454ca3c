"""Minibatches of real images, a function of (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.files.png import to_training_float
from ganexp.types.rng import derive
from ganexp.types.schedule import Moment


@dataclass(frozen=True)
class Minibatch:
    """What one training step sees."""

    reals: Sequence[Tensor]  # float32 (B, C, H, W) in [-1, 1]: one for all discriminator steps, or one each
    now: Moment
    labels: Sequence[Tensor] | None = None  # int64 (B,) for each batch

    def labels_of(self, draw: int) -> Tensor | None:
        """Labels of the batch that discriminator step `draw` sees; -1: of the last batch."""
        return None if self.labels is None else self.labels[draw % len(self.labels)]


class Batches:
    """The real images of every step.

    Args:
        images: uint8 (N, C, H, W), memory-mapped or not.
        batch_size: images in a minibatch; the last one of an epoch is smaller where N is no multiple of it.
        draws: independent permutations of an epoch: 1 (a batch is reused), or one per discriminator step.
        resident: keep all images, labels and orders on the device, so that a step copies nothing to it; None: on a GPU.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        batch_size: int,
        draws: int,
        seed: int,
        device: torch.device,
        labels: NDArray[np.int64] | None = None,
        resident: bool | None = None,
    ) -> None:
        self.images = images
        self.batch_size = batch_size
        self.draws = draws
        self.seed = seed
        self.device = device
        self.steps_per_epoch = ceil(len(images) / batch_size)
        keep = device.type != "cpu" if resident is None else resident
        self._place = device if keep else torch.device("cpu")
        self._resident = torch.from_numpy(np.array(images)).to(device) if keep else None
        self.labels = None if labels is None else torch.from_numpy(np.array(labels)).to(self._place)
        self._orders: tuple[int, list[Tensor]] | None = None

    def at(self, step: int) -> Minibatch:
        """The `draws` batches of a step (0-based)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
        picks = [order[chosen] for order in self._permutations(epoch)]
        labels = None if self.labels is None else [self.labels[pick].to(self.device) for pick in picks]
        return Minibatch([to_training_float(self._take(pick)) for pick in picks], self.moment(step), labels)

    def moment(self, step: int) -> Moment:
        """The moment before a step (0-based)."""
        return Moment(step, step / self.steps_per_epoch, self.images_seen(step) / 1000)

    def label_counts(self, num_classes: int | None) -> list[int] | None:
        """Number of images of each label; None without labels."""
        return None if self.labels is None else torch.bincount(self.labels.cpu(), minlength=num_classes or 0).tolist()

    def images_seen(self, step: int) -> int:
        """Real images drawn in the first `step` steps; a reused batch counts once."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self.draws * (epoch * len(self.images) + min(position * self.batch_size, len(self.images)))

    def _take(self, indices: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[indices]
        return torch.from_numpy(self.images[indices.numpy()]).to(self.device)

    def _permutations(self, epoch: int) -> list[Tensor]:
        if self._orders is None or self._orders[0] != epoch:
            orders = []
            for draw in range(self.draws):
                generator = torch.Generator().manual_seed(derive(self.seed, "permutation", epoch, draw))
                orders.append(torch.randperm(len(self.images), generator=generator).to(self._place))
            self._orders = (epoch, orders)
        return self._orders[1]
