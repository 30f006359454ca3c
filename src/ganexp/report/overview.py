"""What was asked of the sweeps, on what machine, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganexp.files.plan import Request
from ganexp.report.collect import Run, Study, text_of
from ganexp.report.draw import level_order
from ganexp.types.endings import State

ORDER = tuple(State)


@dataclass(frozen=True)
class Overview:
    """The facts of section 1.

    Attributes:
        requests: (name of the sweep directory, request), in order.
        space: key -> its values, for keys that differ between runs.
        states: state -> runs, without those that no run is in.
        trained: training seconds, each trajectory once to its longest run.
        saved_sharing: seconds that reading shorter runs off longer ones saved.
        saved_cached: seconds that runs asked for by several commands would have cost again.
        trajectories: how many were trained.
        versions: package -> versions met.
        machines: descriptions met.
        revisions: git revisions met.
        datasets: "name: origin of the reference" met.
    """

    requests: tuple[tuple[str, Request], ...]
    space: Mapping[str, Sequence[str]]
    states: Mapping[str, int]
    trained: float
    saved_sharing: float
    saved_cached: float
    trajectories: int
    versions: Mapping[str, Sequence[str]]
    machines: Sequence[str]
    revisions: Sequence[str]
    datasets: Sequence[str]


def overview(study: Study) -> Overview:
    """The facts, from the runs' own records."""
    longest: dict[str, float] = {}
    for run in study.runs:
        longest[run.trajectory_id] = max(longest.get(run.trajectory_id, 0.0), run.seconds)
    trained = sum(longest.values())
    asked = Counter(run_id for sweep in study.sweeps for request in sweep.requests for run_id in request.run_ids)
    counts = Counter(run.state for run in study.runs)
    records = [run.result.get("provenance") or {} for run in study.runs if run.result]
    return Overview(
        requests=tuple((sweep.directory.resolve().name, r) for sweep in study.sweeps for r in sweep.requests),
        space=_space(study),
        states={state.value: counts[state] for state in ORDER if counts[state]},
        trained=trained,
        saved_sharing=sum(run.seconds for run in study.runs) - trained,
        saved_cached=sum((asked[run.run_id] - 1) * run.seconds for run in study.runs if asked[run.run_id] > 1),
        trajectories=sum(1 for seconds in longest.values() if seconds > 0),
        versions=_versions(records),
        machines=_met(_machine(record) for record in records),
        revisions=_met(str(record["git_revision"]) for record in records if record.get("git_revision")),
        datasets=_met(_dataset(run) for run in study.runs if run.result),
    )


def _space(study: Study) -> dict[str, Sequence[str]]:
    names: dict[str, Sequence[str]] = {"dataset": level_order([run.dataset for run in study.runs])}
    for key in study.keys:
        names[key] = level_order([text_of(run.values.get(key)) for run in study.runs])
    names["seed"] = level_order([str(run.seed) for run in study.runs])
    return names


def _versions(records: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for record in records:
        for package, version in (record.get("versions") or {}).items():
            if version not in found.setdefault(package, []):
                found[package].append(str(version))
    return dict(found)


def _machine(record: Mapping[str, Any]) -> str:
    words = [str(record[key]) for key in ("machine", "cpu", "device") if record.get(key)]
    threads = record.get("threads")
    return ", ".join([*words, *([f"{threads} thread{'s' * (threads != 1)} a run"] if threads else [])])


def _dataset(run: Run) -> str:
    record = (run.result.get("provenance") or {}).get("dataset") or {}
    measured = run.measured.get("reference") or {}
    origin = record.get("reference_origin") or measured.get("origin") or "unknown"
    return f"{run.dataset}: reference images from the {origin}"


def _met(texts: Any) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
