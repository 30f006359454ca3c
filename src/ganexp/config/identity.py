"""Which runs are the same run, and which are one trajectory read at several points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ganexp.config.own_code import own_code
from ganexp.config.run_config import RunConfig
from ganexp.config.schema import TrainerConfig
from ganexp.config.target import Target
from ganexp.files.code_record import digest
from ganexp.types.nested import json_values

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


def canonical(config: RunConfig, dataset_name: str, fingerprint: str, *, defaults: bool = True) -> dict[str, Any]:
    """Everything that is meant to change a run's numbers, as plain JSON-able values.

    `dataset_name` and `fingerprint` are those of the loaded dataset. Hashes are made without values that equal their
    default, so that a run stays the same run when a function gets a new parameter.
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
        "seed": config.seed,
        "dataset": {"name": dataset_name, "fingerprint": fingerprint},
        "model": config.model.as_json(defaults),
        "loss": config.loss.as_json(defaults),
        "penalty": config.penalty.as_json(defaults),
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
