"""`sweep.until=claim` against simulation: `python benchmarks/until_claim.py [--sweeps 1000]`.

18 settings whose values scatter as those of analysis/digits_grid do, by the rule of the product itself
(`ganexp.report.statistics.claim`), with a budget of 5 seeds everywhere. "False" is any setting called worse than one
that is not better, or a setting called the best of all while one that was left behind is as good or better. The bars:
false in at most 6.5 % of sweeps; where neighbours are 1.5 times apart, at most half of the runs of 5 seeds everywhere.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ganexp.report.statistics.claim import BEGIN, in_the_race, undecided
from ganexp.report.statistics.compare import MIN_SEEDS, compare
from ganexp.report.statistics.comparison import with_earlier
from report_statistics import Bars, head, row
from sweeps import Floats, deviations

K, SEEDS, MOST = 18, 5, 12
STEP = float(np.log(1.5))
ENDS = np.r_[0, K - 1, 1 : K - 1]  # the two of the least and the largest scatter first
ORDERS = {"best scatters most": np.arange(K), "best scatters least": np.arange(K)[::-1], "both ends first": ENDS}
TRUTHS = {
    "all equal": np.zeros(K),
    "two equal, the others 4.5x": np.r_[0.0, 0.0, np.full(K - 2, 1.5)],
    "two equal, then 1.5x each": np.r_[0.0, STEP * np.arange(K - 1)],
    "1.5x each": STEP * np.arange(K),
    "best 1.5x ahead of 17 equal": np.r_[0.0, np.full(K - 1, STEP)],
}
HALVED = "1.5x each"  # whose runs have a bar


@dataclass
class Ended:
    """How one simulated sweep ended."""

    runs: int
    false: bool
    best: bool  # whether it ended with "X is the best", X being the best
    stands: bool  # whether the verdict stood before the budget was spent


def sweep(values: Floats, truth: Floats, budget: int) -> Ended:
    """One sweep of settings with these values (k, seeds) and true means, of logarithms."""
    k = len(values)
    seeds = dict.fromkeys(range(k), BEGIN)
    race = in_the_race({i: np.exp(values[i, :BEGIN]).tolist() for i in range(k)}, "minimise")
    looks: list[int] = []
    claims: list[tuple[int, frozenset[int]]] = []
    while race and sum(seeds.values()) + len(race) <= budget and seeds[race[0]] < values.shape[1]:
        for i in race:
            seeds[i] += 1
        compared = [i for i in range(k) if seeds[i] >= MIN_SEEDS]
        rows = [i for i in compared for _ in range(seeds[i])]
        columns = [j for i in compared for j in range(seeds[i])]
        comparison = compare(rows, columns, np.exp(values[rows, columns]).tolist(), looks=looks, family=k)
        looks.append(min(seeds[i] for i in compared))
        comparison = with_earlier(comparison, claims)
        claims.append((comparison.chosen, comparison.told_apart))
        race = undecided(comparison)
    if not claims:
        return Ended(sum(seeds.values()), False, False, not race)
    best, single = claims[-1][0], comparison.single
    false = any(truth[i] <= truth[chosen] for chosen, apart in claims for i in apart)
    false = false or (single and any(truth[i] <= truth[best] for i in range(k) if i != best))
    return Ended(sum(seeds.values()), false, single and best == int(truth.argmin()), not race)


def main() -> None:
    """Print the table, and which bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=1000)
    options = parser.parse_args()
    bars = Bars(options.sweeps)
    print(f"{options.sweeps} sweeps a row, {K} settings, a budget of {SEEDS * K} runs\n")
    head("true means", "scatter", "false, %", "runs, of 5 seeds everywhere", "the best called best, %", "stands, %")
    for name, truth in TRUTHS.items():
        for order, places in ORDERS.items():
            rng = np.random.default_rng(11)
            sd = deviations("digits_grid", K)[places]
            noise = rng.normal(size=(options.sweeps, K, MOST)) * sd[:, None]
            ended = [sweep(truth[:, None] + each, truth, SEEDS * K) for each in noise]
            false = bars.at_most(float(np.mean([each.false for each in ended])), 0.065, f"{name}, {order}: false")
            share = float(np.mean([each.runs for each in ended])) / (SEEDS * K)
            spent = f"{share:.2f}"
            if name == HALVED:
                spent += "" if share <= 0.5 else " **not met**"
                bars.met += share <= 0.5
                bars.missed += [] if share <= 0.5 else [f"{name}, {order}: runs {share:.2f}"]
            called, stood = (100 * np.mean([getattr(each, what) for each in ended]) for what in ("best", "stands"))
            row(name, order, false, spent, f"{called:.0f}", f"{stood:.0f}")
    print(f"\n{bars}")


if __name__ == "__main__":
    main()
