"""A table of any program's results as a study: one row a run."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganexp.files.foreign import LARGE, read_text
from ganexp.report.looks import read_looks
from ganexp.report.runs import RunRecord, Sweep
from ganexp.report.settings import label, text_of
from ganexp.report.study import Study
from ganexp.types.endings import State
from ganexp.types.errors import DataError

LONGEST = 300  # characters of a cell that is used
MOST = 1e150  # size of a value of the objective: squares are finite


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean."""

    objective: str  # by which settings are compared
    direction: str  # "minimise" or "maximise"
    seed: str  # the repetition
    by: tuple[str, ...] = ()  # those that make a setting; () for all others
    dataset: str = ""  # the data set; "" for one
    cost: str = ""  # seconds of a run; ""
    trajectory: str = ""  # rows of one training (its epochs) have the same; ""

    @property
    def others(self) -> tuple[str, ...]:
        """Those with a meaning of their own, which make no setting."""
        return tuple(name for name in (self.objective, self.seed, self.dataset, self.cost, self.trajectory) if name)


def read_table(path: Path, columns: Columns, out: Path) -> Study:
    """The rows of a CSV file as runs; earlier looks are read from `out`, the report's folder.

    It is UTF-8 (a byte order mark is allowed) with a header; commas, semicolons or tabs separate cells.

    Raises:
        DataError: no such table; it says in which line what was expected, and what it got.
    """
    rows = _rows(path)
    names = list(rows[0][1]) if rows else []
    if missing := [name for name in (*columns.others, *columns.by) if name not in names]:
        raise DataError(f"{path}: expected a column {missing[0]!r}, got {', '.join(map(repr, names)) or 'no rows'}")
    by = [name for name in columns.by or names if name not in columns.others]
    by = [name for name in by if len({row[name] for _, row in rows}) > 1]
    runs = [_run(path, line, row, columns, by, out) for line, row in rows]
    _check(path, [line for line, _ in rows], runs)
    return Study((Sweep(out, tuple(runs)),), tuple(by), tuple(runs), (), read_looks([out]), path.name)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of every row."""
    try:
        text = read_text(path.resolve(), LARGE).removeprefix("\ufeff")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a table as UTF-8 text, got {error}") from None
    head = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                lines.append((reader.line_num, cells))
                _check_cells(path, reader.line_num, lines[0][1], cells)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: expected CSV, got {error}") from None
    if len(lines) < 2:
        raise DataError(f"{path}: expected a header and rows, got {'a header alone' if lines else 'nothing'}")
    if delimiter == ";":
        lines[1:] = [(line, [_decimal(cell) for cell in cells]) for line, cells in lines[1:]]
    return [(line, dict(zip(lines[0][1], cells, strict=True))) for line, cells in lines[1:]]


def _check_cells(path: Path, line: int, names: list[str], cells: list[str]) -> None:
    if cells is names and (twice := [name for name in names if names.count(name) > 1]):
        raise DataError(f"{path}: expected columns of different names, got {twice[0]!r} twice")
    if len(cells) != len(names):
        raise DataError(f"{path}, line {line}: expected {len(names)} cells, got {len(cells)}")


def _decimal(cell: str) -> str:
    """A cell of a semicolon-separated table, where numbers may have decimal commas."""
    return cell.replace(",", ".") if re.fullmatch(r"[+-]?\d+,\d+([eE][+-]?\d+)?", cell) else cell


def _run(path: Path, line: int, row: Mapping[str, str], columns: Columns, by: Sequence[str], out: Path) -> RunRecord:
    for name in (*columns.others, *by):
        if not row[name] or len(row[name]) > LONGEST:
            got = "an empty cell" if not row[name] else f"{len(row[name])} characters"
            raise DataError(f"{path}, line {line}: {name}: expected a value of up to {LONGEST} characters, got {got}")
    value = _number(path, line, columns.objective, row)
    seconds = max(0.0, _number(path, line, columns.cost, row)) if columns.cost else 0.0
    if not re.fullmatch(r"\d{1,15}(\.0{1,15})?", row[columns.seed]):
        got = repr(row[columns.seed])
        raise DataError(f"{path}, line {line}: {columns.seed}: expected a whole number from 0, got {got}")
    seed = int(float(row[columns.seed]))
    dataset = row[columns.dataset] if columns.dataset else path.stem
    values = {name: _value(row[name]) for name in by}
    setting = tuple((name, text_of(values[name])) for name in by)
    place = repr([dataset, setting, seed])
    run_id = hashlib.blake2b(place.encode(), digest_size=16).hexdigest()
    return RunRecord(
        run_id=run_id,
        trajectory_id=repr([dataset, seed, row[columns.trajectory] if columns.trajectory else place]),
        folder=out / run_id,
        sweep=out,
        state=State.COMPLETED,
        dataset=dataset,
        seed=seed,
        epochs=0,
        done=0,
        values=values,
        overrides=tuple(f"{name}={text}" for name, text in setting),
        result={
            "final": {columns.objective: value},
            "objective": {"name": columns.objective, "direction": columns.direction},
            "train_seconds": seconds,
        },
        setting=setting,
    )


def _number(path: Path, line: int, name: str, row: Mapping[str, str]) -> float:
    try:
        number = float(row[name])
    except ValueError:
        number = math.nan
    if not abs(number) <= MOST:
        raise DataError(f"{path}, line {line}: {name}: expected a finite number, got {row[name]!r}")
    return number


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _check(path: Path, lines: Sequence[int], runs: Sequence[RunRecord]) -> None:
    """At least two settings, two seeds of one of them, and one row for each setting and seed."""
    first: dict[str, int] = {}
    for line, run in zip(lines, runs, strict=True):
        if run.run_id in first:
            where = f"lines {first[run.run_id]} and {line}"
            what = f"{label(run.setting)}, seed {run.seed}"
            raise DataError(f"{path}, {where}: expected one row for each setting and seed, got two of {what}")
        first[run.run_id] = line
    settings = {run.setting for run in runs}
    if len(settings) < 2:
        raise DataError(f"{path}: expected at least two settings, got one; --by names the columns that make a setting")
    if len({run.seed for run in runs}) < 2 or len({(run.dataset, run.setting) for run in runs}) == len(runs):
        got = "one row for each setting; --by names the columns that make a setting"
        raise DataError(f"{path}: expected at least two seeds of a setting, got {got}")
