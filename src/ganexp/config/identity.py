"""Which runs are the same run, and which are one trajectory read at several points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from ganexp.config.own_code import own_code
from ganexp.config.run_config import RunConfig
from ganexp.config.schema import TrainerConfig
from ganexp.config.target import Target
from ganexp.files.code_record import digest

NUMERICS_VERSION = 2
"""Raised whenever a change of the code changes the numbers that a configuration gives; a changed default does.

2: dropout draws its masks in another way.
"""

BF16_VERSION = 2
"""Raised when only the numbers of runs in bfloat16 change (2: they see each update at once)."""

CONDITIONAL_VERSION = 2
"""Raised when only the numbers of conditional runs change (2: the labels of scored images are stratified)."""

EMA_VERSION = 2
"""Raised when only the numbers of runs with `trainer.ema_kimg` change (2: batch statistics are averaged too)."""

TRAINER_KEYS = (
    "batch_size",
    "epochs",
    "d_steps",
    "real_batch",
    "fake_batch",
    "ema_kimg",
    "ema_rampup",
    "precision",
    "compile",
    "max_steps",
    "max_seconds",
)
"""The trainer's keys that change the numbers; the others are about the machine, pictures or what is kept."""

_TARGETS: dict[tuple[int, bool], tuple[Target, dict[str, Any]]] = {}
"""id of a function with its parameters, and whether with defaults -> itself, lest its id be given anew, and as JSON."""

MOST_TARGETS = 10_000
"""Of them that are kept."""


def canonical(config: RunConfig, dataset_name: str, fingerprint: str, *, defaults: bool = True) -> dict[str, Any]:
    """Everything that is meant to change a run's numbers, as plain JSON-able values.

    Args:
        config: the validated run.
        dataset_name: name of the loaded dataset.
        fingerprint: digest of its content (`Dataset.fingerprint`).
        defaults: also what has its default. Hashes are made without, so that a run stays the same run when a function
            gets a new parameter.
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
        "model": _target(config.model, defaults),
        "loss": _target(config.loss, defaults),
        "penalty": _target(config.penalty, defaults),
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

    A parameter that interpolates the number of epochs (a schedule over the whole training) is a value of its own
    in `identity`, so such runs differ here too.
    """
    trainer = {key: value for key, value in identity["trainer"].items() if key != "epochs"}
    return run_id({**identity, "trainer": trainer})


def run_name(config: RunConfig, dataset_name: str, identifier: str) -> str:
    """Name of a run's directory: <dataset>-<model>-<loss>-<first 8 digits of run_id>."""
    return f"{dataset_name}-{config.model.name}-{config.loss.name}-{identifier[:8]}"


def _target(target: Target, defaults: bool) -> dict[str, Any]:
    """A function and its parameters as JSON-able values; of a sweep's points most share theirs."""
    if (id(target), defaults) not in _TARGETS:
        if len(_TARGETS) >= MOST_TARGETS:
            _TARGETS.clear()
        _TARGETS[id(target), defaults] = (target, _plain_target(target, defaults))
    return _TARGETS[id(target), defaults][1]


def _plain_target(target: Target, defaults: bool) -> dict[str, Any]:
    chosen = {name: value for name, value in target.params.items() if defaults or not _is_default(target, name)}
    return json_values({"_target_": target.path, **chosen})


def _is_default(target: Target, name: str) -> bool:
    return name in target.defaults and json_values({"": target.defaults[name]}) == json_values(
        {"": target.params[name]}
    )


def _optimizer(target: Target, schedules: Mapping[str, Any], defaults: bool) -> dict[str, Any]:
    return _target(target, defaults) | (json_values({"schedule": dict(schedules)}) if schedules else {})


def json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as JSON knows them; NaN and infinities, which it does not know, by their names."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_jsonable), parse_constant=str)
    return plain


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
