"""Facts of the page besides rankings: requests, machines and cost, and warnings about single runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganexp.files.plan import Request
from ganexp.report.runs import RunRecord
from ganexp.report.settings import level_order, text_of
from ganexp.report.study import Study
from ganexp.types.endings import State
from ganexp.types.terminal import count

COLLAPSE = 0.25  # recall under this share of its floor
OVERPOWERING = 0.05  # mean D on generated images under this, with held-out real images above 0.5
REMEMBERED = 0.3  # mean D on training images this far above held-out ones
MEMORIZATION = 0.1  # share of samples nearer to the training data than real images are


@dataclass(frozen=True)
class Overview:
    """The facts of section 1."""

    requests: tuple[tuple[str, Request], ...]  # (name of the sweep directory, request), in order
    space: Mapping[str, Sequence[str]]  # key -> its values, for keys that differ between runs
    states: Mapping[str, int]  # state -> runs, without those that no run is in
    trained: float  # training seconds, each trajectory once to its longest run
    saved_sharing: float  # seconds that reading shorter runs off longer ones saved
    saved_cached: float  # seconds that runs asked for by several commands would have cost again
    trajectories: int  # how many were trained
    versions: Mapping[str, Sequence[str]]  # package -> versions
    machines: Sequence[str]  # descriptions
    revisions: Sequence[str]  # git revisions
    datasets: Sequence[str]  # "name: origin of the reference"


@dataclass(frozen=True)
class Flag:
    """One warning about a run."""

    kind: str  # e.g. "collapse", "memorization", "failed"
    run: RunRecord
    number: float | None  # what raised it, or None for a run that ended badly
    words: str  # the whole sentence after the number's name


def overview(study: Study) -> Overview:
    """The facts, from the runs' own records."""
    longest: dict[str, float] = {}
    for run in study.runs:
        longest[run.trajectory_id] = max(longest.get(run.trajectory_id, 0.0), run.seconds)
    trained = sum(longest.values())
    requests = [(sweep.directory.resolve().name, r) for sweep in study.sweeps for r in sweep.requests]
    requested = Counter(run_id for _, request in requests for run_id in request.run_ids)
    states = Counter(run.state for run in study.runs)
    records = [run.provenance for run in study.runs if run.result]
    return Overview(
        requests=tuple(requests),
        space=_space(study),
        states={state.value: states[state] for state in State if states[state]},
        trained=trained,
        saved_sharing=sum(run.seconds for run in study.runs) - trained,
        saved_cached=sum((requested[r.run_id] - 1) * r.seconds for r in study.runs if requested[r.run_id] > 1),
        trajectories=sum(1 for seconds in longest.values() if seconds > 0),
        versions=_versions(records),
        machines=_distinct(map(_machine, records)),
        revisions=_distinct(str(record.get("git_revision") or "") for record in records),
        datasets=_distinct(_dataset(run) for run in study.runs if run.result),
    )


def flags(runs: Sequence[RunRecord]) -> list[Flag]:
    """Every warning with the number that raised it, run by run."""
    return [flag for run in runs for flag in _flags(run)]


def _space(study: Study) -> dict[str, Sequence[str]]:
    names: dict[str, Sequence[str]] = {"dataset": level_order(run.dataset for run in study.runs)}
    for key in study.keys:
        names[key] = level_order(text_of(run.values.get(key)) for run in study.runs)
    names["seed"] = level_order(str(run.seed) for run in study.runs)
    return names


def _versions(records: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[str]]:
    versions: dict[str, dict[str, None]] = {}
    for record in records:
        for package, version in (record.get("versions") or {}).items():
            versions.setdefault(package, {})[str(version)] = None
    return {package: list(each) for package, each in versions.items()}


def _machine(record: Mapping[str, Any]) -> str:
    words = [str(record[key]) for key in ("machine", "cpu", "device") if record.get(key)]
    threads = record.get("threads")
    return ", ".join([*words, *([f"{count(threads, 'thread')} a run"] if threads else [])])


def _dataset(run: RunRecord) -> str:
    record = run.provenance.get("dataset") or {}
    reference = run.measured.get("reference") or {}
    origin = record.get("reference_origin") or reference.get("origin") or "unknown"
    return f"{run.dataset}: reference images from the {origin}"


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def _flags(run: RunRecord) -> list[Flag]:
    if run.state in (State.DIVERGED, State.FAILED):
        return [Flag(str(run.state).lower(), run, None, f"after {run.done} of {run.epochs} epochs: {run.error}")]
    raised = [Flag("own code", run, None, run.note)] if run.note and run.state is not State.PENDING else []
    recall, floor = run.value("recall"), run.floors.get("recall")
    if recall is not None and floor and recall < COLLAPSE * floor:
        raised.append(Flag("collapse", run, recall, f"recall {recall:.3g}, real against real {floor:.3g}"))
    generated, heldout, real = (run.value(name) for name in ("d_generated", "d_heldout", "d_real"))
    if generated is not None and heldout is not None and generated < OVERPOWERING and heldout > 0.5:
        words = f"mean D {generated:.3g} on generated images, {heldout:.3g} on held-out ones"
        raised.append(Flag("overpowering discriminator", run, generated, words))
    if real is not None and heldout is not None and real - heldout > REMEMBERED:
        words = f"mean D {real:.3g} on training images, {heldout:.3g} on held-out ones"
        raised.append(Flag("discriminator overfits", run, real - heldout, words))
    copied = run.value("memorization")
    if copied is not None and copied > MEMORIZATION:
        raised.append(Flag("memorization", run, copied, f"memorization {copied:.3g}, real images 0"))
    return raised
