"""What ganexp refuses, and why: one exception family, one exit status."""

from __future__ import annotations


class Refused(Exception):
    """Something is refused before any work starts (exit status 2).

    The message is what the user reads: it names the key or file, what was expected and what was got.
    """


class ConfigError(Refused):
    """A configuration key or value is not acceptable."""


class DataError(Refused):
    """A dataset is missing, malformed, or cannot serve what was asked of it."""


class DirectoryError(Refused):
    """A run or sweep directory holds something else than what was asked for."""


class Diverged(Exception):
    """A loss or a weight became NaN or infinite (state DIVERGED, exit status 1)."""


class Pruned(Exception):
    """A search stopped this run, which does not promise (state PRUNED)."""


class LeaseLost(Exception):
    """Another process took this run over; the present one must stop without writing."""
