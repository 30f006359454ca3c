"""Settings ranked within each data set and protocol, and what may be claimed of them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ganexp.files.contents import OneLook
from ganexp.metrics import words
from ganexp.report.looks import claims
from ganexp.report.runs import RunRecord
from ganexp.report.settings import NO_OPTIONS, Setting, VerdictOptions, find_baseline, label
from ganexp.report.statistics.claim import near
from ganexp.report.statistics.compare import MIN_SEEDS, compare
from ganexp.report.statistics.comparison import Comparison, SettingEstimate, with_earlier
from ganexp.report.statistics.means import geometric_mean, mean
from ganexp.report.study import Study
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError

TOO_FEW = f"fewer than {MIN_SEEDS} seeds, others have more"


@dataclass(frozen=True)
class Standing:
    """One setting in its ranking."""

    setting: Setting
    runs: tuple[RunRecord, ...]  # every run of it, in the order requested
    done: tuple[RunRecord, ...]  # those that were finished and measured alike
    rank: int | None  # from 1, or None where it is not ranked
    why: str  # why it is not ranked, or what its rank lacks; "" where there is nothing to say
    estimate: SettingEstimate | None = None  # on half B, or None
    together: bool | None = None  # whether it cannot be told from the best; None where no claim is made

    @property
    def name(self) -> str:
        """The setting for display."""
        return label(self.setting)

    @property
    def lead(self) -> RunRecord:
        """The run that stands for it in pictures: its first finished seed, or its first run."""
        return min(self.done or self.runs, key=lambda run: run.seed)

    def mean(self, column: str) -> float | None:
        """Mean over its finished runs of a final value, or None where no run has it."""
        return mean(run.value(column) for run in self.done)

    def floor(self, column: str) -> float | None:
        """The value of a metric between real and real images."""
        return mean(run.floors.get(column) for run in self.done)

    def word(self, objective: str | None) -> str | None:
        """What its mean values say in words, or None where there are none for this objective and protocol."""
        if objective is None or not self.done:
            return None
        columns = (objective, "precision", "recall")
        values = {column: mean for column in columns if (mean := self.mean(column)) is not None}
        floors = {column: mean for column in columns if (mean := self.floor(column)) is not None}
        return words.word(objective, values, floors, self.lead.measured)

    @property
    def at_best_epoch(self) -> tuple[float, float] | None:
        """Mean value on half B at the epoch that half A names best, and the mean of those epochs."""
        rows = [run.result.get("best") or {} for run in self.done]
        epoch = mean(row.get("epoch") for row in rows)
        if epoch is None or any(row.get("value") is None for row in rows):
            return None
        value = geometric_mean([row["value"] for row in rows])
        return None if value is None else (value, epoch)


@dataclass(frozen=True)
class Ranking:
    """The settings of one data set that were measured in one way."""

    dataset: str
    objective: str | None  # what they are ranked by, or None where nothing was measured
    direction: str  # "minimise" or "maximise"
    protocol: str  # digest of how the objective was measured
    standings: tuple[Standing, ...] = ()  # ranked ones first
    comparison: Comparison | None = None  # on half B, or None where there is nothing to compare
    halves: bool = False  # whether half A chose; else one value did both
    runs: str = ""  # digest of the finished runs of ranked settings and of their values
    baseline: Setting | None = None  # the setting that others are to beat
    withheld: bool = False  # whether claims could be made and are not, as no look at them is noted

    @property
    def version(self) -> int:
        """Version of the protocol that the objective was measured by."""
        return next((run.version for standing in self.standings for run in standing.done), 1)

    @property
    def ranked(self) -> tuple[Standing, ...]:
        """Those with a rank, best first."""
        return tuple(standing for standing in self.standings if standing.rank is not None)

    @property
    def best(self) -> Standing | None:
        """The one that half A names best."""
        return self.ranked[0] if self.ranked else None

    @property
    def together(self) -> tuple[Standing, ...]:
        """Others that cannot be told from the best."""
        return tuple(standing for standing in self.ranked[1:] if standing.together)

    @property
    def left_behind(self) -> tuple[Standing, ...]:
        """Settings that are measured but have too few seeds to be compared with the others."""
        return tuple(standing for standing in self.standings if standing.why == TOO_FEW)

    @property
    def claims(self) -> bool:
        """Whether anything may be claimed."""
        return self.comparison is not None and self.comparison.claims and self.comparison.df >= 1


def title(ranking: Ranking, rankings: Sequence[Ranking]) -> str:
    """The data set, with the protocol where several rankings are of it."""
    if sum(other.dataset == ranking.dataset for other in rankings) == 1:
        return ranking.dataset
    way = "not measured" if ranking.objective is None else f"protocol {ranking.version} ({ranking.protocol[:8]})"
    return f"{ranking.dataset}, {way}"


def rankings(study: Study, options: VerdictOptions = NO_OPTIONS) -> tuple[Ranking, ...]:
    """Every data set's ranking, one for each protocol; ConfigError: the baseline is unranked, or several settings."""
    results: list[Ranking] = []
    for dataset in dict.fromkeys(run.dataset for run in study.runs):
        runs = [run for run in study.runs if run.dataset == dataset]
        ways = dict.fromkeys((run.objective, run.protocol) for run in runs if run.objective is not None)
        for objective, protocol in ways:
            assert objective is not None
            empty = Ranking(dataset, *objective, protocol)
            results.append(_filled(empty, runs, study.looks, options, alone=len(ways) == 1))
        unmeasured = [run for run in runs if run.objective is None]
        if not ways or (len(ways) > 1 and unmeasured):
            results.append(_filled(Ranking(dataset, None, "minimise", ""), unmeasured, (), options, alone=True))
    if options.baseline and all(ranking.baseline is None for ranking in results):
        names = "; ".join(dict.fromkeys(standing.name for ranking in results for standing in ranking.ranked))
        raise ConfigError(f"--baseline: expected one of the ranked settings ({names}), got {options.baseline!r}")
    return tuple(results)


