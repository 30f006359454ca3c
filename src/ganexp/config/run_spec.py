"""One run to be worked on: its typed configuration, its data, and the identity that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from ganexp.config.own_code import own_code, own_line
from ganexp.config.run_config import NO_AUGMENT, RunConfig
from ganexp.config.schema import TrainerConfig
from ganexp.config.target import Target, is_own
from ganexp.files.code_record import CodeRecord, digest
from ganexp.files.record import Texts
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.types import Dataset
from ganexp.types.endings import State
from ganexp.types.errors import DataError, Refused, Senseless
from ganexp.types.nested import json_values

QUICK_SECONDS = 0.3  # an own dataset that loads faster than this is loaded twice and compared

_DATASETS: dict[str, Dataset] = {}  # loaded by this process, by target and parameters


@dataclass(frozen=True)
class Identity:
    """A run's identity."""

    dataset_name: str
    content: Mapping[str, Any]  # everything that changes the numbers
    run_id: str  # hash of `content` without values that equal their defaults
    trajectory_id: str  # the same, also without `trainer.epochs`
    name: str  # of the run's directory: <dataset>-<model>-<loss>-<first 8 digits of run_id>


@dataclass(frozen=True)
class RunSpec:
    """One run to work on."""

    config: RunConfig
    dataset: Dataset
    identity: Identity
    directory: Path
    texts: Texts  # content of `.hydra/`
    in_sweep: bool  # one of many: no progress bar, no waiting for another holder
    should_prune: Callable[[int, float], bool] | None = None  # of (scored epoch, objective on reference half A)
    code: CodeRecord | None = None  # own code, and the result of its rehearsal; None: no own code
    called: bool = False  # by `ganexp.train`, from a notebook or another program

    @property
    def folder(self) -> RunFolder:
        """The object of its run directory."""
        return RunFolder(self.directory)

    def new_status(self, state: State, epoch: int = 0, error: Mapping[str, str] | None = None) -> Status:
        """The content of status.json when `state` begins."""
        identity, epochs = self.identity, self.config.trainer.epochs
        return Status(state, epoch, epochs, identity.run_id, identity.trajectory_id, error=error, note=self.caveat)

    @property
    def caveat(self) -> str:
        """Caveat of its own code for readers of its numbers, or ""."""
        return self.code.note if self.code is not None else ""


def load_dataset(target: Target) -> Dataset:
    """The dataset of a configuration, loaded once in a process; DataError for missing or malformed data."""
    key = json.dumps([target.path, dict(target.params)], sort_keys=True, default=str)
    if key not in _DATASETS:
        _DATASETS[key] = _own_dataset(target) if is_own(target.path) else target.build()
    return _DATASETS[key]


def _own_dataset(target: Target) -> Dataset:
    """A user's own dataset, loaded under one seed; DataError where two loads differ."""
    import torch

    from ganexp.types.rng import derive, reseed

    def load() -> Dataset:
        reseed(torch.device("cpu"), derive(0, "dataset"), everywhere=True)
        try:
            return _checked(target.path, target.build())
        except Refused:
            raise
        except Exception as error:
            raised = f"it raised {type(error).__name__}: {error}{own_line(error)}"
            raise DataError(f"dataset={target.path}: {raised}") from error

    started = perf_counter()
    dataset = load()
    if perf_counter() - started < QUICK_SECONDS and (again := load().fingerprint) != dataset.fingerprint:
        raise DataError(
            f"dataset._target_: expected the same images each time, got two fingerprints from {target.path} "
            f"({dataset.fingerprint[:8]}, {again[:8]}); torch, numpy.random and random are seeded: draw from those"
        )
    return dataset


def _checked(path: str, dataset: Any) -> Dataset:
    """A user's own dataset, with images and labels of the types and shapes that all else relies on."""

    def refuse(expected: str, got: object) -> NoReturn:
        raise DataError(f"dataset={path}: expected {expected}, got {got}")

    if not isinstance(dataset, Dataset):
        refuse("a ganexp.Dataset", type(dataset).__name__)
    sides = {"train": dataset.train_labels, "reference": dataset.reference_labels}
    for name, labels in sides.items():
        images = getattr(dataset, name)
        kind, shape = getattr(images, "dtype", type(images).__name__), tuple(getattr(images, "shape", ()))
        if kind != "uint8" or len(shape) != 4 or shape[1] not in (1, 3) or not len(images):
            refuse(f"{name}: uint8 images (N, C, H, W), C 1 or 3", f"{kind} of shape {shape}")
        if shape[1:] != dataset.train.shape[1:]:
            refuse(f"{name}: images of shape {dataset.train.shape[1:]} as in training", shape[1:])
        if labels is None:
            continue
        classes, numbers = dataset.num_classes or 0, np.asarray(labels)
        if numbers.shape != shape[:1] or numbers.dtype.kind not in "iu":
            refuse(f"{name}_labels: integers of shape {shape[:1]}", f"{numbers.dtype} of shape {numbers.shape}")
        if numbers.min() < 0 or numbers.max() >= classes:
            refuse(f"{name}_labels in 0 .. num_classes - 1 = {classes - 1}", f"{numbers.min()} .. {numbers.max()}")
    return dataset


