"""What ganexp refuses, and why: one exception family, one exit status."""

from __future__ import annotations

import re
from collections.abc import Sequence

SEVERAL = ". Several values to try take commas, no brackets, and --multirun"  # to a list where one value is expected


class Refused(Exception):
    """Something is refused before any work starts (exit status 2).

    The message is what the user reads: it names the key or file, what was expected and what was got.
    """


class ConfigError(Refused):
    """A configuration key or value is not acceptable."""


class Senseless(ConfigError):
    """Values that are each acceptable make no sense together."""


class DataError(Refused):
    """A dataset is missing, malformed, or cannot serve what was asked of it."""


class DirectoryError(Refused):
    """A run or sweep directory holds something other than what was asked for."""


class Diverged(Exception):
    """A loss or a weight became NaN or infinite (state DIVERGED, exit status 1)."""


class Interrupted(Exception):
    """Training stopped on request, between two steps (state INTERRUPTED)."""


class Pruned(Exception):
    """A search stopped this run because it is not promising (state PRUNED)."""


class LeaseLost(Exception):
    """Another process took this run over; this process must stop without writing."""


def in_words(error: BaseException) -> str:
    """The user's message for an error that ended a run."""
    if type(error).__name__ == "BdbQuit" or str(error) == "EOF when reading a line":
        return (
            "own code stopped to ask (breakpoint() or input()), and nobody answered: a worker has no terminal; "
            "hydra/launcher=basic runs the jobs of a sweep in the command's own process"
        )
    return lack_of_memory(error) or str(error)


def lack_of_memory(error: BaseException) -> str | None:
    """One line for an error that says that there is too little memory; None for any other error."""
    text = str(error)
    size = re.search(r"(?:tried to allocate|Unable to allocate) ([\d.]+ ?\w+)", text, re.IGNORECASE)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        request = f": {size[1]} were asked for" if size else ""
        return f"out of memory{request}; smaller batches, fewer d_steps, smaller images or narrower networks need less"
    return None


WHY_NOT = {
    "loss.label_smoothing": " It smooths the target of a probability (Salimans et al. 2016), which loss=non_saturating "
    "and loss=minimax alone have."
}  # key -> why the option that is chosen does not take it


def unknown_key(key: str, names: Sequence[str]) -> str:
    """The message for an unknown key, in a section that takes `names`."""
    section, _, last = key.rpartition(".")
    takes = f"; {section or 'the configuration'} takes {', '.join(names)}." if names else "."
    return f"{key}: unknown key{takes}{WHY_NOT.get(key) or suggested(last, names)}"


def nearest(word: str, words: Sequence[str], cutoff: float = 0.5) -> str | None:
    """The word in `words` most similar to `word`, capitals or not; None where none is similar."""
    import difflib

    lower = {each.lower(): each for each in reversed(words)}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=cutoff)
    return lower[close[0]] if close else None


def did_you_mean(name: str | None) -> str:
    """The end of a message about a mistyped name; empty where `name` is None."""
    return f" Did you mean {name!r}?" if name is not None else ""


def suggested(word: str, words: Sequence[str]) -> str:
    """`did_you_mean` with the nearest of `words`, or with one that begins with `word`."""
    return did_you_mean(nearest(word, words) or next((name for name in words if name.startswith(word)), None))
