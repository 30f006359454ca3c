"""summary.csv: one row for each requested run of a sweep."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganexp.files import owned, plan
from ganexp.files.record import COLUMNS as ROW_COLUMNS
from ganexp.files.record import WHOLE as ROWS_WHOLE
from ganexp.files.status import MOST_EPOCHS
from ganexp.report.runs import RunRecord, Sweep, finite, read_sweep
from ganexp.types.errors import DirectoryError

FILE = "summary.csv"
TEXT = ("run_id", "trajectory_id", "run_dir")
CATEGORIES = ("state", "dataset", "model", "loss", "protocol")
WHOLE = ("batch_size", "epochs", "latent_dim", "d_steps", "seed")
SCORES = ("cfd", "precision", "recall", "density", "coverage")
LOSSES = ("d_loss", "g_loss", "d_near_half")
# The first columns, in this order.
FIRST = (
    *("run_id", "trajectory_id", "state", "dataset", "model", "loss"),
    *("batch_size", "epochs", "lr", "latent_dim", "d_steps", "seed"),
    *SCORES,
    *LOSSES,
    *("train_seconds", "images_per_second", "run_dir"),
)

OWN = ("own_code", "own_code_note")  # of runs with own code: digest of its source, and a caveat

# Digest of how metrics were made, with its version from 2 on: only equal ones may be ranked together.
LAST = ("protocol", "error")

# Column -> the configuration's key, where the names differ.
KEY_OF = {
    "batch_size": "trainer.batch_size",
    "epochs": "trainer.epochs",
    "latent_dim": "model.latent_dim",
    "d_steps": "trainer.d_steps",
}

# Overridden keys with a column of their own
HAS_COLUMN = {"dataset", "model", "loss", "lr", "optim.lr", "seed", *KEY_OF.values()}

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a text begins with that a spreadsheet takes for a formula

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)  # as a value is written

# Types of an overridden key's values -> of its column.
KINDS: dict[frozenset[type], str] = {
    frozenset({kind}): name for kind, name in ((bool, "boolean"), (int, "Int64"), (str, "string"))
}
KINDS |= dict.fromkeys((frozenset({float}), frozenset({int, float})), "float64")

# Overridden keys that say nothing about a single run.
ABOUT_THE_SWEEP = ("hydra", "sweep", "trust", "notes", "changed_code", "own_code_random")


def write_summary(
    sweep_dir: Path, table: pd.DataFrame | None = None, *, force: bool = False, beside: bool = False
) -> pd.DataFrame:
    """(Re)write summary.csv of a sweep directory (or, with `beside`, summary-2.csv) and return it, typed.

    `table` is the summary where it was made already.

    Raises:
        DirectoryError: there is nothing to summarise, the plan is damaged, or summary.csv is the user's.
    """
    table = summarise(sweep_dir) if table is None else table
    if beside:
        owned.write_beside(sweep_dir, FILE, as_csv(table))
    else:
        owned.write(sweep_dir, {FILE: as_csv(table).encode()}, force=force)
    return table


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV; texts that a spreadsheet would run as a formula get an apostrophe before them."""
    safe = table.rename(columns=_no_formula)
    for number, kind in enumerate(safe.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            cells = [_no_formula(cell) if isinstance(cell, str) else cell for cell in safe.iloc[:, number]]
            safe.isetitem(number, np.array(cells, dtype=object))
    return safe.to_csv(index=False, lineterminator="\n")


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def load_summary(directory: Path | str) -> pd.DataFrame:
    """The summary of a sweep as its files are now, one row for each requested run.

    >>> import ganexp
    >>> summary = ganexp.load_summary("multirun/digits-grid")
    >>> best = summary[summary.state == "COMPLETED"].sort_values("cfd").iloc[0]
    >>> sorted(summary.state.unique())
    ['COMPLETED', 'DIVERGED']

    Columns are those of summary.csv; the file itself is read only where `directory` has neither a plan nor runs. Names
    are categories, whole numbers Int64, measurements float64 (NaN where there is none). A key that was overridden has
    no missing values, so that `groupby` counts every row: null is the word "null", a list is its text "[16, 32]", and a
    run without the key has "".

    Raises:
        DirectoryError: there is nothing to summarise, or the plan is damaged.
    """
    folder = Path(directory)
    try:
        return summarise(folder)
    except DirectoryError:
        if (folder / plan.FILE).exists() or not (folder / FILE).exists():
            raise
        return _read(folder / FILE)


def load_metrics(directory: Path | str) -> pd.DataFrame:
    """All epochs of a sweep's runs: metrics.csv's columns after `run_id`, each run's last scores in its last row.

    >>> import ganexp
    >>> curves = ganexp.load_metrics("multirun/digits-grid")
    >>> list(curves.columns[:3])
    ['run_id', 'epoch', 'step']
    >>> last = curves.groupby("run_id").last()

    Raises:
        DirectoryError: there are no runs, or the plan is damaged.
    """
    parts = [run.rows.assign(run_id=run.run_id) for run in read_sweep(Path(directory)).runs if len(run.rows)]
    table = pd.concat(parts or [pd.DataFrame(columns=["run_id", *ROW_COLUMNS])], ignore_index=True)
    names = ["run_id", *(name for name in table.columns if name != "run_id")]
    kinds = {name: "Int64" if name in ROWS_WHOLE else "float64" for name in names}
    return table[names].astype({**kinds, "run_id": "string"})


def summarise(sweep: Path | Sweep) -> pd.DataFrame:
    """The rows of summary.csv of a sweep."""
    sweep = sweep if isinstance(sweep, Sweep) else read_sweep(sweep)
    extra = [key for key in sweep.keys if re.split("[./]", key)[0] not in ABOUT_THE_SWEEP and not _told(key, sweep)]
    rows = [_row(run, extra) for run in sweep.runs]
    metrics = [name for row in rows for name in row if name not in (*FIRST, *extra, *OWN, *LAST)]
    own = OWN if any("own_code" in row for row in rows) else ()
    names = list(dict.fromkeys([*FIRST, *metrics, *extra, *own, *LAST]))
    return _typed(pd.DataFrame.from_records(rows, columns=names), extra)


def _told(key: str, sweep: Sweep) -> bool:
    """Whether one of the first columns holds the values of an overridden key (`optim.generator.lr` may be another)."""
    return key in HAS_COLUMN and (
        key != "optim.lr" or all(r.values.get(key, rate) == rate for r in sweep.runs for rate in [r.values.get("lr")])
    )


def _read(path: Path) -> pd.DataFrame:
    """A summary.csv with its types: names with a dot or slash are keys, other numbers measurements."""
    names = list(pd.read_csv(path, nrows=0).columns)
    rest = names[names.index("run_dir") + 1 : -len(LAST)]
    words = dict.fromkeys((*TEXT, *CATEGORIES, *LAST), "string")
    # Keys are read as they are written. The engine is the one that reads every digit.
    empty = {name: [""] for name in names if name not in rest}
    missing: dict[str, Any] = {"keep_default_na": False, "na_values": empty}
    table = pd.read_csv(path, dtype=words, engine="python", converters=dict.fromkeys(rest, _cell), **missing)
    measured = {name: all(type(c) in (int, float) or c == "" for c in table[name]) for name in rest}
    extra = [name for name in rest if re.search("[./]", name) or not measured[name]]
    for name in set(rest) - set(extra):
        table[name] = pd.to_numeric(table[name])
    return _typed(table, extra)


def _cell(text: str) -> bool | int | float | str:
    """A swept value as summary.csv writes it; what no number is written like (016) is text."""
    if text in ("True", "False"):
        return text == "True"
    return json.loads(text) if NUMBER.fullmatch(text) else text


def _row(run: RunRecord, extra: Sequence[str]) -> dict[str, Any]:
    row = {name: _fitting(name, run.values.get(KEY_OF.get(name, name))) for name in FIRST if name not in SCORES}
    row |= {"run_id": run.run_id, "trajectory_id": run.trajectory_id, "epochs": run.epochs}
    row |= {"run_dir": run.folder.relative_to(run.sweep).as_posix(), "state": run.state.value}
    for key in extra:
        value = run.values[key] if key in run.values else _typed_in(run, key)
        value = json.dumps(value) if isinstance(value, list | tuple | Mapping) else value
        row[key] = "null" if value is None else value
    if "own_code" in run.values:
        row |= {"own_code": str(run.values["own_code"]), "own_code_note": run.note or None}
    if run.error:
        row["error"] = run.error
    return row | (_measured(run) if run.result else _last_losses(run))


def _typed_in(run: RunRecord, key: str) -> str:
    """What a run's overrides say of a key that the configuration does not hold (`optim/schedule`), or ""."""
    return next((text.partition("=")[2] for text in run.overrides if text.partition("=")[0].lstrip("+") == key), "")


def _fitting(name: str, value: Any) -> Any:
    """A value as its column takes it, or None: a plan may be damaged, or a stranger's."""
    if name in CATEGORIES or name in TEXT:
        return None if value is None else str(value)
    number = finite(value)
    if number is None or name not in WHOLE:
        return number
    return number if isinstance(number, int) and abs(number) < MOST_EPOCHS else None


def _measured(run: RunRecord) -> dict[str, Any]:
    protocol = hashlib.blake2b(json.dumps(run.measured, sort_keys=True).encode(), digest_size=4).hexdigest()
    return {
        **{key: finite(value) for key, value in run.final.items() if key not in ROWS_WHOLE},
        "train_seconds": finite(run.result["train_seconds"]),
        "images_per_second": finite(run.result["images_per_second"]),
        "protocol": (protocol if run.version == 1 else f"{run.version}-{protocol}") if run.measured else None,
    }


def _last_losses(run: RunRecord) -> dict[str, Any]:
    """The last epoch of a run without a result: losses and speed; scores would be read as final ones."""
    if not len(run.rows):
        return {}
    last = run.rows.iloc[-1]
    seconds, images = last["train_seconds"], last["images_seen"]
    losses = {name: last[name] for name in (*LOSSES, "train_seconds")}
    return {**losses, "images_per_second": images / seconds if seconds else None}


def _typed(table: pd.DataFrame, extra: Sequence[str]) -> pd.DataFrame:
    """The table with the types of its columns; an overridden key has the type of its values, if they have one."""
    table = table.astype({name: _type_of(name) for name in table.columns if name not in extra})
    for name in extra:
        kinds = frozenset(map(type, table[name].astype(object)))
        table[name] = table[name].astype(KINDS.get(kinds, "object"))  # type: ignore[call-overload]
    return table


def _type_of(name: str) -> str:
    if name in CATEGORIES:
        return "category"
    if name in WHOLE:
        return "Int64"
    return "string" if name in (*TEXT, *OWN, "error") else "float64"
