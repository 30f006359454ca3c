"""From noise to real images: what cfd in floors and recall's share of its floor say of images that eyes can judge.

    GANEXP_DATA=data python analysis/metrics/ladder.py mnist=RUN_DIR [mnist=RUN_DIR ...]

scores noise, an untrained network's output, early and later samples of a small GAN (generators.py), ten images over and
over, mixtures of two classes, real training images, and the newest samples of finished runs; writes ladder.csv, and for
each dataset a strip of pictures, ladder_DATASET.png, a row for a line of the table, the worst cfd first.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from generators import STEPS, early_samples
from numpy.typing import NDArray
from spoil import FAULTS, Pool

from faults import HERE, NAMES, load
from ganexp import Dataset, Scores
from ganexp.files.png import save_grid, to_uint8
from ganexp.metrics import Evaluator, cfd, coverage, precision, recall, rfd
from ganexp.metrics.words import word
from ganexp.trainer.draw import sample

PICTURES = 16  # in a row of a strip


def main() -> None:
    """Score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="DATASET=RUN_DIR of a finished run")
    parser.add_argument("--datasets", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--cache", type=Path, default=HERE / "cache")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    options.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.datasets:
        runs = [Path(text.split("=", 1)[1]) for text in options.runs if text.startswith(f"{name}=")]
        rows += climb(load(name), runs, options.num_samples, options.cache)
    pd.DataFrame(rows).to_csv(HERE / "ladder.csv", index=False, float_format="%.4g")


def climb(data: Dataset, runs: list[Path], count: int, cache: Path) -> list[dict[str, object]]:
    """The table of one dataset, the worst first; its strip is written."""
    metrics = {"cfd": cfd(), "rfd": rfd(always=True), "precision": precision(), "recall": recall()}
    evaluator = Evaluator(data, {**metrics, "coverage": coverage()}, num_samples=count, objective=None)
    evaluator.prepare()
    count = evaluator.provenance["num_samples"]
    rungs = []
    for name, images in every(data, count, runs, cache):
        some = torch.from_numpy(np.array(images)).float() / 127.5 - 1
        row = line(data.name, name, evaluator.evaluate(lambda number, some=some: some[:number]))
        print(
            " ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()), flush=True
        )
        rungs.append((row, images[:PICTURES]))
    rungs.sort(key=lambda rung: -float(str(rung[0]["cfd"])))
    save_grid(HERE / f"ladder_{data.name}.png", np.concatenate([images for _, images in rungs]), PICTURES)
    return [row for row, _ in rungs]


def line(dataset: str, name: str, scores: Scores) -> dict[str, object]:
    """One line of the table: distances in floors, the others as shares of theirs, and the word."""
    shares = {column: scores.values[column] / scores.floors[column] for column in scores.floors if "_se" not in column}
    return {
        "dataset": dataset,
        "images": name,
        **shares,
        "word": word("cfd", scores.values, scores.floors, scores.provenance),
    }


def every(data: Dataset, count: int, runs: list[Path], cache: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(name, uint8 images (count, C, H, W)) of everything that is scored."""
    assert data.train_labels is not None
    order = np.random.RandomState(0).permutation(len(data.train))
    real, labels = np.asarray(data.train)[order], np.asarray(data.train_labels)[order]
    if data.name == "digits":
        count = len(data.reference) // 2
    random = np.random.RandomState(0)
    yield "noise", random.randint(0, 256, (count, *data.image_shape)).astype(np.uint8)
    yield "black images", np.zeros((count, *data.image_shape), np.uint8)
    yield "an untrained perceptron", _untrained(data, count)
    for steps in STEPS:
        yield (
            f"small GAN, {steps} steps",
            np.resize(early_samples(data.name, real, cache)[steps], (count, *real.shape[1:])),
        )
    for kinds in (10, 50, 250):
        yield f"{kinds} real images over and over", real[np.resize(np.arange(kinds), count)]
    for fault, severity in (("mixed", 0.5), ("blur", 1.0), ("classes dropped", 5), ("noise", 64), ("warp", 2)):
        pool = Pool(real, labels, count, np.random.RandomState(0), 0)
        yield f"real, {fault} {severity:g}", FAULTS[fault].spoil(pool, severity)
    yield "real", real[:count]
    for run in runs:
        yield run.name, sample(run, count)


def _untrained(data: Dataset, count: int) -> NDArray[np.uint8]:
    torch.manual_seed(0)
    size = int(np.prod(data.image_shape))
    network = torch.nn.Sequential(
        torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, size), torch.nn.Tanh()
    )
    with torch.inference_mode():
        return to_uint8(network(torch.randn(count, 64)).reshape(count, *data.image_shape))


if __name__ == "__main__":
    main()
