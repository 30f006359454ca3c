import math

import pytest
import torch

from ganexp.loss import minimax, non_saturating

LOGITS = torch.tensor([-30.0, -2.0, -0.3, 0.0, 0.7, 4.0, 30.0], dtype=torch.float64)


def gradient(loss, logits):
    logits = logits.clone().requires_grad_(True)
    loss(None, logits).backward()
    return logits.grad * len(logits)


def test_non_saturating_generator_gradient_is_sigma_minus_one():
    torch.testing.assert_close(gradient(non_saturating().generator_at(1), LOGITS), torch.sigmoid(LOGITS) - 1)


def test_minimax_generator_gradient_is_minus_sigma():
    torch.testing.assert_close(gradient(minimax().generator_at(1), LOGITS), -torch.sigmoid(LOGITS))


@pytest.mark.parametrize(("epoch", "expected"), [(1, "warm-up"), (5, "warm-up"), (6, "minimax"), (7, "minimax")])
def test_switch_falls_between_epochs_5_and_6(epoch, expected):
    found = gradient(minimax(warmup_epochs=5).generator_at(epoch), LOGITS)
    sigma = torch.sigmoid(LOGITS)
    torch.testing.assert_close(found, sigma - 1 if expected == "warm-up" else -sigma)


@pytest.mark.parametrize("make", [non_saturating, minimax])
def test_discriminator_loss_is_binary_cross_entropy(make):
    real, fake = LOGITS, LOGITS.flip(0) * 0.5
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    torch.testing.assert_close(make().discriminator(real, fake), expected)


def test_discriminator_loss_is_log_4_where_it_cannot_tell():
    zeros = torch.zeros(8)
    assert float(non_saturating().discriminator(zeros, zeros)) == pytest.approx(math.log(4.0))
