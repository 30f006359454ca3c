"""Composing configurations and making jobs without a command line."""

from __future__ import annotations

import functools
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ganexp.__main__ import register
from ganexp.config.run_config import conf_dir, load
from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.files.record import Texts
from ganexp.trainer.compatible import check_together

TINY = (
    "dataset.num_images=48",
    "model.latent_dim=8",
    "model.generator_widths=[16]",
    "model.discriminator_width=16",
    "model.maxout_units=8",
    "trainer.batch_size=20",
    "trainer.epochs=4",
    "trainer.d_steps=2",
    "trainer.threads=1",
    "trainer.sample_images=4",
    "optim.lr=1e-3",
    "metrics=none",
)
"""Overrides of a run of a second: 3 steps an epoch, the last batch smaller than the others."""

SMALL_NETWORKS = {
    "mlp": ("model.generator_widths=[8]", "model.discriminator_width=8", "model.maxout_units=4"),
    "mlp_2014": ("model.generator_widths=[8]", "model.maxout_units=4"),
    "dcgan": ("model.width=2",),
    "resnet": ("model.generator_width=2", "model.discriminator_width=2"),
}
"""The networks, small; a new one is walked at its own size until it has a line here."""

_INITIALIZED: list[bool] = []


def compose_config(*overrides: str) -> DictConfig:
    """The configuration that the command line `ganexp OVERRIDES` composes."""
    if not _INITIALIZED or not GlobalHydra.instance().is_initialized():
        register()
        GlobalHydra.instance().clear()
        initialize_config_dir(str(conf_dir())).__enter__()
        _INITIALIZED.append(True)
    return compose("config", list(overrides))


@functools.lru_cache(maxsize=500)
def _composed_once(*overrides: str) -> DictConfig:
    return compose_config(*overrides)


def make_spec(directory: Path, *overrides: str, in_sweep: bool = True) -> RunSpec:
    """A run in `directory`/<its run name>."""
    cfg = _composed_once(*overrides)
    config = load(cfg)
    identity = identify(config)
    check_together(config)
    texts = Texts(
        OmegaConf.to_yaml(cfg),
        OmegaConf.to_yaml(OmegaConf.create(list(overrides))),
        OmegaConf.to_yaml(OmegaConf.create({"hydra": {"runtime": {"cwd": str(directory)}}})),
    )
    return RunSpec(config, load_dataset(config.dataset), identity, directory / identity.name, texts, in_sweep)
