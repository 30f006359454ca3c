import hashlib
import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import MakeDataset

from ganexp.metrics import classifiers
from ganexp.metrics.classifier_network import ClassifierNetwork, Recipe, accuracy, train
from ganexp.metrics.classifiers import PACKAGED, classifier, read
from ganexp.metrics.train_classifier import GATES, Named
from ganexp.types import Dataset
from ganexp.types.errors import DataError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", list(Named))
def test_packaged_weights_are_small_sound_and_accurate_enough(name: Named) -> None:
    data = (PACKAGED / f"{name}.safetensors").read_bytes()
    card = json.loads((PACKAGED / f"{name}.json").read_text())
    assert len(data) <= 600_000
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert card["test_accuracy"] >= GATES[name]
    assert card["image_shape"] == ([3, 32, 32] if name is Named.CIFAR10 else [1, 28, 28])
    assert read(PACKAGED, name) is not None


def test_packaged_digits_classifier_has_the_accuracy_that_its_card_says(digits: Dataset) -> None:
    found = read(PACKAGED, "digits")
    assert found is not None and digits.reference_labels is not None
    measured = accuracy(found[0], digits.reference, digits.reference_labels)
    assert measured == pytest.approx(found[1]["test_accuracy"], abs=0.003)
    assert found[1]["fifth_accuracy"] >= 0.97 and found[1]["fifth"] == 359
    assert found[1]["fingerprint"] == digits.fingerprint


def test_named_dataset_uses_packaged_weights_however_few_images_it_trains_on(digits: Dataset) -> None:
    card = json.loads((PACKAGED / "digits.json").read_text())
    few = replace(digits, train=digits.train[:10], fingerprint="few")
    assert classifier(few, CPU).digest == classifier(digits, CPU).digest == card["sha256"]


def test_packaged_weights_are_not_used_for_images_that_they_are_not_for(
    digits: Dataset, short_recipe: Recipe, tmp_path: Path
) -> None:
    packaged = classifier(digits, CPU).digest
    small = replace(digits, train=digits.train[:, :, ::2, ::2], reference=digits.reference[:, :, ::2, ::2])
    otherwise_split = replace(digits, reference_origin="another half of the data")
    for dataset in (small, otherwise_split):
        assert classifier(replace(dataset, cache_dir=tmp_path, fingerprint=dataset.reference_origin), CPU).digest != (
            packaged
        )


def test_tampered_packaged_weights_are_refused(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in PACKAGED.glob("digits.*"):
        shutil.copy(path, tmp_path)
    data = bytearray((tmp_path / "digits.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "digits.safetensors").write_bytes(data)
    monkeypatch.setattr(classifiers, "PACKAGED", tmp_path)
    with pytest.raises(DataError, match=r"digits.safetensors: expected the hash in the .json"):
        classifier(digits, CPU)


def test_own_classifier_is_trained_once_and_learns(
    make_dataset: MakeDataset, short_recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = make_dataset()
    with caplog.at_level(logging.INFO, "ganexp"):
        first = classifier(dataset, CPU)
    assert "training the classifier of squares" in caplog.text and "step 30 of 30" in caplog.text
    assert first.details["test_accuracy"] > 0.9
    caplog.clear()
    with caplog.at_level(logging.INFO, "ganexp"):
        again = classifier(dataset, CPU)
    assert "training" not in caplog.text
    assert again.digest == first.digest
    assert torch.equal(again.features(dataset.reference), first.features(dataset.reference))


def test_of_many_that_ask_at_once_one_trains(
    make_dataset: MakeDataset, short_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def counted(*arguments: object) -> ClassifierNetwork:
        trained.append(1)
        return train(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(classifiers, "train", counted)
    dataset = make_dataset()
    with ThreadPoolExecutor(4) as pool:
        digests = {extractor.digest for extractor in pool.map(lambda _: classifier(dataset, CPU), range(4))}
    assert len(trained) == len(digests) == 1


@pytest.mark.parametrize("damage", ["weights", "card", "half"])
def test_a_damaged_own_classifier_is_trained_again(
    damage: str, make_dataset: MakeDataset, short_recipe: Recipe
) -> None:
    dataset = make_dataset()
    digest = classifier(dataset, CPU).digest
    (weights,), (card,) = dataset.cache_dir.glob("*.safetensors"), dataset.cache_dir.glob("*.json")
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif damage == "card":
        card.write_text('{"sha256": 1}')
    else:
        card.unlink()
    assert classifier(dataset, CPU).digest == digest


def test_without_labels_the_message_says_what_to_use_instead(make_dataset: MakeDataset) -> None:
    for unlabelled in ({"train_labels": None}, {"reference_labels": None}, {"num_classes": None}):
        with pytest.raises(DataError, match=r"expected labelled images.*got squares without.*rfd, and"):
            classifier(make_dataset(**unlabelled), CPU)
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        classifier(make_dataset(train_labels=np.zeros(120, np.int64)), CPU)


def test_training_is_fixed_by_its_seed_and_leaves_the_global_generator_alone(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    images, labels = dataset.train, dataset.train_labels
    assert labels is not None
    state = torch.get_rng_state()

    def weights(seed: int) -> torch.Tensor:
        network = train(images, labels, 3, Recipe(steps=5, batch_size=200, seed=seed))
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 1, 1), (3, 64, 48), (1, 200, 200)])
def test_network_takes_images_of_any_size_and_stays_small(shape: tuple[int, int, int]) -> None:
    network = ClassifierNetwork(shape, 10).eval()
    found = network.features(torch.zeros(2, *shape, dtype=torch.uint8))
    assert found.shape == (2, network.feature_dim)
    assert sum(parameter.numel() for parameter in network.parameters()) * 4 < 600_000
