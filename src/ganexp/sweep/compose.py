"""Composing the configurations of many points: once for each combination of group options, then by plain values."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from ganexp.config.hydra_private import ConfigLoader, Override, OverridesParser, apply_overrides
from ganexp.config.mistakes import check_presets
from ganexp.config.run_config import plain_values
from ganexp.types.nested import dotted

PLAIN_KEY = re.compile(r"\w+(\.\w+)*", re.ASCII)
WORD = re.compile(r"\w+")
REFERENCE = re.compile(r"\$\{[\w.]*?(\w+)\}")
"""An interpolation that names one key, with the last part of it."""


@dataclass(frozen=True)
class Composed:
    """One point's configuration.

    Attributes:
        config: the job's configuration, without the `hydra` node.
        choices: group -> chosen option, for ganexp's own groups.
    """

    config: DictConfig
    choices: Mapping[str, str | None]


@dataclass
class _Last:
    """The last point that was composed with some group options: the next one differs in a few values from it.

    Attributes:
        overrides: of the point.
        config: its configuration, which the next point changes.
        plain: the same, resolved.
        alone: keys that no other override of it touches.
        interpolations: key -> text, of every value that is one.
    """

    overrides: tuple[str, ...]
    config: DictConfig
    plain: dict[str, Any]
    alone: frozenset[str]
    interpolations: dict[str, str]


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
        self._values: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], Composed] = {}
        self._last: dict[tuple[str, ...], _Last] = {}

    def compose(self, overrides: Sequence[str]) -> Composed:
        """The configuration of one point.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        parsed = [self._parse(text) for text in overrides]
        if any(not is_value and isinstance(override.value(), dict) for override, is_value in parsed):
            return self._base(tuple(overrides))
        values = [override for override, is_value in parsed if is_value]
        base = self._base(self._choices(overrides))
        config = copy.deepcopy(base.config)
        apply_overrides(values, config)
        return Composed(config, base.choices)

    def plain(self, overrides: tuple[str, ...]) -> tuple[dict[str, Any], Mapping[str, str | None]]:
        """The resolved plain values of one point (they may be shared with other points), and its options.

        Where only plain values differ from the last point with the same options, those and what refers to them are
        all that is looked at: a hundred times faster than from scratch.

        Raises:
            ConfigError, HydraException, OmegaConfBaseException: as `compose` and `plain_values`.
        """
        choices = self._choices(overrides)
        last = self._last.pop(choices, None)
        changed = self._changed(last, overrides)
        if last is not None and changed is not None:
            with suppress(Exception):  # told better from scratch
                apply_overrides([self._parse(text)[0] for text in changed.values()], last.config)
                last.plain = _renewed(last, changed)
                last.overrides, self._last[choices] = overrides, last
                return last.plain, self._base(choices).choices
        composed = self.compose(overrides)
        plain = plain_values(composed.config)
        raw: Any = OmegaConf.to_container(composed.config, resolve=False)
        texts = {key: text for key, text in dotted(raw).items() if "${" in str(text)}
        self._last[choices] = _Last(overrides, composed.config, plain, _alone(overrides, plain), texts)
        return plain, composed.choices

    def _choices(self, overrides: Sequence[str]) -> tuple[str, ...]:
        return tuple(text for text in overrides if not self._parse(text)[1])

    def _changed(self, last: _Last | None, overrides: tuple[str, ...]) -> dict[str, str] | None:
        """Key -> override of what differs from the last point; None where more than plain values does."""
        if last is None or len(last.overrides) != len(overrides):
            return None
        changed = {}
        for before, text in zip(last.overrides, overrides, strict=True):
            key = text.partition("=")[0]
            if before != text:
                if key not in last.alone or not (before.startswith(f"{key}=") and self._is_plain(text)):
                    return None
                changed[key] = text
        return changed

    def _is_plain(self, text: str) -> bool:
        """Whether an override gives one number or word, and no interpolation."""
        value = self._parse(text)[0].value()
        return (value is None or isinstance(value, int | float | str)) and "${" not in text and "???" not in text

    def _base(self, choices: tuple[str, ...]) -> Composed:
        if choices not in self._bases:
            check_presets(choices)
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
            kind = text.partition("=")[0]
            if kind not in self._values:
                self._values[kind] = self._is_value(override)
            self._parsed[text] = (override, self._values[kind])
        return self._parsed[text]

    def _is_value(self, override: Override) -> bool:
        if override.package is not None or override.is_hydra_override():
            return False
        if override.is_value_path:
            return True
        key = override.key_or_group
        return not self._loader.get_group_options(key, results_filter=None) and "/" not in key


def _alone(overrides: Sequence[str], plain: Mapping[str, Any]) -> frozenset[str]:
    """The keys of overrides that set one value which no other override touches."""
    keys = [text.partition("=")[0] for text in overrides]
    bare = [key.lstrip("+~") for key in keys]
    flat = dotted(plain)
    touched = Counter(f"{key}."[: end + 1] for key in bare for end, sign in enumerate(f"{key}.") if sign == ".")
    return frozenset(
        key
        for key in keys
        if PLAIN_KEY.fullmatch(key)
        and touched[f"{key}."] == 1
        and not any(other != key and key.startswith(f"{other}.") for other in bare)
        and not isinstance(flat.get(key, ()), list | tuple | dict)
    )


def _renewed(last: _Last, changed: Mapping[str, str]) -> dict[str, Any]:
    """The last point's values, with those of `changed` keys and of what may refer to them read anew."""
    words = {word for key in changed for word in key.split(".")}
    waiting, renewed = dict(last.interpolations), list(changed)
    while touched := [key for key, text in waiting.items() if _depends(text, words)]:
        for key in touched:
            del waiting[key]
            words.update(WORD.findall(key))
        renewed += touched
    plain = last.plain
    for key in renewed:
        value = OmegaConf.select(last.config, key, throw_on_missing=True, throw_on_resolution_failure=True)
        plain = _with(plain, key.split("."), OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)
    return plain


def _depends(text: Any, words: Set[str]) -> bool:
    """Whether a value with interpolations may depend on a key that is made of some of `words`; yes where in doubt."""
    named = REFERENCE.findall(str(text))
    rest = REFERENCE.sub("", str(text))
    if "${" not in rest:
        return not words.isdisjoint(named)
    return not rest.startswith("${oc.") or "${${" in rest or not words.isdisjoint(WORD.findall(str(text)))


def _with(tree: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of a nested mapping with one value changed; what lies beside the path is shared."""
    head, *rest = path
    return {**tree, head: _with(tree[head], rest, value) if rest else value}
