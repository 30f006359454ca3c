"""One run as it is about to be worked on: its typed configuration, data and identity."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.compatible import check_together
from ganexp.config import RunConfig
from ganexp.errors import DataError
from ganexp.identity import canonical, run_id, run_name, trajectory_id
from ganexp.rundir import Texts
from ganexp.target import Target

if TYPE_CHECKING:
    from ganexp.types import Dataset


_DATASETS: dict[str, Dataset] = {}
"""Datasets that this process has loaded, by target and parameters."""


@dataclass(frozen=True)
class Identified:
    """A run's identity.

    Attributes:
        dataset_name: name of the loaded dataset.
        identity: everything that changes the numbers.
        run_id, trajectory_id: hashes of it, with and without the number of epochs.
        name: name of the run's directory.
    """

    dataset_name: str
    identity: Mapping[str, Any]
    run_id: str
    trajectory_id: str
    name: str


@dataclass(frozen=True)
class Job:
    """One run to work on.

    Attributes:
        config: typed and validated.
        dataset: its images.
        who: its identity.
        directory: its run directory.
        texts: what `.hydra/` is to hold.
        in_sweep: whether it is one of many (no progress bar, no waiting for another holder).
        judge: told of each scored epoch and its objective (on reference half A); true where the run is to be pruned.
    """

    config: RunConfig
    dataset: Dataset
    who: Identified
    directory: Path
    texts: Texts
    in_sweep: bool
    judge: Callable[[int, float], bool] | None = None


def load_dataset(target: Target) -> Dataset:
    """The dataset of a configuration; loaded once in a process.

    Raises:
        DataError: missing or malformed data.
    """
    key = json.dumps([target.path, dict(target.params)], sort_keys=True, default=str)
    if key not in _DATASETS:
        _DATASETS[key] = target.build()
    return _DATASETS[key]


def identify(config: RunConfig) -> Identified:
    """The identity of a run; loads its dataset.

    Raises:
        DataError: missing or malformed data, fewer images than a batch, or no labels for a conditional model.
        ConfigError: a model that does not fit the images, or a penalty that does not fit the loss or the model.
    """
    dataset = load_dataset(config.dataset)
    if config.trainer.batch_size > len(dataset.train):
        raise DataError(
            f"trainer.batch_size: expected at most {len(dataset.train)}, the number of training images of "
            f"{dataset.name}, got {config.trainer.batch_size}"
        )
    check_together(config, dataset)
    identity = canonical(config, dataset.name, dataset.fingerprint)
    essential = canonical(config, dataset.name, dataset.fingerprint, defaults=False)
    identifier = run_id(essential)
    name = run_name(config, dataset.name, identifier)
    return Identified(dataset.name, identity, identifier, trajectory_id(essential), name)


def shorter(job: Job, epochs: int) -> Job:
    """The run of the same trajectory that ends after `epochs`, in a directory beside `job`'s."""
    config = job.config.with_epochs(epochs)
    config = replace(
        config,
        trainer=replace(config.trainer, milestones=[]),
        sweep=replace(config.sweep, read_off=[], run_id=None, trial=None),
    )
    who = identify(config)
    return replace(
        job, config=config, who=who, texts=_shorter_texts(job.texts, epochs), directory=job.directory.parent / who.name
    )


def _shorter_texts(texts: Texts, epochs: int) -> Texts:
    """The same `.hydra` texts with fewer epochs, and without what only the longer run was told."""
    from omegaconf import OmegaConf

    tree = OmegaConf.create(texts.config)
    for key, value in (
        ("trainer.epochs", epochs),
        ("trainer.milestones", []),
        ("sweep.read_off", []),
        ("sweep.run_id", None),
        ("sweep.trial", None),
    ):
        OmegaConf.update(tree, key, value)
    dropped = ("trainer.epochs=", "trainer.milestones=", "sweep.read_off=", "sweep.run_id=", "sweep.trial=")
    given: Any = OmegaConf.to_container(OmegaConf.create(texts.overrides), resolve=False)
    kept = [str(text) for text in given if not str(text).startswith(dropped)]
    overrides = OmegaConf.to_yaml(OmegaConf.create([*kept, f"trainer.epochs={epochs}"]))
    return replace(texts, config=OmegaConf.to_yaml(tree), overrides=overrides)
