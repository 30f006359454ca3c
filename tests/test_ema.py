import pytest
import torch
from torch import nn

from ganexp.trainer.ema import decay, half_life, update_ema


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


def test_running_statistics_are_averaged_and_other_buffers_copied():
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model.register_buffer("table", torch.arange(3.0))
    average.register_buffer("table", torch.zeros(3))
    model(torch.randn(8, 2) + 5.0)
    update_ema(average, model, 0.9)
    torch.testing.assert_close(average.running_mean, 0.1 * model.running_mean)
    torch.testing.assert_close(average.running_var, 0.9 * torch.ones(2) + 0.1 * model.running_var)
    assert int(average.num_batches_tracked) == 1
    assert average.table.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("rampup", "seen", "expected"),
    [(None, 0, 20.0), (0.05, 0, 0.0), (0.05, 100_000, 5.0), (0.05, 400_000, 20.0), (0.05, 10**6, 20.0)],
)
def test_the_half_life_ramps_up_with_the_images_seen(rampup, seen, expected):
    assert half_life(20.0, rampup, seen) == pytest.approx(expected)
