"""What a sweep holds that must be the same however often it was disturbed: everything but times."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from ganexp.files.checkpoint import load, weights_sha256
from ganexp.files.record import read_metrics


def content(sweep: Path) -> dict[str, Any]:
    """File (relative to the sweep directory) -> its content without times; pictures and weights as digests."""
    runs = sorted(folder.parent for folder in sweep.glob("*/status.json"))
    found: dict[str, Any] = {f"{run.name}/{key}": value for run in runs for key, value in of_run(run).items()}
    if (sweep / "summary.csv").exists():
        with (sweep / "summary.csv").open(newline="") as file:
            found["summary.csv"] = [_timeless(row) for row in csv.DictReader(file)]
    if (sweep / "plan.json").exists():
        runs_asked = json.loads((sweep / "plan.json").read_text())["runs"]
        found["plan.json"] = [(run["run_id"], run["run_dir"], run["epochs"]) for run in runs_asked]
    found |= {name: (sweep / name).exists() for name in ("report.html", "report.md", "figures")}
    return found


def of_run(run: Path) -> dict[str, Any]:
    """The same of one run directory; every file that is there has an entry."""
    return {str(path.relative_to(run)): _of_file(path) for path in sorted(run.rglob("*")) if path.is_file()}


def _of_file(path: Path) -> Any:
    if path.name == "status.json":
        status = json.loads(path.read_text())
        return {key: status[key] for key in ("state", "epoch", "epochs", "run_id", "trajectory_id", "error")}
    if path.name == "result.json":
        return _timeless(json.loads(path.read_text()))
    if path.name == "metrics.csv":
        return [_timeless(row) for row in read_metrics(path)]
    if path.suffix == ".safetensors":
        tensors, meta = load(path)
        return weights_sha256(tensors), _timeless({k: v for k, v in meta.items() if k != "elapsed"})
    if path.name in ("hydra.yaml", "config.yaml", "overrides.yaml", ".lock"):
        return None  # where it ran and what it was to read off on its way; identity.json holds what counts
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(value: Any) -> Any:
    """A copy without what differs from one time to the next."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if "seconds" not in str(k) and k != "images_per_second"}
        return {key: _timeless(each) for key, each in kept.items()}
    return [_timeless(each) for each in value] if isinstance(value, list) else value
