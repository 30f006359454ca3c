"""A step in bfloat16 with copies of the weights against the same step under autocast alone: equal bits, fewer casts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ganexp.trainer.build import build_batches, build_game, build_state
from ganexp.trainer.copies import Copies
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import train_step
from helpers import SMALL_NETWORKS, make_spec

PERCEPTRON = ("model=mlp", *SMALL_NETWORKS["mlp"])
BOTH = [
    *((f"model={model}", *small) for model, small in SMALL_NETWORKS.items()),
    *((*PERCEPTRON, more) for more in ("model.conditional=true", "model.spectral_norm=true", "loss=relativistic")),
    *((*PERCEPTRON, more) for more in ("trainer.ema_kimg=1", "trainer.fake_batch=reuse", "augment=flip")),
    *((*PERCEPTRON, more) for more in ("penalty=r1", "optim=rmsprop", "optim=sgd")),
    (*PERCEPTRON, "loss=wgan", "penalty=clip"),
    (*PERCEPTRON, "model.discriminator_stem=4"),
]
BF16 = ("trainer.precision=bf16", "trainer.device=cpu", "metrics=none", "trainer.batch_size=8", "trainer.d_steps=3")


class _Training:
    """A training on digits, step by step."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.spec = make_spec(folder, "dataset=digits", *BF16, *overrides)
        self.state = build_state(self.spec)
        self.batches, self.game = build_batches(self.spec), build_game(self.spec)

    def step(self, number: int, state: TrainState | None = None) -> None:
        torch.manual_seed(number)
        train_step(state or self.state, self.batches.at(number), self.game)


def numbers(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.packed()[0].items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


@pytest.mark.parametrize("overrides", BOTH, ids=lambda overrides: "-".join(overrides[:1] + overrides[-1:]))
def test_copies_give_the_bits_of_autocast(overrides: tuple[str, ...], tmp_path: Path) -> None:
    fast, plain = _Training(tmp_path, *overrides), _Training(tmp_path, *overrides)
    assert fast.state.copies_g.count
    plain.state.copies_g = plain.state.copies_d = Copies()
    for number in range(3):
        fast.step(number)
        plain.step(number)
    assert_equal(numbers(fast.state), numbers(plain.state))
    assert all(p.dtype is torch.float32 for p in fast.state.generator.parameters())


@pytest.mark.parametrize(
    ("overrides", "generator", "discriminator"),
    [
        ((), True, True),
        (("trainer.precision=fp32",), False, False),
        (("penalty=r1",), True, False),  # is taken in fp32, of the weights themselves
        (("penalty=clip", "loss=wgan"), True, False),  # changes the weights themselves
        (("model=dcgan", "dataset.image_size=16"), True, False),  # two passes for an update
        (("trainer.compile=aot_eager",), False, False),
    ],
)
def test_which_networks_have_copies(
    overrides: tuple[str, ...], generator: bool, discriminator: bool, tmp_path: Path
) -> None:
    state = _Training(tmp_path, *overrides).state
    assert (state.copies_g.count > 0, state.copies_d.count > 0) == (generator, discriminator)


def test_a_copied_and_a_restored_training_use_their_own_weights(tmp_path: Path) -> None:
    training, other = _Training(tmp_path, *PERCEPTRON), _Training(tmp_path, *PERCEPTRON, "seed=5")
    training.step(0)
    copied, before = copy.deepcopy(training.state), numbers(training.state)
    other.step(0)
    tensors, meta = training.state.packed()
    other.state.unpack({name: tensor.clone() for name, tensor in tensors.items()}, meta)
    training.step(1, copied)
    assert_equal(before, numbers(training.state))
    training.step(1)
    training.step(1, other.state)
    assert_equal(numbers(training.state), numbers(copied))
    assert_equal(numbers(training.state), numbers(other.state))


def test_a_step_that_fails_leaves_the_weights_in_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = _Training(tmp_path, *PERCEPTRON)
    before = [*training.state.generator.parameters(), *training.state.discriminator.parameters()]

    def fail(*arguments: Any) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(training.state.optimizer_g, "step", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            training.step(0)
    after = [*training.state.generator.parameters(), *training.state.discriminator.parameters()]
    assert all(one is other for one, other in zip(before, after, strict=True))


class _Casts(TorchDispatchMode):
    """Counts matrices that an operation of autocast's casts to bfloat16, by their shape."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and given.dtype is torch.bfloat16:
            self.shapes.append(tuple(given.shape))
        return given


def test_no_pass_casts_a_weight(tmp_path: Path) -> None:
    odd = "trainer.batch_size=17"  # no images have the shape of a weight
    fast, plain = _Training(tmp_path, *PERCEPTRON, odd), _Training(tmp_path, *PERCEPTRON, odd)
    plain.state.copies_g = plain.state.copies_d = Copies()
    nets = (fast.state.generator, fast.state.discriminator)
    weights = {tuple(p.shape) for net in nets for p in net.parameters() if p.ndim == 2}
    casts = []
    for training in (fast, plain):
        with _Casts() as mode:
            training.step(0)
        casts.append(sum(shape in weights for shape in mode.shapes))
    assert casts[0] == 0
    assert casts[1] > 3 * fast.game.d_steps
