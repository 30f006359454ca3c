"""Small datasets and samplers that the tests of metrics share."""

from __future__ import annotations

from pathlib import Path

import pytest
from squares import MakeDataset, squares

from ganexp.dataset import digits as digits_dataset
from ganexp.metrics import classifiers
from ganexp.metrics.classifier_network import Recipe
from ganexp.types import Dataset


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """A labelled dataset of blurry squares in one of three places; keyword arguments replace its fields."""

    def make(train: int = 120, reference: int = 60, channels: int = 1, size: int = 12, **changes: object) -> Dataset:
        images, labels = squares(train + reference, channels, size)
        fields: dict[str, object] = {
            "name": "squares",
            "train": images[:train],
            "train_labels": labels[:train],
            "reference": images[train:],
            "reference_labels": labels[train:],
            "reference_origin": "made for the test",
            "fingerprint": f"{train:016d}{channels:08d}{size:08d}",
            "num_classes": 3,
            "cache_dir": tmp_path,
        }
        return Dataset(**(fields | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def short_recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Own classifiers are trained for a few steps only."""
    recipe = Recipe(epochs=0, least_steps=30, batch_size=32)
    monkeypatch.setattr(classifiers, "OWN_RECIPE", recipe)
    return recipe


@pytest.fixture(scope="session")
def digits(data_root: Path) -> Dataset:
    """The real digits: 899 to train on, 898 held out, 28 x 28."""
    return digits_dataset(root=data_root)
