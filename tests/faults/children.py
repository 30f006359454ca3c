"""ganexp in processes forked from a server that has imported everything: cheap enough to be killed by the hundred."""

from __future__ import annotations

import errno
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("torch", "hydra.main", "matplotlib.figure", "matplotlib.backends.backend_agg"),
        *("ganexp.__main__", "ganexp.trainer.run", "ganexp.metrics", "ganexp.evaluate", "ganexp.report.write"),
        *("ganexp.sweep.compose", "ganexp.sweep.conduct", "ganexp.sweep.show", "ganexp.sweep.dry_run"),
    ]
)

SMALL = (
    *("dataset.num_images=48", "model.latent_dim=8", "model.generator_widths=[16]", "model.discriminator_width=16"),
    *("model.maxout_units=8", "trainer.batch_size=20", "trainer.d_steps=2", "trainer.sample_images=4"),
    *("trainer.threads=1", "optim.lr=1e-3", "metrics.num_samples=60"),
)
"""Overrides of runs of a second, three steps an epoch, that are scored as usual."""

SWEEP = ("--multirun", *SMALL, "hydra/launcher=basic", "hydra.sweep.dir=sweep")
"""A sweep that one process makes from beginning to end, in the folder `sweep`."""

ASKED = (*SWEEP, "trainer.epochs=1,3")
"""One training, one run read off it, a summary and a report."""

WRITING = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate")
"""Audit events that precede a change on disk (an `open` only where it is for writing)."""


class Child:
    """One command in a process of its own.

    Args:
        folder: where it works; its output goes to `folder`/<number>.log.
        data: the data root.
        arguments: of the command line.
        module: which command.
        prepare: called in the child before anything else; a function of a module, or a partial of one.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        *arguments: str,
        module: str = "ganexp",
        prepare: Callable[[], None] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{len(list(folder.glob('*.log')))}.log"
        self.log.touch()
        self.process = CONTEXT.Process(target=_live, args=(folder, data, self.log, module, arguments, prepare))
        self.process.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status, negative for a signal; None where it still runs after that time."""
        self.process.join(seconds)
        return self.process.exitcode

    def kill(self) -> int | None:
        """SIGKILL, whatever it is at; its exit status, which is another one where it was too late."""
        self.process.kill()
        return self.wait()

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.log.read_text()


def run(folder: Path, data: Path, *arguments: str, module: str = "ganexp", status: int = 0) -> str:
    """A command to its end, which must be this exit status; what it printed."""
    child = Child(folder, data, *arguments, module=module)
    assert child.wait(240) == status, child.output
    return child.output


def on_writes(below: str, act: Callable[[int, str, str], None]) -> None:
    """From now on call `act(number, event, path)` before each change (1, 2, ...) of a file whose path has `below`.

    What it raises stops that change; changes that it makes itself do not count.
    """
    count, acting = 0, False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count, acting
        if event not in WRITING or acting or isinstance(arguments[0], int):
            return
        flags = arguments[2] if event == "open" else os.O_WRONLY
        path = str(Path(os.fsdecode(arguments[1 if event in ("os.rename", "os.link") else 0])).absolute())
        if flags & (os.O_WRONLY | os.O_RDWR) and below in path:
            count, acting = count + 1, True
            try:
                act(count, event, path)
            finally:
                acting = False

    sys.addaudithook(hook)


def note_writes(notes: str, below: str) -> None:
    """Have this process note each change of a file whose path contains `below`: a line "event path" each."""
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    on_writes(below, lambda number, event, path: os.write(descriptor, f"{event} {path}\n".encode()) and None)


def die_at_write(number: int, below: str) -> None:
    """Have this process kill itself just before its `number`th change of a file whose path contains `below`."""
    on_writes(below, lambda n, event, path: os.kill(os.getpid(), signal.SIGKILL) if n == number else None)


def full_at_write(number: int, below: str) -> None:
    """From the `number`th change on, let this process find the disk full: it can make nothing new."""

    def act(n: int, event: str, path: str) -> None:
        old = event == "os.remove" or (event == "open" and Path(path).exists())  # a lock, say
        if n >= number and not old:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    on_writes(below, act)


def move_at_write(number: int, below: str, source: Path, target: Path) -> None:
    """Just before the `number`th change, move a folder away."""
    on_writes(below, lambda n, event, path: source.rename(target) and None if n == number else None)


def _live(
    folder: Path, data: Path, log: Path, module: str, arguments: tuple[str, ...], prepare: Callable[[], None] | None
) -> None:
    os.chdir(folder)
    os.environ |= {"GANEXP_DATA": str(data), "XDG_CACHE_HOME": str(data / "user-cache"), "OMP_NUM_THREADS": "1"}
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(descriptor, number)
    if prepare is not None:
        prepare()
    sys.argv = [module, *arguments]
    if module == "ganexp":
        importlib.import_module("ganexp.__main__").main()
    else:
        import typer

        name = f"{module}.__main__" if module == "ganexp.report" else module
        typer.run(importlib.import_module(name).main)