def identify(config: RunConfig, started_from: str | None = None) -> Identity:
    """The identity of a run; loads its dataset, and the weights of `trainer.init_from` unless `started_from` is given.

    `started_from`: sha256 of these weights, as the run recorded it when it began.

    Raises:
        DataError: missing or malformed data.
        ConfigError: fewer images than a batch, or no weights to start from.
    """
    dataset = load_dataset(config.dataset)
    if config.trainer.batch_size > len(dataset.train):
        raise Senseless(
            f"trainer.batch_size: expected at most {len(dataset.train)}, the number of training images of "
            f"{dataset.name}, got {config.trainer.batch_size}"
        )
    init = _initial_digest(config, dataset, started_from)
    content = canonical(config, dataset.name, dataset.fingerprint, init)
    essential = canonical(config, dataset.name, dataset.fingerprint, init, defaults=False)
    identifier = run_id(essential)
    name = f"{dataset.name}-{config.model.name}-{config.loss.name}-{identifier[:8]}"
    return Identity(dataset.name, content, identifier, trajectory_id(essential), name)


def _initial_digest(config: RunConfig, dataset: Dataset, started_from: str | None) -> str | None:
    if config.trainer.init_from is None or started_from is not None:
        return started_from if config.trainer.init_from is not None else None
    from ganexp.files.initial import initial_weights

    return initial_weights(config.trainer.init_from, dataset.cache_dir).sha256


NUMERICS_VERSION = 2
"""Raised whenever a change of the code changes the numbers that a configuration gives; a changed default does.

2: dropout draws its masks in another way.
"""

BF16_VERSION = 2  # raised when only the numbers of runs in bfloat16 change (2: they see each update at once)

CONDITIONAL_VERSION = 2  # raised when only those of conditional runs change (2: labels of scored images are stratified)

EMA_VERSION = 2  # raised when only those of runs with `trainer.ema_kimg` change (2: batch statistics are averaged too)

TRAINER_KEYS = (
    *("batch_size", "epochs", "d_steps", "real_batch", "fake_batch", "ema_kimg", "ema_rampup"),
    *("precision", "compile", "max_steps", "max_seconds"),
)  # the trainer's keys that change the numbers; the others are about the machine, pictures or what is kept


def canonical(
    config: RunConfig, dataset_name: str, fingerprint: str, init: str | None = None, *, defaults: bool = True
) -> dict[str, Any]:
    """Everything that is meant to change a run's numbers, as plain JSON-able values.

    `dataset_name` and `fingerprint` are those of the loaded dataset, `init` is the digest of the weights to start from.
    Hashes are made without values that equal their default, so that a run stays the same run when a function gets a
    new parameter.
    """
    optimizers = {
        "generator": (config.optim_generator, config.schedules_generator),
        "discriminator": (config.optim_discriminator, config.schedules_discriminator),
    }
    code = own_code(config)
    versions = {
        "bf16_version": BF16_VERSION if config.trainer.precision == "bf16" else None,
        "conditional_version": CONDITIONAL_VERSION if config.conditional else None,
        "ema_version": EMA_VERSION if config.trainer.ema_kimg is not None else None,
    }
    return {
        "numerics_version": NUMERICS_VERSION,
        **({"own_code": digest(code.all_sources)} if code is not None and config.changed_code == "own_run" else {}),
        **{name: version for name, version in versions.items() if version is not None},
        **({"init_from": init} if init is not None else {}),
        "seed": config.seed,
        "dataset": {"name": dataset_name, "fingerprint": fingerprint},
        "model": config.model.as_json(defaults),
        "loss": config.loss.as_json(defaults),
        "penalty": config.penalty.as_json(defaults),
        **({"augment": config.augment.as_json(defaults)} if config.augment.path != NO_AUGMENT else {}),
        "optim": {net: _optimizer(target, moving, defaults) for net, (target, moving) in optimizers.items()},
        "trainer": {
            key: value
            for key in TRAINER_KEYS
            if (value := getattr(config.trainer, key)) != getattr(TrainerConfig, key) or defaults
        },
    }


def run_id(identity: Mapping[str, Any]) -> str:
    """32 hex digits: equal for equal numbers."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def trajectory_id(identity: Mapping[str, Any]) -> str:
    """`run_id` without `trainer.epochs`: runs that share it are one training read at several epochs.

    A parameter that interpolates the number of epochs (a schedule over the whole training) makes runs differ here too.
    """
    trainer = {key: value for key, value in identity["trainer"].items() if key != "epochs"}
    return run_id({**identity, "trainer": trainer})


def _optimizer(target: Target, schedules: Mapping[str, Any], defaults: bool) -> dict[str, Any]:
    return target.as_json(defaults) | (json_values({"schedule": dict(schedules)}) if schedules else {})
