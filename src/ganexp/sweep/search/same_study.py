"""What makes a study the same study: each of its trials is what this command would make of that trial's parameters.

A trial belongs to a search where its parameters lie in the search's space, where they give, with the search's fixed
values, the run that the trial has, and where its values are measured as the search measures. Seeds, sampler, pruner,
numbers of trials and where jobs run may change. So nothing is stored but the trials themselves: a run from elsewhere
is judged in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FrozenTrial, TrialState

from ganexp.config.command_line import ONE_OPTION
from ganexp.config.run_spec import TRAINER_KEYS
from ganexp.files import plan
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.points import Point, telling
from ganexp.sweep.search.space import Space, in_words
from ganexp.sweep.search.trials import EPOCHS, PROTOCOL, RUN_DIR, RUN_ID, SEEDS
from ganexp.types.errors import ConfigError, DataError

SHOWN = 5  # differences that a refusal names
GROUPS = (*ONE_OPTION, "seed")  # roots of keys that change numbers
MEASURING = ("metrics", "dataset")  # roots of keys that change how images are measured
# keys below those that change neither; the objective is compared by its name
IRRELEVANT = ("dataset.root", "metrics.every_epochs", "metrics.pictures", "metrics.objective")
OTHER_VERSION = "the version of a metric"  # in place of a key
ABSENT = "none"  # shown for the value of a key that is not there


@dataclass
class SameStudy:
    """Compares trials with the search of this command; those that belong to it are compared once."""

    directory: Path
    name: str  # of the study
    space: Space
    dynamic: bool  # whether a custom function draws parameters beside the space
    exact: bool  # whether the sampler needs the very same space (a grid)
    protocol: Mapping[str, str]  # objective -> digest of how it is measured
    run_of: Callable[[tuple[str, ...]], Point]  # the run that overrides describe
    seeds: Sequence[int] = ()  # of each point
    _known: set[int] = field(default_factory=set)  # numbers of trials that belong to the search
    _planned: Mapping[str, plan.PlannedRun] | None = None  # run_id -> run, read once something differs

    def check(self, trials: Sequence[FrozenTrial], *, asking: bool = True) -> None:
        """Refuse a study with other trials than this search would make.

        A study that has all its trials (not `asking`) may be read with a version that measures in another way.

        Raises:
            ConfigError: naming the keys, with the study's values and this command's.
        """
        new = [each for each in trials if each.number not in self._known and each.state is not TrialState.WAITING]
        self._planned = None
        found = list(dict.fromkeys(text for trial in new for text in self._differences(trial)))
        found = [text for text in found if asking or not text.startswith(OTHER_VERSION)]
        if found:
            more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise ConfigError(
                f"the study {self.name!r} in {self.directory} was begun as another search: "
                f"{'; '.join(found[:SHOWN])}{more}. Give the study's values, or begin a study of its own by name: "
                "sweep.name=NAME (with hydra.sweeper.study_name=NAME or hydra.sweep.dir=DIR where they are set)"
            )
        self._known |= {trial.number for trial in new if RUN_ID in trial.user_attrs}

    def _differences(self, trial: FrozenTrial) -> Iterator[str]:
        outside = list(self._outside(trial))
        yield from outside
        if RUN_ID in trial.user_attrs:
            if not outside:
                yield from self._other_run(trial)
            yield from self._other_measure(trial)

    def _outside(self, trial: FrozenTrial) -> Iterator[str]:
        """Parameters of a trial that lie outside of the space, and keys of the space that it lacks."""
        space = self.space.distributions
        for key, begun in trial.distributions.items():
            if key not in space and not self.dynamic:
                yield f"{key}: expected {in_words(begun)}, got {self.space.fixed.get(key, 'no values to search')}"
            elif key in space and not self._joined(begun, space[key], trial.params[key]):
                yield f"{key}: expected {in_words(begun)}, got {in_words(space[key])}"
        if RUN_ID in trial.user_attrs:
            begun_with = trial.user_attrs.get(SEEDS, [])
            if list(begun_with) != list(self.seeds):
                yield f"hydra.sweeper.seeds: expected {begun_with or 'null'}, got {list(self.seeds) or 'null'}"
            applying = {key for key in space if self.space.conditions.applies(key, trial.params)}
            for key in sorted(applying - trial.params.keys()):
                yield f"{key}: expected one value, got {in_words(space[key])}"

    def _joined(self, begun: BaseDistribution, now: BaseDistribution, value: Any) -> bool:
        """Whether a parameter drawn from one distribution may stand beside those drawn from another."""
        if self.exact and begun != now:
            return False
        try:
            check_distribution_compatibility(begun, now)
            return now._contains(now.to_internal_repr(value))
        except ValueError:
            return False

    def _other_run(self, trial: FrozenTrial) -> Iterator[str]:
        """The values in which a trial's run differs from the run that this command would make."""
        try:
            point = self.run_of(self.space.overrides(trial.params))
            at, last = trial.user_attrs.get(EPOCHS, [point.epochs, point.epochs])
            if last != point.epochs:
                yield f"trainer.epochs: expected {last}, got {point.epochs}"
                return
            if at != last:
                others = (text for text in point.overrides if not text.startswith("trainer.epochs="))
                point = self.run_of((*others, f"trainer.epochs={int(at)}"))
        except (ConfigError, DataError) as error:
            yield " ".join(str(error).removeprefix("nothing was started;").split())
            return
        if point.run_id != (run_id := trial.user_attrs[RUN_ID]):
            trainer = {f"trainer.{key}" for key in (*TRAINER_KEYS, "init_from")}
            texts = self._changed(trial, point, lambda key: key in trainer or key.partition(".")[0] in GROUPS)
            yield from texts or [f"trial {trial.number}: expected run {run_id}, got {point.run_id}"]

    def _other_measure(self, trial: FrozenTrial) -> Iterator[str]:
        """How the values of a trial were measured, where that is not how this search measures."""
        begun = trial.user_attrs.get(PROTOCOL) or self._measured(trial)
        if not begun or not self.protocol or begun == self.protocol:
            return
        if list(begun) != list(self.protocol):
            yield f"the objective: expected {', '.join(begun)}, got {', '.join(self.protocol)}"
            return
        try:
            point = self.run_of(self.space.overrides(trial.params))
            texts = self._changed(trial, point, self._measures)
        except (ConfigError, DataError):
            texts = []
        yield from texts or [
            f"{OTHER_VERSION}: expected {name} by protocol {digest}, got {self.protocol[name]}: another way to measure"
            for name, digest in begun.items()
            if digest != self.protocol[name]
        ]

    def _measures(self, key: str) -> bool:
        """Whether a key can change how the objectives are measured."""
        root, _, rest = key.partition(".")
        group, _, metric = rest.partition(".")
        return root in MEASURING and (group != "scores" or metric.partition(".")[0] in self.protocol)

    def _measured(self, trial: FrozenTrial) -> dict[str, str]:
        """The protocols in the result of a trial of version 0.1.0, which did not store them; {}: unknown."""
        folder = RunFolder(self.directory / Path(str(trial.user_attrs.get(RUN_DIR))).name)
        result = folder.result() if trial.state is TrialState.COMPLETE else None
        return protocol_of((((result or {}).get("provenance") or {}).get("metrics") or {}), self.protocol)

    def _changed(self, trial: FrozenTrial, point: Point, counts: Callable[[str], bool]) -> list[str]:
        """The keys that count, are not searched, and have other values in a trial's run than in a point."""
        if self._planned is None:
            recorded = plan.read(self.directory)
            self._planned = recorded.runs if recorded is not None else {}
        run = self._planned.get(str(trial.user_attrs[RUN_ID]))
        if run is None:
            return []
        old, new = run.values, point.values
        searched = tuple(self.space.distributions)

        def fixed(key: str) -> bool:
            return not any(key == each or key.startswith(f"{each}.") for each in searched)

        keys = [key for key in {**old, **new} if old.get(key) != new.get(key) and counts(key) and fixed(key)]
        keys = [key for key in keys if key not in IRRELEVANT and not key.endswith("._target_")]
        return [f"{key}: expected {old.get(key, ABSENT)}, got {new.get(key, ABSENT)}" for key in keys]


