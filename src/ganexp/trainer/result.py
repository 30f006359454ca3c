"""The content of result.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganexp.config.run_spec import NUMERICS_VERSION, RunSpec
from ganexp.files.provenance import git_revision, versions
from ganexp.files.record import Row, best_row, half_a
from ganexp.types import Scores
from ganexp.types.endings import State

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator


def result(
    spec: RunSpec,
    rows: Sequence[Row],
    scores: Scores,
    evaluator: Evaluator | None,
    machine: Mapping[str, Any],
    total_seconds: float,
) -> dict[str, Any]:
    """The content of result.json.

    The last of `rows` is the end, `scores` are the metrics there, by `evaluator`. `machine` holds the conditions of
    training (`ganexp.files.provenance.machine`); `total_seconds` covers training, scoring and writing.
    """
    last, objective = rows[-1], evaluator.objective if evaluator is not None else None
    final = {**last, **scores.values}
    seconds = float(last["train_seconds"] or 0.0)
    direction = direction_of(evaluator, objective)
    content = {
        "run_id": spec.identity.run_id,
        "trajectory_id": spec.identity.trajectory_id,
        "state": State.COMPLETED.value,
        **{key: last[key] for key in ("epoch", "step", "images_seen")},
        "final": final,
        "floors": dict(scores.floors),
        "objective": objective_of(objective, final, direction) if objective else None,
        "best": best_row([*rows[:-1], final], objective, direction) if objective else None,
        "train_seconds": seconds,
        "total_seconds": round(total_seconds, 3),
        "images_per_second": round(float(last["images_seen"] or 0) / seconds, 1) if seconds else None,
        "provenance": _provenance(spec, scores, machine),
        "read_off": None,
    }
    as_read_back: dict[str, Any] = json.loads(json.dumps(content))
    return as_read_back


def direction_of(evaluator: Evaluator | None, metric: str | None) -> str:
    """Direction of a metric, "minimise" or "maximise"; "minimise" where it is not measured."""
    measured = evaluator.metrics if evaluator is not None else {}
    return str(measured[metric].direction) if metric in measured else "minimise"


def objective_of(name: str, final: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """`objective` of result.json: the value that settings are chosen by."""
    return {"name": name, "value": half_a(final, name), "half": "A", "direction": direction}


def objective_value(content: Mapping[str, Any]) -> float | None:
    """The objective's final value in a result.json, on reference half A, or None."""
    value = (content.get("objective") or {}).get("value")
    return float(value) if value is not None else None


def _provenance(spec: RunSpec, scores: Scores, machine: Mapping[str, Any]) -> dict[str, Any]:
    """How the numbers were made, with the caveats of own code."""
    dataset, code = spec.dataset, spec.code
    own_code = code and {
        "digest": code.label,
        "sources": dict(code.all_sources),
        "reproducible": not code.problems,
        "note": code.note,
    }
    return {
        "metrics": dict(scores.provenance),
        "versions": versions(),
        "git_revision": git_revision(),
        "numerics_version": NUMERICS_VERSION,
        "dataset": {key: getattr(dataset, key) for key in ("name", "fingerprint", "reference_origin")},
        **machine,
        **({"own_code": own_code} if own_code else {}),
    }
