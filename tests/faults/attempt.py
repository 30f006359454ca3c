"""Commands run to their end in forked children: what a user sees of them, at a fraction of a fresh process' price.

A child starts with everything imported. It has no network, an address space that is bounded, and a deadline, so that a
command that hangs or eats memory is a finding and no accident of the suite.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import re
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

MEMORY_BYTES = 3 * 2**30
"""What a child may allocate beyond what it starts with."""

WARM = (
    *(
        "matplotlib.backends.backend_agg",
        "pandas",
        "ganexp.confirm",
        "ganexp.evaluate",
        "ganexp.metrics",
    ),
    *(
        "ganexp.report.write",
        "ganexp.trainer.run",
        "ganexp.sample",
        "ganexp.sweep.search.show",
        "ganexp.sweep.sweeper",
    ),
)
"""What children would each import for themselves."""

DEADLINE_SECONDS = 120.0
"""A child that takes longer than this hangs: each has work for a second or two."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: exit status; minus the signal's number where one killed it; None: it took too long and was killed.
        out, err: what it said.
        folder: the working directory that it had.
    """

    status: int | None
    out: str
    err: str
    folder: Path

    @property
    def told(self) -> str:
        """Everything that the user reads."""
        return self.out + self.err

    def runs(self) -> list[Path]:
        """The run directories that it left."""
        return sorted(path.parent for path in self.folder.rglob("status.json"))

    def states(self) -> list[str]:
        """The states of those."""
        return [json.loads((run / "status.json").read_text())["state"] for run in self.runs()]


def attempt(
    folder: Path, call: Callable[[], Any], env: dict[str, str] | None = None, memory: int = MEMORY_BYTES
) -> Ended:
    """Run `call` in a forked child with `folder` as its working directory, to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
    sys.stdout.flush(), sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _live(folder, call, env or {}, memory, out, err)
    status = _wait(child)
    texts = [path.read_text(errors="replace") for path in (out, err)]
    out.unlink(), err.unlink()
    return Ended(status, *texts, folder)


def warm() -> None:
    """Import `WARM`, once."""
    for name in WARM:
        importlib.import_module(name)


def launch(folder: Path, *arguments: str, env: dict[str, str] | None = None, memory: int = MEMORY_BYTES) -> Ended:
    """`python -m ganexp ARGUMENTS`."""

    def call() -> None:
        from hydra.core.global_hydra import GlobalHydra

        from ganexp.__main__ import main

        GlobalHydra.instance().clear()
        sys.argv = ["ganexp", *arguments]
        os.environ.pop("HYDRA_FULL_ERROR", None)
        main()

    return attempt(folder, call, env, memory)


def command(folder: Path, module: str, *arguments: str, env: dict[str, str] | None = None) -> Ended:
    """`python -m ganexp.<module> ARGUMENTS`."""

    def call() -> None:
        import typer

        sys.argv = [f"python -m ganexp.{module}", *arguments]
        name = "ganexp.report.__main__" if module == "report" else f"ganexp.{module}"
        typer.run(importlib.import_module(name).main)

    return attempt(folder, call, env)


def check_refused(ended: Ended) -> str:
    """The one clear message of a command that was refused before any work; fails where it was something else."""
    assert ended.status == 2, f"status {ended.status}: {ended.told}"
    assert "Traceback" not in ended.told, ended.told
    assert not ended.runs(), f"a refused command left {ended.runs()}"
    found = re.search(r"^ganexp: (.+)", ended.err, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no message: {ended.told!r}"
    message = found[1].strip()
    assert 8 < len(message) < 4000, message
    return message


def _live(folder: Path, call: Callable[[], Any], env: dict[str, str], memory: int, out: Path, err: Path) -> NoReturn:
    """The child's life; it never returns into the test."""
    status = 70
    try:
        gc.disable()
        for path, descriptor in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace", closefd=False)
        os.chdir(folder)
        os.environ.update(env)
        sys.path.insert(0, str(folder))  # as `python -m` does
        logging.getLogger().handlers.clear()  # pytest's own, which would keep what a user is told
        _confine(memory)
        call()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)


def _confine(memory: int) -> None:
    """No network, and no more than so many bytes of memory beyond what there is."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + memory, resource.RLIM_INFINITY))

    def unreachable(*_: object, **__: object) -> NoReturn:
        raise OSError(101, "Network is unreachable")

    socket.socket.connect = unreachable  # type: ignore[method-assign]
    socket.getaddrinfo = unreachable


def _wait(child: int) -> int | None:
    """The child's exit status, as `subprocess` gives it; None where it had to be killed."""
    descriptor = os.pidfd_open(child)
    try:
        ended = bool(select.select([descriptor], [], [], DEADLINE_SECONDS)[0])
        if not ended:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status if ended else None
    finally:
        os.close(descriptor)
