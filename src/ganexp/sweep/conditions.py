"""Values below a swept option that only some of its options take: `penalty=r1,none penalty.gamma=1,10`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ganexp.config.hydra_private import has_keys, node_at
from ganexp.sweep.compose import PLAIN_KEY, Composer
from ganexp.sweep.expand import Axis
from ganexp.types.errors import ConfigError


@dataclass(frozen=True)
class Conditions:
    """Which swept keys depend on the option that a point takes."""

    having: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)  # key -> group, options that have it

    def applies(self, key: str, options: Mapping[str, Any]) -> bool:
        """Whether a point with these options (group -> option) has the key."""
        group, having = self.having.get(key, (None, ()))
        return group is None or str(options.get(group)) in having

    def allowing(self, key: str, options: Mapping[str, Any]) -> dict[str, str]:
        """The option of its group by which a point has the key, where these options lack it."""
        if self.applies(key, options):
            return {}
        group, having = self.having[key]
        return {group: min(having)}

    def fitting(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of one point, by their keys, without those that its options lack."""
        return {key: value for key, value in values.items() if self.applies(key, values)}

    def fitting_texts(self, overrides: Iterable[str], options: Mapping[str, Any]) -> tuple[str, ...]:
        """The overrides of one point, without those that its options lack."""
        return tuple(text for text in overrides if self.applies(text.partition("=")[0], options))


def conditions(
    composer: Composer | None, options: Mapping[str, Sequence[Any]], keys: Iterable[str], fixed: Sequence[str]
) -> Conditions:
    """The conditions of `keys`, where `options` are the swept groups with their options, and `fixed` other overrides.

    A key that no option has, or each of them, has no condition; without a composer none has.
    """
    if composer is None:
        return Conditions()
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for key in keys:
        plain = key.lstrip("+")
        group = plain.partition(".")[0]
        if group == plain or group not in options or not PLAIN_KEY.fullmatch(plain):
            continue
        names = [str(option) for option in options[group]]
        try:
            having = frozenset(name for name in names if _has(composer.of_options([*fixed, f"{group}={name}"]), plain))
        except (ConfigError, HydraException, OmegaConfBaseException):  # the points say which, and why
            continue
        if having and having != set(names):
            found[key] = group, having
    return Conditions(found)


def without_idle(composer: Composer, grid: Sequence[Axis], points: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The points of a grid, each without the values that its options lack."""
    columns = {
        key.lstrip("+"): [step[place].partition("=")[2] for step in axis.steps]
        for axis in grid
        for place, key in enumerate(axis.keys)
    }
    swept = {key: values for key, values in columns.items() if len(values) > 1}
    texts = [text for axis in grid if len(axis.steps) == 1 for text in axis.steps[0]]
    fixed = [text for text in texts if _key(text).partition(".")[0] not in swept]
    found = conditions(composer, swept, columns, fixed)
    if not found.having:
        return list(points)
    chosen = [dict(text.partition("=")[::2] for text in point) for point in points]
    return [
        tuple(text for text in point if found.applies(_key(text), options))
        for point, options in zip(points, chosen, strict=True)
    ]


def _key(text: str) -> str:
    """The key of an override, without its prefix."""
    return text.partition("=")[0].lstrip("+")


def _has(config: DictConfig, key: str) -> bool:
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, DictConfig) or not has_keys(node) or part not in [str(name) for name in node]:
            return False
        node = node_at(node, part)
    return True
