"""What a comparison of settings says."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

RULE = "each setting's own variance, or the one moderated by those of all settings where that is larger"
"""What differences are measured by."""


@dataclass(frozen=True)
class Estimate:
    """One setting's level.

    Attributes:
        setting: what was given.
        seeds: how many values it rests on.
        value: geometric mean (arithmetic mean where `Comparison.log` is false).
        low, high: its interval by its own variance, or None where there is none to be had.
        error: standard error of the mean of its logarithms (values where `log` is false), or None.
        sd: standard deviation of its logarithms (values), or None. Of several data sets: `error` times sqrt(seeds).
        behind: the ratio (difference) to the best setting that its own does not exceed, for all settings at once at the
            look's level, by which "not worse than" is decided; None without claims.
    """

    setting: Hashable
    seeds: int
    value: float
    low: float | None
    high: float | None
    error: float | None = None
    sd: float | None = None
    behind: float | None = None


@dataclass(frozen=True)
class Difference:
    """One setting against the one that all are compared with.

    Attributes:
        setting: which.
        ratio: its value over the other's (their difference where `log` is false).
        low, high: its interval, simultaneous over all comparisons.
        better, worse: told apart, and which way.
        same_runs: whether the two are read off the same trajectories and compared within them.
        least: the least ratio (difference), above 1 (0), at which the two would be told apart.
        lead: the logarithm of `ratio`, positive where `setting` is worse.
        error: standard error of `lead`.
        df: its degrees of freedom.
    """

    setting: Hashable
    ratio: float
    low: float
    high: float
    better: bool
    worse: bool
    same_runs: bool
    least: float
    lead: float
    error: float
    df: float


@dataclass(frozen=True)
class Winner:
    """The chosen setting's value once the luck of being chosen is taken off.

    Attributes:
        setting: which.
        plain: its mean as it stands (geometric where logarithms were compared).
        value: corrected, median-unbiased.
        low, high: interval of 95 % after selection.
    """

    setting: Hashable
    plain: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """What can be said of several settings.

    Attributes:
        estimates: one per setting, best first.
        log: whether logarithms were compared (every value positive); else the values themselves.
        claims: whether separations may be claimed: two settings or more, at least MIN_SEEDS seeds each, and some noise.
        seed_effects: whether seeds are blocks: never (see the module).
        told_apart: settings that are worse than the chosen one, family-wise at `level`.
        single: whether the chosen setting is better than every other one.
        ratio: median over the others of the least ratio (difference where `log` is false) to the chosen one that can be
            told apart, or None.
        df: least degrees of freedom of a difference from the chosen setting, rounded down; 0 without claims.
        residual_sd: root of the mean of the settings' own variances of log values (of values where `log` is false).
        chosen: what the others are compared with.
        direction: "minimise" or "maximise".
        looks: seeds at each earlier look.
        level, spent: family-wise error of this look, and of all so far.
        differences: of every other setting from the chosen one, in the order of `estimates`; () without claims.
        against: the same from the baseline; () without one.
        winner: the chosen setting's value corrected for having been chosen, or None without claims.
        within_ratio, between_ratio: as `ratio`, of settings read off the chosen one's trajectories and off other ones.
        rule: what differences are measured by.
    """

    estimates: tuple[Estimate, ...]
    log: bool
    claims: bool
    seed_effects: bool
    told_apart: frozenset[Hashable]
    single: bool
    ratio: float | None
    df: int
    residual_sd: float | None
    chosen: Hashable = None
    direction: str = "minimise"
    looks: tuple[int, ...] = ()
    level: float = 0.0
    spent: float = 0.0
    differences: tuple[Difference, ...] = ()
    against: tuple[Difference, ...] = ()
    winner: Winner | None = None
    within_ratio: float | None = None
    between_ratio: float | None = None
    rule: str = RULE

    @property
    def look(self) -> int:
        """Number of this look, from 1."""
        return len(self.looks) + 1
