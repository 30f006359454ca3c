"""trials.json: a study's trials as a file of the sweep directory, for readers that have no database at hand."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from ganexp.files.atomic import write_json
from ganexp.files.owned import alone
from ganexp.sweep.search.conduct import Search

FILE = "trials.json"
FORMAT = 1

SHARE = 0.02
"""Of a search's time that goes into writing its journal, at most."""


class Journal:
    """Keeps trials.json up to date, in a long study not after each trial.

    Args:
        search: whose trials it lists.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self._due = 0.0

    def update(self) -> None:
        """Write it, unless too much of the time would go into that; `write` does in any case."""
        began = time.monotonic()
        if began >= self._due:
            write(self.search)
            ended = time.monotonic()
            self._due = ended + (ended - began) / SHARE


def write(search: Search) -> None:
    """(Re)write trials.json.

    Content: `format`, `study`, `objectives`, `directions`, `sampler`, `pruner`, and for each of `trials` its `number`,
    `state`, `values`, `params`, `distributions`, `intermediate` values by epoch, user attributes, `begun` and `ended`
    (local time, ISO 8601).
    """
    study = search.trials.study
    content = {
        "format": FORMAT,
        "study": study.study_name,
        "objectives": list(search.objectives),
        "directions": [direction.name.lower() for direction in study.directions],
        "sampler": type(study.sampler).__name__,
        "pruner": type(study.pruner).__name__,
        "trials": [_plain(trial) for trial in search.trials.all()],
    }
    with alone(search.directory):
        write_json(search.directory / FILE, content)


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    begun, ended = trial.datetime_start, trial.datetime_complete
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": None if trial.values is None else [_finite(value) for value in trial.values],
        "params": dict(trial.params),
        "distributions": {key: distribution_to_json(d) for key, d in trial.distributions.items()},
        "intermediate": {str(epoch): _finite(value) for epoch, value in _by_epoch(trial.intermediate_values).items()},
        "attributes": dict(trial.user_attrs),
        "begun": None if begun is None else begun.isoformat(),
        "ended": None if ended is None else ended.isoformat(),
    }


def _by_epoch(values: Mapping[int, float]) -> dict[int, float]:
    return dict(sorted(values.items()))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
