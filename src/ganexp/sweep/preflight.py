"""What can be refused before the first job starts although it takes more than the configuration to see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganexp.build import evaluator_for
from ganexp.config import RunConfig
from ganexp.errors import ConfigError, Refused
from ganexp.job import load_dataset
from ganexp.sweep.plan import short
from ganexp.sweep.points import Point, telling


def check(points: Sequence[Point], keys: Sequence[str]) -> None:
    """Build each distinct model once, and make ready what each distinct choice of metrics needs.

    What fails for another reason than being refused is left to the jobs, which record it.

    Args:
        points: runs that are missing.
        keys: those that tell runs apart, for naming one in an error.

    Raises:
        ConfigError: a run is not acceptable; says which.
    """
    seen: set[str] = set()
    for point in points:
        for part, probe in PROBES.items():
            key = f"{part} {part_of(point.config, part)!r} {point.config.dataset!r}"
            if key not in seen:
                seen.add(key)
                _try(probe, point, keys)


def part_of(config: RunConfig, part: str) -> Any:
    """What the answer of a probe depends on, besides the dataset."""
    if part == "model":
        return config.model
    return config.scores, config.metrics, config.trainer.device


def _build_model(config: RunConfig) -> None:
    config.model.build(load_dataset(config.dataset).image_shape)


def _prepare_metrics(config: RunConfig) -> None:
    evaluator_for(config, load_dataset(config.dataset))


PROBES: dict[str, Callable[[RunConfig], None]] = {"model": _build_model, "metrics": _prepare_metrics}


def _try(probe: Callable[[RunConfig], None], point: Point, keys: Sequence[str]) -> None:
    try:
        probe(point.config)
    except Refused as error:
        where = short(telling(point.overrides, keys)) or "the only point"
        raise ConfigError(f"nothing was started; {where}: {error}") from None
    except Exception:  # noqa: S110  (the job meets it again, and records it)
        pass
