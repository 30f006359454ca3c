"""Does memorization find copies of training images, and nothing else?

    GANEXP_DATA=data python analysis/metrics/copies.py

writes copies.csv beside this file: the metric for unseen real images (all, and of the class where it is highest),
and for copies that were changed in several ways, 1,000 images each against all training images.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ganexp import dataset as datasets
from ganexp.metrics.reference import halve
from ganexp.metrics.training_images import excess_of_copies, nearness, spectrum
from ganexp.types import Dataset

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("GANEXP_DATA", "data"))
COUNT = 1_000

Images = NDArray[np.uint8]


def main() -> None:
    """The table."""
    makes = (datasets.digits, datasets.mnist, datasets.fashion_mnist, datasets.cifar10)
    table = pd.DataFrame([row_of(make(root=ROOT)) for make in makes])
    table.round(3).to_csv(HERE / "copies.csv", index=False)
    print(table.round(3).to_string(index=False))


def row_of(dataset: Dataset) -> dict[str, object]:
    """Values of one data set."""
    extractor, halves = spectrum(dataset, torch.device("cpu")), halve(dataset, 10_000)
    training = extractor.features(dataset.train)
    unseen = nearness(extractor.features(halves.b), training)

    def value(images: Images) -> float:
        return excess_of_copies(nearness(extractor.features(images), training), unseen)

    assert halves.labels_a is not None
    classes = [value(halves.a[halves.labels_a == label][:COUNT]) for label in range(10)]
    random = np.random.RandomState(0)
    copied = np.array(dataset.train[random.permutation(len(dataset.train))[:COUNT]])
    return {
        "dataset": dataset.name,
        "unseen": value(halves.a),
        "unseen_class": max(classes),
        **{name: value(images) for name, images in changed(copied, halves.a, random)},
    }


def changed(copied: Images, unseen: Images, random: np.random.RandomState) -> Iterator[tuple[str, Images]]:
    """Copies as they are and changed; "down" and the like: by one pixel, filled with black."""
    yield "verbatim", copied
    yield "half", np.concatenate([copied[: len(unseen) // 2], unseen[: min(len(copied), len(unseen) // 2)]])
    yield "ten_images", copied[np.arange(COUNT) % 10]
    yield "noise_4", np.clip(copied + random.normal(0, 4, copied.shape).round(), 0, 255).astype(np.uint8)
    padded = np.pad(copied, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = copied.shape[2:]
    moves = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1), "down_right": (1, 1)}
    for name, (down, right) in moves.items():
        yield name, padded[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


if __name__ == "__main__":
    main()
