from itertools import chain

import numpy as np
import pytest
import torch

from ganexp.files.png import to_training_float
from ganexp.trainer.batches import Batches

CPU = torch.device("cpu")


def numbered(count):
    """Images whose only pixel is their number."""
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)


def numbers(batch):
    return (batch * 127.5 + 127.5).round().int().flatten().tolist()


def test_pixels_end_up_between_minus_one_and_one():
    torch.testing.assert_close(
        to_training_float(torch.tensor([0, 255, 51], dtype=torch.uint8)), torch.tensor([-1.0, 1.0, -0.6])
    )


def test_an_epoch_shows_each_image_once_and_keeps_the_last_partial_batch():
    batches = Batches(numbered(10), 4, 1, seed=3, device=CPU)
    assert batches.steps_per_epoch == 3
    epoch = [numbers(batches.at(step).reals[0]) for step in range(3)]
    assert [len(b) for b in epoch] == [4, 4, 2]
    assert sorted(chain(*epoch)) == list(range(10))
    second = [numbers(batches.at(step).reals[0]) for step in range(3, 6)]
    assert sorted(chain(*second)) == list(range(10))
    assert second != epoch


def test_fresh_draws_are_independent_permutations():
    batches = Batches(numbered(10), 4, 3, seed=3, device=CPU)
    draws = [batches.at(step).reals for step in range(3)]
    orders = [list(chain(*(numbers(step[k]) for step in draws))) for k in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_a_batch_depends_on_seed_and_step_alone():
    first, again = (Batches(numbered(10), 4, 1, seed=3, device=CPU) for _ in range(2))
    wanted = [numbers(first.at(step).reals[0]) for step in range(9)]
    assert [numbers(again.at(step).reals[0]) for step in (7, 2, 0)] == [wanted[7], wanted[2], wanted[0]]
    assert [numbers(Batches(numbered(10), 4, 1, seed=4, device=CPU).at(s).reals[0]) for s in range(9)] != wanted


@pytest.mark.parametrize(
    ("draws", "step", "seen"), [(1, 0, 0), (1, 1, 4), (1, 3, 10), (1, 5, 18), (1, 6, 20), (3, 2, 24), (3, 3, 30)]
)
def test_images_seen(draws, step, seen):
    assert Batches(numbered(10), 4, draws, seed=0, device=CPU).images_seen(step) == seen


def test_labels_stay_with_their_images():
    labels = np.arange(10, dtype=np.int64) * 7 % 4
    batches = Batches(numbered(10), 4, 3, seed=3, device=CPU, labels=labels)
    for step in range(6):
        batch = batches.at(step)
        for draw, real in enumerate(batch.reals):
            assert batch.labels_of(draw).tolist() == labels[numbers(real)].tolist()
        assert torch.equal(batch.labels_of(-1), batch.labels[2])
    assert batches.label_counts(6) == [*np.bincount(labels), 0, 0]
    assert Batches(numbered(10), 4, 3, seed=3, device=CPU).at(0).labels_of(0) is None


def test_images_kept_on_the_device_are_the_same_batches():
    labels = np.arange(10, dtype=np.int64) * 7 % 4
    read, kept = (Batches(numbered(10), 4, 3, seed=3, device=CPU, labels=labels, resident=r) for r in (False, True))
    for step in range(6):
        one, other = read.at(step), kept.at(step)
        assert all(torch.equal(a, b) for a, b in zip(one.reals, other.reals, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(one.labels, other.labels, strict=True))
    assert kept.label_counts(4) == read.label_counts(4)


def test_a_moment_is_where_training_stands_before_the_step():
    batches = Batches(numbered(10), 4, 1, seed=0, device=CPU)
    found = [batches.moment(step) for step in (0, 2, 3, 7)]
    assert [(m.step, m.epoch, m.kimg) for m in found] == [(0, 1, 0.0), (2, 1, 0.008), (3, 2, 0.01), (7, 3, 0.024)]
    assert found[1].epochs == 2 / 3
