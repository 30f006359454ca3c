from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from squares import MakeDataset, sampler_of

from ganexp.metrics import Evaluator, memorization
from ganexp.metrics.reference import halve
from ganexp.metrics.training_images import excess_of_copies, nearness, spectrum
from ganexp.report.facts import MEMORIZATION
from ganexp.types import Dataset
from ganexp.types.errors import Diverged

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def scored(digits: Dataset) -> Evaluator:
    """Digits without labels: the metric needs none."""
    unlabelled = replace(digits, train_labels=None)
    return Evaluator(unlabelled, {"memorization": memorization()}, num_samples=10_000, objective=None)


def value(scored: Evaluator, images: Images) -> float:
    return scored.evaluate(sampler_of(images)).values["memorization"]


def test_nearness_by_hand() -> None:
    training = torch.tensor([[0.0], [3.0], [6.0]])
    assert nearness(torch.tensor([[0.0], [1.0], [106.0]]), training).tolist() == pytest.approx(
        [0.0, 1 / ((1 + 2 + 5) / 3), 100 / ((100 + 103 + 106) / 3)]
    )
    assert nearness(torch.zeros(1, 1), torch.zeros(60, 1)).tolist() == [0.0]


def test_copies_in_excess_by_hand() -> None:
    unseen = torch.tensor([0.1, 0.8, 1.0, 1.2])  # the lower median .8: copies are below .4
    assert excess_of_copies(torch.tensor([0.0, 0.39]), unseen) == 1.0
    assert excess_of_copies(unseen, unseen) == 0.0
    assert excess_of_copies(torch.tensor([0.41, 2.0]), unseen) == pytest.approx(-1 / 3)
    assert excess_of_copies(torch.zeros(2), torch.zeros(2)) == 0.0  # all images that nobody trained on are copies


def test_shifts_leave_the_spectrum(digits: Dataset) -> None:
    features = spectrum(digits, torch.device("cpu")).features
    images = np.array(digits.train[:50])
    moved = features(np.roll(images, (3, -2), (2, 3)))
    assert torch.allclose(moved, features(images), atol=1e-2)
    assert torch.allclose(features(images // 2 + 100), features(images // 2), atol=1e-2)  # brighter all over


def noised(images: Images) -> Images:
    noise = np.random.RandomState(0).normal(0, 4, images.shape).round()
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def moved(down: int, right: int) -> Callable[[Images], Images]:
    """Images moved by up to a pixel, filled with black."""

    def move(images: Images) -> Images:
        padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        height, width = images.shape[2:]
        return padded[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width]

    return move


def test_verbatim_copies_are_one_wherever_in_the_training_set_they_lie(scored: Evaluator, digits: Dataset) -> None:
    train = np.array(digits.train)
    assert value(scored, train[:449]) == value(scored, train[-449:]) == 1.0
    assert value(scored, train[123:133]) == 1.0  # ten images over and over
    half = np.concatenate([train[:225], np.asarray(digits.reference)[:224]])
    assert value(scored, half) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("spoil", [noised, moved(0, 1), moved(1, 0), moved(-1, 0), moved(0, -1), moved(1, 1)])
def test_copies_that_are_changed_a_little_raise_the_flag(
    scored: Evaluator, digits: Dataset, spoil: Callable[[Images], Images]
) -> None:
    assert value(scored, spoil(np.array(digits.train))) > MEMORIZATION


def test_unseen_images_do_not_even_those_that_the_metric_compares_with(scored: Evaluator, digits: Dataset) -> None:
    halves = halve(digits, 10_000)
    for images in (halves.a, halves.b, np.asarray(digits.reference)):
        assert abs(value(scored, images)) < 0.05
    assert abs(scored.floors["memorization"]) < 0.05


def test_images_far_from_all_others_are_no_copies(scored: Evaluator) -> None:
    random = np.random.RandomState(0)
    noise = random.randint(0, 256, (449, 1, 28, 28)).astype(np.uint8)
    assert abs(value(scored, noise)) < 0.05
    assert abs(value(scored, noise[:1])) < 0.05
    assert abs(value(scored, np.full((1, 1, 28, 28), 90, np.uint8))) < 0.05


@pytest.mark.parametrize(("size", "channels"), [(4, 1), (5, 3), (12, 3)])
def test_small_images_and_few_of_them(make_dataset: MakeDataset, size: int, channels: int) -> None:
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (100, channels, size, size)).astype(np.uint8)
    data = replace(make_dataset(), train=images[:40], reference=images[40:], reference_labels=None, train_labels=None)
    scored = Evaluator(data, {"memorization": memorization()}, num_samples=50, objective=None)
    assert value(scored, images[:40]) == 1.0
    assert abs(value(scored, images[40:])) < 0.15


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(Diverged, match="expected finite"):
        nearness(torch.tensor([[torch.nan]]), torch.zeros(3, 1))
