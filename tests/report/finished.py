"""Sweep directories as finished sweeps leave them, of any size, without training."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganexp.files import plan
from ganexp.files.atomic import write_json
from ganexp.files.plan import PlannedRun, Request
from ganexp.files.record import is_cadence, write_metrics
from ganexp.files.status import Status, write
from ganexp.types.endings import State

TIME = "2026-01-01T00:00:00.000+00:00"
FLOORS = {"cfd": 1.4, "precision": 0.91, "recall": 0.9, "density": 1.0, "coverage": 0.98}
IMAGES = 899

GROUPS = ("dataset", "model", "loss", "experiment", "optim", "penalty")


@dataclass(frozen=True)
class Recipe:
    """What a finished sweep is to hold.

    Attributes:
        axes: key -> values, crossed.
        seeds: of each point.
        effects: (key, value) -> log factor on cfd.
        sigma: residual standard deviation of log cfd.
        endings: (index of the run) -> state other than COMPLETED.
        errors: the same index -> error.
        pictures: whether runs have sample grids.
        protocols: index of the run -> another protocol's digest.
        metrics: whether anything was measured.
        study: name of the search that made it, or None for a grid.
    """

    axes: Mapping[str, Sequence[Any]]
    seeds: Sequence[int] = (0,)
    effects: Mapping[tuple[str, Any], float] = field(default_factory=dict)
    sigma: float = 0.1
    endings: Mapping[int, State] = field(default_factory=dict)
    errors: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    pictures: bool = False
    protocols: Mapping[int, str] = field(default_factory=dict)
    metrics: bool = True
    study: str | None = None


GRID = {"trainer.batch_size": (16, 36, 64), "trainer.epochs": (20, 50, 100), "optim.lr": (1e-4, 1e-5)}
"""The original report's."""

EFFECTS = {("optim.lr", 1e-5): 1.2, ("trainer.batch_size", 64): 0.3, ("trainer.epochs", 20): 0.5}


def build(folder: Path, recipe: Recipe) -> list[PlannedRun]:
    """Write plan.json and every run directory; returns the runs in order."""
    names = [*recipe.axes, "seed"]
    points = list(itertools.product(*recipe.axes.values(), recipe.seeds))
    runs = [_planned(number, dict(zip(names, point, strict=True))) for number, point in enumerate(points)]
    request = Request(
        tuple(f"{key}={','.join(map(str, values))}" for key, values in recipe.axes.items()),
        TIME,
        TIME,
        tuple(run.run_id for run in runs),
        tuple(names),
        "0123456789abcdef",
    )
    plan.record(folder, request, runs, numerics_version=1, study=recipe.study)
    for number, run in enumerate(runs):
        _write(folder, number, run, recipe)
    return runs


def _planned(number: int, values: dict[str, Any]) -> PlannedRun:
    everything = {
        "dataset": "digits",
        "dataset.image_size": 28,
        "model": "mlp",
        "loss": "non_saturating",
        "optim.lr": 1e-4,
        "trainer.batch_size": 32,
        "trainer.d_steps": 5,
        "trainer.epochs": 2,
        "model.latent_dim": 100,
        **values,
    }
    everything["lr"] = everything["optim.lr"]
    telling = sorted((key, str(value)) for key, value in values.items() if key != "trainer.epochs")
    trajectory = hashlib.blake2b(repr(telling).encode(), digest_size=16).hexdigest()
    identifier = hashlib.blake2b(repr([telling, values]).encode(), digest_size=16).hexdigest()
    return PlannedRun(
        identifier,
        trajectory,
        f"digits-mlp-x-{number:03d}-{identifier[:8]}",
        int(everything["trainer.epochs"]),
        tuple(f"{key}={value}" for key, value in values.items()),
        everything,
    )


