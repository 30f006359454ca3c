"""What a comparison of settings says."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

RULE = "each setting's own variance, or the one moderated by those of all settings where that is larger"
"""What differences are measured by."""


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
