"""plan.json: what was asked of a sweep directory, by whom and when. Reads and writes files only."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from ganexp.files.atomic import write_text
from ganexp.files.foreign import LARGE, read_json, refuse_links
from ganexp.files.locks import held
from ganexp.files.owned import PLAN_LOCK
from ganexp.files.status import MOST_EPOCHS
from ganexp.types.bounds import validator
from ganexp.types.errors import DirectoryError
from ganexp.types.nested import short_keys

FORMAT = 1
FILE = "plan.json"
WRITES = 10  # how often a plan is written again that other launchers overwrite
MOST_NAME = 255  # bytes of a file name, a limit of file systems
LOCK_SECONDS = 60.0  # longest wait for another launcher that is writing the plan


@dataclass(frozen=True)
class PlannedRun:
    """One run that was asked for."""

    run_id: str
    trajectory_id: str
    run_dir: str  # name of its directory in the sweep directory
    epochs: int  # passes over the data
    overrides: tuple[str, ...]  # those that a command for this run alone would have
    values: Mapping[str, Any]  # dotted key -> resolved value, and group -> chosen option


@dataclass(frozen=True)
class Request:
    """One command that asked for runs."""

    command: tuple[str, ...]  # its overrides as typed
    time: str  # when it was first given: UTC, ISO 8601
    last_time: str  # when it was last given
    run_ids: tuple[str, ...]  # the runs it asked for
    keys: tuple[str, ...]  # every key that it overrode
    git_revision: str | None = None  # of the code, or None


@dataclass(frozen=True)
class Plan:
    """All requests to one sweep directory."""

    numerics_version: int  # of the code that its runs were made with
    study: str | None = None  # name of the search that fills it; None: grids
    storage: str | None = None  # where that search keeps its trials
    requests: tuple[Request, ...] = ()
    runs: Mapping[str, PlannedRun] = field(default_factory=dict)  # run_id -> run, in the order of first requests

    @property
    def keys(self) -> list[str]:
        """Every key that any request overrode, in order."""
        return list(dict.fromkeys(key for request in self.requests for key in request.keys))

    def settings(self) -> dict[str, str]:
        """run_id -> the overrides that not all runs have, keys cut to their last part: "batch_size=16 lr=0.0001"."""
        shared = set.intersection(*(set(run.overrides) for run in self.runs.values())) if self.runs else set()
        return {run.run_id: short(text for text in run.overrides if text not in shared) for run in self.runs.values()}

    def with_request(self, request: Request, runs: Iterable[PlannedRun]) -> Plan:
        """The plan with one more request; runs that are already in it stay as they are."""
        requests = {(old.command, old.run_ids): old for old in self.requests}
        before = requests.get((request.command, request.run_ids), request)
        requests[request.command, request.run_ids] = replace(request, time=before.time)
        more = {run.run_id: run for run in runs if run.run_id not in self.runs}
        return replace(self, requests=tuple(requests.values()), runs={**self.runs, **more})


def short(overrides: Iterable[str]) -> str:
    """Overrides for display, each key cut to the last part that tells it from the others."""
    parts = [text.partition("=") for text in overrides]
    names = short_keys(key for key, _, _ in parts)
    return " ".join(f"{names[key]}{sign}{value}" for key, sign, value in parts)


def read(sweep_dir: Path) -> Plan | None:
    """The plan of a sweep directory, or None where there is none.

    Raises:
        DirectoryError: it is there but damaged, of another format, or names a directory outside.
    """
    path = sweep_dir / FILE
    try:
        return _parse(read_json(path, LARGE))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DirectoryError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DirectoryError(f"{path}: expected a plan of format {FORMAT}, got something else ({error})") from None


def record(
    sweep_dir: Path,
    request: Request,
    runs: Sequence[PlannedRun],
    *,
    numerics_version: int,
    study: str | None = None,
    storage: str | None = None,
) -> Plan:
    """Add a request to the plan of a sweep directory, which is created if missing; return the whole plan.

    Several processes may do so at the same time. Repeating a command for the same runs only changes its `last_time`.

    Raises:
        DirectoryError: the directory belongs to another study, storage or numerics version, or cannot be written.
    """
    empty = Plan(numerics_version, study, storage)
    try:
        sweep_dir.mkdir(parents=True, exist_ok=True)
        refuse_links(*(sweep_dir / run.run_dir for run in runs))
        with held(sweep_dir / PLAN_LOCK, seconds=LOCK_SECONDS):
            return _write(sweep_dir, check(sweep_dir, empty), request, runs)
    except Timeout:
        raise DirectoryError(f"{sweep_dir}: another launcher held its plan for {LOCK_SECONDS:.0f} s") from None
    except OSError as error:
        raise DirectoryError(f"{sweep_dir}: cannot be written ({error.strerror})") from None


def check(sweep_dir: Path, empty: Plan) -> Plan:
    """The plan of a sweep directory, or `empty` where there is none.

    Raises:
        DirectoryError: the plan's study, storage or numerics version is not that of `empty`.
    """
    plan = read(sweep_dir) or empty
    for name in ("study", "storage", "numerics_version"):
        old, new = getattr(plan, name), getattr(empty, name)
        if old != new:
            raise DirectoryError(
                f"{sweep_dir}: holds a sweep of another {name.replace('_', ' ')}: expected {old!r}, got {new!r}; "
                "choose another hydra.sweep.dir"
            )
    return plan


def _write(sweep_dir: Path, plan: Plan, request: Request, runs: Sequence[PlannedRun]) -> Plan:
    """Write a plan with one more request; return the plan that is then on disk.

    Where file locks do not work, another launcher may overwrite it in between: then it is written once more.
    """
    for attempt in range(WRITES):
        content = _encode(plan.with_request(request, runs))
        write_text(sweep_dir / FILE, json.dumps(content, indent=1, allow_nan=False, default=str) + "\n")
        written = read(sweep_dir)
        if written is not None and all(run.run_id in written.runs for run in runs):
            return written
        plan = written or plan
        time.sleep(random.uniform(0.0, 0.1) * (attempt + 1))
    raise DirectoryError(f"{sweep_dir}: other launchers overwrote its plan {WRITES} times")


def _encode(plan: Plan) -> dict[str, Any]:
    """As JSON: values that all runs have in common are written once."""
    values = [run.values for run in plan.runs.values()]
    common = {key: value for key, value in (values[0] if values else {}).items() if _everywhere(key, value, values)}
    runs = []
    for run in plan.runs.values():
        own = {key: value for key, value in run.values.items() if key not in common}
        runs.append({**{each.name: getattr(run, each.name) for each in fields(PlannedRun)}, "values": own})
    head = {name: getattr(plan, name) for name in ("numerics_version", "study", "storage")}
    return {"format": FORMAT, **head, "requests": [vars(r) for r in plan.requests], "common": common, "runs": runs}


def _everywhere(key: str, value: Any, all_values: Sequence[Mapping[str, Any]]) -> bool:
    return all(key in values and type(values[key]) is type(value) and values[key] == value for values in all_values)


def _parse(raw: Mapping[str, Any]) -> Plan:
    if raw["format"] != FORMAT:
        raise ValueError(f"format {raw['format']!r}")
    requests = tuple(_validated(Request, each) for each in raw["requests"])
    runs = [_validated(PlannedRun, {**run, "values": {**raw["common"], **run["values"]}}) for run in raw["runs"]]
    for run in runs:
        _check(run)
    by_id = {run.run_id: run for run in runs}
    return Plan(int(raw["numerics_version"]), raw["study"], raw["storage"], requests, by_id)


def _check(run: PlannedRun) -> None:
    """ValueError where a run's directory is not directly below the sweep's, or its epochs or seed are impossible."""
    name = run.run_dir
    if name != Path(name).name or name[:1] in ("", ".") or not name.isprintable() or len(name.encode()) > MOST_NAME:
        raise ValueError(f"run_dir: expected a plain name, got {name!r}")
    if not 0 <= run.epochs < MOST_EPOCHS:
        raise ValueError(f"epochs: expected a number of epochs, got {run.epochs}")
    if not isinstance(run.values.get("seed", 0), int):
        raise ValueError(f"seed: expected a whole number, got {run.values['seed']!r}")


def _validated(kind: type[Any], raw: Mapping[str, Any]) -> Any:
    return validator(kind).validate_python({key: raw[key] for key in kind.__dataclass_fields__ if key in raw})
