"""`sweep.until=claim`: seeds are handed out where they decide, until the verdict stands or the runs are spent.

Every decision follows from the results of the runs before it and from looks.json, so the same command, given again
after a stop, decides the same and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ganexp.report.looks import record_looks
from ganexp.report.ranking import Ranking, Standing, rankings, title
from ganexp.report.settings import Setting, label
from ganexp.report.statistics.claim import BEGIN, LOOK_AT, in_the_race, seeds_next, undecided
from ganexp.report.study import Study, read_study
from ganexp.sweep.conduct import Conductor
from ganexp.sweep.points import Point
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import count, say

EVERYWHERE = 5  # seeds of every setting, whose number of runs is the budget where none is given


@dataclass
class UntilClaim:
    """The settings of a grid, and the seeds that each has so far."""

    first: Sequence[Point]  # each setting's run with its first seed, without duplicates
    compose: Callable[[Sequence[tuple[str, ...]]], Sequence[Point]]  # overrides -> points that may be run
    most: int | None  # runs, at most
    runs: list[list[Point]] = field(init=False)  # of each setting, by seed
    racing: set[int] = field(init=False)  # settings that may get more seeds

    def __post_init__(self) -> None:
        self.runs = [[point] for point in self.first]
        self.racing = set(range(len(self.runs)))
        least = BEGIN * len(self.runs) + LOOK_AT - BEGIN
        self.most = self.most or max(EVERYWHERE * len(self.runs), least)
        if len(self.runs) < 2:
            raise ConfigError("sweep.until: expected a grid of two settings or more to choose from, got one")
        if self.most < least:
            raise ConfigError(
                f"sweep.max_runs: expected at least {least} ({BEGIN} seeds of each of {len(self.runs)} settings, and "
                f"{LOOK_AT - BEGIN} runs more), got {self.most}"
            )
        self._add(self.racing, BEGIN)

    @property
    def points(self) -> list[Point]:
        """All runs so far."""
        return [point for runs in self.runs for point in runs]

    def work(self, conductor: Conductor, record: Callable[[], None]) -> None:
        """Make runs until nothing more is to be decided; `record` writes the plan with the new ones."""
        conductor.conduct()
        while self.decide(read_study([conductor.directory])):
            conductor.points = self.points
            record()
            conductor.conduct()

    def decide(self, study: Study) -> bool:
        """Hand out seeds by the results so far; returns whether there are new runs."""
        before, ids = len(self.points), {point.run_id for point in self.points}
        study = replace(study, runs=tuple(run for run in study.runs if run.run_id in ids))
        found = rankings(study)
        for ranking in found:
            self._hand_out(study, ranking, f"{title(ranking, found)}: " if len(found) > 1 else "")
        return len(self.points) > before

    def _hand_out(self, study: Study, ranking: Ranking, where: str) -> None:
        """More seeds for the settings of one data set that need them."""
        first = {runs[0].run_id: number for number, runs in enumerate(self.runs)}
        numbers = {s.setting: first[run.run_id] for s in ranking.standings for run in s.runs if run.run_id in first}
        racing = [standing for standing in ranking.standings if numbers[standing.setting] in self.racing]
        self.racing -= set(numbers.values())
        able = [standing for standing in racing if len(standing.done) == len(self.runs[numbers[standing.setting]])]
        seeds = max((len(standing.done) for standing in able), default=0)
        chosen = self._chosen(study, ranking, able, seeds) if len(able) > 1 else []
        assert self.most is not None
        wanted = min(seeds_next(seeds), seeds + (self.most - len(self.points)) // max(len(chosen), 1))
        if chosen and wanted > seeds:
            self.racing |= {numbers[setting] for setting in chosen}
            self._add((numbers[setting] for setting in chosen), wanted)
        if racing:
            say(where + self._said(seeds, chosen, wanted, out=len(racing) - len(chosen), able=len(able)))

    def _said(self, seeds: int, chosen: Sequence[Setting], wanted: int, *, out: int, able: int) -> str:
        """What was decided after so many seeds, for a terminal."""
        if able < 2:
            return "too few settings are finished for a choice"
        if not chosen:
            return f"after {seeds} seeds no setting needs more: the verdict stands"
        which = f"after {seeds} seeds {label(chosen[0])} is first, {count(len(chosen), 'setting')} still in the race"
        if wanted <= seeds:
            return f"{which}; of sweep.max_runs={self.most} too few are left for another seed of each"
        return f"{which}{f', {out} left behind' if out else ''}: {count(wanted - seeds, 'more seed')} each"

    def _chosen(self, study: Study, ranking: Ranking, racing: Sequence[Standing], seeds: int) -> list[Setting]:
        """The settings that need more seeds, best first."""
        if seeds >= LOOK_AT:
            record_looks(study, [ranking])
            still = {standing.setting for standing in racing}
            undecided_ones = undecided(ranking.comparison) if ranking.claims and ranking.comparison else []
            return [setting for setting in undecided_ones if setting in still]
        name = ranking.objective or ""
        values = {s.setting: [run.value(name) or 0.0 for run in s.done] for s in ranking.standings if s.done}
        return in_the_race(values, [standing.setting for standing in racing], ranking.direction)

    def _add(self, settings: Iterable[int], seeds: int) -> None:
        """Runs of further seeds, up to so many of each of these settings."""
        asked = [
            (number, (*_without_seed(self.first[number].overrides), f"seed={self.first[number].config.seed + more}"))
            for number in sorted(settings)
            for more in range(len(self.runs[number]), seeds)
        ]
        for (number, _), point in zip(asked, self.compose([overrides for _, overrides in asked]), strict=True):
            self.runs[number].append(point)


def _without_seed(overrides: Sequence[str]) -> list[str]:
    return [text for text in overrides if text.partition("=")[0].lstrip("+") != "seed"]
