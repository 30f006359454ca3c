"""What can be refused before the first job starts although it takes more than the configuration to see it."""

from __future__ import annotations

from collections.abc import Sequence

from ganexp.config.run_spec import load_dataset
from ganexp.files.plan import short
from ganexp.sweep.points import Point, telling
from ganexp.trainer.build import evaluator_for
from ganexp.types.errors import ConfigError, Refused


def check(points: Sequence[Point], keys: Sequence[str]) -> None:
    """Make ready what each distinct choice of metrics needs, on each dataset.

    What fails for another reason than being refused is left to the jobs, which record it.

    Args:
        points: runs that are missing.
        keys: those that tell runs apart, for naming one in an error.

    Raises:
        ConfigError: a run is not acceptable; says which.
    """
    seen: set[str] = set()
    for point in points:
        config = point.config
        chosen = (config.scores, config.metrics, config.trainer.device, config.conditional, config.dataset)
        if repr(chosen) not in seen:
            seen.add(repr(chosen))
            _prepare(point, keys)


def _prepare(point: Point, keys: Sequence[str]) -> None:
    try:
        evaluator_for(point.config, load_dataset(point.config.dataset))
    except Refused as error:
        where = short(telling(point.overrides, keys)) or "the only point"
        raise ConfigError(f"nothing was started; {where}: {error}") from None
    except Exception:  # noqa: S110  (the job meets it again, and records it)
        pass
