"""Which keys of Hydra's own node do something, and which would move files where ganexp does not look for them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ganexp.config.mistakes import check_presets
from ganexp.types.errors import ConfigError, unknown_key

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Keys that move files, with their only value and the reason; docs/sweeps.md lists them and the others.
FIXED = {
    "sweep.subdir": (".", "ganexp names each run's directory; hydra.sweep.dir moves the whole sweep"),
    "job.chdir": ("false", "relative paths are those of the folder that the command was given in"),
    "output_subdir": ("null", "ganexp itself writes .hydra into each run's directory"),
}


def check_hydra(node: DictConfig, where: str = "hydra") -> None:
    """Refuse keys of Hydra's own node that nobody reads: `+` and `++` add them to its typed sections too.

    Raises:
        ConfigError: naming the key and the nearest one.
    """
    from omegaconf import DictConfig, OmegaConf

    from ganexp.config.hydra_private import has_keys, node_at

    if where == "hydra":
        _check_moves(node)
        check_presets(f"{group}={option}" for group, option in node.runtime.choices.items())
    names = list(getattr(OmegaConf.get_type(node), "__dataclass_fields__", ()))
    for key in map(str, node) if has_keys(node) else ():
        if names and key not in names and where != "hydra.sweeper.sampler" and f"{where}.{key}" != "hydra.env":
            raise ConfigError(unknown_key(f"{where}.{key}", names))
        if isinstance(child := node_at(node, key), DictConfig):
            check_hydra(child, f"{where}.{key}")


def _check_moves(node: DictConfig) -> None:
    from ganexp.config.hydra_private import node_at

    for key, (expected, reason) in FIXED.items():
        section, _, last = key.rpartition(".")
        value = node_at(node_at(node, section) if section else node, last)
        text = "null" if value is None or value._is_none() else str(value._value())
        text = os.path.normpath(text) if key == "sweep.subdir" else text.lower() if key == "job.chdir" else text
        if text != expected:
            raise ConfigError(f"hydra.{key}: expected {expected} ({reason}), got {value._value()}")
    if "GANEXP_DATA" in (node.job.env_set or {}):
        raise ConfigError(
            "hydra.job.env_set.GANEXP_DATA: expected the data root as dataset.root=..., or GANEXP_DATA before the "
            "command: a job's variables come too late for the plan"
        )
    if found := re.search(r"hydra\.job\.(?:num|id)\b", str(node_at(node.sweep, "dir")._value())):
        raise ConfigError(f"hydra.sweep.dir: expected one directory for all jobs, got {found[0]}, which differs")
    typed = {text.partition("=")[0].lstrip("+") for text in node.overrides.hydra}
    if runtime := next((key for key in sorted(typed) if key.startswith("hydra.runtime.")), None):
        raise ConfigError(
            f"{runtime}: expected no value, as Hydra sets it; hydra.run.dir and hydra.sweep.dir move files"
        )
    in_sweep = node.mode is not None and node.mode.name == "MULTIRUN"
    idle, used = ("run", "sweep") if in_sweep else ("sweep", "run")
    if f"hydra.{idle}.dir" in typed and f"hydra.{used}.dir" not in typed:
        kind, more = ("a sweep", "") if in_sweep else ("a single run", ", or --multirun")
        raise ConfigError(f"hydra.{idle}.dir: expected hydra.{used}.dir for {kind}{more}, got hydra.{idle}.dir")
