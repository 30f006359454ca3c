"""What the runs say: settings ranked within each data set and protocol, and what may be claimed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ganexp.files.contents import OneLook
from ganexp.report.collect import Run, Setting, Study, label
from ganexp.report.noted import digest
from ganexp.report.options import Options, matching
from ganexp.report.statistics import MIN_SEEDS, Comparison, Estimate, compare
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError

NOTHING = Options()

UNFINISHED = (State.RUNNING, State.PENDING, State.STALE, State.INTERRUPTED)


@dataclass(frozen=True)
class Standing:
    """One setting in its ranking.

    Attributes:
        setting: what it is.
        runs: every run of it, in the order asked for.
        done: those that were finished and measured alike.
        rank: from 1, or None where it is not ranked.
        why: why it is not ranked, or what its rank lacks; "" where there is nothing to say.
        estimate: its level on half B, or None.
        chosen_by: its level on half A, or None.
        together: whether it cannot be told from the best; None where no claim is made.
    """

    setting: Setting
    runs: tuple[Run, ...]
    done: tuple[Run, ...]
    rank: int | None
    why: str
    estimate: Estimate | None
    chosen_by: float | None
    together: bool | None

    @property
    def name(self) -> str:
        """The setting for the eye."""
        return label(self.setting)

    @property
    def lead(self) -> Run:
        """The run that stands for it in pictures: its first finished seed, or its first run."""
        return min(self.done or self.runs, key=lambda run: run.seed)

    def mean(self, column: str) -> float | None:
        """Mean over its finished runs of a final value, or None where no run has it."""
        return mean(run.value(column) for run in self.done)

    def floor(self, column: str) -> float | None:
        """The value of a metric between real and real images."""
        return mean(run.floors.get(column) for run in self.done)

    def best(self, direction: str) -> tuple[float, float] | None:
        """Mean value on half B at the epoch that half A names best, and the mean of those epochs."""
        found = [run.result.get("best") or {} for run in self.done]
        value = (
            mean_like([each["value"] for each in found])
            if all(each.get("value") is not None for each in found)
            else None
        )
        epoch = mean(each.get("epoch") for each in found)
        return (value, epoch) if found and value is not None and epoch is not None else None


@dataclass(frozen=True)
class Ranking:
    """The settings of one data set that were measured in one way.

    Attributes:
        dataset: name.
        objective: what they are ranked by, or None where nothing was measured.
        direction: "minimise" or "maximise".
        protocol: digest of how it was measured.
        standings: ranked ones first.
        comparison: on half B, or None where there is nothing to compare.
        halves: whether half A chose; else one value did both.
        runs: digest of the finished runs of ranked settings and of their values.
        baseline: the setting that others are to beat, or None.
    """

    dataset: str
    objective: str | None
    direction: str
    protocol: str
    standings: tuple[Standing, ...]
    comparison: Comparison | None
    halves: bool
    runs: str = ""
    baseline: Setting | None = None

    @property
    def ranked(self) -> tuple[Standing, ...]:
        """Those with a rank, best first."""
        return tuple(each for each in self.standings if each.rank is not None)

    @property
    def best(self) -> Standing | None:
        """The one that half A names best."""
        return self.ranked[0] if self.ranked else None

    @property
    def together(self) -> tuple[Standing, ...]:
        """Others that cannot be told from the best."""
        return tuple(each for each in self.ranked[1:] if each.together)

    @property
    def claims(self) -> bool:
        """Whether anything may be claimed."""
        return self.comparison is not None and self.comparison.claims and self.comparison.df >= 1


def rankings(study: Study, options: Options = NOTHING) -> tuple[Ranking, ...]:
    """Every data set's ranking, one for each way of measuring it.

    Raises:
        ConfigError: the baseline is no ranked setting, or means several.
    """
    found: list[Ranking] = []
    for dataset in dict.fromkeys(run.dataset for run in study.runs):
        runs = [run for run in study.runs if run.dataset == dataset]
        ways = dict.fromkeys((run.objective, run.protocol) for run in runs if run.objective is not None)
        for objective, protocol in ways:
            made = _ranking(dataset, runs, objective, protocol, with_rest=len(ways) == 1)
            found.append(_tested(made, study.looks, options))
        if not ways or (len(ways) > 1 and any(run.objective is None for run in runs)):
            rest = [run for run in runs if run.objective is None]
            found.append(_ranking(dataset, rest, None, "", with_rest=True))
    if options.baseline and all(ranking.baseline is None for ranking in found):
        names = "; ".join(dict.fromkeys(each.name for ranking in found for each in ranking.ranked))
        raise ConfigError(f"--baseline: expected one of the ranked settings ({names}), got {options.baseline!r}")
    return tuple(found)


def _tested(ranking: Ranking, looks: Sequence[OneLook], options: Options) -> Ranking:
    """The ranking with what earlier looks at this data set have spent, and against the baseline."""
    ranked = {each.setting: each.done for each in ranking.ranked}
    if not ranked or ranking.objective is None:
        return ranking
    runs = [run for done in ranked.values() for run in done]
    name, kind = ranking.objective, (ranking.dataset, ranking.objective, ranking.protocol)
    seen = digest(kind, ((run.run_id, run.value(name) or 0.0) for run in runs))
    same = [look for look in looks if (look["dataset"], look["objective"], look["protocol"]) == kind]
    before = itertools.takewhile(lambda look: look["runs"] != seen, same)
    base = _baseline(options, ranked)
    made = _fit(runs, name, ranking.direction, ranking.ranked[0].setting, [look["seeds"][0] for look in before], base)
    standings = tuple(
        replace(each, together=each.setting not in made.told_apart if made.claims and made.df >= 1 else None)
        if each.setting in ranked
        else each
        for each in ranking.standings
    )
    return replace(ranking, comparison=made, standings=standings, runs=seen, baseline=base)


def _baseline(options: Options, ranked: Mapping[Setting, tuple[Run, ...]]) -> Setting | None:
    """The ranked setting that the baseline means: of a directory, the best one that has its runs."""
    folder = options.folder
    if folder is not None:
        place = folder.resolve()
        return next((s for s, done in ranked.items() if any(run.sweep.resolve() == place for run in done)), None)
    met = matching(options.baseline, dict(ranked)) if options.baseline else []
    if len(met) > 1:
        names = "; ".join(label(setting) for setting in met)
        raise ConfigError(f"--baseline: expected one setting, got {options.baseline!r}, which means {names}")
    return met[0] if met else None


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of those that are numbers, or None."""
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else None


