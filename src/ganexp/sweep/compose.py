"""Composing the configurations of many points: once for each combination of group options, then by plain values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict


@dataclass(frozen=True)
class Composed:
    """One point's configuration.

    Attributes:
        config: the job's configuration, without the `hydra` node.
        choices: group -> chosen option, for ganexp's own groups.
    """

    config: DictConfig
    choices: Mapping[str, str | None]


class Composer:
    """Composes points as Hydra does, and faster.

    Hydra first merges the files that the group options choose, then applies value overrides in their order. The first
    part takes nearly all of the time and is the same for all points that choose the same options: it is done once for
    each such combination. The second part is Hydra's own function on a copy, so `+key`, `~key` and lists mean what
    they always do. Interpolations are resolved later, in each copy. A mapping given to a whole group (`optim={lr: 1}`)
    is both at once: such points are composed from scratch.

    Args:
        loader: Hydra's, as the sweeper got it.
        master: the configuration that the sweep was started with.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, tuple[Override, bool]] = {}
        self._bases: dict[tuple[str, ...], Composed] = {}

    def compose(self, overrides: Sequence[str]) -> Composed:
        """The configuration of one point.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        parsed = [self._parse(text) for text in overrides]
        if any(not is_value and isinstance(override.value(), dict) for override, is_value in parsed):
            return self._base(tuple(overrides))
        choices = tuple(text for text, (_, is_value) in zip(overrides, parsed, strict=True) if not is_value)
        values = [override for override, is_value in parsed if is_value]
        base = self._base(choices)
        config = copy.deepcopy(base.config)
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return Composed(config, base.choices)

    def _base(self, choices: tuple[str, ...]) -> Composed:
        if choices not in self._bases:
            whole = self._loader.load_sweep_config(self._master, list(choices))
            chosen = {key: value for key, value in whole.hydra.runtime.choices.items() if "/" not in str(key)}
            with open_dict(whole):
                del whole["hydra"]
            self._bases[choices] = Composed(whole, chosen)
        return self._bases[choices]

    def _parse(self, text: str) -> tuple[Override, bool]:
        """An override, and whether it only changes values, after everything has been merged."""
        if text not in self._parsed:
            override = self._parser.parse_override(text)
            self._parsed[text] = (override, self._is_value(override))
        return self._parsed[text]

    def _is_value(self, override: Override) -> bool:
        if override.package is not None or override.is_hydra_override():
            return False
        if override.is_value_path:
            return True
        key = override.key_or_group
        return not self._loader.get_group_options(key, results_filter=None) and "/" not in key


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted key -> value; lists and empty mappings count as values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
