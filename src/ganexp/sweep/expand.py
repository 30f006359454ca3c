"""From the overrides of a command line to the points of its grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganexp.config.hydra_private import Override, RangeSweep
from ganexp.types.errors import ConfigError, suggested

MOST_POINTS = 100_000  # runs of a sweep, at most: more are a typing mistake


@dataclass(frozen=True)
class Axis:
    """One dimension of a grid: override keys that change together; an axis of one step is a constant."""

    places: tuple[int, ...]  # positions of the keys among the overrides, which are applied in that order
    keys: tuple[str, ...]  # with their prefixes, e.g. "optim.lr" or "+model.extra"
    steps: tuple[tuple[str, ...], ...]  # for each step, one override string for each key


def axes(overrides: Sequence[Override], pairs: Sequence[Sequence[str]] = ()) -> list[Axis]:
    """The dimensions of a grid: one for each group of pairs and for each other key, in the order of their first keys.

    Of several overrides with one key the last counts. `pairs` are groups of swept keys that change together instead of
    being crossed (`sweep.zip`).

    Raises:
        ConfigError: a sweep that is no list of values, that has none, or pairs that cannot be made.
    """
    last = {override.get_key_element(): override for override in overrides}
    single = {
        key: Axis((place,), (key,), tuple((text,) for text in _values(key, override)))
        for place, (key, override) in enumerate(last.items())
    }
    for number, keys in enumerate(pairs):
        single = _zipped(single, tuple(keys), number)
    return sorted(single.values(), key=lambda axis: axis.places)


def check_size(grid: Sequence[Axis]) -> int:
    """The number of points of a grid.

    Raises:
        ConfigError: there are more than `MOST_POINTS`; says how many values each key has.
    """
    count = math.prod(len(axis.steps) for axis in grid)
    if count > MOST_POINTS:
        sizes = ", ".join(f"{' and '.join(axis.keys)} has {len(axis.steps):,}" for axis in grid if len(axis.steps) > 1)
        raise ConfigError(f"expected a sweep of at most {MOST_POINTS:,} runs, got {count:,}: {sizes}")
    return count


def points(grid: Sequence[Axis]) -> Iterator[tuple[str, ...]]:
    """Every combination of steps, each as the override strings of one job in the order of the command line."""
    places = [place for axis in grid for place in axis.places]
    for steps in itertools.product(*(axis.steps for axis in grid)):
        texts = itertools.chain.from_iterable(steps)
        yield tuple(text for _, text in sorted(zip(places, texts, strict=True)))


def swept_keys(grid: Sequence[Axis]) -> tuple[str, ...]:
    """The keys that take more than one value."""
    return tuple(key for axis in grid if len(axis.steps) > 1 for key in axis.keys)


def _values(key: str, override: Override) -> list[str]:
    if not override.is_sweep_override():
        assert override.input_line is not None
        return [override.input_line]
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{key}: expected a list or range of values, got {override.input_line!r}; "
            "an interval needs a search: sweep=tune"
        )
    _check_range(key, override)
    values = [f"{key}={value}" for value in override.sweep_string_iterator()]
    if not values:
        raise ConfigError(f"{key}: expected at least one value, got {override.input_line!r}, which matches none")
    return values


def _check_range(key: str, override: Override) -> None:
    """Refuse a range that is endless or has more than `MOST_POINTS` values, before it is listed."""
    swept = override.value()
    if not isinstance(swept, RangeSweep):
        return
    start, stop, step = (float(number if number is not None else 0) for number in (swept.start, swept.stop, swept.step))
    if not (math.isfinite(start) and math.isfinite(stop) and math.isfinite(step) and step):
        raise ConfigError(
            f"{key}: expected a range of finite numbers in steps other than 0, got {override.input_line!r}"
        )
    if (stop - start) / step > MOST_POINTS:
        raise ConfigError(f"{key}: expected at most {MOST_POINTS:,} values, got {override.input_line!r}")


def _zipped(single: dict[str, Axis], keys: tuple[str, ...], number: int) -> dict[str, Axis]:
    """`single` with the axes of `keys` joined to one."""
    where = f"sweep.zip[{number}]"
    if len(set(keys)) < 2 or len(set(keys)) < len(keys):
        raise ConfigError(f"{where}: expected two or more different keys, got {list(keys)}")
    swept = swept_keys(list(single.values()))
    for key in keys:
        if key not in single or len(single[key].keys) > 1 or len(single[key].steps) < 2:
            raise ConfigError(
                f"{where}: expected keys that this command sweeps and that stand in no other pair "
                f"({', '.join(swept) or 'it sweeps none'}), got {key!r}.{suggested(key, swept)}"
            )
    if len({len(single[key].steps) for key in keys}) > 1:
        counts = ", ".join(f"{key} has {len(single[key].steps)}" for key in keys)
        raise ConfigError(f"{where}: expected as many values for each key, got: {counts}")
    rows = zip(*(single[key].steps for key in keys), strict=True)
    steps = tuple(tuple(itertools.chain.from_iterable(row)) for row in rows)
    rest = {key: axis for key, axis in single.items() if key not in keys}
    return {**rest, keys[0]: Axis(tuple(single[key].places[0] for key in keys), keys, steps)}