def protocol_of(provenance: Mapping[str, Any], objectives: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Objective -> digest of how it is measured, from a provenance (`Scores.provenance`); {} where it names none."""
    digests = provenance.get("protocol")
    if not isinstance(digests, Mapping):
        return {}
    return {name: str(digests.get(f"{name}_half_a", digests.get(name, ""))) for name in objectives}


def heeded(objectives: Mapping[str, Any], measured: Sequence[tuple[Point, Mapping[str, Any]]]) -> Mapping[str, Any]:
    """The objectives, with rfd in the place of cfd where the classifier has turned out too weak to choose by."""
    weak = any("rfd_half_a" in (how.get("protocol") or {}) for _, how in measured)
    return {"rfd": "minimize"} if weak and list(objectives) == ["cfd"] else objectives


def one_protocol(
    measured: Sequence[tuple[Point, Mapping[str, Any]]], objectives: Sequence[str], keys: Sequence[str]
) -> dict[str, str]:
    """Objective -> digest of how all trials of a search measure it; {}: unknown.

    Raises:
        ConfigError: points differ in that; naming the searched keys.
    """
    ways = [(point, protocol_of(provenance, objectives)) for point, provenance in measured]
    for point, way in ways[1:]:
        if way != ways[0][1]:
            first = telling(ways[0][0].overrides, keys)
            others = [text for text in telling(point.overrides, keys) if text not in first]
            raise ConfigError(
                f"nothing was started; {' '.join(others)}: expected one way to measure "
                f"{', '.join(objectives)} in a search, got another one than with "
                f"{' '.join(text for text in first if text not in telling(point.overrides, keys))}: such values are "
                "never ranked together; give the key one value, or sweep it as a grid"
            )
    return ways[0][1] if ways else {}
