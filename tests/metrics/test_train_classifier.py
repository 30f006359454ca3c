import json
from pathlib import Path

import pytest
import torch

from ganexp.metrics import train_classifier
from ganexp.metrics.classifier_network import Recipe
from ganexp.metrics.train_classifier import Named
from ganexp.types import Dataset


@pytest.fixture(autouse=True)
def briefly(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(train_classifier.RECIPES, Named.DIGITS, Recipe(epochs=0, least_steps=5))


def test_writes_weights_and_a_card_that_the_package_can_read(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train_classifier.GATES, Named.DIGITS, 0.0)
    train_classifier.main(Named.DIGITS, data_root, tmp_path)
    card = json.loads((tmp_path / "digits.json").read_text())
    assert card["recipe"]["least_steps"] == 5 and card["fifth"] == 359
    assert 0 < card["test_accuracy"] < 0.97
    assert (tmp_path / "digits.safetensors").stat().st_size < 600_000
    assert torch.get_num_threads() == 1


def test_too_low_an_accuracy_writes_nothing(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"digits: expected an accuracy of at least 0.97, got 0\.\d+: not written"):
        train_classifier.main(Named.DIGITS, data_root, tmp_path)
    assert not list(tmp_path.iterdir())
