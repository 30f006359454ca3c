"""How often tools crown a false winner, and find a true one: `python benchmarks/false_winners.py [--sweeps 500]`.

Two and six settings with log-normal scores, lower is better, in each noise of `sweeps.py`, at one look at 5 seeds and
at looks after 5, 8, 11 and 14 seeds, where the first claim counts. False: all are equal in truth, and the best one is
called better than another one. True: one setting is ahead, and is called better than each other one.

- lowest mean: the setting with the lowest mean is the winner, always.
- mean ± sd: mean + sd of the best one lies below mean - sd of the other (of logarithms, as all that follow).
- scipy tukey_hsd: p < 5 %; its limit is the same for all pairs of a balanced table, and is computed once.
- autorank: `autorank(data)`, a row for each seed; the two share no group of `get_sorted_rank_groups`. It is slow: a
  twenty-fifth of the sweeps.
- rliable: 95 % percentile intervals of the stratified bootstrap do not overlap (Agarwal et al. 2021; of one task, so
  runs are resampled; 2,000 resamples; what `rliable.library.get_interval_estimates` does, computed here at once).
- ganexp: `ganexp.report.statistics.compare.compare`, which counts its looks.

autorank is installed in an environment of its own, so that ganexp's stays as it is: `python -m venv peers`,
`peers/bin/pip install autorank`, then run this with `PYTHONPATH=peers/lib/python3.11/site-packages`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganexp.report.statistics.thresholds import spending
from sweeps import NOISES, Floats, deviations, draw, verdicts

SETTINGS, LOOKS, AHEAD = (2, 6), (5, 8, 11, 14), 3.0
Verdicts = tuple[NDArray[np.int64], NDArray[np.bool_]]  # the best setting (sweeps,); which others are worse (sweeps, k)
Tool = Callable[[Floats, Sequence[int]], Verdicts]


def _worse(low: Floats, high: Floats, means: Floats) -> Verdicts:
    """Worse is a setting whose low end lies above the best one's high end."""
    best = means.argmin(axis=1)
    worse = low > np.take_along_axis(high, best[:, None], 1)
    np.put_along_axis(worse, best[:, None], False, 1)
    return best, worse


def lowest_mean(y: Floats, looks: Sequence[int]) -> Verdicts:
    """The lowest mean wins."""
    means = y.mean(axis=2)
    return _worse(means, means, means)


def mean_and_sd(y: Floats, looks: Sequence[int]) -> Verdicts:
    """Mean ± sd do not overlap."""
    means, sd = y.mean(axis=2), y.std(axis=2, ddof=1)
    return _worse(means - sd, means + sd, means)


def tukey_hsd(y: Floats, looks: Sequence[int]) -> Verdicts:
    """scipy.stats.tukey_hsd."""
    k, n = y.shape[1:]
    means = y.mean(axis=2)
    half = stats.studentized_range.ppf(0.95, k, k * (n - 1)) * np.sqrt(y.var(axis=2, ddof=1).mean(axis=1) / n) / 2
    return _worse(means - half[:, None], means + half[:, None], means)


def rliable(y: Floats, looks: Sequence[int]) -> Verdicts:
    """Percentile bootstrap intervals do not overlap."""
    n = y.shape[2]
    picks = np.random.default_rng(9).integers(0, n, size=(2000, n))
    weights = np.stack([(picks == run).mean(axis=1) for run in range(n)])
    ends = np.array([np.quantile(sweep @ weights, (0.025, 0.975), axis=1) for sweep in y])
    return _worse(ends[:, 0], ends[:, 1], y.mean(axis=2))


def autorank(y: Floats, looks: Sequence[int]) -> Verdicts:
    """The package autorank."""
    import pandas as pd
    from autorank import autorank as rank
    from autorank._util import get_sorted_rank_groups

    best, worse = np.zeros(len(y), dtype=np.int64), np.zeros(y.shape[:2], dtype=bool)
    for i, sweep in enumerate(y):
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = rank(pd.DataFrame(sweep.T), alpha=0.05, order="ascending", verbose=False)
            groups = get_sorted_rank_groups(result, False)[2] if result.posthoc else []
        names = result.rankdf.index.to_list()
        best[i] = names[0]
        if result.pvalue < result.alpha:
            last = max((high for low, high in groups if low == 0), default=0)
            worse[i, names[last + 1 :]] = True
    return best, worse


def ganexp(y: Floats, looks: Sequence[int]) -> Verdicts:
    """ganexp.report.statistics.compare.compare, for many sweeps at once."""
    return verdicts(y, spending(looks[:-1], looks[-1])[0])


TOOLS: dict[str, Tool] = {
    "lowest mean": lowest_mean,
    "mean ± sd do not overlap": mean_and_sd,
    "scipy tukey_hsd": tukey_hsd,
    "autorank": autorank,
    "rliable's intervals": rliable,
    "ganexp": ganexp,
}


def rate(tool: Tool, noise: str, k: int, sweeps: int, looks: Sequence[int], ahead: bool) -> float:
    """Share of sweeps, %, whose first claim is false; with one setting ahead: whose first winner is the true one."""
    y = draw(sweeps, noise, k, looks[-1], stream=7)
    middle = k // 2
    if ahead:
        sd = deviations(noise, k)
        y[:, middle] -= AHEAD * math.sqrt((sd.max() ** 2 + sd[middle] ** 2) / 2)
    first = np.full(sweeps, -1)
    for i, n in enumerate(looks):
        at = np.flatnonzero(first < 0)
        if len(at):
            best, worse = tool(y[at][:, :, :n], looks[: i + 1])
            claim = worse.sum(axis=1) == k - 1 if ahead else worse.any(axis=1)
            first[at[claim]] = best[claim]
    return 100 * float((first == middle if ahead else first >= 0).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=500)
    sweeps, started = parser.parse_args().sweeps, time.monotonic()
    print(f"{sweeps} sweeps for each of {len(NOISES)} noises; %: mean over noises (worst noise)\n")
    places = [f"{k} settings, {name}" for k in SETTINGS for name in ("5 seeds", "looks at 5 to 14")]
    print(f"| | {' | '.join(f'{kind}: {each}' for kind in ('false', 'true') for each in places)} |")
    print("|---" * (1 + 2 * len(places)) + "|")
    for name, tool in TOOLS.items():
        many = max(sweeps // 25, 1) if tool is autorank else sweeps
        cells = []
        try:
            for ahead in (False, True):
                for k, looks in ((k, looks) for k in SETTINGS for looks in (LOOKS[:1], LOOKS)):
                    seen = [rate(tool, noise, k, many, looks, ahead) for noise in NOISES]
                    cells.append(f"{np.mean(seen):.1f} ({min(seen) if ahead else max(seen):.1f})")
        except ImportError as error:
            cells = [f"not installed: {error.name}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"\nThe true winner is ahead by {AHEAD:g} sd, the root mean square of its own and the largest one's.")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
