"""Composing the configurations of many points: once for each combination of group options, then by plain values."""

from __future__ import annotations

import copy
import functools
import operator
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, open_dict

from ganexp.config.hydra_private import ConfigLoader, Override, OverridesParser, apply_overrides
from ganexp.config.mistakes import check_presets
from ganexp.config.run_config import plain_values
from ganexp.types.nested import dotted

PLAIN_KEY = re.compile(r"\w+(\.\w+)*", re.ASCII)

COPY = re.compile(r"\$\{(\w+(?:\.\w+)*)\}", re.ASCII)  # an interpolation that copies one value, with its key

FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:[^${}]*\}")


class Composed(NamedTuple):
    """One point's configuration without the `hydra` node, and group -> chosen option, for ganexp's own groups."""

    config: DictConfig
    choices: Mapping[str, str | None]


class Composer:
    """Composes points as Hydra does, and faster where they resemble earlier ones.

    Hydra first merges the files that the group options choose, then applies value overrides in their order. The first
    part is done once for all points that choose the same options. The second part is Hydra's own function on a copy, so
    `+key`, `~key` and lists keep their meaning. A mapping given to a whole group (`optim={lr: 1}`) belongs to both
    parts: such points are composed from scratch.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, Override] = {}
        self._values: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], Composed] = {}
        self._templates: dict[tuple[str, ...], _Template] = {}

    def compose(self, overrides: Sequence[str]) -> Composed:
        """The configuration of one point.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        options = [text for text in overrides if not self._is_value(text)]
        if any(isinstance(self._parse(text).value(), dict) for text in options):
            return self._base(tuple(overrides))
        base = self._base(tuple(options))
        config = copy.deepcopy(base.config)
        apply_overrides([self._parse(text) for text in overrides if self._is_value(text)], config)
        return Composed(config, base.choices)

    def of_options(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration that the options among `overrides` compose, without their values; not to be changed.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        return self._base(tuple(text for text in overrides if not self._is_value(text))).config

    def plain(self, overrides: tuple[str, ...]) -> tuple[dict[str, Any], Mapping[str, str | None]]:
        """The resolved plain values of one point (perhaps shared with other points), and its options.

        Points that differ only in numbers and words, each given by one override, share a template: for the next such
        point only those values, and what refers to them, are read again.

        Raises:
            ConfigError, HydraException, OmegaConfBaseException: as `compose` and `plain_values`.
        """
        pattern = tuple(text.partition("=")[0] + "=" if self._is_word(text) else text for text in overrides)
        template = self._templates.pop(pattern, None)
        if template is not None:
            with suppress(Exception):  # the error from scratch says more
                if template.change([self._parse(text) for text in overrides]):
                    self._templates[pattern] = template
                    return template.plain, template.choices
        composed = self.compose(overrides)
        plain = plain_values(composed.config)
        self._templates[pattern] = _Template(composed, plain, [self._parse(text) for text in overrides])
        return plain, composed.choices

    def _base(self, options: tuple[str, ...]) -> Composed:
        if options not in self._bases:
            check_presets(options)
            whole = self._loader.load_sweep_config(self._master, list(options))
            choices = {key: value for key, value in whole.hydra.runtime.choices.items() if "/" not in str(key)}
            with open_dict(whole):
                del whole["hydra"]
            self._bases[options] = Composed(whole, choices)
        return self._bases[options]

    def _parse(self, text: str) -> Override:
        if text not in self._parsed:
            self._parsed[text] = self._parser.parse_override(text)
        return self._parsed[text]

    def _is_word(self, text: str) -> bool:
        """Whether an override gives one number or word, and no interpolation."""
        key, sign, _ = text.partition("=")
        if not sign or not PLAIN_KEY.fullmatch(key) or "${" in text or "???" in text or not self._is_value(text):
            return False
        return isinstance(self._parse(text).value(), int | float | str | None)

    def _is_value(self, text: str) -> bool:
        """Whether an override only changes values, after everything has been merged."""
        kind = text.partition("=")[0]
        if kind not in self._values:
            override = self._parse(text)
            key = override.key_or_group
            self._values[kind] = not (override.package is not None or override.is_hydra_override()) and (
                override.is_value_path or not (self._loader.get_group_options(key, results_filter=None) or "/" in key)
            )
        return self._values[kind]


class _Template:
    """The last point with some pattern of overrides; `change` turns it into the next one."""

    def __init__(self, composed: Composed, plain: dict[str, Any], overrides: Sequence[Override]) -> None:
        self.choices, self.plain = composed.choices, plain
        self._config, self._overrides = composed.config, overrides
        raw: Any = OmegaConf.to_container(self._config, resolve=False)
        texts = {key: str(value) for key, value in dotted(raw).items() if "${" in str(value)}
        copies = {key: match[1] for key, text in texts.items() if (match := COPY.fullmatch(text))}
        self._computed = [key for key in texts.keys() - copies if not FROM_ENVIRONMENT.fullmatch(texts[key])]
        self._copies = {key: _origin(key, copies) for key in copies}

    def change(self, overrides: Sequence[Override]) -> bool:
        """Apply other overrides with the same keys; false where more than values would change."""
        changed = [new for old, new in zip(self._overrides, overrides, strict=True) if old.input_line != new.input_line]
        keys = [override.key_or_group for override in changed]
        if not all(self._stands_alone(key) for key in keys):
            return False
        apply_overrides(changed, self._config)
        again = {*keys, *self._computed}
        copies = [key for key, origin in self._copies.items() if origin in again or isinstance(self._at(origin), dict)]
        for key in (*keys, *copies, *self._computed):
            value = OmegaConf.select(self._config, key, throw_on_missing=True, throw_on_resolution_failure=True)
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
            self.plain = _with(self.plain, key.split("."), value)
        self._overrides = overrides
        return True

    def _stands_alone(self, key: str) -> bool:
        others = [f"{override.key_or_group}." for override in self._overrides]
        nested = [other for other in others if other.startswith(f"{key}.") or f"{key}.".startswith(other)]
        return len(nested) == 1 and not isinstance(self._at(key), list | dict)

    def _at(self, key: str) -> Any:
        return functools.reduce(operator.getitem, key.split("."), self.plain)


def _origin(key: str, copies: Mapping[str, str]) -> str:
    """The key that `key` copies in the end, through other copies."""
    while key in copies:
        key = copies[key]
    return key


def _with(tree: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of a nested mapping with one value changed; everything beside the path is shared."""
    head, *rest = path
    return {**tree, head: _with(tree[head], rest, value) if rest else value}
