"""The space of a search: what is swept, what is fixed, and whether every value of it can be composed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganexp.config.hydra_private import Override
from ganexp.config.run_config import from_plain
from ganexp.sweep.compose import Composer
from ganexp.sweep.points import Point, all_points
from ganexp.types.errors import ConfigError, DataError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MOST_MILESTONES = 100
"""Choices of `trainer.epochs` whose generators are kept, so that shorter trials are read off longer ones."""


@dataclass(frozen=True)
class Space:
    """What a search chooses from.

    Attributes:
        distributions: override key -> its distribution.
        fixed: override key -> the value that all trials have.
        deletions: overrides that remove keys.
    """

    distributions: Mapping[str, BaseDistribution]
    fixed: Mapping[str, Any]
    deletions: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that trials differ in."""
        return tuple(self.distributions)

    def milestones(self) -> list[int]:
        """Every number of epochs that a trial may ask for, where there are few."""
        values = [value for value in _values(self.distributions.get("trainer.epochs")) if str(value).isdigit()]
        return sorted({int(value) for value in values}) if len(values) <= MOST_MILESTONES else []

    def probes(self) -> Iterator[tuple[str, ...]]:
        """Overrides of points that between them take every choice, and both ends of every interval."""
        ends = {key: _ends(distribution) for key, distribution in self.distributions.items()}
        first = {key: values[0] for key, values in ends.items()}
        yield self._overrides(first)
        for key, values in ends.items():
            for value in values[1:]:
                yield self._overrides({**first, key: value})

    def _overrides(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return (*(f"{key}={value}" for key, value in {**params, **self.fixed}.items()), *self.deletions)


def space_of(overrides: Iterable[Override]) -> Space:
    """The space that overrides describe, by the Optuna sweeper's own rules; of several with one key the last counts.

    Raises:
        ConfigError: a sweep that Optuna cannot draw from.
    """
    from optuna.distributions import BaseDistribution

    from ganexp.sweep.search.optuna_private import distribution_of

    found: dict[str, Any] = {}
    deletions: list[str] = []
    for override in overrides:
        if override.is_delete():
            deletions.append(str(override.input_line))
            continue
        key = override.get_key_element()
        try:
            found[key] = distribution_of(override)
        except (ValueError, AssertionError, NotImplementedError) as error:
            raise ConfigError(
                f"{key}: expected choices, a range or an interval, got {override.input_line!r}: {error}"
            ) from None
    swept = {key: value for key, value in found.items() if isinstance(value, BaseDistribution)}
    fixed = {key: value for key, value in found.items() if key not in swept}
    return Space(swept, fixed, tuple(deletions))


def check(composer: Composer, space: Space) -> list[Point]:
    """Compose every value of a space once; gives those points of it that can be trained, one at least.

    Raises:
        ConfigError, DataError: a key or a value that no trial could have, or no probe that can be trained.
    """
    points, refused = [], None
    for overrides in space.probes():
        told = " ".join(text for text in overrides if text.partition("=")[0] in space.keys)
        try:
            from_plain(composer.plain(overrides)[0])
        except ConfigError as error:
            raise ConfigError(f"nothing was started; the space holds {told}: {error}") from None
        try:
            points += all_points(composer, [overrides], ())
        except (ConfigError, DataError) as error:
            refused = refused or error
    if not points:
        assert refused is not None
        raise refused
    return points


def _values(distribution: BaseDistribution | None) -> Sequence[Any]:
    """The values of a distribution that has few, else none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return []


def _ends(distribution: BaseDistribution) -> Sequence[Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return (distribution.low,) if distribution.single() else (distribution.low, distribution.high)
