"""Runs of a sweep directory as typed values, from their files alone."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ganexp.config import recorded
from ganexp.config.target import is_own
from ganexp.files import plan
from ganexp.files.code_record import read_code
from ganexp.files.found import expect_folder, instead_of
from ganexp.files.plan import PlannedRun, Request
from ganexp.files.record import metric_of, version_of, with_final
from ganexp.files.run_folder import RunFolder, run_folders
from ganexp.report.settings import Setting
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError

log = logging.getLogger("ganexp")


@dataclass(frozen=True)
class RunRecord:
    """One run of a sweep, as its files are now."""

    run_id: str
    trajectory_id: str
    folder: Path  # the run directory
    sweep: Path  # the sweep directory
    state: State
    dataset: str
    seed: int
    epochs: int  # requested
    done: int  # epochs done
    values: Mapping[str, Any] = field(repr=False)  # dotted key -> resolved value
    overrides: tuple[str, ...]  # as on a command line of its own
    result: Mapping[str, Any] = field(repr=False)  # result.json of a finished run; empty where there is none
    error: str = ""  # what ended the run badly, or ""
    note: str = ""  # what a reader of its numbers must know of its own code, or ""
    setting: Setting = ()  # what differs between the runs of a study

    @functools.cached_property
    def rows(self) -> pd.DataFrame:
        """metrics.csv, with the scores of the run's end; empty where there is none."""
        try:
            rows = [] if self.state is State.PENDING else RunFolder(self.folder).rows()
        except FileNotFoundError:
            rows = []
        except (OSError, ValueError) as error:
            log.warning("%s; its epochs are left out", error)
            rows = []
        for name in self.provenance.get("unsettled") or ():  # an evaluation was killed: values of which protocol?
            for row in rows:
                row.pop(name, None)
        rows = with_final(rows, self.result)
        return pd.DataFrame(
            {name: pd.to_numeric([row.get(name) for row in rows]) for name in (rows[0] if rows else ())}
        )

    @property
    def final(self) -> Mapping[str, Any]:
        """The last row with every metric; empty for a run without a result."""
        return self.result.get("final") or {}

    @property
    def floors(self) -> Mapping[str, float]:
        """Metric -> its value between real and real images."""
        return self.result.get("floors") or {}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the numbers come from: versions, machine, data set, how metrics were made."""
        return self.result.get("provenance") or {}

    @property
    def measured(self) -> Mapping[str, Any]:
        """How its metrics were computed."""
        return self.provenance.get("metrics") or {}

    @property
    def objective(self) -> tuple[str, str] | None:
        """Name and direction of what settings are ranked by, or None where nothing was measured."""
        objective = self.result.get("objective") or {}
        return (str(objective["name"]), str(objective.get("direction", "minimise"))) if objective.get("name") else None

    @property
    def protocol(self) -> str:
        """Digest of how the objective was measured: only runs with equal ones may be ranked together."""
        name = (self.objective or ("", ""))[0]
        if digest := (self.measured.get("protocol") or {}).get(name):
            return str(digest)
        return hashlib.sha256(json.dumps(self.measured, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def version(self) -> int:
        """Version of the protocol that the objective was measured by."""
        return version_of(self.measured, (self.objective or ("", ""))[0])

    @property
    def seconds(self) -> float:
        """Training seconds up to its own last epoch."""
        if self.result:
            return float(self.result.get("train_seconds") or 0.0)
        return float(self.rows["train_seconds"].max()) if "train_seconds" in self.rows else 0.0

    def value(self, name: str) -> float | None:
        """A finite final number of a finished run, or None; a metric counts if its version is the objective's."""
        if metric_of(name, self.measured.get("metrics") or ()) and version_of(self.measured, name) != self.version:
            return None
        value = finite(self.final.get(name))
        return None if value is None else float(value)


@dataclass(frozen=True)
class Sweep:
    """One sweep directory."""

    directory: Path
    runs: tuple[RunRecord, ...]  # in the order in which they were requested
    requests: tuple[Request, ...] = ()  # commands that asked for runs; empty without a plan
    search: str | None = None  # name of the search that fills it, or None for grids

    @property
    def keys(self) -> list[str]:
        """Every key that a request overrode, in order."""
        return list(dict.fromkeys(key for request in self.requests for key in request.keys))


