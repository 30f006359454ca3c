"""Sweep directories that a stranger has prepared, and the commands that people would give them."""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import payload
import pytest
import typer
from hydra.core.global_hydra import GlobalHydra

from ganexp.config.run_spec import NUMERICS_VERSION
from ganexp.files import plan
from ganexp.files.plan import PlannedRun, Request
from ganexp.trainer import run
from helpers import TINY, make_spec

TRACEBACK = 99
"""Status of a command that let an exception through."""

SECONDS = 120.0
"""A command that takes longer hangs."""

ROOM = 2 * 2**30
"""Bytes of address space that a command may take beyond what this process has."""

PACKAGES = ("ganexp", "ganexp.report")

SECRET = "hunter2-c0ffee"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    output: str


def command(module: str, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """`python -m MODULE ARGUMENTS` in a fork of this process, to its end, with bounded memory."""
    with tempfile.TemporaryFile() as told, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads, which do nothing here
        child = os.fork()
        if child == 0:
            _become(module, [str(each) for each in arguments], cwd, env or {}, told.fileno())
        status = _wait(child)
        told.seek(0)
        return Done(status, told.read().decode())


def _become(module: str, arguments: list[str], cwd: Path, env: Mapping[str, str], output: int) -> NoReturn:
    status = TRACEBACK
    try:
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(cwd)
        os.environ.update(env)
        sys.argv = [module, *arguments]
        GlobalHydra.instance().clear()
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
        program = importlib.import_module(f"{module}.__main__" if module in PACKAGES else module).main
        program() if module == "ganexp" else typer.run(program)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail(f"the command hung for {SECONDS:.0f} s")


def every_command(sweep: Path, out: Path) -> dict[str, tuple[str | Path, ...]]:
    """Name -> module and arguments, for everything that may be done with a sweep directory and the run in it."""
    (only,) = [path.parent for path in sweep.glob("*/.hydra")]
    return {
        "status": ("ganexp.status", sweep),
        "status of the run": ("ganexp.status", only),
        "report": ("ganexp.report", sweep),
        "report --verify": ("ganexp.report", sweep, "--verify"),
        "report --best": ("ganexp.report", sweep, "--best"),
        "confirm": ("ganexp.confirm", sweep, "--dry-run"),
        "clean": ("ganexp.clean", sweep),
        "sample": ("ganexp.sample", only, "--num", "2", "--out", out / "x.npy", "--force"),
        "evaluate": ("ganexp.evaluate", only),
        "resume": ("ganexp.resume", only),
    }


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Iterator[Path]:
    """A sweep directory with one finished run, made by ganexp itself."""
    place = tmp_path_factory.mktemp("honest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANEXP_DATA", str(data_root))
        chosen = (*TINY, "trainer.epochs=1")
        spec = make_spec(place / "sweep", *chosen)
        run.execute(spec)
    values = {"dataset": "digits", "model": "mlp", "loss": "non_saturating", "lr": 1e-3, "seed": 0}
    planned = PlannedRun(spec.identity.run_id, spec.identity.trajectory_id, spec.identity.name, 1, chosen, values)
    request = Request(chosen, "2026-01-01", "2026-01-01", (spec.identity.run_id,), ("optim.lr",))
    plan.record(place / "sweep", request, [planned], numerics_version=NUMERICS_VERSION)
    yield place / "sweep"


@pytest.fixture
def sweep(honest: Path, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, for a stranger to prepare. Afterwards nothing may have run."""
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    monkeypatch.setenv("GANEXP_TEST_SECRET", SECRET)
    monkeypatch.setenv(payload.VARIABLE, str(tmp_path / "canary"))
    shutil.copytree(honest, tmp_path / "sweep")
    return tmp_path / "sweep"


@pytest.fixture
def only(sweep: Path) -> Path:
    """The run in it."""
    (found,) = [path.parent for path in sweep.glob("*/.hydra")]
    return found


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """The file that a payload leaves; a test that meets it has failed."""
    yield tmp_path / "canary"
    assert not (tmp_path / "canary").exists(), "a stranger's code has run"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text()
    assert old in text, (path, old)
    path.write_text(text.replace(old, new))
