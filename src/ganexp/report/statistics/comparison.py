"""What a comparison of settings says, and what the chosen one is worth: its value corrected for having been chosen."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from ganexp.report.statistics.pairs import Floats, Pairs

# The variance that differences are tested with.
RULE = "each setting's own variance, or the one moderated by those of all settings where that is larger"

LUCKY, UNLUCKY = 0.03, 0.02  # error rates of the corrected interval, on the flattered side and on the other

CAP = 0.7  # chance that the luckiest of equal settings is not lucky by more than the correction is at most


@dataclass(frozen=True)
class SettingEstimate:
    """One setting's level."""

    setting: Hashable  # what was given
    seeds: int  # how many values it rests on
    value: float  # geometric mean (arithmetic mean where `Comparison.log` is false)
    low: float | None  # low, high: its interval by its own variance, or None where there is none to be had
    high: float | None
    error: float | None = None  # standard error of the mean of its logarithms (values where `log` is false), or None
    # standard deviation of its logarithms (values), or None. Of several data sets: `error` times sqrt(seeds)
    sd: float | None = None
    # the ratio (difference) to the best setting that its own does not exceed, for all settings at once at the look's
    # level, by which "not worse than" is decided; None without claims
    behind: float | None = None


@dataclass(frozen=True)
class Difference:
    """One setting against the one that all are compared with."""

    setting: Hashable  # which
    ratio: float  # its value over the other's (their difference where `log` is false)
    low: float  # low, high: its interval, simultaneous over all comparisons
    high: float
    better: bool  # better, worse: told apart, and which way
    worse: bool
    same_runs: bool  # whether the two are read off the same trajectories and compared within them
    least: float  # the least ratio (difference), above 1 (0), at which the two would be told apart
    lead: float  # the logarithm of `ratio`, positive where `setting` is worse
    error: float  # standard error of `lead`
    df: float  # its degrees of freedom


@dataclass(frozen=True)
class Winner:
    """The chosen setting's value once the luck of being chosen is taken off."""

    setting: Hashable  # which
    plain: float  # its mean as it stands (geometric where logarithms were compared)
    value: float  # corrected, median-unbiased
    low: float  # low, high: interval of 95 % after selection
    high: float


@dataclass(frozen=True)
class Comparison:
    """What can be said of several settings. Ratios are differences where `log` is false."""

    estimates: tuple[SettingEstimate, ...]  # one per setting, best first
    log: bool  # whether logarithms were compared (every value positive); else the values themselves
    # whether separations may be claimed: two settings or more, at least MIN_SEEDS seeds each, and some noise
    claims: bool
    chosen: Hashable  # what the others are compared with
    direction: str  # "minimise" or "maximise"
    looks: tuple[int, ...]  # seeds at each earlier look
    level: float  # family-wise error of this look
    spent: float  # family-wise error of all looks so far
    family: int  # settings that a claim is one of: those compared, and those left behind by some of their values
    told_apart: frozenset[Hashable] = frozenset()  # settings that are worse than the chosen one, at `level`
    single: bool = False  # whether the chosen setting is better than every other one
    ratio: float | None = None  # median over the others of the least ratio to the chosen one that can be told apart
    df: int = 0  # least degrees of freedom of a difference from the chosen setting, rounded down; 0 without claims
    differences: tuple[Difference, ...] = ()  # of the others from the chosen one, in the order of `estimates`
    against: tuple[Difference, ...] = ()  # the same from the baseline; () without one
    winner: Winner | None = None  # the chosen setting's value corrected for having been chosen, or None without claims
    within_ratio: float | None = None  # as `ratio`, of settings read off the chosen one's trajectories
    between_ratio: float | None = None  # as `ratio`, of settings read off other trajectories

    @property
    def look(self) -> int:
        """Number of this look, from 1."""
        return len(self.looks) + 1


def with_earlier(comparison: Comparison, claims: Iterable[tuple[Hashable, Collection[Hashable]]]) -> Comparison:
    """The comparison with what earlier looks claimed: a setting, and others that were worse than it.

    The error rate is that of all looks together, so a claim stands when a later look, which has less of it to spend,
    does not repeat it; as far as the setting is the chosen one, or was told apart from it.
    """
    apart, claims = set(comparison.told_apart), list(claims)
    for _ in claims:  # claims follow from one another
        for best, worse in claims:
            if comparison.claims and (best == comparison.chosen or best in apart):
                apart |= {each.setting for each in comparison.estimates if each.setting in worse}
    apart -= {comparison.chosen}
    return replace(comparison, told_apart=frozenset(apart), single=0 < len(apart) == len(comparison.estimates) - 1)


def corrected(fit: Pairs, best: int, name: Hashable, log: bool, direction: str, family: int) -> Winner:
    """The chosen setting's value and interval, corrected for having been chosen as the best of `family` settings."""
    sign = 1.0 if direction == "minimise" else -1.0
    value, low, high = selected(sign * fit.means, np.sqrt(fit.used), fit.used_degrees, np.asarray(best), family)
    back = math.exp if log else float
    ends = sorted(back(sign * float(each)) for each in (low, high))
    return Winner(name, back(float(fit.means[best])), back(sign * float(value)), *ends)


def selected(
    means: Floats, errors: Floats, degrees: Floats, best: NDArray[np.int64], family: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Estimate, low and high end (...) of the mean of a setting chosen for its least mean.

    The estimate is median-unbiased given that the setting came out below the next one (Andrews, Kitagawa and McCloskey
    2024, "Inference on winners", section 3, with Student's distribution for the normal one), and is capped, as in their
    hybrid, by what choosing the luckiest of k equal settings flatters. The interval projects: its end on the flattered
    side holds for all k settings at once.

    Means, their standard `errors` and degrees of freedom are (..., k). `best` (...) is the index of the chosen setting;
    its mean need not be the least where other data chose it. `family` is how many settings it was chosen from, where
    that is more than k.
    """
    k = max(family, means.shape[-1])
    at = best[..., None]
    x, e, df = (np.take_along_axis(each, at, -1)[..., 0] for each in (means, errors, degrees))
    others = np.where(np.arange(means.shape[-1]) == at, np.inf, means)
    gap = np.maximum(others.min(axis=-1) - x, 0.0) / np.maximum(e, 1e-300)
    below, above = np.zeros_like(x), np.asarray(stdtrit(df, CAP ** (1 / k)))
    for _ in range(40):  # bisection of a ratio that falls with the correction
        middle = (below + above) / 2
        large = stdtr(df, -middle) > 0.5 * np.maximum(stdtr(df, gap - middle), 1e-300)
        below, above = np.where(large, middle, below), np.where(large, above, middle)
    return x + e * above, x - e * stdtrit(df, 1 - UNLUCKY), x + e * stdtrit(df, 1 - LUCKY / k)
