"""rfd, and the other metrics in its features, where a dataset has no labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from squares import MakeDataset, sampler_of

from ganexp.metrics import Evaluator, cfd, coverage, density, memorization, nearest_neighbours, precision, recall, rfd
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.metrics.extractor import CPU
from ganexp.metrics.random_features import DIM, random_features
from ganexp.types import Dataset
from ganexp.types.errors import ConfigError

DIGEST = "504fd34fdd81a39d8ff175b5ba0b75c6868448f167f2fa65071344e348c3be4e"  # for grey images of 12 x 12

METRICS = {
    "cfd": cfd(),
    "precision": precision(),
    "recall": recall(),
    "density": density(),
    "coverage": coverage(),
    "rfd": rfd(),
    "memorization": memorization(),
}


def unlabelled(dataset: Dataset) -> Dataset:
    return replace(dataset, train_labels=None, reference_labels=None, num_classes=None, name="flat")


def evaluator(dataset: Dataset, objective: str | None = None) -> Evaluator:
    return Evaluator(dataset, METRICS, num_samples=1000, objective=objective)


def test_without_labels_everything_but_cfd_is_computed_in_one_space(make_dataset: MakeDataset) -> None:
    dataset = unlabelled(make_dataset())
    scorer = evaluator(dataset)
    scores = scorer.evaluate(sampler_of(dataset.train))
    assert scorer.objective == "rfd" and "without labels" in scorer.left_out["cfd"]
    assert set(scores.values) == {*METRICS, "rfd_se", "rfd_half_a"} - {"cfd"}
    assert list(scores.provenance["extractors"]) == ["random", "spectrum"], "memorization has a space of its own"
    spoilt = scorer.evaluate(lambda count: torch.zeros(count, *dataset.image_shape)).values
    assert spoilt["rfd"] > 3 * scores.values["rfd"] and spoilt["coverage"] < scores.values["coverage"]


def test_with_labels_nothing_changes_unless_it_is_asked_for(digits: Dataset) -> None:
    scorer = evaluator(digits)
    scorer.prepare()
    assert scorer.objective == "cfd" and list(scorer.left_out) == ["rfd"]
    assert "random" not in scorer.provenance["extractors"]
    both = Evaluator(digits, {"cfd": cfd(), "rfd": rfd(always=True)}, num_samples=1000, objective=None)
    assert both.objective == "cfd" and not both.left_out


def test_one_class_is_no_label(make_dataset: MakeDataset) -> None:
    assert evaluator(make_dataset(train_labels=np.zeros(120, np.int64))).objective == "rfd"


@pytest.mark.parametrize(("objective", "labels"), [("cfd", False), ("rfd", True)])
def test_an_objective_that_is_left_out_is_refused(make_dataset: MakeDataset, objective: str, labels: bool) -> None:
    dataset = make_dataset() if labels else unlabelled(make_dataset())
    with pytest.raises(ConfigError, match=f"metrics.objective: expected one of .*got '{objective}', which is left out"):
        evaluator(dataset, objective)


def test_neighbours_are_found_without_labels(make_dataset: MakeDataset) -> None:
    dataset = unlabelled(make_dataset())
    samples, nearest = nearest_neighbours(evaluator(dataset), sampler_of(dataset.train), 9)
    assert (samples == nearest).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 9), (1, 28, 28), (3, 200, 130)])
def test_images_of_any_size_have_finite_features(make_dataset: MakeDataset, shape: tuple[int, int, int]) -> None:
    dataset = replace(make_dataset(), train=np.zeros((1, *shape), np.uint8))
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    features = random_features(dataset, CPU).features(np.concatenate([images, np.zeros((1, *shape), np.uint8)]))
    assert features.shape == (4, DIM) and bool(features.isfinite().all())


def test_the_network_depends_on_the_shape_alone(make_dataset: MakeDataset) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first, second = random_features(make_dataset(), CPU), random_features(make_dataset(train=90), CPU)
    assert first.digest == second.digest != random_features(make_dataset(size=16), CPU).digest
    assert first.digest == DIGEST, "values of other weights are another protocol"


def distances(digits: Dataset) -> dict[str, float]:
    extractor, real, other = random_features(digits, CPU), digits.train[:400], digits.reference[:400]
    random = np.random.default_rng(0)

    def of(images: NDArray[np.uint8]) -> float:
        return frechet_distance(fit(extractor.features(images)), fit(extractor.features(other)))

    noisy = np.clip(np.rint(real + random.normal(0, 8, real.shape)), 0, 255).astype(np.uint8)
    assert digits.train_labels is not None
    pool = digits.train[digits.train_labels == 0]
    faults = {
        "none": real,
        "background": np.maximum(real, 25),
        "noise": noisy,
        "shift": np.roll(real, 2, axis=3),
        "one class": pool[random.integers(0, len(pool), 400)],
    }
    return {name: of(images) for name, images in faults.items()}


def test_it_sees_what_eyes_see(digits: Dataset) -> None:
    found = distances(digits)
    assert math.isfinite(found["none"]) and found["none"] > 0
    assert max(found["background"], found["noise"]) < 1.5 * found["none"]
    assert min(found["shift"], found["one class"]) > 5 * found["none"]
