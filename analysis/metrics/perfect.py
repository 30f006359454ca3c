"""What would a generator score that gave real training images, their labels drawn in two ways?

    GANEXP_DATA=data python analysis/metrics/perfect.py

writes perfect.csv beside this file: cfd against half B of as many random training images, means and standard
deviations over 20 draws, and the floor.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp import dataset as datasets
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.metrics.classifiers import classifier
from ganexp.metrics.reference import halve
from ganexp.trainer.sampling import draw_labels
from ganexp.types import Dataset

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("GANEXP_DATA", "data"))
DRAWS = 20


def main() -> None:
    """The table."""
    makes = (datasets.mnist, datasets.fashion_mnist, datasets.cifar10)
    table = pd.DataFrame([row_of(make(root=ROOT)) for make in makes])
    table.round(4).to_csv(HERE / "perfect.csv", index=False)
    print(table.round(4).to_string(index=False))


def row_of(dataset: Dataset) -> dict[str, object]:
    """Floor, and cfd of training images drawn independently and with the labels that a conditional model gets."""
    extractor = classifier(dataset, torch.device("cpu"))
    halves = halve(dataset, 10_000)
    reference, count = fit(extractor.features(halves.b)), len(halves.b)
    training = extractor.features(dataset.train)
    assert dataset.train_labels is not None
    labels = np.asarray(dataset.train_labels)
    of_label = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    random = np.random.RandomState(0)

    def score(images: NDArray[np.int64]) -> float:
        chosen: Tensor = training[torch.from_numpy(images)]
        return frechet_distance(fit(chosen), reference)

    def stratified(draw: int) -> NDArray[np.int64]:
        wanted = np.bincount(draw_labels(np.bincount(labels).tolist(), count, draw).numpy(), minlength=len(of_label))
        parts = [random.permutation(of_label[label])[:images] for label, images in enumerate(wanted)]
        return np.concatenate(parts)

    independent = [score(random.permutation(len(labels))[:count]) for _ in range(DRAWS)]
    by_label = [score(stratified(draw)) for draw in range(DRAWS)]
    return {
        "dataset": dataset.name,
        "images": count,
        "floor": frechet_distance(fit(extractor.features(halves.a)), reference),
        "independent": np.mean(independent),
        "independent_sd": np.std(independent, ddof=1),
        "stratified": np.mean(by_label),
        "stratified_sd": np.std(by_label, ddof=1),
    }


if __name__ == "__main__":
    main()
