"""What a search optimises, and in which direction."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any

from ganexp.config.run_config import RunConfig
from ganexp.metrics import Metric
from ganexp.sweep.search.address import Direction
from ganexp.sweep.search.conduct import SECONDS
from ganexp.types.errors import ConfigError, suggested


def objectives_of(config: RunConfig, asked: Sequence[str] | None) -> list[str]:
    """The objectives of a search.

    Args:
        config: of one of its runs.
        asked: `hydra.sweeper.objectives`; None for `metrics.objective` alone.

    Raises:
        ConfigError: nothing is measured, or no metric gives such a value.
    """
    measured = {name: target.build() for name, target in config.scores.items()}
    known = [*(name for name, metric in measured.items() if metric.may_choose), SECONDS]
    if asked is None:
        if config.metrics.objective is None:
            raise ConfigError(
                "metrics.objective: expected a metric, as a search needs something to optimise, got null; "
                "choose metrics=default, or name hydra.sweeper.objectives"
            )
        return [config.metrics.objective]
    names = list(asked)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"hydra.sweeper.objectives: expected some of {', '.join(known)}, got {name!r}.{suggested(name, known)}"
            )
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"hydra.sweeper.objectives: expected different names, at least one, got {names}")
    return names


def directions_of(config: RunConfig, objectives: Sequence[str], asked: Any) -> list[Direction]:
    """The direction of each objective, "minimize" or "maximize".

    Args:
        config: of one of the runs.
        objectives: metric columns, or "train_seconds".
        asked: `hydra.sweeper.direction`; None for each metric's own.

    Raises:
        ConfigError: `asked` is not what the metrics say.
    """
    measured: Mapping[str, Metric] = {name: target.build() for name, target in config.scores.items()}
    up = [name in measured and measured[name].direction == "maximise" for name in objectives]  # seconds go down
    own: list[Direction] = ["maximize" if each else "minimize" for each in up]
    if asked is None:
        return own
    given = [str(getattr(each, "name", each)) for each in (asked if isinstance(asked, MutableSequence) else [asked])]
    if given != own:
        told = ", ".join(f"{name}: {direction}" for name, direction in zip(objectives, own, strict=True))
        raise ConfigError(
            f"hydra.sweeper.direction: expected {own[0] if len(own) == 1 else own} ({told}) or null, got "
            f"{given[0] if len(given) == 1 else given}"
        )
    return own
