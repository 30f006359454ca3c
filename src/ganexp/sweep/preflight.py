"""Checks before the first job that need more than the configuration: metrics, and own code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganexp.config.own_code import check, check_planned, own_code
from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.config.target import is_own
from ganexp.files import plan
from ganexp.files.code_record import CodeRecord, as_text
from ganexp.files.record import Texts
from ganexp.sweep.points import Point
from ganexp.trainer.build import evaluator_for
from ganexp.trainer.rehearsal import rehearsed
from ganexp.types.errors import ConfigError, Refused

_REHEARSED: dict[str, CodeRecord] = {}  # `_kind` of points and their sources -> what the rehearsal of one noticed


def check_metrics(points: Sequence[Point], keys: Sequence[str]) -> list[tuple[Point, Mapping[str, Any]]]:
    """Prepare what each distinct choice of metrics needs, on each dataset.

    Failures other than refusals are left to the jobs, which record them. Returns the other choices, each with how it
    measures (`Scores.provenance`; {} where nothing is measured).

    Raises:
        ConfigError: a run is not acceptable; says which.
    """
    distinct: dict[str, Point] = {}
    for point in points:
        config = point.config
        chosen = (config.scores, config.metrics, config.trainer.device, config.conditional, config.dataset)
        distinct.setdefault(repr(chosen), point)
    measured: list[tuple[Point, Mapping[str, Any]]] = []
    for point in distinct.values():
        try:
            with _named(point, keys):
                evaluator = evaluator_for(point.config, load_dataset(point.config.dataset))
            measured.append((point, evaluator.provenance if evaluator is not None else {}))
        except ConfigError:
            raise
        except Exception:  # noqa: S110  (the job meets it again, and records it)
            pass
    return measured


def check_own_code(
    points: Sequence[Point], directory: Path, keys: Sequence[str], *, study: bool = False
) -> list[Point]:
    """Compare own code with that of the directory's runs, and rehearse it; returns points as `with_own_code` does.

    With `study`, all runs of the directory are trials of one search, and made by one code.

    Raises:
        ConfigError: a run of the directory was made with other code, or code cannot be repeated; says which.
    """
    if not any(point.config.has_own_code for point in points):
        return list(points)
    recorded = plan.read(directory)
    beside: defaultdict[str, list[Path]] = defaultdict(list)
    for run in recorded.runs.values() if recorded is not None else ():
        beside["" if study else run.trajectory_id].append(directory / run.run_dir)
    checked = []
    for point in points:
        code = own_code(point.config)
        with _named(point, keys):
            check_planned(point.config.sweep.own_code, code, point.config.changed_code)
            for folder in beside["" if study else point.trajectory_id]:
                check(folder, code, point.config, study=study)
            checked.append(with_own_code(point, directory))
    return checked


def with_own_code(point: Point, directory: Path) -> Point:
    """A point with its own code, if any, which is rehearsed once for all points alike.

    A point that is not repeatable shares no training.

    Raises:
        ConfigError: the point is not repeatable, and that is not allowed.
    """
    code = own_code(point.config)
    if code is None:
        return point
    key = f"{_kind(point)} {as_text(code)}"
    if key not in _REHEARSED:
        config, texts = point.config, Texts("", "", "")
        spec = RunSpec(config, load_dataset(config.dataset), identify(config), directory / point.run_dir, texts, True)
        _REHEARSED[key], _ = rehearsed(spec, code)
    code = _REHEARSED[key]
    values = {**point.values, "own_code": code.setting}
    return replace(point, shareable=point.shareable and not code.problems, own_code=as_text(code), values=values)


def _kind(point: Point) -> str:
    """What points that are rehearsed once have in common: own parts with their parameters, the others by name."""
    trainer = point.config.trainer
    parts = [part if is_own(part.path) else part.path for part in point.config.parts]
    return repr([*parts, trainer.device, trainer.precision, trainer.d_steps])


@contextmanager
def _named(point: Point, keys: Sequence[str]) -> Iterator[None]:
    """Inside, a refusal names the point."""
    try:
        yield
    except Refused as error:
        raise ConfigError(f"nothing was started; {point.setting(keys) or 'the only point'}: {error}") from None
