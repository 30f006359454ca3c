"""Messages that nobody reads, or a full disk does not take: what was to be done is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from children import ASKED, SMALL

from ganexp.files.run_folder import RunFolder
from ganexp.types.endings import State

Shell = Callable[..., subprocess.CompletedProcess[str]]

NOBODY = ("2>&1 | head -1", "2>&1 | true", ">/dev/full 2>&1", ">&- 2>&-")
"""Where messages are lost: after the first, all of them, on a full disk, with closed streams."""


@pytest.fixture
def shell(tmp_path: Path, data_root: Path) -> Shell:
    """`python -m <module> ARGS PLACE` in a shell whose status is the program's."""

    def run(module: str, *arguments: str, place: str = "", before: str = "") -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
        words = " ".join(f"'{argument}'" for argument in arguments)
        script = f'set -o pipefail; {before} "$PYTHON" -m {module} {words} {place}'
        return subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200
        )

    return run


@pytest.mark.parametrize("place", NOBODY)
def test_a_run(shell: Shell, tmp_path: Path, place: str) -> None:
    told = shell("ganexp", *SMALL, "trainer.epochs=3", "metrics=none", "hydra.run.dir=run", place=place)
    assert told.returncode == 0, told.stdout + told.stderr
    assert RunFolder(tmp_path / "run").current().state is State.COMPLETED


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("place", NOBODY[1:3])
def test_a_sweep(shell: Shell, tmp_path: Path, place: str, launcher: str) -> None:
    asked = ("--multirun", *SMALL, "trainer.epochs=1,2", "seed=0,1", "metrics=none", "hydra.sweep.dir=sweep")
    told = shell("ganexp", *asked, f"hydra/launcher={launcher}", place=place)
    assert told.returncode == 0, told.stdout + told.stderr
    done = [RunFolder(path.parent).current().state for path in (tmp_path / "sweep").glob("*/status.json")]
    assert done == [State.COMPLETED] * 4
    assert (tmp_path / "sweep" / "report.html").exists()


def test_every_other_command(shell: Shell, tmp_path: Path) -> None:
    assert shell("ganexp", *ASKED).returncode == 0
    run = next((tmp_path / "sweep").glob("*/")).relative_to(tmp_path)
    commands = [
        *(("ganexp.status", "sweep"), ("ganexp.status", "sweep", "--watch"), ("ganexp.report", "sweep")),
        *(("ganexp.report", "sweep", "--verify"), ("ganexp.report", "sweep", "--best")),
        *(("ganexp.confirm", "sweep", "--dry-run"), ("ganexp.clean", "sweep"), ("ganexp.resume", str(run))),
        *(("ganexp.evaluate", str(run)), ("ganexp.sample", str(run), "--out", "x.png", "--force")),
        *(("ganexp", "--help"), ("ganexp", "--cfg", "job"), ("ganexp.status", "--help")),
        ("ganexp", *ASKED, "sweep.dry_run=true"),
    ]
    wrong = []
    for command in commands:
        for place in NOBODY[1:]:
            told = shell(*command, place=place)
            if told.returncode != 0 or "Traceback" in told.stderr:
                wrong.append((command, place, told.returncode, told.stderr[-300:]))
    assert not wrong


@pytest.mark.parametrize(("before", "status"), [("", 129), ("nohup", 0)])
@pytest.mark.parametrize("many", [(), ("--multirun", "seed=0,1", "hydra.sweep.dir=sweep")])
def test_a_terminal_that_closes(
    tmp_path: Path, data_root: Path, before: str, status: int, many: tuple[str, ...]
) -> None:
    """SIGHUP goes to all processes of a terminal, and often twice."""
    env = {**os.environ, "GANEXP_DATA": str(data_root), "OMP_NUM_THREADS": "1"}
    epochs = "trainer.epochs=100000" if status else "trainer.epochs=100"
    command = [sys.executable, "-m", "ganexp", *many, *SMALL, epochs, "metrics=none", "hydra.run.dir=run"]
    command = [*before.split(), *command, "trainer.samples_every_epochs=null"]
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, start_new_session=True)
    while not any(path.read_text() for path in tmp_path.glob("**/metrics.csv")):
        assert process.poll() is None
    for _ in range(2):
        os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=200)
    assert process.returncode == status
    states = {RunFolder(path.parent).current().state for path in tmp_path.glob("**/status.json")}
    assert states == {State.INTERRUPTED if status else State.COMPLETED}