def columns(runs: Sequence[RunRecord], name: str | None) -> tuple[list[Setting], list[int], list[float], list[str]]:
    """Settings, seeds, values and trajectories of the runs that have a final value `name`."""
    return (
        [run.setting for run in runs],
        [run.seed for run in runs],
        [run.value(name or "") or 0.0 for run in runs],
        [run.trajectory_id for run in runs],
    )


def _filled(
    ranking: Ranking, runs: Sequence[RunRecord], looks: Sequence[OneLook], options: VerdictOptions, *, alone: bool
) -> Ranking:
    """The ranking of these runs; where it is not `alone`, of settings that have runs measured in its way."""
    groups: dict[Setting, list[RunRecord]] = {}
    for run in runs:
        groups.setdefault(run.setting, []).append(run)
    # Of runs that differ in nothing that is recorded (by versions of the code, say), the one asked for last counts.
    done = {s: tuple({r.seed: r for r in group if _is_measured(r, ranking)}.values()) for s, group in groups.items()}
    groups = {setting: group for setting, group in groups.items() if alone or done[setting]}
    problems = {setting: _problem(group, done[setting], ranking.objective) for setting, group in groups.items()}
    able = [setting for setting in groups if not problems[setting]]
    seeds = sorted((len(done[setting]) for setting in able), reverse=True)
    fewest = min(MIN_SEEDS, *seeds[:2]) if seeds else 0  # two settings have so many: one alone is the best of nothing
    problems |= dict.fromkeys((setting for setting in able if len(done[setting]) < fewest), TOO_FEW)
    ranked = {setting: done[setting] for setting in able if not problems[setting]}
    if ranked and ranking.objective is not None:
        ranking, ranked = _compared(ranking, ranked, looks, options, {s: done[s] for s in able})
    comparison = ranking.comparison
    estimates = {estimate.setting: estimate for estimate in comparison.estimates} if comparison else {}
    standings = []
    for number, setting in enumerate(ranked, 1):
        why = _states(Counter(run.state for run in groups[setting] if run.state is not State.COMPLETED))
        rank, estimate = (number, estimates[setting]) if comparison else (None, None)
        together = setting not in comparison.told_apart if comparison and ranking.claims else None
        standings.append(Standing(setting, tuple(groups[setting]), done[setting], rank, why, estimate, together))
    rest = [Standing(s, tuple(g), done[s], None, problems[s]) for s, g in groups.items() if s not in ranked]
    return replace(ranking, standings=(*standings, *rest))


def _is_measured(run: RunRecord, ranking: Ranking) -> bool:
    if run.state is not State.COMPLETED or not run.result:
        return False
    if ranking.objective is None:
        return run.objective is None
    same = (run.objective, run.protocol) == ((ranking.objective, ranking.direction), ranking.protocol)
    return same and run.value(ranking.objective) is not None


def _problem(group: Sequence[RunRecord], done: Sequence[RunRecord], objective: str | None) -> str:
    """Why a setting is not ranked, or ""."""
    counts = Counter(run.state for run in group)
    for state in (State.DIVERGED, State.PRUNED):
        if counts[state]:
            text = f"{counts[state]} of {len(group)} {state.lower()}"
            return f"{text}: not ranked on its survivors" if done else text
    if done:
        return ""
    return _states(counts) if objective else f"{_states(counts)}; nothing was measured"


def _states(counts: Mapping[State, int]) -> str:
    return ", ".join(f"{number} {state.lower()}" for state, number in counts.items())


def _compared(
    ranking: Ranking,
    done: dict[Setting, tuple[RunRecord, ...]],
    looks: Sequence[OneLook],
    options: VerdictOptions,
    able: Mapping[Setting, Sequence[RunRecord]],
) -> tuple[Ranking, dict[Setting, tuple[RunRecord, ...]]]:
    """The ranking with its comparison, and the settings best first.

    Half A orders the settings, half B is reported. Earlier looks at this data set have used part of the error rate.
    A claim is one of all settings near the best that were `able` to be ranked, also where they have too few seeds.
    """
    name, kind = ranking.objective or "", (ranking.dataset, ranking.objective, ranking.protocol)
    runs = [run for group in done.values() for run in group]
    halves = all(run.value(f"{name}_half_a") is not None for run in runs)
    choice = compare(*columns(runs, f"{name}_half_a" if halves else name), direction=ranking.direction)
    places = {estimate.setting: place for place, estimate in enumerate(choice.estimates)}
    done = dict(sorted(done.items(), key=lambda item: places[item[0]]))
    runs = [run for group in done.values() for run in group]
    content = repr([*kind, sorted((run.run_id, run.value(name) or 0.0) for run in runs)])
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    same = [look for look in looks if (look["dataset"], look["objective"], look["protocol"]) == kind]
    earlier = list(itertools.takewhile(lambda look: look["runs"] != digest, same))
    baseline = find_baseline(options, done)
    values = {setting: [run.value(name) or 0.0 for run in group] for setting, group in able.items()}
    comparison = compare(
        *columns(runs, name),
        direction=ranking.direction,
        chosen=next(iter(done)),
        looks=[look["seeds"][1] for look in earlier],
        baseline=baseline,
        family=len(done.keys() | near(values, next(iter(done)))),
    )
    comparison = with_earlier(comparison, claims(earlier, done))
    return replace(ranking, comparison=comparison, halves=halves, runs=digest, baseline=baseline), done
