"""Ending a run: the result, the pictures and the generator that stay, also for runs read off a longer one."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganexp.config.identity import NUMERICS_VERSION
from ganexp.config.run_spec import RunSpec
from ganexp.files.atomic import copy
from ganexp.files.code_record import CodeRecord
from ganexp.files.drawing import decoration, default_style
from ganexp.files.foreign import folder_below
from ganexp.files.lease import HeldError
from ganexp.files.provenance import git_revision, versions
from ganexp.files.record import Row, best_row
from ganexp.files.run_folder import (
    RunFolder,
)
from ganexp.files.status import Status
from ganexp.types import Scores
from ganexp.types.endings import State
from ganexp.types.errors import DataError

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator
    from ganexp.trainer.sampling import GeneratorSampler


CLOSER_ROWS = 6
"""Rows of the pictures that are drawn at the end where `metrics.pictures` is set."""

log = logging.getLogger("ganexp")


def result(
    spec: RunSpec,
    rows: Sequence[Row],
    scores: Scores,
    directions: Mapping[str, str],
    machine: Mapping[str, Any],
    total_seconds: float,
) -> dict[str, Any]:
    """The content of result.json.

    Args:
        spec: the run.
        rows: its metrics.csv; the last row is the end.
        scores: the metrics at the end.
        directions: metric -> "minimise" or "maximise".
        machine: what it ran on.
        total_seconds: seconds of training, scoring and writing.
    """
    last, objective = rows[-1], spec.config.metrics.objective
    final = {**last, **scores.values}
    seconds = float(last["train_seconds"] or 0.0)
    return {
        "run_id": spec.identity.run_id,
        "trajectory_id": spec.identity.trajectory_id,
        "state": State.COMPLETED.value,
        "epoch": last["epoch"],
        "step": last["step"],
        "images_seen": last["images_seen"],
        "final": final,
        "floors": dict(scores.floors),
        "objective": _objective(objective, final, directions),
        "best": best_row([*rows[:-1], final], objective, directions.get(objective, "minimise")) if objective else None,
        "train_seconds": seconds,
        "total_seconds": round(total_seconds, 3),
        "images_per_second": round(float(last["images_seen"] or 0) / seconds, 1) if seconds else None,
        "provenance": {
            "metrics": dict(scores.provenance),
            "versions": versions(),
            "git_revision": git_revision(),
            "numerics_version": NUMERICS_VERSION,
            "dataset": {
                "name": spec.dataset.name,
                "fingerprint": spec.dataset.fingerprint,
                "reference_origin": spec.dataset.reference_origin,
            },
            **machine,
            **({"own_code": own_code_words(spec.code)} if spec.code is not None else {}),
        },
        "read_off": None,
    }


def own_code_words(code: CodeRecord) -> dict[str, Any]:
    """What result.json says of own code."""
    return {
        "digest": code.label,
        "sources": dict(code.all_sources),
        "reproducible": not code.problems,
        "note": code.note,
    }


def objective_value(content: Mapping[str, Any] | None) -> float | None:
    """The objective's final value in a result.json, on reference half A, or None."""
    value = ((content or {}).get("objective") or {}).get("value")
    return float(value) if value is not None else None


def write_read_off(short: RunSpec, source: Path, rows: Sequence[Row], content: Mapping[str, Any]) -> None:
    """Write the directory of a shorter run of a trajectory, from the longer run's files.

    Args:
        short: the shorter run.
        source: the longer run's directory; holds the generator of the shorter one's last epoch.
        rows: metrics.csv cut to the shorter run's epochs.
        content: its result.json.
    """
    epoch = short.config.trainer.epochs
    short.directory.mkdir(parents=True, exist_ok=True)
    short.folder.refuse_links(itself=True)
    short.folder.claim(short.identity.run_id, short.identity.content)
    try:
        with short.folder.lease() as lease:
            there = short.folder.status()
            if there is not None and there.state is State.COMPLETED:
                return
            if lease.locked:
                short.folder.drop_left_over()
            identity = short.identity
            lease.begin(Status(State.RUNNING, epoch, epoch, identity.run_id, identity.trajectory_id, note=short.note))
            short.folder.write_record(short.texts, identity.content, short.code)
            short.folder.write_rows(rows, list(short.config.scores))
            with decoration(short.directory / "samples"):
                short.folder.link_samples(RunFolder(source), epoch)
            target = short.folder.generator_checkpoint(epoch)
            folder_below(short.directory, "checkpoints")
            copy(RunFolder(source).generator_checkpoint(epoch), target)
            short.folder.write_result({**content, "read_off": source.name})
            draw_losses(short, rows)
            lease.update(state=State.COMPLETED)
    except HeldError:
        return


def draw_losses(spec: RunSpec, rows: Sequence[Row]) -> None:
    """losses.png of a run."""
    from ganexp.files.pictures import losses_figure

    warmup = int(spec.config.loss.params.get("warmup_epochs", 0))
    path = spec.directory / "losses.png"
    with decoration(path), default_style():
        losses_figure(path, rows, warmup)


def draw_closer(spec: RunSpec, evaluator: Evaluator, sample: GeneratorSampler) -> None:
    """samples/interpolation.png, and samples/neighbours.png: generated images, each left of its nearest training image.

    Without a classifier and labels to train one the neighbours are left out.
    """
    from ganexp.files.pictures import save_grid, to_uint8
    from ganexp.metrics import nearest_neighbours
    from ganexp.trainer.sampling import STEPS, interpolations

    path, beside = (spec.directory / "samples" / f"{name}.png" for name in ("interpolation", "neighbours"))
    with decoration(path):
        save_grid(path, to_uint8(interpolations(sample, CLOSER_ROWS)), STEPS)
    with decoration(beside):
        try:
            generated, nearest = nearest_neighbours(evaluator, sample, CLOSER_ROWS * STEPS // 2)
        except DataError as error:
            log.info("no picture of nearest neighbours: %s", error)
            return
        pairs = np.stack((generated, nearest), axis=1).reshape(-1, *generated.shape[1:])
        save_grid(beside, pairs, STEPS)


def finished_result(directory: Path) -> dict[str, Any] | None:
    """result.json of a completed run, or None."""
    status = RunFolder(directory).status()
    if status is None or status.state is not State.COMPLETED:
        return None
    return RunFolder(directory).result()


def _objective(name: str | None, final: Mapping[str, Any], directions: Mapping[str, str]) -> dict[str, Any] | None:
    if name is None:
        return None
    value = final.get(f"{name}_half_a", final.get(name))
    return {"name": name, "value": value, "half": "A", "direction": directions.get(name, "minimise")}


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that went through JSON, as it will be read back."""
    copy: dict[str, Any] = json.loads(json.dumps(value))
    return copy
