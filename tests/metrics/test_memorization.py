import numpy as np
import pytest
import torch
from squares import MakeDataset, sampler_of

from ganexp.metrics import Evaluator, memorization
from ganexp.metrics.memorization import nearer_share
from ganexp.metrics.reference import halve
from ganexp.types import Dataset


def test_shares_by_hand() -> None:
    points = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    training, unseen = torch.tensor([[0.1], [9.0]]), torch.tensor([[2.1], [-1.0]])
    assert nearer_share(points, training, unseen) == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert nearer_share(points, training, training) == 0.5  # a tie counts half


def test_unequal_sets_are_cut_to_the_same_number() -> None:
    points, training = torch.tensor([[0.0]]), torch.tensor([[5.0], [0.0]])
    assert nearer_share(points, training, torch.tensor([[1.0]])) == 0.0


def test_copies_of_training_images_are_found_and_unseen_images_are_not(digits: Dataset) -> None:
    evaluator = Evaluator(digits, {"memorization": memorization()}, num_samples=10_000, objective=None)
    copies = evaluator.evaluate(sampler_of(halve(digits, 10_000).training)).values["memorization"]
    unseen = evaluator.evaluate(sampler_of(np.asarray(digits.reference))).values["memorization"]
    assert copies > 0.4
    assert abs(evaluator.floors["memorization"]) < 0.1
    assert unseen < 0.1


def test_the_floor_is_not_of_images_compared_with_themselves(make_dataset: MakeDataset, short_recipe: object) -> None:
    evaluator = Evaluator(make_dataset(), {"memorization": memorization()}, num_samples=50, objective=None)
    evaluator.prepare()
    assert abs(evaluator.floors["memorization"]) < 0.5  # each image being its own neighbour would give about -0.5
