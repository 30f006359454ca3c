import pytest
import torch
from torch import nn

from ganexp.ema import decay, half_life, update_ema


def test_half_life_is_counted_in_images_whatever_the_batch():
    assert decay(1000, 1.0) == pytest.approx(0.5)
    assert decay(16, 0.5) ** 4 == pytest.approx(decay(64, 0.5))


def test_average_follows_its_formula_when_the_batch_size_changes():
    model, average = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(average.weight)
    expected = 0.0
    for batch, value in ((16, 1.0), (7, -2.0), (64, 3.0)):
        nn.init.constant_(model.weight, value)
        beta = decay(batch, 0.05)
        update_ema(average, model, beta)
        expected = beta * expected + (1 - beta) * value
    assert float(average.weight.detach()) == pytest.approx(expected, rel=1e-6)


def test_buffers_are_copied():
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model(torch.randn(8, 2))
    update_ema(average, model, 0.9)
    torch.testing.assert_close(average.running_mean, model.running_mean)


@pytest.mark.parametrize(
    ("rampup", "seen", "expected"),
    [(None, 0, 20.0), (0.05, 0, 0.0), (0.05, 100_000, 5.0), (0.05, 400_000, 20.0), (0.05, 10**6, 20.0)],
)
def test_the_half_life_ramps_up_with_the_images_seen(rampup, seen, expected):
    assert half_life(20.0, rampup, seen) == pytest.approx(expected)