def read_sweep(directory: Path) -> Sweep:
    """Runs that plan.json names, else those whose directories are here; DirectoryError: neither, or damaged plan."""
    expect_folder(directory)
    planned = plan.read(directory)
    if planned is not None:
        runs = tuple(_read(directory, run) for run in planned.runs.values())
        return Sweep(directory, runs, planned.requests, planned.study)
    unplanned = [run for folder in _run_folders(directory) if (run := _from_identity(folder, directory)) is not None]
    if not unplanned:
        raise DirectoryError(
            f"{directory}: expected a sweep directory, got one with neither {plan.FILE} nor runs{instead_of(directory)}"
        )
    return Sweep(directory, tuple(_read(directory, run) for run in unplanned))


def longest_runs(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """The longest run of each trajectory; the shorter ones are read off it."""
    longest: dict[str, RunRecord] = {}
    for run in runs:
        other = longest.setdefault(run.trajectory_id, run)
        if run.seconds >= other.seconds:
            longest[run.trajectory_id] = run
    return list(longest.values())


def finite(value: Any) -> float | int | None:
    """`value` where it is a finite number, else None."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if number else None


def _read(directory: Path, planned: PlannedRun) -> RunRecord:
    folder = directory / planned.run_dir
    status = None if _is_link(directory, folder) else RunFolder(folder).current()
    current = State.PENDING if status is None else status.state
    failure = status.error if status is not None and current is not State.COMPLETED else None
    run = RunRecord(
        run_id=planned.run_id,
        trajectory_id=planned.trajectory_id,
        folder=folder,
        sweep=directory,
        state=current,
        dataset=str(planned.values.get("dataset") or "unknown"),
        seed=int(planned.values.get("seed") or 0),
        epochs=planned.epochs,
        done=status.epoch if status is not None else 0,
        values={**planned.values, "trainer.epochs": planned.epochs},
        overrides=planned.overrides,
        error=f"{failure.get('type')}: {failure.get('message')}" if failure else "",
        result=(RunFolder(folder).result() or {}) if current is State.COMPLETED else {},
    )
    return _with_own_code(run) if _has_own_code(run) else run


def _is_link(sweep: Path, folder: Path) -> bool:
    """Whether a run directory is a link: one that the user names may be."""
    return folder != sweep and folder.is_symlink()


def _has_own_code(run: RunRecord) -> bool:
    targets = {key: str(value) for key, value in run.values.items() if key.endswith("_target_")}
    return any(is_own(path) for key, path in targets.items() if not key.startswith("logger."))


def _with_own_code(run: RunRecord) -> RunRecord:
    """The run with the own code that it ran, not the planned one; "not recorded" for runs of earlier versions."""
    code = None if _is_link(run.sweep, run.folder) else read_code(run.folder)
    if code is not None:
        return replace(run, values={**run.values, "own_code": code.setting}, note=code.note)
    if (run.folder / "result.json").exists():
        return replace(run, values={**run.values, "own_code": "not recorded"})
    return run


def _run_folders(directory: Path) -> list[Path]:
    if (directory / "status.json").exists():
        return [directory]
    return [run.path for run in run_folders(directory)]


def _from_identity(folder: Path, directory: Path) -> PlannedRun | None:
    status, identity = RunFolder(folder).status(), RunFolder(folder).identity()
    if status is None or identity is None:
        return None
    try:
        values = _values(identity)
    except (KeyError, TypeError, AttributeError):
        return None
    place = "." if folder == directory else folder.name
    return PlannedRun(status.run_id, status.trajectory_id, place, status.epochs, recorded.overrides_in(folder), values)


def _values(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value, and group -> option; KeyError, TypeError or AttributeError of a damaged record."""
    values: dict[str, Any] = {f"trainer.{key}": value for key, value in identity["trainer"].items()}
    values |= {f"model.{key}": value for key, value in identity["model"].items()}
    for group in ("loss", "penalty", "augment"):
        values[f"{group}._target_"] = (identity.get(group) or {}).get("_target_", "ganexp")
    if identity.get("init_from"):
        values["trainer.init_from"] = str(identity["init_from"])[:8]  # of the weights: paths may hold others by now
    names = {group: str(identity[group]["_target_"]).rpartition(".")[2] for group in ("model", "loss")}
    rate = identity["optim"]["generator"].get("lr")
    if not isinstance(identity["seed"], int):
        raise TypeError(f"seed: got {identity['seed']!r}")
    return values | {**names, "dataset": identity["dataset"]["name"], "seed": identity["seed"], "lr": rate}