def _write(folder: Path, number: int, run: PlannedRun, recipe: Recipe) -> None:
    ended = recipe.endings.get(number, State.COMPLETED)
    if ended is State.PENDING:
        return
    place = folder / run.run_dir
    place.mkdir(parents=True)
    done = run.epochs if ended is State.COMPLETED else max(1, run.epochs // 2)
    error = recipe.errors.get(number)
    write(
        place / "status.json",
        Status(ended, done, run.epochs, run.run_id, run.trajectory_id, TIME, error, {"host": "h", "pid": 1}),
    )
    os.utime(place / "status.json", (0, 0))  # whoever worked on it on host h is long gone
    rows = _rows(run, done, recipe)
    write_metrics(place / "metrics.csv", rows, ["cfd", "precision", "recall"] if recipe.metrics else [])
    if ended is State.COMPLETED:
        write_json(place / "result.json", _result(run, rows, recipe, recipe.protocols.get(number, "p0")))
    if recipe.pictures:
        _pictures(place, done, run)


def _rows(run: PlannedRun, done: int, recipe: Recipe) -> list[dict[str, Any]]:
    values = run.values
    rng = np.random.default_rng([int(run.trajectory_id[:8], 16), int(values["seed"])])
    effect = sum(size for (key, value), size in recipe.effects.items() if values.get(key) == value)
    level = math.exp(effect + recipe.sigma * rng.normal())
    steps = -(-IMAGES // int(values["trainer.batch_size"]))
    rows = []
    for epoch in range(1, done + 1):
        near = 0.5 + 0.3 / epoch
        row: dict[str, Any] = {
            "epoch": epoch,
            "step": steps * epoch,
            "images_seen": IMAGES * epoch,
            "train_seconds": round(0.02 * steps * epoch, 3),
            "d_loss": 1.3 - 0.4 * (1 - math.exp(-epoch / 10)) + 0.05 * rng.normal(),
            "g_loss": 0.7 + 0.5 * (1 - math.exp(-epoch / 20)) + 0.05 * rng.normal(),
            "d_real": near + 0.1,
            "d_fake": 1 - near,
            "d_heldout": near,
            "d_generated": 1 - near,
            "d_near_half": min(1.0, 0.2 + epoch / 200),
        }
        if recipe.metrics and (is_cadence(epoch, None) or epoch == done):
            cfd = level * (20 + 150 * math.exp(-epoch / 15)) * math.exp(0.01 * rng.normal())
            row |= {"cfd": cfd, "precision": 0.6, "recall": min(0.8, epoch / 60), "cfd_half_a": cfd * 1.01}
        rows.append(row)
    return rows


def _result(run: PlannedRun, rows: Sequence[Mapping[str, Any]], recipe: Recipe, protocol: str) -> dict[str, Any]:
    last = rows[-1]
    scored = [row for row in rows if "cfd" in row]
    best = min(scored, key=lambda row: row["cfd_half_a"]) if scored else None
    measured = {
        "num_samples": 449,
        "reference": {"origin": "fixed stratified half of the data"},
        "protocol": {"cfd": protocol, "precision": protocol},
    }
    return {
        "run_id": run.run_id,
        "trajectory_id": run.trajectory_id,
        "state": "COMPLETED",
        **{name: last[name] for name in ("epoch", "step", "images_seen")},
        "final": dict(last),
        "floors": FLOORS if recipe.metrics else {},
        "objective": {"name": "cfd", "value": last["cfd_half_a"], "half": "A", "direction": "minimise"}
        if best
        else None,
        "best": {"epoch": best["epoch"], "half_a": best["cfd_half_a"], "value": best["cfd"]} if best else None,
        "train_seconds": last["train_seconds"],
        "total_seconds": 1.1 * last["train_seconds"],
        "images_per_second": 1000.0,
        "provenance": {
            "metrics": measured if recipe.metrics else {},
            "versions": {"python": "3.11.7", "ganexp": "0.1.0", "torch": "2.9.0"},
            "git_revision": "0123456789abcdef",
            "machine": "x86_64",
            "cpu": "AVX2",
            "device": "cpu",
            "threads": 1,
            "dataset": {"name": "digits", "fingerprint": "f", "reference_origin": "fixed stratified half of the data"},
        },
        "read_off": None,
    }


def _pictures(place: Path, done: int, run: PlannedRun) -> None:
    """Grids as a run writes them: 8 x 8 images of 28 pixels, doubled, 2 pixels apart."""
    from ganexp.files.png import grid, save_png

    (place / "samples").mkdir()
    y, x = np.mgrid[:28, :28]
    for epoch in (0, *(e for e in range(1, done + 1) if is_cadence(e, None) or e == done)):
        shapes = [
            255
            * np.exp(-(((x - 14 - 4 * math.cos(i)) ** 2 + (y - 14 - 4 * math.sin(i)) ** 2) / (20 + 60 / (epoch or 99))))
            for i in range(64)
        ]
        pixels = grid(np.array(shapes)[:, None].astype(np.uint8), 8, 2)
        save_png(place / "samples" / ("real.png" if epoch == 0 else f"epoch_{epoch:04d}.png"), pixels)


def keep_generator(folder: Path, runs: Sequence[PlannedRun], **settings: Any) -> Any:
    """One generator of `ganexp.model.mlp` (or `function`) for all of the runs, as they keep theirs; returns its GAN."""
    import torch

    from ganexp import model
    from ganexp.files import checkpoint
    from ganexp.types.nested import json_values

    function = getattr(model, settings.pop("function", "mlp"))
    usual = {key: each.default for key, each in inspect.signature(function).parameters.items() if key != "image_shape"}
    classes, shape = settings.pop("num_classes", None), settings.pop("image_shape", (1, 28, 28))
    torch.manual_seed(0)
    gan = function(shape, num_classes=classes, **settings)
    last = [module for module in gan.generator.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():  # contrast as of a trained one
        last.weight *= 5
    recorded = {"_target_": f"ganexp.model.{function.__name__}", **usual, **settings}
    recorded.pop("num_classes")
    meta = {"image_shape": list(shape), "label_counts": classes and [100] * classes}
    first = None
    for run in runs:
        place = folder / run.run_dir
        path = place / "checkpoints" / f"generator_{run.epochs:04d}.safetensors"
        (place / ".hydra").mkdir()
        write_json(place / ".hydra" / "identity.json", {"model": json_values(recorded)})
        if first is None:
            checkpoint.save(path, checkpoint.module_state(gan.generator), meta)
            first = path
        else:
            path.parent.mkdir()
            os.link(first, path)
    return gan


__all__ = ["EFFECTS", "GRID", "Recipe", "build", "keep_generator"]
