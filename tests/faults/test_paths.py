"""Directories whose names mean something elsewhere: markup, formats, URLs, shells, interpolations, other encodings."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from children import SMALL, run

from ganexp import load_summary

NAMES = ("a [/b] ?x %20 %j {y} #z 'q' \"d\" :x: é=,;", "b${x} ${oc.env:HOME} $y$ \\${z}")
SWEEP = ("--multirun", *SMALL, "trainer.epochs=1", "hydra/launcher=basic")


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    folder.mkdir(parents=True)
    return folder


def test_every_command(place: Path) -> None:
    data = place / f"data {place.name}"
    run(place, data, *SMALL, "trainer.epochs=1")
    run(place, data, *SWEEP, "seed=0,1,2", "sweep.dry_run=true")
    run(place, data, *SWEEP, "seed=0,1,2")
    run(place, data, "--multirun", *SWEEP[1:-1], "seed=3")
    run(place, data, *SWEEP, "sweep=tune", "hydra.sweeper.n_trials=2", "seed=0")
    sweep, (single,) = place / "multirun/digits-grid", place.glob("outputs/*")
    assert list(load_summary(sweep)["state"]) == ["COMPLETED"] * 4
    assert (place / "multirun/digits-tune/study.db").exists()

    def command(name: str, *arguments: object) -> str:
        return run(place, data, *map(str, arguments), module=f"ganexp.{name}")

    assert "4 COMPLETED" in command("status", sweep)
    for out in ((), ("--out", place / f"out {place.name}"), ("--verify",)):
        command("report", sweep, *out)
    told = command("report", sweep, "--best")
    line = next(line for line in told.splitlines() if "--config-dir" in line).partition("preset:")[2]
    run(place, data, *shlex.split(line)[3:], *SMALL, "trainer.epochs=1", "hydra.run.dir=best")
    command("confirm", sweep, "--top", 1, "--seeds", 1, "hydra/launcher=basic")
    assert len(load_summary(sweep / "confirm")) == 1
    for name in ("evaluate", "resume", "clean"):
        command(name, single)
    command("sample", single, "--out", place / f"{place.name}.png")
    assert {path.name for path in place.iterdir()} >= {"best", f"data {place.name}", f"{place.name}.png"}


def test_beyond_ascii_in_a_locale_of_ascii(tmp_path: Path, data_root: Path) -> None:
    (tmp_path / "é").mkdir()
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "GANEXP_DATA": str(data_root)}
    for module, *arguments in (
        ("ganexp", *SWEEP, "seed=0,1"),
        ("ganexp", "--multirun", *SWEEP[1:-1], "seed=2"),
        ("ganexp.report", tmp_path / "é" / "multirun" / "digits-grid", "--out", tmp_path / "ö"),
    ):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        subprocess.run(command, cwd=tmp_path / "é", env={**os.environ, **locale}, check=True, capture_output=True)
    assert list(load_summary(tmp_path / "é" / "multirun" / "digits-grid")["state"]) == ["COMPLETED"] * 3
    assert (tmp_path / "ö" / "report.html").exists()


def test_typed_in_an_override(place: Path, data_root: Path) -> None:
    """As docs/sweeps.md says: in quotes, and with \\ before ${ and quotes."""
    name = re.sub(r"(\\*)\$\{", r"\1\1\\${", f"typed {place.name}").replace("'", "\\'")
    run(place, data_root, *SWEEP, "seed=0", f"hydra.sweep.dir='{name}'")
    assert list(load_summary(place / f"typed {place.name}")["state"]) == ["COMPLETED"]
