"""How long jobs will take, from runs that were measured; where none was, nothing is made up."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ganexp.files.record import read_result
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.jobs import SweepJob

MOST_READ = 200
"""Finished runs that are looked at, at most."""

SAME = ("batch_size", "d_steps", "real_batch")
"""Keys of the trainer that a run must share with a measured one to be as fast, besides dataset, model and threads."""


@dataclass(frozen=True)
class Speed:
    """A finished run's pace.

    Attributes:
        kind: what its pace depends on.
        images_per_second: real images drawn, over all of its time, scoring and pictures included.
    """

    kind: tuple[Any, ...]
    images_per_second: float


def measured(folders: Iterable[Path], threads: int) -> list[Speed]:
    """The pace of finished runs.

    Args:
        folders: run directories; those that hold no finished run are passed over.
        threads: only runs with as many threads count.
    """
    return [speed for folder in islice(folders, MOST_READ) if (speed := _speed(folder, threads)) is not None]


def seconds(job: SweepJob, speeds: Sequence[Speed], start: int = 0) -> float | None:
    """How long a job takes that goes on after epoch `start`, or None where no run like it was measured."""
    point = job.point
    alike = [speed.images_per_second for speed in speeds if speed.kind == _kind(point.values)]
    return (point.epochs - start) * point.images_per_epoch * len(alike) / sum(alike) if alike else None


def total_seconds(durations: Sequence[float], workers: int) -> float:
    """How long jobs take together, each given to the worker that is free first, in their order."""
    free = [0.0] * max(1, workers)
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def _speed(folder: Path, threads: int) -> Speed | None:
    content, identity = read_result(folder / "result.json"), RunFolder(folder).identity()
    try:
        assert content is not None and identity is not None
        if content["read_off"] is not None or content["provenance"]["threads"] != threads:
            return None
        trainer = identity["trainer"]
        model = {f"model.{key}": value for key, value in identity["model"].items()}
        kind = _kind({**model, "dataset": identity["dataset"]["name"], **{f"trainer.{k}": trainer[k] for k in SAME}})
        return Speed(kind, float(content["images_seen"]) / float(content["total_seconds"]))
    except (AssertionError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _kind(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the pace of a run depends on, hashable."""
    model = sorted((key, str(value)) for key, value in values.items() if key.startswith("model."))
    return (values["dataset"], *model, *(values[f"trainer.{key}"] for key in SAME))
