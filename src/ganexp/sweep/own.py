"""Own code in a sweep: its source is compared, and it is rehearsed, before the first job starts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ganexp.config.own_code import check, check_planned, own_code
from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.config.target import is_own
from ganexp.files import plan
from ganexp.files.code_record import CodeRecord, as_text
from ganexp.files.hydra_folder import Texts
from ganexp.files.plan import short
from ganexp.sweep.points import Point, telling
from ganexp.types.errors import ConfigError, Refused

log = logging.getLogger("ganexp")

_REHEARSED: dict[str, CodeRecord] = {}
"""What a rehearsal showed, of points of one kind and of one source."""


def checked(points: Sequence[Point], directory: Path, keys: Sequence[str], *, study: bool = False) -> list[Point]:
    """`points` with their own code as it is, and rehearsed; those whose numbers cannot be had again share no training.

    Args:
        points: of a grid, or of a search.
        directory: the sweep directory.
        keys: those that tell runs apart, for naming one in an error.
        study: all runs of the directory are trials of one search, and made by one code.

    Raises:
        ConfigError: a run of the directory was made with other code, or code cannot be repeated; says which.
    """
    if not any(point.config.has_own_code for point in points):
        return list(points)
    recorded = plan.read(directory)
    beside: dict[str, list[Path]] = {}
    for run in recorded.runs.values() if recorded is not None else ():
        beside.setdefault("" if study else run.trajectory_id, []).append(directory / run.run_dir)
    try:
        return [_checked(p, beside.get("" if study else p.trajectory_id, ()), directory, study) for p in points]
    except _Named as error:
        where = short(telling(error.point.overrides, keys)) or "the only point"
        raise ConfigError(f"nothing was started; {where}: {error.__cause__}") from None


def noticed(point: Point, directory: Path) -> Point:
    """A point with its own code as it is; code is rehearsed once for all points alike.

    Raises:
        ConfigError: its numbers could not be had again.
    """
    code = own_code(point.config)
    if code is None:
        return point
    key = f"{_alike(point)} {as_text(code)}"
    if key not in _REHEARSED:
        _REHEARSED[key] = _rehearsed(point, code, directory)
    code = _REHEARSED[key]
    values = {**point.values, "own_code": code.setting}
    return replace(point, shareable=point.shareable and not code.problems, own_code=as_text(code), values=values)


class _Named(Exception):
    """What is refused, with its point."""

    def __init__(self, point: Point) -> None:
        self.point = point


def _checked(point: Point, beside: Iterable[Path], directory: Path, study: bool) -> Point:
    code = own_code(point.config)
    try:
        check_planned(point.config.sweep.own_code, code, point.config.changed_code)
        for folder in beside:
            check(folder, code, point.config, study=study)
        return noticed(point, directory)
    except Refused as error:
        raise _Named(point) from error


def _alike(point: Point) -> str:
    """What points have in common that are rehearsed once: own parts with their parameters, the others by name."""
    trainer = point.config.trainer
    parts = [part if is_own(part.path) else part.path for part in point.config.parts]
    return repr([*parts, trainer.device, trainer.precision, trainer.d_steps])


def _rehearsed(point: Point, code: CodeRecord, directory: Path) -> CodeRecord:
    """`code` with what a rehearsal shows; what own code raises is left to the jobs, which record it."""
    from ganexp.trainer.rehearsal import rehearsed

    config = point.config
    spec = RunSpec(
        config, load_dataset(config.dataset), identify(config), directory / point.name, Texts("", "", ""), True
    )
    return rehearsed(spec, code)[0]
