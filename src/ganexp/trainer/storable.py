"""Before any work, where own code takes part: can the state of a training be stored and restored?"""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch.nn.parameter import is_lazy

from ganexp.files.checkpoint import equal, roundtrip
from ganexp.trainer.state import TrainState
from ganexp.types.errors import ConfigError, Refused

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.types import GAN, Dataset


def refuse_lazy(gan: GAN) -> None:
    """ConfigError for weights whose shape is unknown until the first pass: optimizers and averages need it before."""
    for net, module in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        tensors = (*module.named_parameters(), *module.named_buffers())
        lazy = [name for name, tensor in tensors if is_lazy(tensor)]
        if lazy:
            raise ConfigError(
                f"model: expected networks whose weights have their shapes when they are built, got {net}.{lazy[0]} of "
                "a lazy layer (LazyLinear ...); name its number of inputs, or pass a batch through it before it is "
                "returned"
            )


def check_storable(config: RunConfig, dataset: Dataset) -> None:
    """Build the networks, optimizers and average of a run on the CPU, step once, and store and load all in memory.

    Errors that own code raises when it is called are left to the run.

    Raises:
        ConfigError: something is not restored exactly, so the run could neither be saved nor continued.
    """
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        try:
            gan: GAN = config.model.build(dataset.image_shape, num_classes=dataset.num_classes)
        except Refused:
            raise
        except Exception:
            return
    if (dtype := torch.get_default_dtype()) is not torch.float32:
        torch.set_default_dtype(torch.float32 if default is dtype else default)
        raise ConfigError(
            f"model: expected torch's default dtype to stay float32, in which images and noise come, got {dtype}; own "
            "code calls torch.set_default_dtype, for which layers have dtype="
        )
    _check_copies(gan)
    ema = config.trainer.ema_kimg is not None
    build = (config.optim_generator.build, config.optim_discriminator.build)
    try:
        state = TrainState(gan, *build, ema=ema, device=torch.device("cpu"))
    except Exception:
        return
    _step(state)
    try:
        _store_and_load(state)
    except Exception as error:
        raise ConfigError(
            "model, optim: expected networks and optimizers that a checkpoint can hold (dense tensors of types that "
            f"safetensors has; of an extra state what JSON knows), got {' '.join(str(error).split())[:300]}"
        ) from None


def _check_copies(gan: GAN) -> None:
    """ConfigError for networks that cannot be copied after a pass through them."""
    labels = () if gan.num_classes is None else (torch.zeros(2, dtype=torch.int64),)
    with suppress(Exception):
        gan.discriminator(gan.generator(torch.zeros(2, gan.latent_dim), *labels), *labels)
    try:
        copy.deepcopy((gan.generator, gan.discriminator))
    except Exception as error:
        raise ConfigError(
            "model: expected networks that can be copied after a pass through them, as an average and a score need, "
            f"got {str(error)[:200]!r} (torch.nn.utils.weight_norm and spectral_norm; those of "
            "torch.nn.utils.parametrizations can be copied)"
        ) from None


def _step(state: TrainState) -> None:
    """Step both optimizers with gradients of 0, so that they have the state that a checkpoint holds."""
    for net, optimizer in ((state.generator, state.optimizer_g), (state.discriminator, state.optimizer_d)):
        for weight in net.parameters():
            weight.grad = torch.zeros_like(weight)
        with suppress(Exception):
            optimizer.step()


def _store_and_load(state: TrainState) -> None:
    stored, meta = roundtrip(*state.packed())
    state.unpack(stored, meta)
    other = [name for name, tensor in state.packed()[0].items() if not equal(tensor, stored[name])]
    if other:
        raise ValueError(f"{other[0]}: loading gives another value than was stored")
