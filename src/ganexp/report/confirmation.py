"""Winners as they were claimed, and as they are on seeds that took no part in choosing them."""

from __future__ import annotations

from dataclasses import dataclass

from ganexp.report.ranking import Ranking, Standing, columns
from ganexp.report.statistics.compare import compare
from ganexp.report.statistics.comparison import Comparison, SettingEstimate
from ganexp.report.study import Study
from ganexp.report.text.wording import readable


@dataclass(frozen=True)
class Confirmed:
    """A winner as claimed, and as it is on new seeds."""

    standing: Standing
    claimed: SettingEstimate
    again: SettingEstimate
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
    used = {run.seed for standing in ranking.standings for run in standing.runs}
    runs = [
        run
        for run in study.confirmed
        if run.dataset == ranking.dataset and run.seed not in used and run.protocol == ranking.protocol
        if ranking.objective and run.value(ranking.objective) is not None
    ]
    if not runs:
        return [], None
    comparison = compare(*columns(runs, ranking.objective), direction=ranking.direction)
    again = {estimate.setting: estimate for estimate in comparison.estimates}
    rows = []
    for standing in ranking.ranked:
        if standing.setting in again and standing.estimate is not None:
            seeds = tuple(run.seed for run in runs if run.setting == standing.setting)
            rows.append(Confirmed(standing, standing.estimate, again[standing.setting], seeds))
    return rows, comparison
