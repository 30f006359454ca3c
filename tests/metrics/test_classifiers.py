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

from ganexp.metrics import classifier_network, classifiers
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.metrics.classifier_network import ClassifierNetwork, Recipe, accuracy, train
from ganexp.metrics.classifiers import PACKAGED, classifier, read
from ganexp.metrics.reference import halve
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
    assert "training the classifier of squares" in caplog.text
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

    def counted(*arguments: object, **settings: object) -> ClassifierNetwork:
        trained.append(1)
        return train(*arguments, **settings)  # type: ignore[arg-type]

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
        network = train(images, labels, 3, Recipe(epochs=0, least_steps=5, batch_size=200, seed=seed))
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 1, 1), (3, 64, 48), (1, 200, 200)])
def test_network_takes_images_of_any_size_and_stays_small(shape: tuple[int, int, int]) -> None:
    network = ClassifierNetwork(shape, 10).eval()
    found = network.features(torch.zeros(2, *shape, dtype=torch.uint8))
    assert found.shape == (2, network.feature_dim)
    assert sum(parameter.numel() for parameter in network.parameters()) * 2 < 600_000  # half precision


@pytest.mark.parametrize("channels", [1, 3])
def test_light_varies_in_half_of_the_training_images_and_places_never(channels: int) -> None:
    levels = torch.full((400, channels, 4, 4), 100.0)
    levels[:, :, :, :2] = 0.0
    recipe, generator = Recipe(), torch.Generator().manual_seed(0)
    unlit = replace(recipe, contrast=0, background=0, noise=0)
    assert torch.equal(classifier_network.varied(levels, unlit, generator), levels)
    varied = classifier_network.varied(levels, recipe, generator)
    assert varied.min() >= 0 and varied.max() <= 255
    same = (varied == levels).flatten(1).all(dim=1)
    assert 20 <= same.sum() <= 90  # an eighth: neither contrast nor background nor noise
    assert (varied[..., 2:].mean(dim=(1, 2, 3)) > varied[..., :2].mean(dim=(1, 2, 3))).float().mean() > 0.95


def test_steps_follow_the_number_of_images_but_are_never_few() -> None:
    assert Recipe(epochs=2, batch_size=64, least_steps=300).steps(64_000) == 2000
    assert Recipe(epochs=2, batch_size=64, least_steps=300).steps(1000) == 300


def test_weights_are_stored_in_half_precision_and_read_as_they_were_trained(
    make_dataset: MakeDataset, short_recipe: Recipe
) -> None:
    dataset = make_dataset()
    trained = classifier(dataset, CPU)
    (stored,) = dataset.cache_dir.glob("*.safetensors")
    assert stored.stat().st_size < 2.2 * sum(p.numel() for p in ClassifierNetwork(dataset.image_shape, 3).parameters())
    assert torch.equal(classifier(dataset, CPU).features(dataset.reference), trained.features(dataset.reference))


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_balance_leaves_a_power_of_the_spread_along_each_axis(strength: float, make_dataset: MakeDataset) -> None:
    images, labels = make_dataset().train, make_dataset().train_labels
    assert labels is not None
    network = train(images, labels, 3, Recipe(epochs=0, least_steps=5, balance=strength))
    with torch.inference_mode():
        found = network.features(torch.from_numpy(images)).double()
        units = network.active(torch.from_numpy(images).float() / 127.5 - 1).double()
    spread = torch.linalg.eigvalsh(torch.cov(units.T))
    left = torch.linalg.eigvalsh(torch.cov(found.T))
    expected = spread.clamp_min(0) * (spread + classifier_network.LEAST_SPREAD * spread.max()) ** -strength
    assert torch.allclose(left[-10:], expected.sort().values[-10:], rtol=0.03)
    assert float(found.mean(dim=0).abs().max()) < 0.02 * float(left[-1]) ** 0.5


def test_displacement_and_lost_classes_count_and_a_grey_background_hardly(digits: Dataset) -> None:
    """The order that eyes give; the whole bench is analysis/metrics/faults.py."""
    assert digits.train_labels is not None
    extractor, halves = classifier(digits, CPU), halve(digits, 10_000)
    images = np.asarray(digits.train)[: len(halves.b)]
    reference = fit(extractor.features(halves.b))

    def multiple(spoilt: np.ndarray) -> float:
        distance, unspoilt = (frechet_distance(fit(extractor.features(part)), reference) for part in (spoilt, images))
        return distance / unspoilt

    shifted = np.zeros_like(images)
    shifted[:, :, 2:] = images[:, :, :-2]
    kept = np.asarray(digits.train)[np.asarray(digits.train_labels) != 3][: len(images)]
    ones = np.asarray(digits.train)[np.asarray(digits.train_labels) == 1]
    assert multiple(np.maximum(images, 5)) < 1.2
    assert multiple(np.maximum(images, 25)) < 2 < multiple(kept) < multiple(ones) / 5
    assert multiple(shifted) > 4