def mean_like(values: Sequence[float]) -> float | None:
    """Geometric mean of positive values, else their mean; None of nothing."""
    if not values:
        return None
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else float(np.mean(values))


def _ranking(
    dataset: str, runs: Sequence[Run], objective: tuple[str, str] | None, protocol: str, *, with_rest: bool
) -> Ranking:
    name, direction = objective or (None, "minimise")
    groups: dict[Setting, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.setting, []).append(run)
    done = {s: tuple(r for r in g if _counts(r, objective, protocol)) for s, g in groups.items()}
    groups = {setting: group for setting, group in groups.items() if with_rest or done[setting]}
    problem = {setting: _problem(group, done[setting], name) for setting, group in groups.items()}
    able = [setting for setting in groups if not problem[setting]]
    most = max((len(done[setting]) for setting in able), default=0)
    ranked = [setting for setting in able if len(done[setting]) >= min(MIN_SEEDS, most)]
    problem |= {s: f"fewer than {MIN_SEEDS} seeds, others have more" for s in able if s not in ranked}
    used = [run for setting in ranked for run in done[setting]]
    halves = name is not None and bool(used) and all(run.value(f"{name}_half_a") is not None for run in used)
    chosen_on = _fit(used, f"{name}_half_a" if halves else name, direction, None) if name and used else None
    first = chosen_on.estimates[0].setting if chosen_on else None
    reported = _fit(used, name, direction, first) if name and used else None
    order = _by_level(chosen_on, ranked) if chosen_on else ranked
    levels = {each.setting: each.value for each in chosen_on.estimates} if chosen_on else {}
    standings = [
        _standing(setting, groups[setting], done[setting], rank if chosen_on else None, reported, levels)
        for rank, setting in enumerate(order, 1)
    ]
    standings += [
        Standing(s, tuple(group), done[s], None, problem[s], None, None, None)
        for s, group in groups.items()
        if s not in set(order)
    ]
    return Ranking(dataset, name, direction, protocol, tuple(standings), reported, halves)


def _by_level(fit: Comparison, settings: Sequence[Setting]) -> list[Setting]:
    places = {each.setting: place for place, each in enumerate(fit.estimates)}
    return sorted(settings, key=lambda setting: places[setting])


def _counts(run: Run, objective: tuple[str, str] | None, protocol: str) -> bool:
    """Whether a run is finished and measured in this way."""
    if run.state is not State.COMPLETED or not run.result:
        return False
    if objective is None:
        return run.objective is None
    return run.objective == objective and run.protocol == protocol and run.value(objective[0]) is not None


def _problem(group: Sequence[Run], done: Sequence[Run], name: str | None) -> str:
    """Why a setting is not ranked; "" where it is."""
    for state, word in ((State.DIVERGED, "diverged"), (State.PRUNED, "pruned")):
        count = sum(run.state is state for run in group)
        if count:
            return (
                f"{count} of {len(group)} {word}: not ranked on its survivors"
                if done
                else f"{count} of {len(group)} {word}"
            )
    if not done:
        states = ", ".join(f"{n} {s.lower()}" for s, n in _states(group).items())
        return states if name else states + "; nothing was measured"
    return ""


def _states(group: Iterable[Run]) -> dict[State, int]:
    found: dict[State, int] = {}
    for run in group:
        found[run.state] = found.get(run.state, 0) + 1
    return found


def _fit(
    runs: Sequence[Run],
    column: str,
    direction: str,
    chosen: Hashable | None,
    looks: Sequence[int] = (),
    baseline: Hashable | None = None,
) -> Comparison:
    data = columns(runs, column)
    return compare(*data, direction=direction, chosen=chosen, looks=looks, baseline=baseline)


def columns(runs: Sequence[Run], name: str | None) -> tuple[list[Setting], list[int], list[float], list[str]]:
    """What statistics compare of runs that have a final value `name`: settings, seeds, values and trajectories."""
    return (
        [run.setting for run in runs],
        [run.seed for run in runs],
        [run.value(name or "") or 0.0 for run in runs],
        [run.trajectory_id for run in runs],
    )


def _standing(
    setting: Setting,
    group: Sequence[Run],
    done: tuple[Run, ...],
    rank: int | None,
    reported: Comparison | None,
    levels: dict[Hashable, float],
) -> Standing:
    estimate = next((e for e in reported.estimates if e.setting == setting), None) if reported else None
    together = None if reported is None or not reported.claims else setting not in reported.told_apart
    missing = {state: n for state, n in _states(group).items() if state is not State.COMPLETED}
    why = ", ".join(f"{n} {state.lower()}" for state, n in missing.items())
    return Standing(setting, tuple(group), done, rank, why, estimate, levels.get(setting), together)
