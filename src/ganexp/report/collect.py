"""Sweep directories as typed values, from their files alone."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ganexp.files import plan
from ganexp.files.code_record import read_code
from ganexp.files.contents import OneLook
from ganexp.files.plan import PlannedRun, Request
from ganexp.files.record import read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.report.noted import read_looks
from ganexp.report.runs import planned_runs
from ganexp.types.endings import State

log = logging.getLogger("ganexp")

CONFIRM = "confirm"
"""Folder of a sweep directory in which its winners are trained again, on other seeds."""

NO_SETTING = (
    *("seed", "hydra", "sweep", "trust", "logger", "metrics", "dataset", "dataset.root", "trainer.device"),
    *("trainer.threads", "trainer.keep_checkpoints", "trainer.milestones", "trainer.samples_every_epochs"),
    *("trainer.sample_images", "changed_code", "own_code_random"),
)
"""Keys that do not tell settings apart: they change no number, or stand elsewhere (seed, data set)."""

Setting = tuple[tuple[str, str], ...]
"""A setting within a data set: (key, value as text) for each key that differs between runs."""


@dataclass(frozen=True)
class Run:
    """One run that was asked for.

    Attributes:
        run_id, trajectory_id: its identity.
        folder: its directory.
        sweep: the sweep directory.
        state: its state now.
        dataset: name.
        seed: of its random numbers.
        epochs: asked for.
        done: epochs done.
        setting: what tells it from other settings.
        values: dotted key -> resolved value.
        overrides: as on a command line of its own.
        error: what ended it badly, or "".
        rows: metrics.csv; empty where there is none.
        result: result.json of a finished run; empty where there is none.
        note: what a reader of its numbers must know of its own code; "" where that is nothing.
    """

    run_id: str
    trajectory_id: str
    folder: Path
    sweep: Path
    state: State
    dataset: str
    seed: int
    epochs: int
    done: int
    setting: Setting
    values: Mapping[str, Any] = field(repr=False)
    overrides: tuple[str, ...]
    error: str
    rows: pd.DataFrame = field(repr=False)
    result: Mapping[str, Any] = field(repr=False)
    note: str = ""

    @property
    def final(self) -> Mapping[str, Any]:
        """The last row with every metric; empty for a run without a result."""
        return self.result.get("final") or {}

    @property
    def floors(self) -> Mapping[str, float]:
        """Metric -> the same between real and real images."""
        return self.result.get("floors") or {}

    @property
    def measured(self) -> Mapping[str, Any]:
        """How its metrics were made."""
        return (self.result.get("provenance") or {}).get("metrics") or {}

    @property
    def objective(self) -> tuple[str, str] | None:
        """Name and direction of what it is chosen by, or None where nothing was measured."""
        found = self.result.get("objective") or {}
        return (str(found["name"]), str(found.get("direction", "minimise"))) if found.get("name") else None

    @property
    def protocol(self) -> str:
        """Digest of how the objective was measured: only equal ones may be ranked together."""
        name = (self.objective or ("", ""))[0]
        digest = (self.measured.get("protocol") or {}).get(name)
        return (
            str(digest)
            if digest
            else hashlib.sha256(json.dumps(self.measured, sort_keys=True).encode()).hexdigest()[:16]
        )

    @property
    def seconds(self) -> float:
        """Training seconds to its own last epoch."""
        if self.result:
            return float(self.result.get("train_seconds") or 0.0)
        return float(self.rows["train_seconds"].max()) if len(self.rows) and "train_seconds" in self.rows else 0.0

    def value(self, name: str) -> float | None:
        """A finite number of the end of a finished run, or None."""
        return finite(self.final.get(name))


@dataclass(frozen=True)
class Sweep:
    """One sweep directory.

    Attributes:
        directory: where it lies.
        requests: commands that asked for runs; empty where no plan says so.
        search: name of the search that fills it, or None for grids.
        runs: in the order asked for.
    """

    directory: Path
    requests: tuple[Request, ...]
    search: str | None
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Study:
    """Everything one report is about.

    Attributes:
        sweeps: the directories, in the order given.
        keys: keys that differ between settings.
        runs: of all sweeps, each run once.
        confirmed: the winners' runs on other seeds.
        looks: at these sweeps, as reports noted them, in the order of time.
        table: name of the table that the runs were read from; "" where they are ganexp's own.
    """

    sweeps: tuple[Sweep, ...]
    keys: tuple[str, ...]
    runs: tuple[Run, ...]
    confirmed: tuple[Run, ...]
    looks: tuple[OneLook, ...] = ()
    table: str = ""

    @property
    def searched(self) -> bool:
        """Whether a search chose its points: more seeds in its space would look for the luckiest one."""
        return any(sweep.search for sweep in self.sweeps)


def collect(directories: Sequence[Path]) -> Study:
    """Read sweep directories, and the confirmations in them.

    Raises:
        DirectoryError: one holds neither a plan nor runs, or a damaged plan.
    """
    known = {directory: planned_runs(directory) for directory in directories}
    again = {
        directory / CONFIRM: planned_runs(directory / CONFIRM)
        for directory in directories
        if (directory / CONFIRM / plan.FILE).exists() and not (directory / CONFIRM).is_symlink()
    }
    keys = _telling([*known.values()])
    sweeps = tuple(_sweep(directory, runs, keys) for directory, (runs, _) in known.items())
    confirmed = [run for directory, (runs, _) in again.items() for run in _sweep(directory, runs, keys).runs]
    runs = _once(run for sweep in sweeps for run in sweep.runs)
    return Study(sweeps, tuple(keys), runs, _once(confirmed), read_looks(directories))


def label(setting: Setting) -> str:
    """A setting for the eye: the last part of each key is enough."""
    return ", ".join(f"{short_key(key)} {value}" for key, value in setting) or "the only setting"


def short_key(key: str) -> str:
    """'trainer.batch_size' -> 'batch size'."""
    return key.rpartition(".")[2].replace("_", " ").strip() or key


def text_of(value: Any) -> str:
    """A configuration value as short text; equal numbers give equal texts."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "null"
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else str(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def finite(value: Any) -> float | None:
    """`value` as a float, or None where it is no finite number."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _once(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Each run once: where several sweeps hold it, the one that is further on."""
    found: dict[str, Run] = {}
    for run in runs:
        there = found.get(run.run_id)
        if there is None or (run.state is State.COMPLETED and there.state is not State.COMPLETED):
            found[run.run_id] = run
    return tuple(found.values())


def _telling(plans: Sequence[tuple[list[PlannedRun], list[str]]]) -> list[str]:
    """The overridden keys (without plans: all keys) whose values differ between runs."""
    runs = [run for each, _ in plans for run in each]
    asked = dict.fromkeys(key for _, keys in plans for key in keys)
    candidates = asked if asked else dict.fromkeys(key for run in runs for key in run.values)
    if len(plans) > 1:
        candidates |= dict.fromkeys(key for key in ("model", "loss", "optim.lr", "trainer.batch_size"))
    if len({run.epochs for run in runs}) > 1:
        candidates |= {"trainer.epochs": None}
    candidates |= {"own_code": None}
    found = []
    for key in candidates:
        if key in NO_SETTING or key.split(".")[0] in ("hydra", "sweep", "trust", "logger", "metrics"):
            continue
        if key.endswith("._target_") or (key == "lr" and "optim.lr" in candidates):
            continue
        if len({text_of(run.values.get(key)) for run in runs}) > 1:
            found.append(key)
    return [*found, *_hidden_differences(runs, found)]


def _hidden_differences(runs: Sequence[PlannedRun], keys: Sequence[str]) -> list[str]:
    """Keys that nobody overrode and that yet tell runs of one setting and seed apart."""
    seen: dict[tuple[str, ...], PlannedRun] = {}
    found: dict[str, None] = {}
    for run in runs:
        place = tuple(text_of(run.values.get(key)) for key in ("dataset", "seed", *keys))
        other = seen.setdefault(place, run)
        if other.run_id != run.run_id:
            names = [name for name in {**other.values, **run.values} if name not in NO_SETTING and name not in keys]
            found |= {n: None for n in names if text_of(other.values.get(n)) != text_of(run.values.get(n))}
    return [name for name in found if name.split(".")[0] not in ("hydra", "sweep", "trust", "logger", "metrics")]


def _sweep(directory: Path, runs: Sequence[PlannedRun], keys: Sequence[str]) -> Sweep:
    known = plan.read(directory)
    requests, search = (known.requests, known.study) if known is not None else ((), None)
    return Sweep(directory, requests, search, tuple(_run(directory, run, keys) for run in runs))


def _run(directory: Path, run: PlannedRun, keys: Sequence[str]) -> Run:
    folder = directory / run.run_dir
    status = None if folder.is_symlink() else RunFolder(folder).current()
    current = State.PENDING if status is None else status.state
    error = dict(status.error) if status is not None and status.error and current is not State.COMPLETED else {}
    values = {**run.values, "trainer.epochs": run.epochs}
    code = read_code(folder) if status is not None and "own_code" in values else None
    return Run(
        run_id=run.run_id,
        trajectory_id=run.trajectory_id,
        folder=folder,
        sweep=directory,
        state=current,
        dataset=str(values.get("dataset") or "unknown"),
        seed=int(values.get("seed") or 0),
        epochs=run.epochs,
        done=status.epoch if status is not None else 0,
        setting=tuple((key, text_of(values.get(key))) for key in keys),
        values=values,
        overrides=run.overrides,
        error=f"{error.get('type')}: {error.get('message')}" if error else "",
        rows=_rows(RunFolder(folder).metrics_csv) if status is not None else pd.DataFrame(),
        result=(RunFolder(folder).result() or {}) if current is State.COMPLETED else {},
        note=code.note if code is not None else "",
    )


def _rows(path: Path) -> pd.DataFrame:
    try:
        rows = read_metrics(path)
    except FileNotFoundError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        log.warning("%s; its epochs are left out", error)
        return pd.DataFrame()
    return pd.DataFrame({name: pd.to_numeric([row.get(name) for row in rows]) for name in (rows[0] if rows else ())})
