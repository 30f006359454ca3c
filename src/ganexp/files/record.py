"""The records of a run: metrics.csv, result.json, and `.hydra/` with the configuration it was started with."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganexp.files.atomic import write_json, write_text
from ganexp.files.contents import Result, Rows, check
from ganexp.files.foreign import MEDIUM, SMALL, folder_below, read_json, read_text

Row = dict[str, float | int | None]  # of metrics.csv: column -> value, None where it is empty

COLUMNS = (
    "epoch",
    "step",
    "images_seen",
    "train_seconds",
    "d_loss",
    "g_loss",
    "d_real",
    "d_fake",
    "d_heldout",
    "d_generated",
    "d_near_half",
)  # the columns before the metrics; the last five are empty for losses whose D has no probability
PROBABILITY_COLUMNS = COLUMNS[6:]
WHOLE = ("epoch", "step", "images_seen")


def write_metrics(path: Path, rows: Sequence[Row], scores: Sequence[str]) -> None:
    """Write metrics.csv atomically; the columns `scores` follow the fixed ones, any that only rows have come last."""
    names = list(dict.fromkeys([*COLUMNS, *scores, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else repr(row[name]) for name in names])
    write_text(path, text.getvalue())


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.csv; empty cells are None.

    Raises:
        OSError: it cannot be read, or is a link, or larger than any run writes.
        ValueError: it is incomplete, or holds something else than numbers.
    """
    text = read_text(path, MEDIUM)
    try:
        names, *cells = csv.reader(io.StringIO(text))
        for number, row in enumerate(cells, 1):
            if len(row) != len(names):
                raise ValueError(f"row {number}: expected {len(names)} cells, got {len(row)}")
        rows = [{key: _number(key, value) for key, value in zip(names, row, strict=True)} for row in cells]
    except (csv.Error, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path}: expected a table of numbers, got something else ({error})") from None
    check(Rows, rows)
    if not text.endswith("\n") or names[: len(COLUMNS)] != list(COLUMNS):
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)} and whole rows, got a part of them")
    return rows


def is_cadence(epoch: int, every: int | None) -> bool:
    """Whether `epoch` (1-based) is scored: every so many, or at 1, 2, 5, 10, 20, 50, 100, ..."""
    if every is not None:
        return epoch % every == 0
    while epoch % 10 == 0:
        epoch //= 10
    return epoch in (1, 2, 5)


def read_result(path: Path) -> dict[str, Any] | None:
    """The content of a result.json, or None where there is none, or one that no run wrote."""
    try:
        value = read_json(path, MEDIUM)
        check(Result, value)
    except (OSError, ValueError):
        return None
    return dict(value)


def reported(result: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """The objective of a result.json and its final value, as reports print it; None for what there is not."""
    name = (result.get("objective") or {}).get("name")
    return name, result["final"].get(name)


def with_final(rows: Sequence[Row], result: Mapping[str, Any] | None) -> list[Row]:
    """`rows` of metrics.csv, the scores of a result.json in the empty cells of its epoch, which may be none to score.

    Columns that an evaluation left unsettled stay as they are.
    """
    if not rows or not result or rows[-1].get("epoch") != result.get("epoch"):
        return list(rows)
    unsettled = (result.get("provenance") or {}).get("unsettled") or ()
    empty = [name for name, value in rows[-1].items() if value is None and name not in (*COLUMNS, *unsettled)]
    return [*rows[:-1], {**rows[-1], **{name: result["final"].get(name) for name in empty}}]


def half_a(values: Mapping[str, Any], metric: str) -> Any:
    """A metric's value on reference half A, by which settings are chosen; its only value where it has no halves."""
    return values.get(f"{metric}_half_a", values.get(metric))


def metric_of(column: str, metrics: Iterable[str]) -> str | None:
    """The metric that a column belongs to: the longest of `metrics` that it is, or begins with; None: none of them."""
    return max((name for name in metrics if column == name or column.startswith(f"{name}_")), key=len, default=None)


def version_of(measured: Mapping[str, Any], column: str) -> int:
    """Version of the protocol of a column, by `provenance.metrics` of a result.json; 1 where none is recorded."""
    metrics = measured.get("metrics") or {}
    return int((metrics.get(metric_of(column, metrics)) or {}).get("version", 1))


def merged(measured: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`measured` (as of `version_of`) with what is `new`: metrics that were not scored anew keep what they have."""
    by_name = [key for key in ("protocol", "metrics", "extractors") if key in measured or key in new]
    return {**measured, **new, **{key: {**measured.get(key, {}), **new.get(key, {})} for key in by_name}}


def best_row(rows: Sequence[Row], objective: str, direction: str) -> dict[str, Any] | None:
    """The scored epoch with the best objective on reference half A, with its value there and on half B.

    Epochs in metrics.csv have both of one draw of images; the end of a run has another for half B.
    """
    chosen_by = f"{objective}_half_a"
    scored = [row for row in rows if row.get(chosen_by) is not None and math.isfinite(row[chosen_by] or 0.0)]
    if not scored:
        return None
    sign = -1.0 if direction == "maximise" else 1.0
    row = min(scored, key=lambda r: sign * float(r[chosen_by] or 0.0))
    return {"epoch": row["epoch"], "half_a": row[chosen_by], "value": row.get(objective)}


def _number(key: str, text: str) -> float | int | None:
    if text == "":
        return None
    return int(text) if key in WHOLE else float(text)


@dataclass(frozen=True)
class Texts:
    """The files of `.hydra/`, as YAML."""

    config: str
    overrides: str
    hydra: str


def read_identity(directory: Path) -> dict[str, Any] | None:
    """Everything that the run's numbers depend on, as recorded, or None."""
    try:
        value = read_json(directory / ".hydra" / "identity.json", SMALL)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_hydra_folder(directory: Path, texts: Texts, identity: Mapping[str, Any]) -> None:
    """Write the configuration as composed, and the content of the run's identity."""
    folder = folder_below(directory, ".hydra")
    write_json(folder / "identity.json", identity)  # first: it says that the others are ganexp's own
    for name in ("config", "overrides", "hydra"):
        write_text(folder / f"{name}.yaml", getattr(texts, name))


def difference(recorded: Mapping[str, Any], requested: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each value that differs: 'optim.generator.lr: there 0.0001, asked 0.001'."""
    lines: list[str] = []
    for key in sorted({*recorded, *requested}):
        old, new = recorded.get(key), requested.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += difference(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: there {old!r}, asked {new!r}")
    return lines
