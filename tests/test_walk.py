"""Every option of every group, found by walking conf/: it composes, is valid, and trains one step on random images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ganexp.config import conf_dir, load
from ganexp.sampling import sampler
from ganexp.trainer import Batches, Game, TrainState
from ganexp.trainer.step import train_step
from helpers import compose_config

STEPPED = ("model", "loss", "penalty", "optim", "trainer")


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def one_step(config, shape=(1, 28, 28)):
    torch.manual_seed(0)
    gan = config.model.build(shape)
    state = TrainState(
        gan, config.optim_generator.build, config.optim_discriminator.build, ema=True, device=torch.device("cpu")
    )
    images = np.random.default_rng(0).integers(0, 256, (8, *shape), dtype=np.uint8)
    draws = config.trainer.d_steps if config.trainer.real_batch == "fresh" else 1
    batches = Batches(images, 8, draws, 0, torch.device("cpu"))
    before = [p.detach().clone() for p in gan.generator.parameters()]
    bf16 = config.trainer.precision == "bf16"
    train_step(state, batches.at(0), Game(config.loss.build(), config.penalty.build(), 2, 1.0, bf16))
    assert state.finite()
    assert any(not torch.equal(a, b) for a, b in zip(before, gan.generator.parameters(), strict=True))
    drawn = sampler(state.sampling_generator, gan.latent, gan.latent_dim, state.device)(3)
    assert drawn.shape == (3, *shape)
    assert float(drawn.abs().max()) <= 1


@pytest.mark.parametrize("group,option", [(g, o) for g in STEPPED for o in options(g)])
def test_each_option_trains_a_step(group, option):
    one_step(load(compose_config("metrics=none", f"{group}={option}")))


@pytest.mark.parametrize("option", options("experiment"))
def test_each_experiment_is_valid(option):
    config = load(compose_config(f"experiment={option}"))
    one_step(config, (3, 32, 32) if config.dataset.name == "cifar10" else (1, 28, 28))


@pytest.mark.parametrize("group,option", [(g, o) for g in ("metrics", "logger") for o in options(g)])
def test_each_other_option_is_valid(group, option):
    load(compose_config(f"{group}={option}"))


def test_every_option_file_is_in_a_known_group():
    known = {
        "dataset",
        "experiment",
        "hydra",
        "logger",
        "loss",
        "metrics",
        "model",
        "optim",
        "penalty",
        "sweep",
        "trainer",
    }
    assert {path.name for path in Path(conf_dir()).iterdir() if path.is_dir()} == known
