"""Winners as they were claimed, and as they are on seeds that took no part in choosing them."""

from __future__ import annotations

from dataclasses import dataclass

from ganexp.report.collect import Setting, Study
from ganexp.report.findings import Ranking, Standing, columns
from ganexp.report.statistics import Comparison, Estimate, compare
from ganexp.report.wording import readable


@dataclass(frozen=True)
class Confirmed:
    """A winner as claimed, and on seeds that took no part in choosing it."""

    standing: Standing
    claimed: Estimate
    again: Estimate
    seeds: tuple[int, ...]

    @property
    def words(self) -> str:
        """'claimed 78.6, confirmed 92.6 (71.6 to 120)'."""
        low, high = self.again.low, self.again.high
        span = f"{readable(low)} to {readable(high)}" if low is not None else "too few new seeds for an interval"
        text = f"claimed {readable(self.claimed.value)}, confirmed {readable(self.again.value)} ({span})"
        return text.replace("\u202f", " ")


def confirmed(study: Study, ranking: Ranking) -> tuple[list[Confirmed], Comparison | None]:
    """The winners of a ranking that were trained again, best first, and how they compare on the new seeds."""
    used = {run.seed for each in ranking.standings for run in each.runs}
    runs = [
        run
        for run in study.confirmed
        if run.dataset == ranking.dataset and run.seed not in used and run.protocol == ranking.protocol
        if ranking.objective and run.value(ranking.objective) is not None
    ]
    if not runs:
        return [], None
    result = compare(*columns(runs, ranking.objective), direction=ranking.direction)
    again = {each.setting: each for each in result.estimates}
    seeds: dict[Setting, tuple[int, ...]] = {}
    for run in runs:
        seeds[run.setting] = (*seeds.get(run.setting, ()), run.seed)
    rows = [
        Confirmed(each, each.estimate, again[each.setting], seeds[each.setting])
        for each in ranking.ranked
        if each.setting in again and each.estimate is not None
    ]
    return rows, result
