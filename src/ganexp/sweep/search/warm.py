"""Finished runs of other sweeps as trials of a search: those that it would make itself, measured in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from ganexp.files import plan
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.points import Point
from ganexp.sweep.search.course import Course, values_of
from ganexp.sweep.search.same_study import protocol_of
from ganexp.sweep.search.space import Space
from ganexp.sweep.search.trials import PROTOCOL, RUN_ID, SEED_VALUES, SEEDS, WARM
from ganexp.types.errors import ConfigError, DataError
from ganexp.types.terminal import count, say


class Found(NamedTuple):
    """A finished run that a search would make itself."""

    run_id: str
    values: list[float]  # of the objectives
    path: Path


class Warm:
    """Reads trials of one search from the directories of other sweeps."""

    def __init__(
        self, space: Space, course: Course, protocol: Mapping[str, str], run_of: Callable[[tuple[str, ...]], Point]
    ) -> None:
        self.space, self.course, self.protocol, self.run_of = space, course, protocol, run_of
        self._chosen: dict[str, list[tuple[Any, Any]]] = {}  # key -> its choices, each with the value of the run

    def trials(self, folders: Sequence[str]) -> list[FrozenTrial]:
        """A complete trial for each point whose runs are all there, with every seed.

        Raises:
            ConfigError: a directory has no plan.
        """
        found: dict[str, tuple[dict[str, Any], dict[int, Found]]] = {}
        for folder in map(Path, folders):
            recorded = plan.read(folder)
            if recorded is None:
                raise ConfigError(
                    f"hydra.sweeper.warm_start: expected directories of sweeps, got {folder}: no plan.json"
                )
            there = [
                (run, params) for run in recorded.runs.values() if (params := self._params(run.values)) is not None
            ]
            taken = 0
            for run, params in there:
                seed = int(run.values.get("seed", 0))
                made = self._finished(folder / run.run_dir, run, params, seed)
                if made is not None:
                    found.setdefault(repr(sorted(params.items())), (params, {}))[1].setdefault(seed, made)
                    taken += 1
            say(f"warm start: {taken} of {count(len(recorded.runs), 'run')} of {folder} are runs of this search")
        most = max(1, len(self.course.seeds))
        return [self._trial(params, runs) for params, runs in found.values() if len(runs) == most]

    def _params(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The parameters by which the search would give a run such values; None where it never does."""
        params: dict[str, Any] = {}
        having = self.space.conditions.having
        for key, distribution in sorted(self.space.distributions.items(), key=lambda item: item[0] in having):
            if not self.space.conditions.applies(key, params):
                continue
            value = next(iter(self._drawn(key, distribution, values.get(key))), None)
            if value is None:
                return None
            params[key] = value[0]
        return params

    def _drawn(self, key: str, distribution: BaseDistribution, value: Any) -> Iterator[tuple[Any]]:
        if isinstance(distribution, CategoricalDistribution):
            yield from ((choice,) for choice, given in self._choices(key) if given == value)
            return
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and distribution._contains(distribution.to_internal_repr(value)):
            yield (value,)

    def _choices(self, key: str) -> list[tuple[Any, Any]]:
        if not self._chosen:
            for params in self.space.probing():
                try:
                    values = self.run_of(self.space.overrides(params)).values
                except (ConfigError, DataError):
                    continue
                for name, choice in params.items():
                    self._chosen.setdefault(name, []).append((choice, values.get(name)))
        return self._chosen.get(key, [])

    def _finished(self, path: Path, run: plan.PlannedRun, params: Mapping[str, Any], seed: int) -> Found | None:
        seeds = self.course.seeds or (seed,)
        if seed not in seeds:
            return None
        last = max(0, len(self.course.rungs) - 1)
        try:
            point = self.run_of(self.course.overrides(self.space.overrides(params), last, seeds.index(seed)))
        except (ConfigError, DataError):
            return None
        result = RunFolder(path).result()
        if point.run_id != run.run_id or point.config.has_own_code or result is None:
            return None
        measured = ((result.get("provenance") or {}).get("metrics")) or {}
        values = [value for value in values_of(result, list(self.protocol)) if value is not None]
        if protocol_of(measured, self.protocol) != self.protocol or len(values) < len(self.protocol):
            return None
        return Found(run.run_id, values, path) if not self.course.seeds or values[0] > 0 else None

    def _trial(self, params: dict[str, Any], runs: Mapping[int, Found]) -> FrozenTrial:
        first = runs[self.course.seeds[0]] if self.course.seeds else next(iter(runs.values()))
        attributes: dict[str, Any] = {RUN_ID: first.run_id, PROTOCOL: dict(self.protocol), WARM: str(first.path)}
        values = first.values
        if self.course.seeds:
            measured = {str(seed): runs[seed].values[0] for seed in self.course.seeds}
            attributes |= {SEEDS: list(self.course.seeds), SEED_VALUES: measured}
            values = [self.course.mean(measured)]
        distributions = {key: self.space.distributions[key] for key in params}
        return optuna.trial.create_trial(
            values=values, params=params, distributions=distributions, user_attrs=attributes
        )
