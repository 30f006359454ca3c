"""Every option of every group, found by walking conf/: it composes, is valid, and trains one step on random images."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganexp.config.run_config import conf_dir, load
from ganexp.trainer.batches import Batches
from ganexp.trainer.compatible import check_penalty
from ganexp.trainer.sampling import sampler
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, train_step
from ganexp.types.errors import ConfigError
from helpers import SMALL_NETWORKS, compose_config

STEPPED = ("augment", "model", "optim", "trainer")


class _NoFloat64(TorchDispatchMode):
    """Inside, no operation of torch may give float64 numbers, which a Mac's GPU does not have."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        assert torch.float64 not in {each.dtype for each in tree_leaves(given) if isinstance(each, torch.Tensor)}, func
        return given


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def one_step(config, shape=(1, 28, 28), steps=1):
    """Train on 8 random images of 4 classes."""
    torch.manual_seed(0)
    classes = 4 if config.conditional else None
    gan = config.model.build(shape, num_classes=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganexp.trainer.state.WITHOUT_FLOAT64", ("cpu",))  # as on a Mac's GPU
        state = TrainState(
            gan,
            config.optim_generator.build,
            config.optim_discriminator.build,
            ema=True,
            device=torch.device("cpu"),
            schedules_g=config.schedules_generator,
            schedules_d=config.schedules_discriminator,
        )
    images = np.random.default_rng(0).integers(0, 256, (8, *shape), dtype=np.uint8)
    draws = config.trainer.d_steps if config.trainer.real_batch == "fresh" else 1
    labels = np.arange(8) % 4 if config.conditional else None
    batches = Batches(images, 8, draws, 0, torch.device("cpu"), labels)
    before = [p.detach().clone() for p in gan.generator.parameters()]
    bf16 = config.trainer.precision == "bf16"
    game = Game(config.loss.build(), config.penalty.build(), 2, 1.0, bf16, augment=config.augment.build())
    if game.penalty is not None:
        check_penalty(config.penalty.name, game.penalty, config.loss.name, game.loss, gan.discriminator)
    with _NoFloat64():
        for step in range(steps):
            train_step(state, batches.at(step), game)
    assert state.finite()
    assert any(not torch.equal(a, b) for a, b in zip(before, gan.generator.parameters(), strict=True))
    counts = batches.label_counts(classes)
    drawn = sampler(state.sampling_generator, gan.latent, gan.latent_dim, state.device, label_counts=counts)(3)
    assert drawn.shape == (3, *shape)
    assert float(drawn.abs().max()) <= 1


@pytest.mark.parametrize("group,option", [(g, o) for g in STEPPED for o in options(g)])
def test_each_option_trains_a_step(group, option):
    one_step(load(compose_config("metrics=none", f"{group}={option}")))


@functools.cache
def chosen(group, option, *overrides):
    return getattr(load(compose_config("metrics=none", f"{group}={option}", *overrides)), group)


@pytest.mark.parametrize("loss", options("loss"))
@pytest.mark.parametrize("penalty", options("penalty"))
@pytest.mark.parametrize("model", options("model"))
def test_each_game_trains_two_steps_or_is_refused_with_the_reason(model, penalty, loss):
    conditional = loss == "relativistic"
    config = dataclasses.replace(
        load_default(),
        model=chosen("model", model, *SMALL_NETWORKS.get(model, ()), f"model.conditional={conditional}"),
        penalty=chosen("penalty", penalty),
        loss=chosen("loss", loss),
    )
    if penalty == "clip" and loss != "wgan":
        with pytest.raises(ConfigError, match="Lipschitz"):
            one_step(config, steps=2)
    elif model == "dcgan" and (added := config.penalty.build()) is not None and added.per_image:
        with pytest.raises(ConfigError, match="batch statistics"):
            one_step(config, steps=2)
    else:
        one_step(config, steps=2)


@functools.cache
def load_default():
    return load(compose_config("metrics=none"))


@pytest.mark.parametrize(
    ("group", "option"), [(g, o) for g in ("optim/schedule", "penalty/schedule") for o in options(g)]
)
def test_each_schedule_trains_a_step(group, option):
    one_step(load(compose_config("metrics=none", "penalty=r1", f"{group}={option}")))


@pytest.mark.parametrize("option", options("experiment"))
def test_each_experiment_is_valid(option):
    config = load(compose_config(f"experiment={option}"))
    one_step(config, (3, 32, 32) if config.dataset.name == "cifar10" else (1, 28, 28))


@pytest.mark.parametrize("group,option", [(g, o) for g in ("metrics", "logger") for o in options(g)])
def test_each_other_option_is_valid(group, option):
    load(compose_config(f"{group}={option}"))


@pytest.mark.parametrize("group", ["loss", "penalty", "augment", "model", "optim/schedule", "penalty/schedule"])
def test_the_page_of_the_zoo_names_each_option(group):
    page = (Path(__file__).parents[1] / "docs" / "zoo.md").read_text()
    assert [option for option in options(group) if f"| `{option}` |" not in page] == []


def test_every_option_file_is_in_a_known_group():
    known = {
        "augment",
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
    assert {path.relative_to(conf_dir()).parts[0] for path in Path(conf_dir()).glob("*/**/*.yaml")} == known
