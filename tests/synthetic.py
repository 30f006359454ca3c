"""Run and sweep directories as a sweep leaves them, written without training."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganexp.files import plan
from ganexp.files.atomic import write_json
from ganexp.files.plan import Plan, PlannedRun, Request
from ganexp.files.record import write_metrics
from ganexp.files.status import Status, now, write
from ganexp.types.endings import State

TIME = "2026-01-01T00:00:00.000+00:00"


def planned(number: int, *, epochs: int = 2, trajectory: str = "t", **values: Any) -> PlannedRun:
    """A run of a plan; equal numbers give equal runs."""
    everything = {
        "dataset": "digits",
        "model": "mlp",
        "loss": "non_saturating",
        "lr": 1e-4,
        "seed": 0,
        "trainer.batch_size": 16,
        "trainer.epochs": epochs,
        "trainer.d_steps": 5,
        "model.latent_dim": 100,
        **{key.replace("__", "."): value for key, value in values.items()},
    }
    identifier = f"{number:032x}"
    overrides = (f"trainer.epochs={epochs}", f"optim.lr={everything['lr']}")
    return PlannedRun(identifier, trajectory, f"digits-mlp-x-{number:08x}", epochs, overrides, everything)


def write_plan(
    folder: Path, runs: Sequence[PlannedRun], keys: Sequence[str] = (), *, numerics_version: int = 1
) -> Plan:
    """plan.json of a sweep directory."""
    request = Request(("a", "b"), TIME, TIME, tuple(run.run_id for run in runs), tuple(keys))
    return plan.record(folder, request, runs, numerics_version=numerics_version)


def write_run(
    sweep: Path, run: PlannedRun, current: State, *, epoch: int | None = None, error: Mapping[str, str] | None = None
) -> Path:
    """A run directory with status.json and metrics.csv, and result.json where it is COMPLETED."""
    folder = sweep / run.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    done = run.epochs if epoch is None else epoch
    rows = [row(number) for number in range(1, done + 1)]
    here = {"host": socket.gethostname(), "pid": 1, "token": "0"}  # holds no lock: a RUNNING one is stale
    ids = (run.run_id, run.trajectory_id)
    write(folder / "status.json", Status(current, done, run.epochs, *ids, heartbeat=now(), error=error, holder=here))
    write_metrics(folder / "metrics.csv", rows, ["cfd"])
    if current is State.COMPLETED:
        write_json(folder / "result.json", result(run, rows[-1]))
    return folder


def row(epoch: int) -> dict[str, Any]:
    """One row of metrics.csv."""
    return {
        "epoch": epoch,
        "step": 57 * epoch,
        "images_seen": 898 * epoch,
        "train_seconds": 0.5 * epoch,
        "d_loss": 1.0 / epoch,
        "g_loss": 0.1 + 0.2 * epoch,
        "d_real": 0.6,
        "d_fake": 0.4,
        "d_heldout": None,
        "d_generated": 0.3,
        "d_near_half": 0.25,
        "cfd": 10.0 / epoch,
    }


def result(run: PlannedRun, last: Mapping[str, Any]) -> dict[str, Any]:
    """result.json of a completed run."""
    return {
        "run_id": run.run_id,
        "trajectory_id": run.trajectory_id,
        "state": "COMPLETED",
        "epoch": last["epoch"],
        "step": last["step"],
        "images_seen": last["images_seen"],
        "final": {**last, "cfd_half_a": 1.1 * last["cfd"], "precision": 0.5},
        "floors": {"cfd": 1.0},
        "objective": {"name": "cfd", "value": 1.1 * last["cfd"], "half": "A", "direction": "minimise"},
        "best": {"epoch": last["epoch"], "value": last["cfd"]},
        "train_seconds": last["train_seconds"],
        "total_seconds": 2.0 * last["train_seconds"],
        "images_per_second": 1796.0,
        "provenance": {"metrics": {"cfd": {"extractor": "abc"}}, "threads": 1, "numerics_version": 1},
        "read_off": None,
    }


def write_identity(folder: Path, model: Mapping[str, Any] | None = None, **trainer: Any) -> None:
    """.hydra/identity.json of a run."""
    (folder / ".hydra").mkdir(exist_ok=True)
    identity = {
        "seed": 3,
        "dataset": {"name": "digits", "fingerprint": "f"},
        "model": dict(model or {"_target_": "ganexp.model.mlp", "latent_dim": 100}),
        "loss": {"_target_": "ganexp.loss.minimax", "warmup_epochs": 5},
        "optim": {"generator": {"_target_": "ganexp.optim.adam", "lr": 1e-3}},
        "trainer": {"batch_size": 16, "epochs": 2, "d_steps": 5, "real_batch": "reuse", **trainer},
    }
    (folder / ".hydra" / "identity.json").write_text(json.dumps(identity))
