"""`sweep.until=claim` against simulation: `python benchmarks/until_claim.py [--sweeps 400]`.

18 settings whose values scatter as those of analysis/digits_grid do, by the rule of the product itself
(`ganexp.report.statistics.claim`), with a budget of 5 seeds everywhere. "False" is any setting called worse than one
that is not better, or a setting called the best of all while one that was left behind is as good or better. The bars:
false in at most 6.5 % of sweeps; where neighbours are 1.5 times apart, at most half of the runs of 5 seeds everywhere.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ganexp.report.statistics.claim import BEGIN, LOOK_AT, in_the_race, near, seeds_next, undecided
from ganexp.report.statistics.compare import MIN_SEEDS, compare
from ganexp.report.statistics.comparison import Comparison, with_earlier
from report_statistics import Bars, head, row
from sweeps import Floats, deviations

K, SEEDS, MOST = 18, 5, 32
STEP = float(np.log(1.5))
ORDERS = {
    "best scatters most": np.arange(K),
    "best scatters least": np.arange(K)[::-1],
    "most and least first": np.r_[0, K - 1, 1 : K - 1],
    "shuffled": np.random.default_rng(5).permutation(K),
}
TRUTHS = {
    "all equal": np.zeros(K),
    "two equal, the others 4.5x": np.r_[0.0, 0.0, np.full(K - 2, 1.5)],
    "two equal, then 1.5x each": np.r_[0.0, STEP * np.arange(K - 1)],
    "five equal, the others 2x": np.r_[np.zeros(5), np.full(K - 5, np.log(2.0))],
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


def sweep(values: Floats, truth: Floats, budget: int) -> Ended:
    """One sweep of settings with these values (k, seeds) and true means, of logarithms."""
    k = len(values)
    seeds = dict.fromkeys(range(k), BEGIN)
    race = list(range(k))
    looks: list[int] = []
    claims: list[tuple[int, frozenset[int]]] = []
    single = False
    while race:
        drawn = {i: np.exp(values[i, : seeds[i]]).tolist() for i in range(k)}
        present = seeds[race[0]]
        if present < LOOK_AT:
            race = in_the_race(drawn, race, "minimise")
        else:
            comparison = _compared(drawn, looks)
            looks.append(max(seeds.values()))
            comparison = with_earlier(comparison, claims)
            claims.append((comparison.chosen, comparison.told_apart))
            single, race = comparison.single, undecided(comparison)
        wanted = min(seeds_next(present), present + (budget - sum(seeds.values())) // max(len(race), 1), MOST)
        if wanted <= present:
            break
        seeds |= dict.fromkeys(race, wanted)
    if not claims:
        return Ended(sum(seeds.values()), False, False)
    best = claims[-1][0]
    false = any(truth[i] <= truth[chosen] for chosen, apart in claims for i in apart)
    false = false or (single and any(truth[i] <= truth[best] for i in range(k) if i != best))
    return Ended(sum(seeds.values()), false, single and best == int(truth.argmin()))


def _compared(drawn: dict[int, list[float]], looks: list[int]) -> Comparison:
    compared = {i: each for i, each in drawn.items() if len(each) >= MIN_SEEDS}
    rows = [i for i, each in compared.items() for _ in each]
    columns = [j for each in compared.values() for j in range(len(each))]
    y = [value for each in compared.values() for value in each]
    best = min(compared, key=lambda i: float(np.mean(np.log(compared[i]))))
    return compare(rows, columns, y, looks=looks, family=len(compared.keys() | near(drawn, best)))


def everywhere(values: Floats, truth: Floats) -> bool:
    """Whether SEEDS of every setting find the best one alone."""
    comparison = _compared({i: np.exp(each[:SEEDS]).tolist() for i, each in enumerate(values)}, [])
    return comparison.single and comparison.chosen == int(truth.argmin())


def main() -> None:
    """Print the table, and which bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=400)
    options = parser.parse_args()
    bars = Bars(options.sweeps)
    print(f"{options.sweeps} sweeps a row, {K} settings, a budget of {SEEDS * K} runs\n")
    head(
        "true means",
        "scatter",
        "false, %",
        "runs, of 5 seeds everywhere",
        "finds the best, %",
        "5 everywhere find it, %",
    )
    shares = []
    for name, truth in TRUTHS.items():
        for order, places in ORDERS.items():
            rng = np.random.default_rng(11)
            sd = deviations("digits_grid", K)[places]
            noise = rng.normal(size=(options.sweeps, K, MOST)) * sd[:, None]
            ended = [sweep(truth[:, None] + each, truth, SEEDS * K) for each in noise]
            false = bars.at_most(float(np.mean([each.false for each in ended])), 0.065, f"{name}, {order}: false")
            share = float(np.mean([each.runs for each in ended])) / (SEEDS * K)
            shares += [share] if name == HALVED else []
            plain = np.mean([everywhere(truth[:, None] + each, truth) for each in noise])
            found = np.mean([each.best for each in ended])
            row(name, order, false, f"{share:.2f}", f"{100 * found:.0f}", f"{100 * plain:.0f}")
    print(f"\nRuns where neighbours are 1.5 times apart: {np.mean(shares):.2f} of 5 seeds everywhere (bar: 0.50)")
    print(f"{bars}")


if __name__ == "__main__":
    main()
