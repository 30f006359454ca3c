"""What a terminal shows of a sweep's end: its settings with their means, and the best one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from ganexp.metrics import words
from ganexp.report.looks import noted, read_looks
from ganexp.report.ranking import Ranking, Standing, rankings, title
from ganexp.report.settings import Setting
from ganexp.report.statistics.compare import MIN_SEEDS
from ganexp.report.statistics.means import geometric_mean, mean
from ganexp.report.study import Study
from ganexp.report.text.remarks import bad_words
from ganexp.report.text.sentence import readable
from ganexp.types.endings import State
from ganexp.types.nested import short_keys
from ganexp.types.tables import fitted
from ganexp.types.terminal import count, duration

ROWS = 15  # settings of a table, at most, so that it fits on a terminal of 24 lines
MEANS = ("precision", "recall", "d_loss", "g_loss")  # further columns, where runs have them
WORD = "images"  # heading of the words for values
SPARE = ("g_loss", "d_loss", "time", "precision", "recall", WORD)  # what a narrow terminal does without


class Closing:
    """The settings of some runs of a study (`run_ids`), ranked as in its report."""

    def __init__(self, study: Study, run_ids: Collection[str]) -> None:
        self.rankings = rankings(study)
        self._directories = [sweep.directory for sweep in study.sweeps]
        self.asked = [
            (ranking, [s for s in ranking.standings if any(run.run_id in run_ids for run in s.runs)])
            for ranking in self.rankings
        ]
        self.asked = [(ranking, standings) for ranking, standings in self.asked if standings]

    def table(self, width: int) -> list[str]:
        """A table for each data set: a row for each setting, the best first, and the mean over its seeds."""
        lines = []
        for ranking, standings in self.asked:
            shown = standings[: max(1, ROWS // len(self.asked))]
            if len(self.asked) > 1:
                lines.append(f"{title(ranking, self.rankings)}:")
            lines += fitted(_rows(ranking, shown), width, SPARE)
            if len(shown) < len(standings):
                lines.append(f"... and {count(len(standings) - len(shown), 'more setting')}, in the report")
            if _out_of_order(shown):
                lines.append("(in the order of half A of the reference, which chooses; the values are those of half B)")
        return lines

    @property
    def unnoted(self) -> bool:
        """Whether something could be claimed that no report has noted its look at."""
        seen = noted(read_looks(self._directories))
        return any(ranking.claims and ranking.runs not in seen for ranking in self.rankings)

    def best(self) -> list[str]:
        """The best setting of each data set, and what may be claimed of it where a report has noted its look."""
        lines, seen = [], noted(read_looks(self._directories))  # as they are now: a report may have been written
        for ranking, standings in self.asked:
            best = ranking.best
            if best is None or best.estimate is None:
                continue
            where = f"{title(ranking, self.rankings)}, " if len(self.asked) > 1 else ""
            value = f"{ranking.objective} {_number(best.estimate.value)} over {count(len(best.done), 'seed')}"
            value += f", {word}" if (word := best.word(ranking.objective)) else ""
            elsewhere = "" if best in standings else "; it was asked for by another command"
            lines += [
                f"best: {where}{named(best.setting)}: {value}{elsewhere}",
                *(f"  {text}" for text in _claim(ranking, made=ranking.runs in seen)),
            ]
        return lines


def named(setting: Setting) -> str:
    """A setting as it is typed, each key cut to the last part that tells it from the others."""
    names = short_keys(key for key, _ in setting)
    return " ".join(f"{names[key]}={value}" for key, value in setting) or "the only setting"


def _rows(ranking: Ranking, standings: Sequence[Standing]) -> list[list[str]]:
    keys = [key for key, _ in standings[0].setting]
    names, means = short_keys(keys), [name for name in MEANS if any(s.mean(name) is not None for s in standings)]
    said = [standing.word(ranking.objective) or "" if standing.rank is not None else "" for standing in standings]
    heading = [WORD] if any(said) else []
    rows = [[*(names[key] for key in keys), "seeds", ranking.objective or "state", *heading, *means, "time"]]
    for standing, word in zip(standings, said, strict=True):
        done, asked = len(standing.done), len(standing.runs)
        cells = [value for _, value in standing.setting]
        cells += [str(done) if done == asked else f"{done} of {asked}", _value(ranking, standing)]
        cells += [word] * len(heading)
        cells += [_number(standing.mean(name)) for name in means]
        seconds = mean(run.seconds or None for run in standing.done)
        rows.append([*cells, "" if seconds is None else duration(seconds)])
    return rows


def _value(ranking: Ranking, standing: Standing) -> str:
    """The mean of a setting that may be ranked, else the states of its runs."""
    if standing.estimate is not None:
        return _number(standing.estimate.value)
    states = Counter(run.state for run in standing.runs)
    intact = not (states[State.DIVERGED] or states[State.PRUNED])
    if ranking.objective is not None and standing.done and intact:
        return _number(geometric_mean([run.value(ranking.objective) or 0.0 for run in standing.done]))
    return ", ".join(state if number == len(standing.runs) else f"{number} {state}" for state, number in states.items())


def _out_of_order(standings: Sequence[Standing]) -> bool:
    values = [float(f"{s.estimate.value:.3g}") for s in standings if s.estimate is not None]  # as shown
    return values not in (sorted(values), sorted(values, reverse=True))


def _claim(ranking: Ranking, *, made: bool) -> Iterator[str]:
    others = len(ranking.ranked) - 1
    if bad_words(ranking):
        yield f"no setting gives more than {' or '.join(reversed(words.BAD))}: none is worth choosing"
    if others and ranking.claims and not made:
        yield "whether that is more than luck: `ganexp report` says it, which counts as a look"
    elif others and ranking.claims and ranking.comparison is not None:
        alike = len(ranking.together)
        better = "better than the other one" if others == 1 else f"better than each of the {others} others"
        told = f"{alike} of {count(others, 'other')} cannot be told from it" if alike else better
        yield f"{told}, family-wise at {100 * ranking.comparison.level:.3g} %"
        if behind := len(ranking.left_behind):
            yield f"{count(behind, 'more setting')} with fewer than {MIN_SEEDS} seeds: nothing is claimed of them"
    elif others and min(len(standing.done) for standing in ranking.ranked) < MIN_SEEDS:
        yield f"fewer than {MIN_SEEDS} seeds: no claim; seed=range({MIN_SEEDS + 2}) in the same command adds some"


def _number(value: float | None) -> str:
    return "" if value is None else readable(value).replace("\u202f", ",")
