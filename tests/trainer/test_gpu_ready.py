"""What a GPU asks of the training step, without one: no answer is waited for, nothing is copied, no device is mixed.

On torch's device "meta" tensors have shapes and no numbers, so whatever asks for a number (`.item()`, `bool`, a mask as
an index) raises. Under FakeTensorMode tensors say that they are on a CUDA device, and mixing devices raises.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganexp.config.run_config import RunConfig, load
from ganexp.trainer import build
from ganexp.trainer.batches import Batches
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, noise, train_step
from ganexp.types.errors import ConfigError
from helpers import SMALL_NETWORKS, TINY, compose_config, make_spec

META = torch.device("meta")
RULES = (
    *(f"loss={loss}" for loss in ("minimax", "lsgan", "hinge", "wgan", "relativistic")),
    *(f"penalty={penalty}" for penalty in ("r1", "r2", "r1_r2", "wgan_gp")),
    *("augment=flip", "augment=diffaugment", "optim=adamw", "optim=rmsprop"),  # sgd's fused step has no shapes alone
    *("trainer.precision=bf16", "trainer.real_batch=fresh", "trainer.fake_batch=reuse", "model.conditional=true"),
)
CASES = [*((f"model={model}", *small) for model, small in SMALL_NETWORKS.items())]
CASES += [("model=mlp", *SMALL_NETWORKS["mlp"], rule) for rule in RULES]
CASES += [("model=resnet", *SMALL_NETWORKS["resnet"], *more) for more in (("penalty=r1",), ("augment=diffaugment",))]


def config_of(*overrides: str) -> RunConfig:
    return load(compose_config("dataset=mnist", "metrics=none", *overrides))


class _NoCopies(TorchDispatchMode):
    """Inside, no operation may take numbers from another device than it gives them on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        self.calls += 1
        places = {each.device.type for each in tree_leaves((given, args, kwargs)) if isinstance(each, torch.Tensor)}
        assert places <= {"meta"}, (func, places)
        return given


@pytest.fixture
def autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.autocast of the CPU in the place of that of `meta`, which there is none of."""
    real = torch.autocast
    pretend = functools.wraps(real)(lambda kind, *rest, **more: real("cpu" if kind == "meta" else kind, *rest, **more))
    monkeypatch.setattr(torch, "autocast", pretend)


def meta_step(config: RunConfig, spoil: Any = None) -> int:
    """One training step on 8 images of 4 classes without numbers; how many operations it took."""
    gan = config.model.build((1, 28, 28), num_classes=4 if config.conditional else None)
    make = (config.optim_generator.build, config.optim_discriminator.build)
    state = TrainState(gan, *make, ema=True, device=META, copies_of=build.with_copies(config, gan))
    images = np.zeros((8, 1, 28, 28), dtype=np.uint8)
    draws = config.trainer.d_steps if config.trainer.real_batch == "fresh" else 1
    labels = np.arange(8) % 4 if config.conditional else None
    batches, trainer = Batches(images, 4, draws, 0, META, labels), config.trainer
    bf16, reuse = trainer.precision == "bf16", trainer.fake_batch == "reuse"
    game = Game(
        spoil or config.loss.build(), config.penalty.build(), 2, 1.0, bf16, None, reuse, False, config.augment.build()
    )
    batches.at(0)  # an epoch's order is brought to the device when it begins
    with _NoCopies() as mode:
        train_step(state, batches.at(1), game)
    return mode.calls


@pytest.mark.parametrize("overrides", CASES, ids=lambda overrides: "-".join(overrides[:1] + overrides[-1:]))
def test_a_step_waits_for_no_number_and_copies_nothing(overrides: tuple[str, ...], autocast: None) -> None:
    assert meta_step(config_of(*overrides)) > 100


@pytest.mark.parametrize("asks", [lambda x: x.item(), bool, lambda x: x[x > 0].sum(), lambda x: x + torch.ones(8)])
def test_a_step_that_asks_is_found(asks: Any, autocast: None) -> None:
    class Asking:
        generator_uses_real, lipschitz = False, False

        def discriminator(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
            asks(real.sum())
            return real.mean() - fake.mean()

    with pytest.raises((RuntimeError, NotImplementedError, AssertionError)):
        meta_step(config_of("model=mlp", *SMALL_NETWORKS["mlp"]), Asking())


@pytest.mark.parametrize("model", SMALL_NETWORKS)
def test_networks_stay_on_a_cuda_device(model: str) -> None:
    config = config_of(f"model={model}", *SMALL_NETWORKS[model])
    cuda = torch.device("cuda")
    with FakeTensorMode(), cuda, torch.no_grad():
        gan = config.model.build((1, 28, 28), num_classes=None)
        images = gan.generator(noise(gan, 4, cuda))
        assert (images.device.type, gan.discriminator(images).device.type) == ("cuda", "cuda")
        with pytest.raises(RuntimeError, match="device"):
            gan.discriminator(images.cpu())
        with pytest.raises(DataDependentOutputException):
            bool(images.sum() > 0)
    assert torch.cuda.is_available() or not torch.cuda.is_initialized()


@pytest.mark.parametrize(
    ("hidden", "built", "raised", "said"),
    [
        (None, False, "", "built without CUDA"),
        ("7", True, "", "CUDA_VISIBLE_DEVICES=7 hides it"),
        (None, True, "Found no NVIDIA driver on your system.\nPlease", "Found no NVIDIA driver on your system."),
        (None, True, "", "does not say why"),
    ],
)
def test_auto_that_takes_the_cpu_beside_a_gpu_says_why(
    hidden: str | None, built: bool, raised: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def init() -> None:
        if raised:
            raise RuntimeError(raised)

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.cuda.init", init)
    monkeypatch.setattr("torch.version.cuda", "12" if built else None)
    monkeypatch.setattr(build, "NVIDIA", tmp_path / "nvidia0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    build.why_no_gpu.cache_clear()
    assert build.why_no_gpu() is None, "a machine without one"
    build.why_no_gpu.cache_clear()
    (tmp_path / "nvidia0").touch()
    reason = build.why_no_gpu()
    assert reason is not None and said in reason and "\n" not in reason
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    build.why_no_gpu.cache_clear()
    assert build.why_no_gpu() is None, "hidden on purpose"
    build.why_no_gpu.cache_clear()


@pytest.mark.parametrize(("version", "refused"), [((7, 5), True), ((8, 0), False), ((12, 0), False)])
def test_bf16_needs_a_gpu_that_has_it(
    version: tuple[int, int], refused: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_root: Path
) -> None:
    monkeypatch.setattr(build, "device", lambda name: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: version)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Tesla T4")
    asked = make_spec(tmp_path, *TINY, f"dataset.root={data_root}", "trainer.precision=bf16")
    with pytest.raises(ConfigError, match=r"8\.0 or more.* got Tesla T4 of 7\.5; ") if refused else nullcontext():
        assert build.set_up_torch(asked).type == "cuda"
