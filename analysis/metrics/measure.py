"""Do the metrics see what they should? Real MNIST images, spoilt on purpose, scored like a generator's.

    GANEXP_DATA=data python analysis/metrics/measure.py

writes summary.csv (spoilt MNIST) and floors.csv (real against real, every named dataset) beside this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ganexp import dataset as datasets
from ganexp.metrics import Evaluator, cfd, coverage, density, memorization, parzen_ll, precision, recall
from ganexp.metrics.reference import half_indices
from ganexp.types import Dataset, Sampler

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("GANEXP_DATA", "data"))
COUNT = 2500
"""Images in every row: half A of MNIST's test split holds that many of the digits 0 to 4."""

METRICS = {
    "cfd": cfd(),
    "precision": precision(),
    "recall": recall(),
    "density": density(),
    "coverage": coverage(),
}


def main() -> None:
    """Both tables."""
    mnist = datasets.mnist(root=ROOT)
    spoilt = Evaluator(mnist, METRICS, num_samples=COUNT, objective="cfd")
    rows = [{"samples": name} | dict(spoilt.evaluate(sampler(images)).values) for name, images in spoils(mnist)]
    pd.DataFrame(rows).round(4).to_csv(HERE / "summary.csv", index=False)
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    named = (datasets.digits, datasets.mnist, datasets.fashion_mnist, datasets.cifar10)
    floors = [floors_of(make(root=ROOT)) for make in named]
    pd.DataFrame(floors).round(4).to_csv(HERE / "floors.csv", index=False)
    print(pd.DataFrame(floors).round(3).to_string(index=False))


def spoils(mnist: Dataset) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(what, uint8 (COUNT, 1, 28, 28)): images of half A, which values on half B never see."""
    half_a, _ = half_indices(mnist)
    real, random = np.asarray(mnist.reference[half_a[:COUNT]]), np.random.RandomState(0)
    yield "real, half A of the test split", real
    yield "real, training images", np.asarray(mnist.train[random.permutation(len(mnist.train))[:COUNT]])
    for share in (0.05, 0.2, 0.5):
        noise = random.randint(0, 256, real.shape).astype(np.uint8)
        yield f"{share:.0%} of the pixels noise", np.where(random.uniform(size=real.shape) < share, noise, real)
    for sigma in (0.5, 1.0, 2.0):
        blurred = gaussian_filter(real.astype(np.float32), sigma=(0, 0, sigma, sigma))
        yield f"blurred, sigma {sigma:g} pixels", blurred.round().astype(np.uint8)
    assert mnist.reference_labels is not None
    low = half_a[np.asarray(mnist.reference_labels)[half_a] < 5]
    yield "digits 5 to 9 removed", np.asarray(mnist.reference[low[:COUNT]])
    ones = half_a[np.asarray(mnist.reference_labels)[half_a] == 1]
    yield "ones alone, each about 4 times", np.asarray(mnist.reference[np.resize(ones, COUNT)])


def floors_of(dataset: Dataset) -> dict[str, object]:
    """Real against real at the default number of samples."""
    metrics = METRICS | {"memorization": memorization(), "parzen_ll": parzen_ll()}
    evaluator = Evaluator(dataset, metrics, num_samples=10_000, objective="cfd")
    evaluator.prepare()
    accuracy = evaluator.provenance["extractors"]["classifier"]["test_accuracy"]
    count = evaluator.provenance["num_samples"]
    return {"dataset": dataset.name, "images": count, "classifier_accuracy": accuracy} | evaluator.floors


def sampler(images: NDArray[np.uint8]) -> Sampler:
    """A generator that gives these images."""
    return lambda count: torch.from_numpy(images[:count]).float() / 127.5 - 1.0


if __name__ == "__main__":
    main()
