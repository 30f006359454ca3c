"""Metrics of conditional generators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganexp.metrics import Evaluator, label_accuracy, precision, precision_by_class, recall_by_class
from ganexp.types import Dataset

METRICS = {"accuracy": label_accuracy(), "p": precision_by_class(), "r": recall_by_class(), "precision": precision()}


@dataclass(frozen=True)
class Training:
    """Training images for samples, by the labels they are said to have."""

    images: Tensor
    said: Tensor

    def __call__(self, count: int) -> Tensor:
        return self.images[:count]

    def labels(self, count: int) -> Tensor:
        return self.said[:count]


def training(dataset: Dataset) -> Training:
    assert dataset.train_labels is not None
    images = torch.from_numpy(np.array(dataset.train)).float() / 127.5 - 1.0
    return Training(images, torch.from_numpy(np.array(dataset.train_labels)))


def scores(dataset: Dataset, sample: Training) -> dict[str, float]:
    scored = Evaluator(dataset, METRICS, num_samples=10_000, objective=None, conditional=True)
    return dict(scored.evaluate(sample).values)


def test_right_labels_score_high_and_shuffled_ones_by_chance(digits: Dataset) -> None:
    right = training(digits)
    found = scores(digits, right)
    assert found["accuracy"] > 0.98
    assert found["p"] > 0.8 and found["r"] > 0.7
    assert [name for name in found if name.startswith("p_")] == [f"p_{label}" for label in range(10)]
    assert found["p"] == sum(found[f"p_{label}"] for label in range(10)) / 10
    shuffled = Training(right.images, right.said[torch.randperm(len(right.said), generator=torch.Generator())])
    wrong = scores(digits, shuffled)
    assert wrong["accuracy"] < 0.2
    assert wrong["p"] < found["p"] / 2
    assert wrong["precision"] == found["precision"], "labels are nothing to it"


def test_one_bad_class_shows(digits: Dataset) -> None:
    right = training(digits)
    noise = torch.rand(right.images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    three = (right.said == 3)[:, None, None, None]
    found = scores(digits, Training(torch.where(three, noise, right.images), right.said))
    assert found["p_3"] < 0.1 and found["accuracy_3"] < 0.5
    assert min(found[f"p_{label}"] for label in range(10) if label != 3) > 0.6


def test_models_without_labels_leave_them_out(digits: Dataset) -> None:
    scored = Evaluator(digits, METRICS, num_samples=10_000, objective=None)
    assert list(scored.metrics) == ["precision"]
    assert scored.left_out == dict.fromkeys(("accuracy", "p", "r"), "the model takes no labels")
