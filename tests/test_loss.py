import math

import pytest
import torch

from ganexp.loss import hinge, lsgan, minimax, non_saturating, relativistic, wgan

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


@pytest.mark.parametrize("make", [non_saturating, minimax])
def test_label_smoothing_moves_the_target_of_real_images_alone(make):
    real, fake = LOGITS, LOGITS.flip(0) * 0.5
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(real, torch.full_like(real, 0.9)) + bce(fake, torch.zeros_like(fake))
    torch.testing.assert_close(make(label_smoothing=0.1).discriminator(real, fake), expected)
    torch.testing.assert_close(make(label_smoothing=0.1).generator(None, fake), make().generator(None, fake))


def test_discriminator_loss_is_log_4_where_it_cannot_tell():
    zeros = torch.zeros(8)
    assert float(non_saturating().discriminator(zeros, zeros)) == pytest.approx(math.log(4.0))


REAL, FAKE = (2.0, 0.5), (-3.0, 1.0)
E = math.exp


def sigma(x):
    return 1 / (1 + E(-x))


def softplus(x):
    return math.log(1 + E(x))


BY_HAND = {
    # loss: discriminator's value, its gradient at real and at fake; generator's value, its gradient at fake
    lsgan: (
        ((1.0 + 0.25) / 2 + (9.0 + 1.0) / 2) / 2,
        (0.5, -0.25),
        (-1.5, 0.5),
        (16.0 + 0.0) / 4,
        (-2.0, 0.0),
    ),
    wgan: (-1.0 - 1.25, (-0.5, -0.5), (0.5, 0.5), 1.0, (-0.5, -0.5)),
    hinge: ((0.0 + 0.5) / 2 + (0.0 + 2.0) / 2, (0.0, -0.5), (0.0, 0.5), 1.0, (-0.5, -0.5)),
    relativistic: (
        (softplus(-5.0) + softplus(0.5)) / 2,
        (-sigma(-5.0) / 2, -sigma(0.5) / 2),
        (sigma(-5.0) / 2, sigma(0.5) / 2),
        (softplus(5.0) + softplus(-0.5)) / 2,
        (-sigma(5.0) / 2, -sigma(-0.5) / 2),
    ),
}


@pytest.mark.parametrize("make", BY_HAND, ids=lambda make: make.__name__)
def test_values_and_gradients_computed_by_hand(make):
    d_value, d_at_real, d_at_fake, g_value, g_at_fake = BY_HAND[make]
    loss = make()
    real, fake = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (REAL, FAKE))
    found = loss.discriminator(real, fake)
    found.backward()
    assert float(found.detach()) == pytest.approx(d_value)
    assert real.grad.tolist() == pytest.approx(d_at_real)
    assert fake.grad.tolist() == pytest.approx(d_at_fake)
    fake.grad = None
    found = loss.generator_at(1)(real.detach() if loss.generator_uses_real else None, fake)
    found.backward()
    assert float(found.detach()) == pytest.approx(g_value)
    assert fake.grad.tolist() == pytest.approx(g_at_fake)


def test_relativistic_logits_are_paired_by_index():
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    assert not torch.isclose(relativistic().discriminator(real, fake), relativistic().discriminator(real.flip(0), fake))


def test_only_cross_entropies_have_a_probability():
    assert {make.__name__ for make in (non_saturating, minimax, *BY_HAND) if make().probabilistic} == {
        "non_saturating",
        "minimax",
    }
