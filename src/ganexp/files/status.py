"""status.json: state, holder and progress of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganexp.files.atomic import write_json
from ganexp.files.foreign import SMALL, read_json
from ganexp.types.endings import State

MOST_EPOCHS = 2**53  # ganexp writes no larger number

WORDS = ("note", "trouble", "doing")  # left out where they are empty

MOST_WORDS = 20_000  # characters of an error that are written


@dataclass(frozen=True)
class Status:
    """The content of status.json."""

    state: State
    epoch: int  # epochs done
    epochs: int  # epochs requested
    run_id: str
    trajectory_id: str
    heartbeat: str = ""  # UTC, ISO 8601
    error: Mapping[str, str] | None = None  # {"type", "message"} of the failure
    holder: Mapping[str, Any] | None = None  # {"host", "pid", "token"} of the process that writes
    progress: Mapping[str, float] = field(default_factory=dict)  # for displays, e.g. images_per_second, seconds_left
    note: str = ""  # caveat for readers of its numbers, or ""
    trouble: str = ""  # what goes wrong although it goes on, or ""
    doing: str = ""  # what takes a while just now and how far it is, in words, or ""


def now() -> str:
    """The time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(path: Path) -> Status | None:
    """The content of a status.json, or None where there is none or it is unreadable."""
    try:
        return _parse(read_json(path, SMALL))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, status: Status) -> None:
    """Replace a status.json atomically; a very long error is cut."""
    content = asdict(status)
    for key in WORDS:
        if not content[key]:
            del content[key]
    if status.error is not None:
        content["error"] = {key: _writable(value[:MOST_WORDS]) for key, value in status.error.items()}
    write_json(path, content)


def _parse(raw: Mapping[str, Any]) -> Status:
    """The status in a status.json; ValueError, TypeError or KeyError where it is malformed."""
    _check(raw, str, "state", "run_id", "trajectory_id")
    _check(raw, int, "epoch", "epochs")
    if not (0 <= raw["epoch"] < MOST_EPOCHS and 0 <= raw["epochs"] < MOST_EPOCHS):
        raise ValueError(f"expected epochs, got {raw['epoch']} of {raw['epochs']}")
    rest = {key: raw[key] for key in ("heartbeat", "error", "holder", "progress", *WORDS) if raw.get(key) is not None}
    _check(rest, str, *rest.keys() & {"heartbeat", *WORDS})
    _check(rest, dict, *rest.keys() - {"heartbeat", *WORDS})
    if "error" in rest:
        rest["error"] = {key: str(value) for key, value in rest["error"].items()}
    if "progress" in rest:
        rest["progress"] = {key: value for key, value in rest["progress"].items() if _is_number(value)}
    identity = {key: raw[key] for key in ("epoch", "epochs", "run_id", "trajectory_id")}
    return Status(state=State(raw["state"]), **identity, **rest)


def _check(raw: Mapping[str, Any], kind: type, *keys: str) -> None:
    for key in keys:
        if not isinstance(raw[key], kind):
            raise TypeError(f"{key}: expected {kind.__name__}, got {raw[key]!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < MOST_EPOCHS


def _writable(text: str) -> str:
    """`text` without lone surrogates, as file names of another encoding have them."""
    return text.encode("utf-8", "replace").decode()
