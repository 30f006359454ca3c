"""Which runs a directory holds, or was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganexp.config.target import is_own
from ganexp.files import plan
from ganexp.files.code_record import read_code
from ganexp.files.plan import PlannedRun
from ganexp.files.run_folder import RunFolder
from ganexp.types.errors import DirectoryError


def planned_runs(sweep_dir: Path) -> tuple[list[PlannedRun], list[str]]:
    """The runs that were asked for, and every overridden key; without a plan, the run directories that are there.

    Raises:
        DirectoryError: neither a plan nor a run, or a damaged plan.
    """
    known = plan.read(sweep_dir)
    if known is not None:
        return [_with_own_code(sweep_dir / run.run_dir, run) for run in known.runs.values()], known.keys
    folders = _run_folders(sweep_dir)
    found = [_with_own_code(folder, run) for folder in folders if (run := _from_record(folder)) is not None]
    if not found:
        raise DirectoryError(f"{sweep_dir}: expected a sweep directory, got one with neither {plan.FILE} nor runs")
    return found, []


def _with_own_code(folder: Path, run: PlannedRun) -> PlannedRun:
    """A run with the own code that it was made with, in place of the planned; of earlier versions "not recorded"."""
    targets = {key: str(value) for key, value in run.values.items() if key.endswith("_target_")}
    if not any(is_own(path) for key, path in targets.items() if not key.startswith("logger.")):
        return run
    code = None if folder.is_symlink() else read_code(folder)
    if code is None and not (folder / "result.json").exists():
        return run
    return replace(run, values={**run.values, "own_code": code.setting if code is not None else "not recorded"})


def _run_folders(directory: Path) -> Iterator[Path]:
    folders = [directory] if (directory / "status.json").exists() else sorted(directory.glob("*/"))
    return (folder for folder in folders if not folder.is_symlink() and (folder / "status.json").exists())


def _from_record(folder: Path) -> PlannedRun | None:
    """A run that no plan names, by its own record."""
    status, identity = RunFolder(folder).status(), RunFolder(folder).identity()
    if status is None or identity is None:
        return None
    try:
        values = _values(identity)
    except (KeyError, TypeError, AttributeError):
        return None
    return PlannedRun(status.run_id, status.trajectory_id, folder.name, status.epochs, (), values)


def _values(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value, and group -> chosen option; KeyError, TypeError or AttributeError of a damaged record."""
    values: dict[str, Any] = {f"trainer.{key}": value for key, value in identity["trainer"].items()}
    values |= {f"model.{key}": value for key, value in identity["model"].items()}
    values |= {
        f"{group}._target_": (identity.get(group) or {}).get("_target_", "ganexp") for group in ("loss", "penalty")
    }
    names = {group: str(identity[group]["_target_"]).rpartition(".")[2] for group in ("model", "loss")}
    rate = identity["optim"]["generator"].get("lr")
    if not isinstance(identity["seed"], int):
        raise TypeError(f"seed: got {identity['seed']!r}")
    return values | {**names, "dataset": identity["dataset"]["name"], "seed": identity["seed"], "lr": rate}
