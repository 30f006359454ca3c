"""The parts of the networks that are our own."""

import copy

import pytest
import torch

from ganexp.model.parts import Dropout


def masked(p, count=200_000, seed=0):
    torch.manual_seed(seed)
    return Dropout(p)(torch.ones(count))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    out = masked(p)
    spread = (p * (1 - p) / len(out)) ** 0.5
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=5 * spread)
    assert sorted(set(out.tolist())) == pytest.approx([0.0, 1 / (1 - p)], rel=1e-3)
    assert float(out.mean()) == pytest.approx(1.0, abs=5 * spread / (1 - p))


def test_units_are_dropped_independently():
    dropped = (masked(0.5) == 0).double() - 0.5
    for distance in (1, 2, 3, 4, 5, 512):  # four units share one random number
        together = float((dropped[:-distance] * dropped[distance:]).mean() / 0.25)
        assert together == pytest.approx(0.0, abs=5 / len(dropped) ** 0.5), distance
    for place in range(4):
        assert float(dropped[place::4].mean()) == pytest.approx(0.0, abs=5 * 0.5 / (len(dropped) / 4) ** 0.5), place


def test_the_mask_is_a_function_of_torchs_seed():
    assert torch.equal(masked(0.3, 1000), masked(0.3, 1000))
    assert not torch.equal(masked(0.3, 1000), masked(0.3, 1000, seed=1))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_gradients_pass_where_the_units_did(kind):
    torch.manual_seed(0)
    x = torch.randn(3, 7, 5, dtype=kind, requires_grad=True)
    out = Dropout(0.3)(x)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert out.dtype is kind
    assert 0 < int((out == 0).sum()) < out.numel()
    assert torch.equal(gradient == 0, out == 0)
    assert torch.allclose(gradient * x, out)


def test_nothing_is_dropped_in_evaluation_or_at_0_and_something_stays_just_below_1():
    x = torch.randn(4, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert bool(torch.isfinite(masked(1 - 1e-9)).all())


def test_a_module_of_torch_can_be_changed_and_copied():
    layer = copy.deepcopy(Dropout(0.5))
    layer.p = 0.0
    assert torch.equal(layer(torch.ones(5)), torch.ones(5))
