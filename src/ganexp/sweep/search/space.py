"""What a search chooses from, whether every value of that can be composed, and what the search optimises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial

from ganexp.config.hydra_private import Override
from ganexp.config.run_config import RunConfig, from_plain
from ganexp.config.run_spec import load_dataset
from ganexp.metrics.evaluator import choose_objective, left_out
from ganexp.sweep.compose import Composer
from ganexp.sweep.conditions import Conditions, conditions
from ganexp.sweep.points import Point, all_points, telling
from ganexp.sweep.search.optuna_private import ParameterDraw, distribution_of
from ganexp.sweep.search.study import Direction
from ganexp.types.errors import ConfigError, DataError, suggested

MOST_MILESTONES = 100  # most choices of `trainer.epochs` for which shorter trials are read off longer ones
SECONDS = "train_seconds"  # an objective beside the metrics: seconds of training


@dataclass(frozen=True)
class Space:
    """What a search chooses from."""

    distributions: Mapping[str, BaseDistribution]  # override key -> its distribution
    fixed: Mapping[str, Any]  # override key -> the value that all trials have
    deletions: tuple[str, ...]  # overrides that remove keys
    conditions: Conditions = field(default_factory=Conditions)  # which keys only some trials have

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in which trials differ."""
        return tuple(self.distributions)

    def in_order_of(self, trials: Iterable[FrozenTrial]) -> Space:
        """The space with its choices in the order of a study's trials, where they are the same, as Optuna asks."""
        begun = {key: each for trial in trials for key, each in trial.distributions.items()}
        same = {k: begun[k] for k, each in self.distributions.items() if _as_set(begun.get(k)) == _as_set(each) != []}
        return replace(self, distributions={**self.distributions, **same})

    def milestones(self) -> list[int]:
        """Every number of epochs that a trial may ask for; empty where there are too many."""
        values = [value for value in _values(self.distributions.get("trainer.epochs")) if str(value).isdigit()]
        return sorted({int(value) for value in values}) if len(values) <= MOST_MILESTONES else []

    def probes(self) -> Iterator[tuple[str, ...]]:
        """Overrides of points that together take every choice, and both ends of every interval."""
        for params in self.probing():
            yield self.overrides(params)

    def probing(self) -> Iterator[dict[str, Any]]:
        """The parameters of `probes`."""
        ends = {key: _ends(distribution) for key, distribution in self.distributions.items()}
        first = {key: values[0] for key, values in ends.items()}
        yield self.conditions.fitting(first)
        for key, values in ends.items():
            there = {**first, **self.conditions.allowing(key, first)}
            for value in values if there != first else values[1:]:
                yield self.conditions.fitting({**there, key: value})

    def draw(self, drawing: ParameterDraw, trial: Trial) -> tuple[str, ...]:
        """The overrides of a trial's run; parameters that it does not have yet are drawn now."""
        for conditional in (False, True):  # options first
            missing = {
                key: each
                for key, each in self.distributions.items()
                if key not in trial.params and (key in self.conditions.having) == conditional
            }
            fitting = {key: each for key, each in missing.items() if self.conditions.applies(key, trial.params)}
            if fitting or not conditional:
                overrides = drawing.overrides(trial, fitting, self.fixed, self.deletions)
        last = int(trial.params.get("trainer.epochs", 0))
        milestones = [str(epochs) for epochs in self.milestones() if epochs <= last]
        kept = milestones if "trainer.milestones" not in self.fixed else []
        more = [f"trainer.milestones=[{','.join(kept)}]"] if kept else []
        return (*self.conditions.fitting_texts(overrides, trial.params), *more)

    def overrides(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The overrides of the run with these parameters."""
        given = (f"{key}={value}" for key, value in {**params, **self.fixed}.items())
        return (*self.conditions.fitting_texts(given, params), *self.deletions)


def space_of(overrides: Iterable[Override], composer: Composer | None = None) -> Space:
    """The space that overrides describe, by the Optuna sweeper's own rules; of several with one key the last counts.

    Raises:
        ConfigError: a sweep that Optuna cannot draw from.
    """
    values: dict[str, Any] = {}
    deletions: list[str] = []
    for override in overrides:
        if override.is_delete():
            deletions.append(str(override.input_line))
            continue
        key = override.get_key_element()
        try:
            values[key] = distribution_of(override)
        except (ValueError, AssertionError, NotImplementedError) as error:
            raise ConfigError(
                f"{key}: expected choices, a range or an interval, got {override.input_line!r}: {error}"
            ) from None
    swept = {key: value for key, value in values.items() if isinstance(value, BaseDistribution)}
    fixed = {key: value for key, value in values.items() if key not in swept}
    options = {key: each.choices for key, each in swept.items() if isinstance(each, CategoricalDistribution)}
    given = [f"{key}={value}" for key, value in fixed.items() if key.lstrip("+").partition(".")[0] not in options]
    return Space(swept, fixed, tuple(deletions), conditions(composer, options, values, [*given, *deletions]))


def without_seeds(space: Space, seeds: Sequence[int] | None) -> tuple[Space, tuple[int, ...]]:
    """The space of one seed each, and the seeds of each point; () where the configuration's own is the only one.

    Seeds are `hydra.sweeper.seeds`, or the values of `seed`, which no search can choose: the best one means nothing.

    Raises:
        ConfigError: both are given, or they are no different whole numbers.
    """
    swept = space.distributions.get("seed")
    if seeds is None and swept is None:
        return space, ()
    values = list(seeds) if seeds is not None else list(_values(swept))
    if seeds is not None and (swept is not None or "seed" in space.fixed):
        raise ConfigError("seed: expected no value beside hydra.sweeper.seeds, which are the seeds of each point")
    key = "seed" if seeds is None else "hydra.sweeper.seeds"
    if not values or any(not str(value).isdigit() for value in values) or len(set(map(int, values))) < len(values):
        got = values or (in_words(swept) if swept is not None else "none")
        raise ConfigError(
            f"{key}: expected seeds by which each point is trained, as hydra.sweeper.seeds=[0,1,2] or seed=0,1,2: "
            f"a search cannot choose a seed; got {got}"
        )
    numbers = tuple(map(int, values))
    rest = {name: each for name, each in space.distributions.items() if name != "seed"}
    return replace(space, distributions=rest, fixed={**space.fixed, "seed": numbers[0]}), numbers


def check(composer: Composer, space: Space) -> list[Point]:
    """Compose every value of a space once; return the points that can be trained, one at least.

    Raises:
        ConfigError, DataError: a key or a value that no trial could have, or no point that can be trained.
    """
    points, refused = [], None
    for overrides in space.probes():
        values = " ".join(telling(overrides, space.keys))
        try:
            from_plain(composer.plain(overrides)[0])
        except ConfigError as error:
            raise ConfigError(f"nothing was started; the space holds {values}: {error}") from None
        try:
            points += all_points(composer, [overrides], ())
        except (ConfigError, DataError) as error:
            refused = refused or error
    if not points:
        assert refused is not None
        raise refused
    return points


def objectives_of(config: RunConfig, names: Sequence[str] | None, directions: Any) -> dict[str, Direction]:
    """Metric columns, or "train_seconds" -> the direction of each, "minimize" or "maximize".

    `names` is `hydra.sweeper.objectives` (None: `metrics.objective` alone), `directions` is `hydra.sweeper.direction`
    (None: each metric's own).

    Raises:
        ConfigError: nothing is measured, no metric gives such a value, or `directions` are not the metrics' own.
    """
    metrics = {name: target.build() for name, target in config.scores.items()}
    reasons = left_out(metrics, load_dataset(config.dataset), conditional=config.conditional)
    objective = choose_objective(metrics, config.metrics.objective, reasons)
    if names is None and objective is None:
        raise ConfigError(
            "metrics.objective: expected a metric, as there must be something to choose by, got null; "
            "choose metrics=default, or name hydra.sweeper.objectives"
        )
    if names is None:
        names = [str(objective)]
    else:
        measured = [name for name, metric in metrics.items() if metric.may_choose and name not in reasons]
        _check_names(list(names), [*measured, SECONDS])
    up = [name in metrics and metrics[name].direction == "maximise" for name in names]  # seconds go down
    own: list[Direction] = ["maximize" if each else "minimize" for each in up]
    if directions is not None:
        _check_directions(directions if isinstance(directions, MutableSequence) else [directions], names, own)
    return dict(zip(names, own, strict=True))


def _check_names(names: Sequence[str], options: Sequence[str]) -> None:
    for name in names:
        if name not in options:
            raise ConfigError(
                f"hydra.sweeper.objectives: expected some of {', '.join(options)}, got {name!r}."
                f"{suggested(name, options)}"
            )
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"hydra.sweeper.objectives: expected different names, at least one, got {names}")


def _check_directions(requested: Sequence[Any], names: Sequence[str], own: Sequence[Direction]) -> None:
    texts = [str(getattr(direction, "name", direction)) for direction in requested]
    if texts != own:
        pairs = ", ".join(f"{name}: {direction}" for name, direction in zip(names, own, strict=True))
        raise ConfigError(
            f"hydra.sweeper.direction: expected {own[0] if len(own) == 1 else own} ({pairs}) or null, got "
            f"{texts[0] if len(texts) == 1 else texts}"
        )


def _values(distribution: BaseDistribution | None) -> Sequence[Any]:
    """The values of a choice or an integer range, else none."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return []


def in_words(distribution: BaseDistribution) -> str:
    """A distribution as people write it: "one of 16, 32", "1e-4 ... 0.01, log"."""
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    each: Any = distribution
    step = f", in steps of {_number(each.step)}" if each.step not in (None, 1) else ""
    return f"{_number(each.low)} ... {_number(each.high)}{step}{', log' if each.log else ''}"


def _number(value: float) -> str:
    """A number as people write it: 0.01, 1e-4, 20000."""
    if isinstance(value, int) or value == 0 or abs(value) >= 0.01:
        return f"{value:g}" if abs(value) < 1e6 else str(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _as_set(distribution: BaseDistribution | None) -> list[str]:
    """The values of a choice in an order of their own; none for other distributions."""
    return sorted(map(repr, distribution.choices)) if isinstance(distribution, CategoricalDistribution) else []


def _ends(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return (distribution.low,) if distribution.single() else (distribution.low, distribution.high)
